// The row under the cell: word back and forward, play, the phases, the time within the word, and the speed.

import { h, s } from "./a11y.js";
import { litPhase } from "./cell-parts.js";
import { phaseName, phasesOf } from "./cell-say.js";
import { panel as words } from "./strings-cell.js";

const ICONS = {
  play: "M7,4 L20,12 L7,20 Z",
  pause: "M6,4 H10 V20 H6 Z M14,4 H18 V20 H14 Z",
  back: "M18,5 V19 L8,12 Z M5,5 H7.5 V19 H5 Z",
  forward: "M6,5 V19 L16,12 Z M16.5,5 H19 V19 H16.5 Z",
};
const SPEEDS = [0.25, 0.5, 1, 2, 4];

/** Makes the controls; `act` has step(n), toggle(), phase(n), scrub(time), speed(value). */
export function makeTransport(act) {
  const back = h("button.button.icon", { type: "button", "aria-label": words.wordBack, title: words.wordBack, onclick: () => act.step(-1) }, icon("back"));
  const forward = h("button.button.icon", { type: "button", "aria-label": words.wordForward, title: words.wordForward, onclick: () => act.step(1) }, icon("forward"));
  const play = h("button.button.primary.play", { type: "button", onclick: () => act.toggle() });
  const scrub = h("input.scrub", { type: "range", min: 0, max: 6, step: 0.01, "aria-label": words.scrub, oninput: () => act.scrub(Number(scrub.value)) });
  const phases = h("div.phases", { role: "group", "aria-label": words.phase });
  const speed = h("select", { onchange: () => act.speed(Number(speed.value)) });
  for (const value of SPEEDS) speed.append(h("option", { value, selected: value === 1 }, `${value}×`.replace("0.25", "¼").replace("0.5", "½")));
  let kind = "";
  return {
    element: h(
      "div.transport",
      {},
      h("div.row", {}, back, play, forward),
      h("div.time", {}, phases, scrub),
      h("label.field.speed", {}, h("span.visually-hidden", {}, words.speed), speed),
    ),
    show(frame, time, playing) {
      const now = frame.family + frame.variant.join();
      if (now !== kind) {
        kind = now;
        phases.replaceChildren(...phasesOf(frame).map((phase) => phaseButton(frame, phase, act)));
      }
      const lit = litPhase(time);
      for (const button of phases.children) {
        const phase = Number(button.dataset.phase);
        button.setAttribute("aria-pressed", String(phase === lit));
        button.classList.toggle("past", phase < lit);
      }
      if (document.activeElement !== scrub || playing) scrub.value = time;
      scrub.setAttribute("aria-valuetext", phaseName(frame, Math.min(5, lit)) ?? "");
      play.replaceChildren(icon(playing ? "pause" : "play"));
      play.setAttribute("aria-label", playing ? words.pause : words.play);
    },
  };
}

function phaseButton(frame, phase, act) {
  return h("button.phase", { type: "button", "data-phase": phase, onclick: () => act.phase(phase) }, h("span.phase-dot"), h("span.phase-name", {}, phaseName(frame, phase)));
}

function icon(name) {
  return s("svg.icon-picture", { viewBox: "0 0 24 24", "aria-hidden": "true" }, s("path", { d: ICONS[name] }));
}
