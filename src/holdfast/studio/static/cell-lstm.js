// Where the parts of an LSTM cell stand, in which phase each acts, and what it says of itself.

import { fmt, fmtSigned, percent } from "./colour.js";
import { cell as words } from "./strings-cell.js";

const C = 150; // the height of the memory's line
const TRUNK = 392; // of the line that carries h and x
const AT = { f: 250, i: 386, g: 510, o: 650, out: 740, up: 826 };
const BOX = 326;

/** Whether a frame's cell has a variant's mark, such as "peephole" or "layer norm". */
export function has(frame, name) {
  return frame.variant.some((mark) => mark.replaceAll("_", " ").startsWith(name));
}

/** The parts of an LSTM as {wires, dots, layers, operations, chips, values, labels, rings, marks}. */
export function lstmParts(frame, compact) {
  const coupled = has(frame, "coupled");
  const forgets = !has(frame, "no forget");
  const own = forgets && !coupled;
  const box = compact ? 27 : 23;
  const parts = {
    wires: [...stateWires(forgets), ...trunk(own, box), ...gateWires(own, box), ...outputWires()],
    dots: [
      ...(own ? [{ x: AT.f, y: TRUNK, phases: [0, 1] }] : []),
      { x: AT.i, y: TRUNK, phases: [0, 2] },
      { x: AT.g, y: TRUNK, phases: [0, 3] },
      { x: AT.out, y: C, phases: [5] },
      { x: 810, y: TRUNK, phases: [5] },
    ],
    layers: [...(own ? ["f"] : []), "i", "g", "o"].map(gateLayer),
    operations: operations(forgets),
    chips: compact ? [] : chips(forgets),
    values: values(forgets, compact),
    labels: names(own, compact),
    rings: [{ x: 186, y: 506, text: "x_t", phases: [0] }, { x: AT.up, y: 40, text: "h_t", phases: [5] }],
    marks: [],
  };
  if (coupled) addCoupling(parts, compact);
  if (!forgets) parts.labels.push({ x: AT.f, y: BOX + 5, anchor: "middle", text: compact ? "f = 1" : words.noForget, kind: "ghost-text" });
  if (has(frame, "peephole")) addPeepholes(parts, own);
  if (has(frame, "layer norm")) addNorms(parts, own, frame);
  if (has(frame, "project")) addProjection(parts);
  return parts;
}

function stateWires(forgets) {
  const kept = (frame, time) => (time > 1.45 ? frame.gates.f * frame.c0 : frame.c0);
  const before = { kind: "state", phases: [0, 1], flow: [[0, 0.1, 1], [1, 0.1, 0.5]] };
  const out = { id: "c-out", d: `M528,${C} H930`, kind: "state", phases: [4, 5], value: (f) => f.c, born: 4, flow: [[4, 0.6, 1], [5, 0, 0.35]], arrow: [936, C] };
  if (!forgets) return [{ ...before, id: "c-in", d: `M24,${C} H492`, value: (f) => f.c0 }, out];
  return [
    { ...before, id: "c-in", d: `M24,${C} H232`, value: (f) => f.c0 },
    { id: "c-kept", d: `M268,${C} H492`, kind: "state", phases: [1, 4], value: kept, flow: [[1, 0.6, 1], [4, 0, 0.5]] },
    out,
  ];
}

function trunk(own, box) {
  const top = BOX + box;
  const stub = (letter, phase) => ({ id: "stub-" + letter, d: `M${AT[letter]},${TRUNK} V${top}`, phases: [phase], flow: [[phase, 0, 0.3]], arrow: [AT[letter], top, "up"] });
  return [
    { id: "x-in", d: `M186,482 V408 Q186,${TRUNK} 202,${TRUNK}`, phases: [0], flow: [[0, 0.1, 0.7]] },
    { id: "trunk", d: `M24,${TRUNK} H634 Q650,${TRUNK} 650,376 V${top}`, phases: [0, 1, 2, 3, 5], flow: [[0, 0.3, 1], [5, 0, 0.25]], arrow: [AT.o, top, "up"] },
    ...(own ? [stub("f", 1)] : []),
    stub("i", 2),
    stub("g", 3),
  ];
}

