// Where the parts of a GRU stand as torch computes it: the reset gate acts after the product, z keeps the old state.

import { has } from "./cell-lstm.js";
import { fmt, fmtSigned, percent } from "./colour.js";
import { cell as words } from "./strings-cell.js";

const H = 150;
const TRUNK = 392;
const BOX = 326;
const AT = { z: 300, r: 440, n: 650 };

/** The parts of a GRU, as `lstmParts` gives those of an LSTM. */
export function gruParts(frame, compact) {
  const box = compact ? 27 : 23;
  const parts = {
    wires: [...stateWires(), ...sumWires(box), ...gateWires(box)],
    dots: [
      { x: 196, y: H, phases: [0] },
      { x: AT.z, y: TRUNK, phases: [0, 2] },
      { x: AT.r, y: TRUNK, phases: [0, 1] },
      { x: 552, y: TRUNK, phases: [0, 3] },
      { x: AT.z, y: 226, phases: [2, 4] },
      { x: 810, y: H, phases: [5] },
    ],
    layers: ["z", "r", "n"].map(gateLayer),
    operations: operations(),
    chips: compact ? [] : [
      { letter: "z", x: AT.z + 12, y: 172, born: 2, phases: [2, 4], value: (f) => f.gates.z },
      { letter: "r", x: AT.r + 12, y: 232, born: 1, phases: [1, 3], value: (f) => f.gates.r },
      { letter: "n", x: AT.n + 12, y: 256, born: 3, phases: [3, 4], value: (f) => f.gates.n },
    ],
    values: values(compact),
    labels: names(compact, frame),
    rings: [{ x: 196, y: 506, text: "x_t", phases: [0] }, { x: 826, y: 40, text: "h_t", phases: [5] }],
    marks: [],
  };
  if (has(frame, "layer norm")) {
    for (const [x, phase] of [[AT.z, 2], [AT.r, 1], [AT.n, 3]]) {
      parts.marks.push({ name: "rect", attributes: { x: x - 11, y: 373, width: 22, height: 6, rx: 3 }, phases: [phase], kind: "norm" });
    }
  }
  return parts;
}

function stateWires() {
  return [
    { id: "h-in", d: `M24,${H} H282`, kind: "state", phases: [0, 4], value: (f) => f.h0, flow: [[0, 0, 0.6], [4, 0, 0.4]] },
    { id: "h-kept", d: `M318,${H} H632`, kind: "state", phases: [4], value: (f, time) => (time > 4.4 ? f.gates.z * f.h0 : f.h0), flow: [[4, 0.35, 0.8]] },
    { id: "h-out", d: `M668,${H} H930`, kind: "state", phases: [4, 5], value: (f) => f.h, born: 4, flow: [[4, 0.7, 1], [5, 0, 0.7]], arrow: [936, H] },
    { id: "h-up", d: `M810,${H} Q826,${H} 826,134 V64`, phases: [5], flow: [[5, 0.4, 1]] },
  ];
}

function sumWires(box) {
  const top = BOX + box;
  return [
    { id: "copy", d: `M196,${H} V376 Q196,${TRUNK} 212,${TRUNK}`, phases: [0], flow: [[0, 0.2, 0.8]] },
    { id: "x-in", d: `M196,482 V408 Q196,${TRUNK} 212,${TRUNK}`, phases: [0], flow: [[0, 0.2, 0.8]] },
    { id: "trunk", d: `M212,${TRUNK} H634 Q${AT.n},${TRUNK} ${AT.n},376 V${top}`, phases: [0, 1, 2, 3], flow: [[0, 0.6, 1], [3, 0, 0.4]], arrow: [AT.n, top, "up"] },
    { id: "stub-z", d: `M${AT.z},${TRUNK} V${top}`, phases: [2], flow: [[2, 0, 0.3]], arrow: [AT.z, top, "up"] },
    { id: "stub-r", d: `M${AT.r},${TRUNK} V${top}`, phases: [1], flow: [[1, 0, 0.3]], arrow: [AT.r, top, "up"] },
    { id: "recurrent", d: `M552,${TRUNK} V344`, phases: [3], flow: [[3, 0, 0.4]] },
  ];
}

