// P of the word asked for by distance: its chart, and what was measured of which text.

import { h } from "./a11y.js";
import { CELL_LINES, lineChart } from "./chart.js";
import { colour } from "./colour.js";
import { completeTexts } from "./strings-complete.js";

const texts = completeTexts.curve;
const DISTANCES = [0, 3, 5, 10, 15, 25, 50, 100, 150, 200];
const FILLS = 20;

/** Put the chart into `root`; it measures one text and word at a time, and shows no other's curves meanwhile. */
export function curvePanel(root, context) {
  const chart = lineChart(root, {
    title: texts.none, xLabel: texts.x, yLabel: texts.y, range: [0, 1], height: 300,
    format: (value) => (value === undefined ? "" : colour.fmt(value)), xText: completeTexts.words, file: "p-by-distance",
  });
  const note = h("p.note", {}, texts.waiting);
  root.append(note);
  let measured = { name: "", found: {} };
  let running = { name: "", control: null };

  /** What was measured of a text and word: {curves, apart, key}; empty while nothing is. */
  function of(text, target) {
    return measured.name === nameOf(text, target) ? measured.found : {};
  }

  function stop() {
    running.control?.abort();
    running = { name: "", control: null };
  }

  /** Take away and call off what is of another text or word. */
  function turnTo(text, target) {
    const name = nameOf(text, target);
    if ([measured.name, running.name].includes(name)) return;
    stop();
    measured = { name: "", found: {} };
    note.textContent = "";
    context.problem(null, note);
    chart.update([], { title: texts.none, description: "" });
  }

  /** Measure once for each text and word, with the models that know the word, from `key` on; true where there is something new. */
  async function measure(text, target, models, key) {
    const name = nameOf(text, target);
    if (!target || models.length === 0 || [measured.name, running.name].includes(name)) return false;
    stop();
    const control = new AbortController();
    running = { name, control };
    note.textContent = texts.waiting;
    context.problem(null, note);
    try {
      const body = { models: models.map((one) => one.id), text, target, key, distances: DISTANCES, fills: FILLS };
      const { curves, apart } = await context.api.post("curve", body, { signal: control.signal });
      if (running.control !== control) return false;
      measured = { name, found: { curves, apart, key } };
      chart.update(curves.map((curve) => lineOf(curve, models, apart ?? 0)), { title: texts.title(target), description: apart === null ? texts.description(target) : texts.shorter(key), xLabel: apart === null ? texts.x : texts.between(key) });
      note.textContent = apart === null ? texts.band : `${texts.band} ${texts.shorter(key)}`;
      return true;
    } catch (error) {
      if (running.control !== control) return false;
      note.textContent = "";
      context.problem(error, note);
      return false;
    } finally {
      if (running.control === control) running = { name: "", control: null };
    }
  }

  function remove() {
    stop();
    chart.remove();
  }
  return { of, turnTo, measure, remove };
}

function nameOf(text, target) {
  return JSON.stringify([text, target]);
}

function lineOf(curve, models, apart) {
  const model = models.find((one) => one.id === curve.model);
  const line = CELL_LINES[model.family] ?? { colour: "--part-c", dash: "" };
  // Two cells often lie on each other: dashes let the one below be seen.
  const dash = model.family === "gru" ? "9 7" : line.dash;
  return { ...line, dash, name: model.name, values: curve.mean, at: curve.distances.map((words) => words + apart), low: curve.low, high: curve.high };
}
