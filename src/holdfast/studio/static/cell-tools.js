// What can be taken away from the Cell view: exact numbers to copy, a table, a CSV file; and a gate held by hand.

import { h } from "./a11y.js";
import { fmt } from "./colour.js";
import { csvWord, saveBlob } from "./files.js";
import { copyText } from "./game-keep.js";
import { readClamps, writeClamps } from "./store.js";
import { panel as words } from "./strings-cell.js";

const ROWS = 64;

/** Makes the row of tools; `show(seen)` gives it {frame, lanes, letters, lanesOf: {trace, unit}, state}. */
export function makeTools(context) {
  let seen = null;
  const copy = h("button.button", { type: "button", onclick: () => copyNumbers() }, words.copy);
  const table = h("button.button", { type: "button", "aria-expanded": "false", onclick: () => toggle() }, words.table);
  const csv = h("button.button", { type: "button", onclick: () => save() }, words.csv);
  const hold = h("button.button", { type: "button", "data-act": "forget", onclick: () => forget() }, words.forgetHere);
  const held = h("span.note.held", { hidden: true });
  const release = h("button.button", { type: "button", hidden: true, onclick: () => context.setState({ cl: "" }) }, words.release);
  const place = h("div.table-wrap", { hidden: true, tabindex: 0, role: "region", "aria-label": words.table });

  async function copyNumbers() {
    if (!seen?.frame) return;
    const done = await copyText(JSON.stringify(seen.frame, null, 1));
    context.announce(done ? words.copied : words.copyFailed);
    copy.textContent = done ? "✓" : words.copyFailed;
    setTimeout(() => (copy.textContent = words.copy), 1500);
  }

  function toggle() {
    place.hidden = !place.hidden;
    table.textContent = place.hidden ? words.table : words.tableHide;
    table.setAttribute("aria-expanded", String(!place.hidden));
    fill();
  }

  function fill() {
    if (place.hidden || !seen?.lanes) return;
    const { lanes, letters, state } = seen;
    const { trace } = seen.lanesOf;
    const from = Math.max(0, Math.min(state.t - ROWS / 2, trace.T - ROWS));
    const head = h("tr", {}, ...[words.token, "#", ...letters].map((name) => h("th", { scope: "col" }, name)));
    const rows = trace.tokens.slice(from, from + ROWS).map(([token], n) => {
      const cells = letters.map((letter) => h("td.number", {}, fmt(lanes[letter].data[from + n], 4)));
      return h("tr" + (from + n === state.t ? ".now" : ""), {}, h("td", {}, token), h("td", {}, String(from + n + 1)), ...cells);
    });
    place.replaceChildren(h("table", {}, h("thead", {}, head), h("tbody", {}, ...rows)));
  }

  function save() {
    if (!seen?.lanes) return;
    const { lanes, letters } = seen;
    const { trace, unit } = seen.lanesOf;
    const lines = trace.tokens.map(([token], t) => [t + 1, csvWord(token), ...letters.map((letter) => lanes[letter].data[t])].join(","));
    const text = ["step,token," + letters.join(","), ...lines].join("\n") + "\n";
    saveBlob(new Blob([text], { type: "text/csv" }), `unit-${unit}.csv`);
  }

  function forget() {
    if (!seen?.frame) return;
    const { l, d, u, t } = context.state;
    const gate = seen.frame.family === "gru" ? "z" : "f";
    const others = readClamps(context.state.cl).filter((c) => !(c.layer === l && c.direction === d && c.unit === u && c.from === t && c.gate === gate));
    const clamps = [...others, { layer: l, direction: d, unit: u, gate, from: t, to: t + 1, value: 0 }];
    context.setState({ cl: writeClamps(clamps), ph: 1 });
  }

  return {
    element: h("div.row.tools-row", {}, hold, held, release, h("span.grow"), copy, table, csv),
    table: place,
    show(now) {
      seen = now;
      const count = readClamps(context.state.cl).length;
      hold.hidden = seen.frame.family === "rnn" || seen.frame.variant.some((mark) => mark.startsWith("no"));
      held.hidden = release.hidden = count === 0;
      held.textContent = words.clamped(count);
      fill();
    },
  };
}

/** The gates of the unit looked at that are held by hand at step t. */
export function heldGates({ cl, l, d, u }, t) {
  const here = readClamps(cl).filter((c) => c.layer === l && c.direction === d && c.unit === u && c.from <= t && t < c.to);
  return [...new Set(here.map((clamp) => clamp.gate))];
}