function gateWires(box) {
  const [top, side] = [BOX - box, AT.n - (box === 27 ? 56 : 42)];
  return [
    { id: "r", d: `M${AT.r},${top} V284 Q${AT.r},268 456,268 H536 Q552,268 552,284 V308`, phases: [1, 3], flow: [[1, 0.4, 1], [3, 0.1, 0.4]] },
    { id: "reset-out", d: `M570,${BOX} H${side}`, phases: [3], flow: [[3, 0.35, 0.6]], arrow: [side, BOX] },
    { id: "z", d: `M${AT.z},${top} V168`, phases: [2, 4], flow: [[2, 0.4, 1], [4, 0, 0.3]] },
    { id: "z-rest", d: `M${AT.z},226 H368`, phases: [2, 4], flow: [[2, 0.5, 1], [4, 0, 0.3]] },
    { id: "rest", d: `M416,226 H632`, phases: [4], flow: [[4, 0.2, 0.5]] },
    { id: "n", d: `M${AT.n},${top} V244`, phases: [3, 4], flow: [[3, 0.5, 1], [4, 0, 0.4]] },
    { id: "rise", d: `M${AT.n},208 V168`, phases: [4], flow: [[4, 0.45, 0.75]] },
  ];
}

function gateLayer(letter) {
  const phase = { r: 1, z: 2, n: 3 }[letter];
  return {
    id: letter, letter, x: AT[letter], y: BOX, text: letter === "n" ? "tanh" : "σ", phases: [phase], born: phase,
    value: (f) => f.gates[letter], label: (f) => words.gate[letter](f.gates[letter], letter === "n" ? fmtSigned : fmt, percent),
  };
}

function operations() {
  return [
    { id: "reset", x: 552, y: BOX, text: "×", phases: [3], at: 0.3, label: (f) => words.resetTimes(fmt(f.gates.r)) },
    { id: "one-minus", x: 392, y: 226, text: "1−", phases: [4], at: 0.15, label: (f) => words.oneMinus(fmt(f.gates.z), fmt(1 - f.gates.z)) },
    { id: "keep", x: AT.z, y: H, text: "×", phases: [4], at: 0.3, label: (f) => words.forgetTimes(fmt(f.gates.z), fmt(f.h0), fmt(f.gates.z * f.h0)) },
    { id: "admit", x: AT.n, y: 226, text: "×", phases: [4], at: 0.4, label: (f) => words.inputTimes(fmt(1 - f.gates.z), fmt(f.gates.n), fmt((1 - f.gates.z) * f.gates.n)) },
    { id: "add", x: AT.n, y: H, text: "+", phases: [4], at: 0.6, label: (f) => words.plus(fmt(f.gates.z * f.h0), fmt((1 - f.gates.z) * f.gates.n), fmt(f.h)) },
  ];
}

function values(compact) {
  const named = (name) => (compact ? "" : name);
  const ends = compact
    ? [{ id: "h0", x: 146, y: 132, value: (f) => f.h0, phases: [0, 4] }, { id: "h", x: 792, y: 132, anchor: "end", value: (f) => f.h, born: 4, phases: [4, 5] }]
    : [{ id: "h0", x: 24, y: 178, value: (f) => f.h0, phases: [0, 4] }, { id: "h", x: 936, y: 178, anchor: "end", value: (f) => f.h, born: 4, phases: [4, 5] }];
  return [
    ...ends,
    { id: "kept", x: 475, y: 132, anchor: "middle", name: named("z·h"), value: (f) => f.gates.z * f.h0, born: 4, phases: [4] },
    ...(compact ? [] : [{ id: "rest", x: 500, y: 212, anchor: "middle", name: "1−z", value: (f) => 1 - f.gates.z, born: 4, phases: [4], signed: false }]),
    { id: "added", x: AT.n + 12, y: 194, name: named("(1−z)·n"), value: (f) => (1 - f.gates.z) * f.gates.n, born: 4, phases: [4] },
  ];
}

function names(compact, frame) {
  const gates = [["z", 2], ["r", 1], ["n", 3]].map(([letter, phase]) => ({
    x: AT[letter] + (compact ? 0 : 14), y: compact ? TRUNK + 34 : TRUNK - 14, text: compact ? letter : words.names[letter], phases: [phase], anchor: compact ? "middle" : "start",
  }));
  if (compact) return gates;
  const order = has(frame, "reset before") ? "R (r·h)" : "r·(R h + b)";
  return [
    ...gates,
    { x: 566, y: 412, anchor: "middle", text: order, phases: [3], kind: "note-text" },
    { x: 24, y: 134, text: "h_t−1", phases: [0, 4], kind: "end-name" },
    { x: 936, y: 134, anchor: "end", text: "h_t", phases: [4, 5], kind: "end-name" },
  ];
}
