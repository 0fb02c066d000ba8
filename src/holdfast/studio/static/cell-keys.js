// The keys of the Cell view.

import { panel } from "./strings-cell.js";

/** Registers the Cell view's keys; returns a function that takes them away. */
export function registerKeys(context, { go, toggle, stepWord, stepPhase, jump, wordField }) {
  const labels = panel.keys;
  const unit = (by) => {
    const hidden = context.store.model?.layers[context.state.l]?.hidden ?? 1;
    go({ u: (context.state.u + by + hidden) % hidden });
  };
  const phases = [1, 2, 3, 4, 5, 6].map((ph) => ({ key: String(ph), label: labels.phase, hidden: ph > 1, run: () => go({ ph }) }));
  return context.keys.register("cell", [
    { key: " ", label: labels.play, run: toggle },
    { key: "ArrowRight", label: labels.phaseForward, run: () => stepPhase(1) },
    { key: "ArrowLeft", label: labels.phaseBack, run: () => stepPhase(-1) },
    { key: "ArrowRight", shift: true, label: labels.wordForward, run: () => stepWord(1) },
    { key: "ArrowLeft", shift: true, label: labels.wordBack, run: () => stepWord(-1) },
    ...phases,
    { key: "w", label: labels.word, run: wordField },
    { key: "u", label: labels.unitForward, run: () => unit(1) },
    { key: "U", label: labels.unitBack, run: () => unit(-1) },
    { key: ".", label: labels.jump, run: jump },
  ]);
}
