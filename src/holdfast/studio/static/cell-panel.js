// The words beside the cell: the equations with the lit line, why a gate has its value, and what comes next.

import { h } from "./a11y.js";
import { addsUp, equationsOf } from "./cell-equations.js";
import { has } from "./cell-lstm.js";
import { sumOf } from "./cell-say.js";
import { fmt, fmtSigned, isSigned, percent } from "./colour.js";
import { equation } from "./mathml.js";
import { panel as words } from "./strings-cell.js";

/** Makes the panels; `show(frame, phase, answers)` fills them; `answers`: what the model says is no next word. `go(patch)` moves the shared cursor. */
export function makePanel(go) {
  const equations = h("section.panel.equations", { "aria-label": words.equations });
  const why = h("section.panel.why");
  const next = h("section.panel.next");
  let lines = "";
  return {
    element: h("div.stack", {}, equations, why, next),
    show(frame, phase, answers) {
      const kind = [frame.family, ...frame.variant].join();
      if (kind !== lines) {
        lines = kind;
        equations.replaceChildren(h("h3", {}, words.equations), ...equationsOf(frame).map((line) => lineRow(line, go)));
        if (frame.family !== "rnn") equations.append(h("p.note", {}, words.order));
      }
      fillLines(equations, equationsOf(frame), phase);
      showWhy(why, frame, gateOf(frame, phase), go);
      showNext(next, frame, answers);
    },
  };
}

/** The gate a phase is about; the one that keeps where a phase is about none. */
export function gateOf(frame, phase) {
  const gates = { lstm: { 2: "i", 3: "g", 4: "i", 5: "o" }, gru: { 1: "r", 3: "n" }, rnn: {} }[frame.family];
  return gates[phase] ?? { lstm: "f", gru: "z", rnn: "h" }[frame.family];
}

function lineRow(line, go) {
  const row = h("button.equation", { type: "button", "data-line": line.letter, onclick: () => go({ ph: line.phase }) });
  row.style.setProperty("--hue", `var(--part-${line.letter})`);
  row.append(h("span.equation-math", {}, ...equation(line.math)), h("span.equation-value.number"), h("span.equation-numbers.number"));
  return row;
}

function fillLines(place, lines, phase) {
  const rows = place.querySelectorAll(".equation");
  lines.forEach((line, n) => {
    const lit = phase === line.phase;
    rows[n].classList.toggle("lit", lit);
    if (lit) rows[n].setAttribute("aria-current", "step");
    else rows[n].removeAttribute("aria-current");
    rows[n].querySelector(".equation-value").textContent = shown(line.letter, line.value);
    rows[n].querySelector(".equation-numbers").textContent = lit && line.numbers ? "= " + line.numbers : "";
  });
}

function shown(letter, value) {
  return isSigned(letter) ? fmtSigned(value) : fmt(value);
}

function showWhy(place, frame, letter, go) {
  const value = letter === "h" ? frame.h : frame.gates[letter];
  const pre = frame.pre[letter];
  const rows = [h("h3", {}, words.why(letter, shown(letter, value)))];
  if (!pre) rows.push(h("p.note", {}, frame.held?.includes(letter) ? words.held(letter, shown(letter, value), null) : words.tied));
  else {
    const parts = Object.entries(pre).filter(([, part]) => Number.isFinite(part));
    const most = Math.max(0.5, ...parts.map(([, part]) => Math.abs(part)));
    for (const [name, part] of parts) rows.push(barRow(name === "x" ? `“${frame.tok}”` : (words.parts[name] ?? name), part, most));
    rows.push(h("p.note.number", {}, resultOf(frame, letter, value)));
  }
  const pushes = frame.push?.[letter] ?? [];
  if (pushes.length) {
    const most = Math.max(...pushes.map(([, push]) => Math.abs(push)), 1e-9);
    rows.push(h("h3.sub", {}, words.pushers), h("div.pushers", {}, ...pushes.map(([unit, push]) => pusher(unit, push, most, go))));
  }
  keepFocus(place, rows);
}

// What the parts come to: the gate's value, or why they do not: it is held by hand, or something stands between.
function resultOf(frame, letter, value) {
  const sum = sumOf(frame.pre[letter]);
  const free = isSigned(letter) ? Math.tanh(sum) : 1 / (1 + Math.exp(-sum));
  const plain = !has(frame, "layer norm") && letter !== "n";
  if (frame.held?.includes(letter)) return words.held(letter, shown(letter, value), plain ? shown(letter, free) : null);
  return addsUp(frame, letter, value) ? words.sum(fmtSigned(sum), isSigned(letter) ? "tanh" : "σ", shown(letter, value)) : words.notASum;
}

// New rows take the place of old ones without losing the focus of who steps through them.
function keepFocus(place, rows) {
  const focused = document.activeElement?.closest?.("[data-unit]")?.dataset.unit;
  const inside = focused !== undefined && place.contains(document.activeElement);
  place.replaceChildren(...rows);
  if (inside) place.querySelector(`[data-unit="${focused}"]`)?.focus();
}

function barRow(name, value, most) {
  const bar = h("span.bar" + (value < 0 ? ".minus" : ".plus"));
  bar.style.setProperty("--share", Math.min(1, Math.abs(value) / most).toFixed(4));
  return h("div.bar-row", {}, h("span.bar-name", {}, name), h("span.bar-track", {}, bar), h("span.number", {}, fmtSigned(value)));
}

function pusher(unit, push, most, go) {
  const mark = h("span.push" + (push < 0 ? ".minus" : ".plus"));
  mark.style.setProperty("--share", (Math.abs(push) / most).toFixed(4));
  const label = words.pusher(unit, fmtSigned(push));
  return h("button.pusher", { type: "button", "data-unit": unit, "aria-label": label, title: label, onclick: () => go({ u: unit }) }, h("b", {}, String(unit)), h("span.number", {}, fmtSigned(push)), mark);
}

function showNext(place, frame, answers) {
  const top = frame.top ?? [];
  place.hidden = top.length === 0;
  if (!place.querySelector("h3")) place.append(h("h3"));
  place.firstChild.textContent = answers ? words.answer : words.next;
  top.forEach(([word, share], n) => {
    const row = place.children[n + 1] ?? place.appendChild(h("div.next-row", {}, h("span.next-word"), h("span.next-track", {}, h("span.next-bar")), h("span.number")));
    row.children[0].textContent = word;
    row.children[1].firstChild.style.setProperty("--share", share.toFixed(4));
    row.children[2].textContent = percent(share);
  });
  while (place.children.length > top.length + 1) place.lastChild.remove();
}
