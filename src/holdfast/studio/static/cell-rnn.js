// Where the parts of a plain RNN stand: one squashed sum, and a ghost where an LSTM has its memory.

import { has } from "./cell-lstm.js";
import { fmtSigned } from "./colour.js";
import { cell as words } from "./strings-cell.js";

const TRUNK = 392;
const BOX = 300;
const X = 480;

/** The parts of an RNN, as `lstmParts` gives those of an LSTM. */
export function rnnParts(frame, compact) {
  const box = compact ? 27 : 23;
  const relu = has(frame, "relu");
  const ends = compact
    ? [{ id: "h0", x: 228, y: 376, value: (f) => f.h0, phases: [0] }, { id: "h", x: 800, y: 194, anchor: "end", value: (f) => f.h, born: 3, phases: [3, 4, 5] }]
    : [{ id: "h0", x: 24, y: 420, value: (f) => f.h0, phases: [0] }, { id: "h", x: 936, y: 242, anchor: "end", value: (f) => f.h, born: 3, phases: [3, 4, 5] }];
  const parts = {
    wires: [
      { id: "h-in", d: `M24,${TRUNK} H202`, kind: "state", phases: [0], value: (f) => f.h0, flow: [[0, 0, 0.6]] },
      { id: "x-in", d: `M186,482 V408 Q186,${TRUNK} 202,${TRUNK}`, phases: [0], flow: [[0, 0.1, 0.7]] },
      { id: "trunk", d: `M202,${TRUNK} H464 Q${X},${TRUNK} ${X},376 V${BOX + box}`, phases: [0, 3], flow: [[0, 0.6, 1], [3, 0, 0.3]], arrow: [X, BOX + box, "up"] },
      { id: "h-out", d: `M${X},${BOX - box} V230 Q${X},214 496,214 H930`, kind: "state", phases: [3, 4, 5], value: (f) => f.h, born: 3, flow: [[3, 0.4, 1], [5, 0, 0.7]], arrow: [936, 214] },
      { id: "h-up", d: "M810,214 Q826,214 826,198 V64", phases: [5], flow: [[5, 0.3, 1]], casing: "M826,100 V84" },
      { id: "ghost", d: "M140,150 H790", kind: "ghost", phases: [0, 1, 2, 3, 4, 5] },
    ],
    dots: [{ x: 810, y: 214, phases: [5] }],
    layers: [{ id: "h", letter: "h", x: X, y: BOX, text: relu ? "relu" : "tanh", phases: [3], born: 3, value: (f) => f.gates.h ?? f.h, label: (f) => words.gate.h(f.h, fmtSigned) }],
    operations: [],
    chips: compact ? [] : [{ letter: "h", x: X + 58, y: BOX - 15, born: 3, phases: [3, 4, 5], value: (f) => f.gates.h ?? f.h }],
    values: ends,
    labels: [
      { x: 466, y: 138, anchor: "middle", text: compact ? words.noMemoryShort : words.noMemory, kind: "ghost-text" },
      ...(compact ? [] : [
        { x: X + 14, y: TRUNK - 14, text: words.names.h, phases: [3] },
        { x: 24, y: 376, text: "h_t−1", phases: [0], kind: "end-name" },
        { x: 936, y: 198, anchor: "end", text: "h_t", phases: [3, 4, 5], kind: "end-name" },
      ]),
    ],
    rings: [{ x: 186, y: 506, text: "x_t", phases: [0] }, { x: 826, y: 40, text: "h_t", phases: [5] }],
    marks: [],
  };
  if (has(frame, "layer norm")) parts.marks.push({ name: "rect", attributes: { x: X - 11, y: 365, width: 22, height: 6, rx: 3 }, phases: [3], kind: "norm" });
  return parts;
}
