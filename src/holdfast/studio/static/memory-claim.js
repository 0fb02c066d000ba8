// The sentence on top of the Memory view, computed from the run: who held the word, and for how long.

import { memoryTexts } from "./strings-memory.js";

export const LONG_MEMORY = 10; // words; a text whose key word is kept for fewer does not need long memory

/** Say what was found: {sentence, notes: [text, ...], unit} for one question in one place. */
export async function claimOf(data, { question, place, key, others, model }) {
  const texts = memoryTexts.claim;
  const trace = await data.trace(question);
  if (key && trace.alternatives > 0) {
    const found = await longestKept(data, question, place, key);
    return { ...keptClaim(found, key), notes: [texts.evidence(key, others.join(", "))] };
  }
  const tau = await data.order(question, place, "tau");
  const unit = tau.permutation[0];
  const score = tau.score[unit];
  if (!(score > 0)) return { sentence: texts.noTau, notes: [], unit };
  const half = Math.round(score * Math.LN2);
  return { sentence: model.reads === "series" ? texts.tauSeries(unit, half) : texts.tau(unit, half), notes: [texts.tauNote], unit };
}

/** Find the unit that keeps the key word longest: {unit, steps, room}, room being the steps from the word to the end. */
export async function longestKept(data, question, place, key) {
  const [trace, order] = await Promise.all([data.trace(question), data.order(question, place, "keeps")]);
  const unit = order.permutation[0];
  const start = trace.tokens.findIndex(([token]) => token === key || token.toLowerCase() === key.toLowerCase());
  return { unit, steps: order.score[unit] ?? 0, room: trace.T - Math.max(0, start) };
}

function keptClaim({ unit, steps, room }, key) {
  const texts = memoryTexts.claim;
  if (steps < LONG_MEMORY) return { sentence: `${texts.notNeeded} ${texts.short(key, steps)}`, unit };
  return { sentence: (steps >= room ? texts.toEnd : texts.held)(unit, key, steps), unit };
}

/** Say how long the other language models' best units kept the same word, in one line; "" where none can tell. */
export async function othersClaim(data, question, key, models) {
  const found = [];
  for (const model of models) {
    if (model.id === question.model || model.error || model.task !== "language") continue;
    const own = { model: model.id, text: question.text, alternatives: question.alternatives };
    const { steps, room } = await longestKept(data, own, { layer: 0, direction: "forward" }, key);
    found.push([model.name, steps, steps >= room]);
  }
  return found.length ? memoryTexts.claim.others(found) : "";
}
