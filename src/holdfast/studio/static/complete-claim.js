// The sentence on top of the Completion view, computed from the answers and, once measured, from P by distance.

import { colour } from "./colour.js";
import { completeTexts } from "./strings-complete.js";

const SURE = 0.5;

/** Say what was found: {sentence, note} for the present answers, and the curves of this very text and word, if measured. */
export function completionClaim({ answers, target, curves, apart = null, key }, models) {
  const texts = completeTexts.claim;
  const name = (id) => models.find((model) => model.id === id)?.name ?? id;
  const best = Math.max(...answers.map((answer) => answer.top[0]?.[1] ?? 0));
  if (best < SURE) return { sentence: texts.unsure(share(best)), note: "" };
  const measured = curves && Math.max(...curves.map((curve) => curve.mean[0])) >= SURE;
  if (measured) {
    const last = curves[0].distances.length - 1;
    const far = apart === null ? texts.far : (words, ...rest) => texts.between(words + apart, key, ...rest);
    const found = joined(curves.map((curve) => texts.farOne(share(curve.mean[last]), name(curve.model))));
    return { sentence: far(curves[0].distances[last], target, found), note: texts.evidence(20, target) };
  }
  const found = answers.map((answer) => texts.one(name(answer.model), answer.top[0][0], share(answer.top[0][1])));
  return { sentence: texts.now(joined(found)), note: "" };
}

/** A probability as a sentence says it: 97 %, under 1 %, over 99 %. */
function share(p) {
  if (p > 0.99) return completeTexts.claim.over;
  return p < 0.01 ? completeTexts.claim.under : colour.percent(p);
}

function joined(parts) {
  return parts.length < 2 ? parts.join("") : `${parts.slice(0, -1).join(", ")} and ${parts[parts.length - 1]}`;
}
