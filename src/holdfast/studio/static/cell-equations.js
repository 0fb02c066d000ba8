// The equations of a cell, the lit line with the numbers put in, and each line's value.

import { has } from "./cell-lstm.js";
import { sumOf } from "./cell-say.js";
import { fmt, fmtSigned, isSigned } from "./colour.js";

/** The lines of a frame's cell: {phase, letter, math, value, numbers}; `numbers` is the same line with values put in. */
export function equationsOf(frame) {
  return { lstm: lstmLines, gru: gruLines, rnn: rnnLines }[frame.family](frame);
}

function gateSum(letter, frame, state) {
  const terms = [`W_${letter} x`, `R_${letter} h_t−1`];
  const sum = has(frame, "layer norm") ? terms.map((term) => `LN ( ${term} )`) : terms;
  const peeps = has(frame, "peephole") && "ifo".includes(letter) ? [`p_${letter} ⊙ ${state}`] : [];
  return [...sum, `b_${letter}`, ...peeps].join(" + ");
}

function lstmLines(frame) {
  const { f, i, g, o } = frame.gates;
  const line = (phase, letter, squash, state) => gateLine(frame, phase, letter, squash, `${squash} ( ${gateSum(letter, frame, state)} )`);
  const forget = has(frame, "coupled")
    ? { phase: 1, letter: "f", math: "f = 1 − i", value: f, numbers: `1 − ${fmt(i)}` }
    : has(frame, "no forget")
      ? { phase: 4, letter: "f", math: "f = 1", value: 1, numbers: "" }
      : line(1, "f", "σ", "c_t−1");
  const inner = has(frame, "layer norm state") ? "LN ( f ⊙ c_t−1 + i ⊙ g )" : "f ⊙ c_t−1 + i ⊙ g";
  const squashed = has(frame, "layer norm") && !has(frame, "layer norm state") ? "tanh ( LN ( c_t ) )" : "tanh ( c_t )";
  const said = has(frame, "project") ? `W_h ( o ⊙ ${squashed} )` : `o ⊙ ${squashed}`;
  return [
    forget,
    line(2, "i", "σ", "c_t−1"),
    line(3, "g", "tanh", ""),
    { phase: 4, letter: "c", value: frame.c, ...zoned(frame, "c", inner, `${fmt(f)} · ${bracketed(frame.c0)} + ${fmt(i)} · ${bracketed(g)}`) },
    line(5, "o", "σ", "c_t"),
    { phase: 5, letter: "h", value: frame.h, ...zoned(frame, "h", said, has(frame, "project") ? "" : `${fmt(o)} · ${bracketed(frame.tanh_c)}`) },
  ];
}

function gruLines(frame) {
  const { z, n } = frame.gates;
  const inner = has(frame, "reset before") ? "R_n ( r ⊙ h_t−1 )" : "r ⊙ ( R_n h_t−1 + b_Rn )";
  return [
    gateLine(frame, 1, "r", "σ", `σ ( ${gateSum("r", frame)} )`),
    gateLine(frame, 2, "z", "σ", `σ ( ${gateSum("z", frame)} )`),
    { phase: 3, letter: "n", math: `n = tanh ( W_n x + b_n + ${inner} )`, value: n, numbers: "" },
    { phase: 4, letter: "h", value: frame.h, ...zoned(frame, "h", "z ⊙ h_t−1 + ( 1 − z ) ⊙ n", `${fmt(z)} · ${bracketed(frame.h0)} + ${fmt(1 - z)} · ${bracketed(n)}`) },
  ];
}

// With zoneout a part ζ of the old state stays; the frame then has the state as it was before that.
function zoned(frame, state, inner, numbers) {
  const fresh = frame[`${state}_new`];
  if (fresh === undefined) return { math: `${state}_t = ${inner}`, numbers };
  const old = frame[`${state}0`];
  const stays = (frame[state] - fresh) / (old - fresh);
  const told = Math.abs(old - fresh) > 1e-4 ? `${fmt(stays)} · ${bracketed(old)} + ${fmt(1 - stays)} · ${bracketed(fresh)}` : "";
  return { math: `${state}_t = ζ ${state}_t−1 + ( 1 − ζ ) ( ${inner} )`, numbers: told };
}

function rnnLines(frame) {
  const squash = has(frame, "relu") ? "relu" : "tanh";
  return [gateLine(frame, 3, "h", squash, `${squash} ( ${gateSum("", frame).replaceAll("_ ", " ").replace(/_$/, "")} )`, "h_t", frame.h)];
}

function gateLine(frame, phase, letter, squash, math, name = letter, value = frame.gates[letter]) {
  const pre = frame.pre[letter];
  const numbers = pre && addsUp(frame, letter, value) ? `${squash}(${Object.values(pre).map((v) => fmtSigned(v)).join(" ")})` : "";
  return { phase, letter, math: `${name} = ${math}`, value, numbers };
}

/** Whether squashing the plain sum of a gate's parts gives its value; a normalisation or a reset stands between otherwise. */
export function addsUp(frame, letter, value = frame.gates[letter]) {
  if (!frame.pre[letter]) return false;
  const sum = sumOf(frame.pre[letter]);
  const squashed = letter === "h" && has(frame, "relu") ? Math.max(0, sum) : isSigned(letter) ? Math.tanh(sum) : 1 / (1 + Math.exp(-sum));
  return Math.abs(squashed - value) < 1e-3;
}

function bracketed(value) {
  return value < 0 ? `(${fmt(value)})` : fmt(value);
}