function gateWires(own, box) {
  const top = BOX - box;
  return [
    ...(own ? [{ id: "f", d: `M${AT.f},${top} V168`, phases: [1], flow: [[1, 0.25, 0.6]] }] : []),
    { id: "i", d: `M${AT.i},${top} V242 Q${AT.i},226 402,226 H492`, phases: [2, 4], flow: [[2, 0.4, 1], [4, 0, 0.3]] },
    { id: "g", d: `M${AT.g},${top} V244`, phases: [3, 4], flow: [[3, 0.4, 1], [4, 0, 0.3]] },
    { id: "rise", d: `M${AT.g},208 V168`, phases: [4], flow: [[4, 0.3, 0.6]] },
    { id: "o", d: `M${AT.o},${top} V278 Q${AT.o},262 666,262 H722`, phases: [5], flow: [[5, 0.2, 0.5]] },
  ];
}

function outputWires() {
  return [
    { id: "c-down", d: `M${AT.out},${C} V183`, phases: [5], flow: [[5, 0.15, 0.4]] },
    { id: "squashed", d: `M${AT.out},217 V244`, phases: [5], flow: [[5, 0.35, 0.5]] },
    { id: "h-out", d: `M${AT.out},280 V376 Q${AT.out},${TRUNK} 756,${TRUNK} H930`, phases: [5], flow: [[5, 0.5, 1]], arrow: [936, TRUNK] },
    { id: "h-up", d: `M810,${TRUNK} Q${AT.up},${TRUNK} ${AT.up},376 V64`, phases: [5], flow: [[5, 0.6, 1]], casing: `M${AT.up},164 V136` },
  ];
}

function gateLayer(letter) {
  const phase = { f: 1, i: 2, g: 3, o: 5 }[letter];
  const text = letter === "g" ? "tanh" : "σ";
  return { id: letter, letter, x: AT[letter], y: BOX, text, phases: [phase], born: phase, value: (f) => f.gates[letter], label: (f) => words.gate[letter](f.gates[letter], letter === "g" ? fmtSigned : fmt, percent) };
}

function operations(forgets) {
  const forget = { id: "forget", x: AT.f, y: C, text: "×", phases: [1], at: 0.45, label: (f) => words.forgetTimes(fmt(f.gates.f), fmt(f.c0), fmt(f.gates.f * f.c0)) };
  return [
    ...(forgets ? [forget] : []),
    { id: "admit", x: AT.g, y: 226, text: "×", phases: [4], at: 0.2, label: (f) => words.inputTimes(fmt(f.gates.i), fmt(f.gates.g), fmt(f.gates.i * f.gates.g)) },
    { id: "add", x: AT.g, y: C, text: "+", phases: [4], at: 0.5, label: (f) => words.plus(fmt(f.gates.f * f.c0), fmt(f.gates.i * f.gates.g), fmt(f.c)) },
    { id: "squash", x: AT.out, y: 200, text: "tanh", phases: [5], at: 0.25, label: (f) => words.squash(fmt(f.c), fmt(f.tanh_c)) },
    { id: "say", x: AT.out, y: 262, text: "×", phases: [5], at: 0.45, label: (f) => words.outputTimes(fmt(f.gates.o), fmt(f.tanh_c), fmt(f.h)) },
  ];
}

function chips(forgets) {
  const gate = (letter, x, y, born, phases) => ({ letter, x, y, born, phases, value: (f) => f.gates[letter] });
  return [
    ...(forgets ? [gate("f", AT.f + 12, 212, 1, [1])] : []),
    gate("i", AT.i + 12, 256, 2, [2, 4]),
    gate("g", AT.g + 12, 256, 3, [3, 4]),
    gate("o", 626, 214, 5, [5]),
  ];
}

function values(forgets, compact) {
  const old = { value: (f) => f.c0, phases: [0, 1] };
  const fresh = { value: (f) => f.c, born: 4, phases: [4, 5] };
  const kept = { id: "kept", x: 380, y: 132, anchor: "middle", name: compact ? "" : "f·c", value: (f) => f.gates.f * f.c0, born: 1, phases: [1, 4] };
  const added = { id: "added", x: AT.g + 12, y: 194, name: compact ? "" : "i·g", value: (f) => f.gates.i * f.gates.g, born: 4, phases: [4] };
  const middle = [...(forgets ? [kept] : []), added];
  if (compact) {
    return [
      { id: "c0", x: 152, y: 132, ...old }, { id: "c", x: 806, y: 132, anchor: "end", ...fresh },
      { id: "h", x: 846, y: 426, anchor: "end", value: (f) => f.h, born: 5, phases: [5] }, ...middle,
    ];
  }
  return [
    { id: "c0", x: 24, y: 178, ...old },
    { id: "h0", x: 24, y: 420, value: (f) => f.h0, phases: [0] },
    { id: "c", x: 936, y: 178, anchor: "end", ...fresh },
    { id: "h", x: 936, y: 420, anchor: "end", value: (f) => f.h, born: 5, phases: [5] },
    { id: "tanh_c", x: AT.out + 12, y: 236, value: (f) => f.tanh_c, born: 5, phases: [5] },
    ...middle,
  ];
}

