// Says in words what happens in each phase, with the frame's own numbers.

import { has } from "./cell-lstm.js";
import { fmt, fmtSigned, percent } from "./colour.js";
import { say } from "./strings-cell.js";

/** The phases a family goes through, of 0 read, 1 forget or reset, 2 input or keep, 3 candidate, 4 update, 5 output. */
export function phasesOf(frame) {
  if (frame.family === "rnn") return [0, 3, 5];
  if (frame.family === "lstm" && has(frame, "no forget")) return [0, 2, 3, 4, 5];
  return [0, 1, 2, 3, 4, 5];
}

/** The name of a phase in a family, for the transport. */
export function phaseName(frame, phase) {
  return say.phases[frame.family][phase];
}

/** One sentence for a phase (6: the whole step). */
export function sentence(frame, phase) {
  return { lstm: sayLstm, gru: sayGru, rnn: sayRnn }[frame.family](frame, phase);
}

/** What the live region says: where we are (`noun` names a step: word, character, ...), and the sentence's core. */
export function speech(frame, phase, noun) {
  const gate = { lstm: { 1: "f", 2: "i", 3: "g", 5: "o" }, gru: { 1: "r", 2: "z", 3: "n" }, rnn: {} }[frame.family][phase];
  const where = say.where(noun, frame.t + 1, frame.tok, frame.unit);
  return gate ? `${where}, ${say.spoken[gate](frame.gates[gate], frame, fmt, percent)}` : `${where}. ${sentence(frame, phase)}`;
}

function sayLstm(frame, phase) {
  const { f, i, g, o } = frame.gates;
  const kept = f * frame.c0;
  const added = i * g;
  switch (phase) {
    case 0:
      return say.read(frame.tok, fmt(frame.h0), fmt(frame.c0));
    case 1:
      return say.forget(fmt(f), percent(f), fmt(frame.c0), fmt(kept));
    case 2:
      return say.input(fmt(i), i > 0.8 ? "open" : i < 0.2 ? "shut" : "ajar");
    case 3:
      return say.candidate(fmtSigned(g), fmt(i), fmtSigned(added));
    case 4:
      return say.update(sum(kept, added, frame.c), has(frame, "layer norm state") || has(frame, "zoneout") ? fmt(frame.c) : null);
    case 5:
      return say.output(fmt(o), fmt(frame.h), told(frame));
    default:
      return say.whole(frame.tok, frame.unit, percent(f), fmt(frame.c0), fmtSigned(added), fmt(frame.c));
  }
}

function sayGru(frame, phase) {
  const { z, r, n } = frame.gates;
  const added = (1 - z) * n;
  switch (phase) {
    case 0:
      return say.readState(frame.tok, fmt(frame.h0));
    case 1:
      return say.reset(fmt(r), percent(r));
    case 2:
      return say.keep(fmt(z), percent(z), fmt(frame.h0), percent(1 - z));
    case 3:
      return say.candidate(fmtSigned(n), fmt(1 - z), fmtSigned(added));
    case 4:
      return say.update(sum(z * frame.h0, added, frame.h), null);
    case 5:
      return say.outputState(fmt(frame.h));
    default:
      return say.whole(frame.tok, frame.unit, percent(z), fmt(frame.h0), fmtSigned(added), fmt(frame.h));
  }
}

function sayRnn(frame, phase) {
  if (phase === 0) return say.readState(frame.tok, fmt(frame.h0));
  if (phase === 3) return say.squash(fmt(sumOf(frame.pre.h)), fmt(frame.h));
  if (phase === 5) return say.outputState(fmt(frame.h));
  return say.wholeRnn(frame.tok, frame.unit, fmt(frame.h0), fmt(frame.h));
}

// How much of an LSTM's memory is said: an empty memory says nothing, however open its gate.
function told({ c, gates }) {
  if (Math.abs(c) < 0.05) return "empty";
  if (gates.o < 0.2) return Math.abs(c) > 0.3 ? "hidden" : "little";
  return gates.o > 0.5 ? "said" : "partly";
}

/** "−0.12 + 0.82 = 0.70", with ≈ where the rounded numbers do not add up. */
function sum(kept, added, total) {
  const shown = [kept, added, total].map((value) => Number(value.toFixed(2)));
  const exact = Math.abs(shown[0] + shown[1] - shown[2]) < 0.001;
  return `${fmt(kept)} ${added < 0 ? "\u2212" : "+"} ${fmt(Math.abs(added))} ${exact ? "=" : "≈"} ${fmt(total)}`;
}

/** The sum of the parts of a gate's pre-activation. */
export function sumOf(pre) {
  return Object.values(pre).reduce((total, value) => total + (Number.isFinite(value) ? value : 0), 0);
}
