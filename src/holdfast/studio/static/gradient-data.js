// The Gradient view's settings in the address, its runs, and the lines that charts draw of them.

import { CELL_LINES } from "./chart.js";
import { gradientWords as words } from "./strings-gradient.js";

const KEYS = { task: "g_task", length: "g_T", bias: "g_b", hidden: "g_H", seeds: "g_n", rate: "g_lr", steps: "g_k", recurrent: "g_R", cells: "g_c" };
const LIMITS = { length: [4, 500], bias: [-10, 10], hidden: [1, 64], seeds: [1, 5], rate: [1e-5, 1], steps: [1, 5000], recurrent: [0, 4] };
const MOST_CURVES = 200;

/** What the view asks for where the address says nothing: the settings of the recorded run that it shows first. */
export const FIRST_SETTINGS = { task: "latch", cells: ["lstm", "gru", "rnn"], length: 100, bias: 4.6, hidden: 16, rate: 0.003, seeds: 3, steps: 200, recurrent: 0 };

/** Loss that guessing gives: the entropy of a coin, and the variance of a sum of two numbers of U(0, 1). */
export const GUESSING = { thirty: Math.LN2, latch: Math.LN2, adding: 1 / 6 };

/** Read the settings from the shared state; what is out of range is brought into it. */
export function settingsOf(state) {
  const settings = { ...FIRST_SETTINGS };
  if (state[KEYS.task] in words.tasks) settings.task = state[KEYS.task];
  for (const [name, [low, high]] of Object.entries(LIMITS)) {
    const value = Number.parseFloat(state[KEYS[name]]);
    if (Number.isFinite(value)) settings[name] = Math.min(high, Math.max(low, value));
  }
  const cells = String(state[KEYS.cells] ?? "").split(".").filter((cell) => cell in CELL_LINES);
  if (cells.length) settings.cells = FIRST_SETTINGS.cells.filter((cell) => cells.includes(cell));
  return settings;
}

/** Write settings as a patch of the shared state; what is as at first is left out. */
export function patchOf(settings) {
  const patch = {};
  for (const [name, value] of Object.entries(settings)) {
    const same = String(value) === String(FIRST_SETTINGS[name]);
    patch[KEYS[name]] = same ? "" : name === "cells" ? value.join(".") : String(value);
  }
  return patch;
}

/** Begin the record of a run. */
export function newRun(settings, recorded = false) {
  return { settings, recorded, id: null, events: [], status: recorded ? "done" : "starting" };
}

/** Add an event to a run; when there are many, every second picture of the earlier half goes, its losses stay. */
export function addEvent(run, event) {
  if (event.loss || run.events.length === 0) run.events.push(event);
  const drawn = pictures(run);
  if (drawn.length > MOST_CURVES) {
    drawn.slice(1, MOST_CURVES).forEach((one, k) => {
      if (k % 2) for (const part of ["flow", "flow_c", "forget", "sentence"]) delete one[part];
    });
  }
  if (event.done) run.status = event.stopped ?? "done";
  else run.status = "running";
}

/** The steps at which a run has curves. */
export function pictures(run) {
  return run.events.filter((event) => event.flow);
}

/** How two runs are told apart on the chart: by the one setting that differs, else as before and now. */
export function runLabels(now, before) {
  if (!before) return { now: "", before: "", differing: [] };
  const differing = Object.keys(words.differs).filter((name) => String(now.settings[name]) !== String(before.settings[name]));
  if (differing.length !== 1) return { now: words.now, before: words.before, differing };
  const [name] = differing;
  const tell = (run) => words.differs[name](run.settings[name]);
  return { now: tell(now), before: tell(before), differing };
}

/** The settings of a run that are not those asked for now, as words; empty where the run is of these very settings. */
export function unlike(run, settings) {
  const differing = Object.keys(words.differs).filter((name) => String(run.settings[name]) !== String(settings[name]));
  const told = differing.map((name) => words.differs[name](run.settings[name]));
  return String(run.settings.cells) === String(settings.cells) ? told : [...told, run.settings.cells.map((cell) => cell.toUpperCase()).join(", ")];
}

/** The lines of the gradient chart: each cell of the present picture, the product of f, and the run before, thin. */
export function flowLines(now, picture, before, earlier, scale) {
  const labels = runLabels(now, before);
  const lines = now.settings.cells.map((cell) => flowLine(cell, picture, scale, touches(cell, labels.differing) ? labels.now : ""));
  if (picture.forget?.lstm) {
    const start = scale === "share" ? 1 : picture.flow_c.lstm[0];
    const values = picture.forget.lstm.map((value) => value * start);
    lines.push({ ...CELL_LINES.lstm, name: "Π f", legend: words.product, values, dash: "2 4", thin: true });
  }
  if (!before || !earlier) return lines;
  return [...lines, ...cellsBefore(before, labels).map((cell) => ({ ...flowLine(cell, earlier, scale, labels.before), dash: "9 5", thin: true }))];
}

function flowLine(cell, picture, scale, label) {
  const curve = picture.flow_c?.[cell] ?? picture.flow[cell];
  const whole = scale === "share" ? curve[0] || 1 : 1;
  const values = curve.map((value) => (value === null ? NaN : value / whole));
  return { ...named(cell, label), values };
}

/** The lines of the loss chart: each cell's mean loss by update, what guessing gives, and the run before, thin. */
export function lossLines(now, before) {
  const labels = runLabels(now, before);
  const lines = lossesOf(now, labels.now, labels.differing);
  if (before && before.settings.task === now.settings.task) {
    lines.push(...lossesOf(before, labels.before, labels.differing, cellsBefore(before, labels)).map((line) => ({ ...line, dash: "9 5", thin: true })));
  }
  const at = [0, Math.max(1, ...lines.flatMap((line) => line.at))];
  const guess = GUESSING[now.settings.task];
  lines.push({ name: words.guessing, colour: "--muted", dash: "2 4", thin: true, at, values: [guess, guess] });
  return lines;
}

/** Whether what tells two runs apart matters to a cell: an RNN has no forget bias, the others keep their weights. */
export function touches(cell, differing) {
  if (differing.join() === "bias") return cell !== "rnn";
  return differing.join() !== "recurrent" || cell === "rnn";
}

function cellsBefore(before, { differing }) {
  return before.settings.cells.filter((cell) => touches(cell, differing));
}

function lossesOf(run, label, differing, cells = run.settings.cells) {
  const events = run.events.filter((event) => event.loss);
  return cells.map((cell) => ({
    ...named(cell, touches(cell, differing) ? label : ""),
    at: events.map((event) => event.step),
    values: events.map((event) => event.loss[cell] ?? NaN),
  }));
}

function named(cell, label) {
  const { name, ...rest } = CELL_LINES[cell];
  return { ...rest, name: label ? `${name}, ${label}` : name, short: name };
}
