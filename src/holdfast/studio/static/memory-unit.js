// The panel of one unit: what is known of it, its lanes over the text, and the words that wrote and wiped it.

import { h } from "./a11y.js";
import { colour } from "./colour.js";
import { laneChart } from "./lanes.js";
import { memoryTexts } from "./strings-memory.js";

const texts = memoryTexts.unit;

/** Put the panel into `root`. `handlers`: onStep(t), onUnit(unit), onRow(1 or -1), onCell(). */
export function unitPanel(root, handlers) {
  const title = h("h2", {}, texts.name(""));
  const previous = h("button.button.icon", { type: "button", "aria-label": texts.previous, title: texts.previous, onclick: () => handlers.onRow(-1) }, "▲");
  const next = h("button.button.icon", { type: "button", "aria-label": texts.next, title: texts.next, onclick: () => handlers.onRow(1) }, "▼");
  const pattern = h("p.note.unit-pattern");
  const list = h("dl.unit-facts");
  const lanesBox = h("div.lanes-box");
  const second = h("p.note", { hidden: true }, texts.second);
  const words = h("div.unit-words");
  const cell = h("button.button", { type: "button", onclick: handlers.onCell }, texts.cell);
  root.append(h("div.row.spread", {}, title, h("div.row", {}, previous, next)), list, pattern, lanesBox, second, words, h("div.row", {}, cell));
  const lanes = laneChart(lanesBox, texts.lanes(""), { onStep: handlers.onStep });

  return {
    /** Name the unit at once, before its facts are there. */
    name(unit) {
      title.textContent = texts.name(unit);
      lanes.svg.setAttribute("aria-label", texts.lanes(unit));
    },
    showLanes(given) {
      lanes.draw(given);
      second.hidden = !given.second;
    },
    showFacts(facts, { key, units, room }) {
      list.replaceChildren(...factRows(facts, { key, units, room }));
      pattern.textContent = facts.pattern ?? "";
      words.replaceChildren(
        wordRow(texts.written, facts.written, handlers.onStep),
        wordRow(texts.wiped, facts.wiped, handlers.onStep),
        unitRow(texts.similar, facts.similar, handlers.onUnit),
      );
    },
    mark: (t) => lanes.mark(t),
    unmount: () => lanes.unmount(),
  };
}

function factRows(facts, { key, units, room }) {
  const count = (value) => texts.steps(amount(value));
  const rows = facts.rank === null
    ? [[texts.tau, texts.without]]
    : [[texts.tau, count(facts.tau ?? Infinity)], [texts.half, count(facts.half_life ?? Infinity)], [texts.rank, texts.rankOf(facts.rank, units)]];
  if (facts.keeps !== null && key) {
    const kept = facts.keeps > 0 ? texts.kept(facts.keeps_words, facts.keeps) + (facts.keeps >= room ? texts.toEnd : "") : texts.never;
    rows.push([texts.keeps(key), kept]);
    if (facts.tau_kept) rows.push([texts.tauKept(key), count(facts.tau_kept)]);
  }
  return rows.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value)));
}

function amount(value) {
  if (!Number.isFinite(value)) return "∞";
  return value < 10 ? colour.fmt(value, 1) : String(Math.round(value));
}

function wordRow(name, entries, onStep) {
  const items = (entries ?? []).map(([token, t, change]) =>
    h("button.chip.word-chip", { type: "button", onclick: () => onStep(t), title: memoryTexts.word(t + 1) }, h("span", {}, token), h("b.number", {}, colour.fmtSigned(change))));
  return h("div.word-list", {}, h("span", {}, name), ...(items.length ? items : [h("em.note", {}, "—")]));
}

function unitRow(name, units, onUnit) {
  const items = (units ?? []).map((unit) => h("button.chip.word-chip", { type: "button", onclick: () => onUnit(unit) }, String(unit)));
  return h("div.word-list", {}, h("span", {}, name), ...(items.length ? items : [h("em.note", {}, "—")]));
}
