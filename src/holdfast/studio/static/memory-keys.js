// The keys of the Memory view.

import { memoryTexts } from "./strings-memory.js";

/** List the view's shortcuts. */
export function memoryKeys(view) {
  const texts = memoryTexts.keys;
  const { context, map } = view;
  const move = (steps, rows) => ({ run: (event) => map.heat.move(steps * (event.shiftKey ? 10 : 1), rows) });
  const shown = (letter) => view.shown.letters?.includes(letter);
  return [
    { key: "ArrowRight", label: texts.word, ...move(1, 0) },
    { key: "ArrowLeft", label: texts.word, hidden: true, ...move(-1, 0) },
    { key: "ArrowRight", shift: true, label: texts.word, hidden: true, ...move(1, 0) },
    { key: "ArrowLeft", shift: true, label: texts.word, hidden: true, ...move(-1, 0) },
    { key: "u", label: texts.unit, ...move(0, 1) },
    { key: "U", label: texts.unit, hidden: true, ...move(0, -1) },
    ...[..."cfigohzrn"].map((letter) => ({
      key: letter,
      label: texts.letter(memoryTexts.letters[letter]),
      hidden: "zrn".includes(letter),
      run: () => shown(letter) && context.setState({ what: letter }),
    })),
    { key: "b", label: texts.compare, run: () => context.state.b && context.setState({ ab: { a: "b", b: "d", d: "a" }[context.state.ab || "a"] }) },
    { key: "k", label: texts.find, run: () => view.find.word.focus() },
    { key: "+", label: texts.zoom, run: () => map.heat.zoomBy(0.5) },
    { key: "-", label: texts.zoomOut, run: () => map.heat.zoomBy(2) },
    { key: "0", label: texts.all, run: () => map.heat.zoomTo(null) },
  ];
}
