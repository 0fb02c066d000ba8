// Which unit and layer the page looks at, the units that keep the key word, and what is known of the chosen one.

import { h } from "./a11y.js";
import { fmt } from "./colour.js";
import { latest } from "./latest.js";
import { keepersOf } from "./settle.js";
import { panel as words } from "./strings-cell.js";

const KEEPERS = 6;

/** Makes the chooser; `show(context, trace)` fills it, `facts(context, trace)` fetches what is said of the unit. */
export function makeUnits(go) {
  const number = h("input.unit-number", { type: "number", min: 0, step: 1, onchange: () => go({ u: Number(number.value) }) });
  const back = h("button.button.icon", { type: "button", "aria-label": words.unitBack, title: words.unitBack, onclick: () => go({ u: Number(number.value) - 1 }) }, "−");
  const forward = h("button.button.icon", { type: "button", "aria-label": words.unitForward, title: words.unitForward, onclick: () => go({ u: Number(number.value) + 1 }) }, "+");
  const layer = h("select", { "aria-label": words.layer, onchange: () => pick() });
  const keepers = h("div.keepers.row", { hidden: true });
  const facts = h("p.note.facts");
  const pick = () => {
    const [l, d] = layer.value.split(" ");
    go({ l: Number(l), d, u: -1 });
  };
  return {
    chooser: h("div.row.unit-chooser", {}, h("span.field", {}, layer), h("label.field", {}, words.unit, number), back, forward),
    keepers,
    facts,
    show({ state, store }, trace) {
      const hidden = trace.layers[state.l]?.hidden ?? 1;
      number.max = hidden - 1;
      if (document.activeElement !== number) number.value = Math.max(0, state.u);
      const [first, last] = [state.u <= 0, state.u >= hidden - 1];
      if ((first && document.activeElement === back) || (last && document.activeElement === forward)) (first ? forward : back).focus();
      back.disabled = first;
      forward.disabled = last;
      fillLayers(layer, trace, state);
      for (const chip of keepers.querySelectorAll("button")) chip.setAttribute("aria-pressed", String(Number(chip.dataset.unit) === state.u));
      keepers.hidden = trace.alternatives === 0 || !store.key() || keepers.children.length === 0;
    },
    find: latest(async (still, { state, store }, trace) => {
      keepers.replaceChildren();
      if (trace.alternatives === 0) return;
      const { units, words: kept } = await keepersOf(store, trace, { layer: state.l, direction: state.d });
      if (!still()) return;
      const chips = units.slice(0, KEEPERS).filter((unit) => kept[unit] > 0).map((unit) => keeper(unit, kept[unit], go));
      keepers.replaceChildren(h("span.note", {}, words.keepers(store.key())), ...chips);
    }),
    async tell(still, { state, store }, trace) {
      const found = await store.ask("get", "facts", { layer: state.l, direction: state.d, unit: Math.max(0, state.u) });
      if (!still()) return;
      const told = words.facts;
      const hidden = trace.layers[state.l]?.hidden ?? 0;
      const parts = [
        found.keeps !== null && found.keeps !== undefined && store.key() ? told.keeps(store.key(), found.keeps_words) : null,
        found.tau_kept && store.key() ? told.tauKept(store.key(), shortNumber(found.tau_kept)) : null,
        Number.isFinite(found.tau) && found.tau > 0 ? told.tau(shortNumber(found.tau)) : null,
        Number.isFinite(found.half_life) && found.half_life > 0 ? told.half(shortNumber(found.half_life)) : null,
        Number.isFinite(found.rank) ? told.rank(found.rank, hidden) : null,
      ];
      facts.textContent = parts.filter(Boolean).join(" · ");
    },
  };
}

function keeper(unit, count, go) {
  return h("button.chip.keeper", { type: "button", "data-unit": unit, "aria-label": words.keeperLabel(unit, count), onclick: () => go({ u: unit }) }, words.keeper(unit, count));
}

function shortNumber(value) {
  return value >= 10 ? String(Math.round(value)) : fmt(value, 1);
}

function fillLayers(select, trace, state) {
  const options = trace.layers.flatMap(({ directions }, l) => ["forward", "backward"].slice(0, directions).map((d) => [l, d, directions]));
  select.parentElement.hidden = options.length < 2;
  if (select.options.length !== options.length) {
    select.replaceChildren(...options.map(([l, d, both]) => h("option", { value: `${l} ${d}` }, words.layerName(l + 1, d, both > 1))));
  }
  select.value = `${state.l} ${state.d}`;
}