function names(own, compact) {
  const y = TRUNK - 14;
  const gates = [...(own ? [["f", 1]] : []), ["i", 2], ["g", 3], ["o", 5]].map(([letter, phase]) => ({
    x: AT[letter] + 14, y: compact ? y + 48 : y, text: compact ? letter : words.names[letter], phases: [phase], anchor: compact ? "middle" : "start",
  }));
  if (compact) return gates.map((name) => ({ ...name, x: name.x - 14 }));
  return [
    ...gates,
    { x: 24, y: 134, text: "c_t−1", phases: [0, 1], kind: "end-name" },
    { x: 24, y: 376, text: "h_t−1", phases: [0], kind: "end-name" },
    { x: 936, y: 134, anchor: "end", text: "c_t", phases: [4, 5], kind: "end-name" },
    { x: 936, y: 376, anchor: "end", text: "h_t", phases: [5], kind: "end-name" },
  ];
}

function addCoupling(parts, compact) {
  parts.wires.push(
    { id: "couple", d: "M386,262 H274", phases: [1, 2], flow: [[1, 0, 0.4]] },
    { id: "f", d: "M250,245 V168", phases: [1], flow: [[1, 0.3, 0.6]] },
  );
  parts.dots.push({ x: AT.i, y: 262, phases: [1, 2] });
  parts.operations.push({ id: "one-minus", x: AT.f, y: 262, text: "1−", phases: [1], at: 0.2, label: (f) => words.coupled(fmt(f.gates.i), fmt(f.gates.f)) });
  for (const chipSpec of parts.chips) if (chipSpec.letter === "f") chipSpec.y = 200;
  if (compact) parts.values.push({ id: "f", x: AT.f - 14, y: 216, anchor: "end", value: (f) => f.gates.f, born: 1, phases: [1], signed: false });
}

function addPeepholes(parts, own) {
  const dashed = { kind: "dashed" };
  if (own) parts.wires.push({ ...dashed, id: "peep-f", d: `M170,${C} V310 Q170,${BOX} 186,${BOX} H208`, phases: [1], arrow: [208, BOX] });
  const start = own ? "M170,284 H312" : `M170,${C} V268 Q170,284 186,284 H312`;
  parts.wires.push(
    { ...dashed, id: "peep-i", d: `${start} Q328,284 328,300 V310 Q328,${BOX} 340,${BOX} H344`, phases: [2], casing: "M240,284 H260", arrow: [344, BOX] },
    { ...dashed, id: "peep-o", d: `M616,${C} V303`, phases: [5], arrow: [616, 303, "down"] },
  );
  parts.dots.push({ x: 170, y: C, phases: [1, 2] }, { x: 616, y: C, phases: [5] });
}

function addNorms(parts, own, frame) {
  const bar = (x, y, phases) => ({ name: "rect", attributes: { x: x - 11, y: y - 3, width: 22, height: 6, rx: 3 }, phases, kind: "norm" });
  const gates = [...(own ? [["f", 1]] : []), ["i", 2], ["g", 3], ["o", 5]];
  for (const [letter, phase] of gates) parts.marks.push(bar(AT[letter], 376, [phase]));
  if (has(frame, "layer norm state")) parts.marks.push({ ...bar(575, C, [4]), attributes: { x: 572, y: C - 11, width: 6, height: 22, rx: 3 } });
  else parts.marks.push(bar(AT.out, 170, [5]));
}

function addProjection(parts) {
  parts.marks.push({ name: "rect", attributes: { x: AT.out - 34, y: 312, width: 68, height: 32, rx: 8 }, phases: [5], kind: "projection" });
  parts.labels.push({ x: AT.out, y: 333, anchor: "middle", text: words.projection, phases: [5], kind: "in-mark" });
}
