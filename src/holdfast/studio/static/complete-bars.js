// The likeliest next words of one model as bars, with the word asked for marked.

import { h } from "./a11y.js";
import { colour } from "./colour.js";
import { completeTexts as texts } from "./strings-complete.js";

/** Make a card of one model; `show(answer, target)` fills it. */
export function barCard(model) {
  const list = h("ol.next-words", { "aria-label": texts.answersOf(model.name) });
  const score = h("span.note", {}, model.score ?? "");
  const card = h("section.panel.bar-card", { "data-model": model.id }, h("header", {}, h("h2", {}, model.name), score), list);
  return {
    element: card,
    show(answer, target) {
      const rows = answer.top.map(([word, p]) => row(word, p, word === target));
      if (target && answer.target !== null && !answer.top.some(([word]) => word === target)) {
        rows.push(h("li.next-gap", { "aria-hidden": "true" }, "⋮"), row(target, answer.target, true));
      }
      list.replaceChildren(...rows);
    },
  };
}

function row(word, p, marked) {
  const bar = h("span.next-bar");
  bar.style.width = `${100 * Math.max(0, Math.min(1, p))}%`;
  const shown = word.trim() === "" ? "␣" : word;
  return h(marked ? "li.marked" : "li", {}, h("span.next-word", {}, shown), h("span.next-room", {}, bar), h("span.number", { "data-p": p }, colour.fmt(p)));
}
