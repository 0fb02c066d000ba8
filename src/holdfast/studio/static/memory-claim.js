// The sentence on top of the Memory view, computed from the run: who held the word, and for how long.

import { memoryTexts } from "./strings-memory.js";

export const LONG_MEMORY = 20; // words; a text whose key word is kept for fewer does not need long memory

/** Say what was found: {sentence, notes: [text, ...], unit} for one question in one place; `beside` is another model's id. */
export async function claimOf(data, { question, place, key, others, beside, unit: chosen }) {
  const trace = await data.trace(question);
  if (key && trace.alternatives > 0) {
    try {
      return await wordClaim(data, { question, place, key, others, beside, chosen });
    } catch (error) {
      if (error.status !== 422) throw error; // the words are cut into unequally many tokens: they cannot be compared
      return { ...(await tauClaim(data, question, place)), notes: [error.detail, error.hint] };
    }
  }
  return tauClaim(data, question, place);
}

async function wordClaim(data, { question, place, key, others, beside, chosen }) {
  const texts = memoryTexts.claim;
  const asked = { model: question.model, text: question.text, word: key, others, beside, ...place };
  const measured = place.direction === "forward" ? await data.claim(asked) : null;
  if (measured) {
    const orders = measured.orders ? texts.orders : texts.fewOrders;
    return { sentence: measured.sentence, notes: [texts.evidence(key, others.join(", ")), orders], unit: measured.unit };
  }
  const found = await longestKept(data, question, place, key, chosen);
  return { ...keptClaim(found, key), notes: [texts.evidence(key, others.join(", "))] };
}

async function tauClaim(data, question, place) {
  const texts = memoryTexts.claim;
  const tau = await data.order(question, place, "tau");
  const unit = tau.permutation[0];
  const score = tau.score[unit];
  if (!(score > 0)) return { sentence: texts.noTau, notes: [], unit };
  const half = Math.max(1, Math.round(score * Math.LN2));
  if (half < LONG_MEMORY) return { sentence: texts.shortTau(unit, half), notes: [texts.tauNote], unit };
  return { sentence: texts.tau(unit, half), notes: [texts.tauNote], unit };
}

/**
 * Find the unit that keeps the key word longest: {unit, words, whole}; whole: to the end.
 * Of units that keep it equally long, the chosen one is named.
 */
async function longestKept(data, question, place, key, chosen) {
  const [trace, order] = await Promise.all([data.trace(question), data.order(question, place, "keeps")]);
  const first = order.permutation[0];
  const unit = order.score[chosen] === order.score[first] ? chosen : first;
  const start = trace.tokens.findIndex(([token]) => token === key || token.toLowerCase() === key.toLowerCase());
  return { unit, words: order.words[unit] ?? 0, whole: order.score[unit] >= trace.T - Math.max(0, start) };
}

function keptClaim({ unit, words, whole }, key) {
  const texts = memoryTexts.claim;
  if (words < LONG_MEMORY) return { sentence: `${texts.notNeeded} ${texts.short(key, words)}`, unit };
  return { sentence: (whole ? texts.toEnd : texts.held)(unit, key, words), unit };
}
