// The row under the cell: word back and forward, play, the phases, the time within the word, and the speed.

import { h } from "./a11y.js";
import { litPhase } from "./cell-parts.js";
import { phaseName, phasesOf } from "./cell-say.js";
import { panel as words } from "./strings-cell.js";

const SPEEDS = [0.25, 0.5, 1, 2, 4];

/** Makes the controls; `act` has step(n), toggle(), phase(n), scrub(time), speed(value). */
export function makeTransport(act) {
  const back = h("button.button.icon", { type: "button", "aria-label": words.wordBack, title: words.wordBack, onclick: () => act.step(-1) }, "⏮\ufe0e");
  const forward = h("button.button.icon", { type: "button", "aria-label": words.wordForward, title: words.wordForward, onclick: () => act.step(1) }, "⏭\ufe0e");
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
      play.textContent = playing ? "❚❚" : "▶\ufe0e";
      play.setAttribute("aria-label", playing ? words.pause : words.play);
    },
  };
}

function phaseButton(frame, phase, act) {
  return h("button.phase", { type: "button", "data-phase": phase, onclick: () => act.phase(phase) }, h("span.phase-dot"), h("span.phase-name", {}, phaseName(frame, phase)));
}
