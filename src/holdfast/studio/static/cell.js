// Draws one cell at one step: the same frame and the same moment always give the same picture.

import { s } from "./a11y.js";
import { gruParts } from "./cell-gru.js";
import { lstmParts } from "./cell-lstm.js";
import { chip, dot, label, layer, mark, operation, progress, ring, standing, wire, written } from "./cell-parts.js";
import { rnnParts } from "./cell-rnn.js";
import { percent } from "./colour.js";
import { cell as words } from "./strings-cell.js";

const FAMILIES = { lstm: lstmParts, gru: gruParts, rnn: rnnParts };
const WIDE = "0 0 960 540";
const COMPACT = "96 4 808 532";
const drawn = new WeakMap();

/**
 * Draws a frame at a time 0..6 into an SVG element.
 *
 * Between the whole numbers k and k+1 phase k happens (read, forget, input, candidate, update, output); at 6 all is lit.
 * `options`: compact (large numbers for narrow screens), answers (the model gives answers, not next words), and
 * onPart(phase), called when a part is pressed.
 */
export function draw(svg, frame, time, options = {}) {
  const kind = [frame.family, frame.variant.join("+"), options.compact ? "compact" : "wide"].join(" ");
  let picture = drawn.get(svg);
  if (picture?.kind !== kind) {
    picture = { kind, options: {}, pieces: [] };
    // Parts call what the latest drawing passed, so that one picture serves many frames.
    const lasting = { compact: Boolean(options.compact), onPart: (phase) => picture.options.onPart?.(phase), answers: () => Boolean(picture.options.answers) };
    picture.pieces = build(svg, frame, lasting);
    drawn.set(svg, picture);
  }
  picture.options = options;
  svg.dataset.time = time;
  for (const piece of picture.pieces) piece.paint(frame, time);
}

function build(svg, frame, options) {
  const parts = (FAMILIES[frame.family] ?? lstmParts)(frame, options.compact);
  svg.setAttribute("viewBox", options.compact ? COMPACT : WIDE);
  svg.setAttribute("class", "cell-picture " + (options.compact ? "compact" : "wide"));
  const body = s("rect.cell-body", { x: 140, y: 92, width: 716, height: 352, rx: 30 });
  const over = parts.wires.filter((spec) => spec.casing);
  const under = parts.wires.filter((spec) => !spec.casing);
  const pieces = [
    ...under.filter((spec) => spec.kind === "ghost").map(wire),
    ...under.filter((spec) => spec.kind !== "ghost").map(wire),
    ...over.map(wire),
    ...parts.dots.map(dot),
    ...parts.marks.map(mark),
    ...parts.layers.map((spec) => layer(spec, options)),
    ...parts.operations.map((spec) => operation(spec, options)),
    ...parts.chips.map(chip),
    ...parts.rings.map(ring),
    ...parts.values.map(written),
    ...parts.labels.map(label),
    wordCard(parts.rings[0], options.compact),
    ...(options.compact ? [] : [saying(parts.rings[1], options)]),
  ];
  svg.replaceChildren(body, ...pieces.map((piece) => piece.node));
  return pieces;
}

// The word drops into the ring of x.
function wordCard({ x, y }, compact) {
  const text = s("text.word-card", { x: x + 38, y: y + 7 });
  return {
    node: text,
    paint(frame, time) {
      const come = progress(time, 0, 0, 0.5);
      text.setAttribute("class", "word-card " + standing(time, [0]));
      text.setAttribute("transform", `translate(0 ${(14 * (1 - come)).toFixed(2)})`);
      text.setAttribute("opacity", (0.25 + 0.75 * come).toFixed(3));
      text.textContent = shorten(frame.tok ?? "", compact ? 14 : 24);
    },
  };
}

// What the network now holds likeliest to come next.
function saying({ x, y }, options) {
  const text = s("text.saying", { x: x - 38, y: y + 6, "text-anchor": "end" });
  return {
    node: text,
    paint(frame, time) {
      const best = frame.top?.[0];
      text.setAttribute("class", "saying " + standing(time, [5], 5.5));
      text.textContent = best ? words.saying(shorten(best[0], 20), percent(best[1]), options.answers()) : "";
    },
  };
}

function shorten(text, most) {
  return text.length > most ? text.slice(0, most - 1) + "…" : text;
}
