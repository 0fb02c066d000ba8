// A line chart as SVG: up to six lines, a linear or log axis, direct labels, a crosshair by pointer or keys.

import { h, s } from "./a11y.js";
import { chartNumber, chartRange, chartScale, chartTicks, nearestIndex, spreadLabels } from "./chart-scale.js";
import { chartCsv, chartTable, standaloneSvg } from "./chart-table.js";
import { saveBlob } from "./files.js";
import { chartTexts } from "./strings-chart.js";

const MARGIN = { top: 14, bottom: 44, left: 58 };
const LINE_HEIGHT = 17;
let chartCount = 0;

/** Colour and dash of a cell's line, the same in every view. */
export const CELL_LINES = {
  lstm: { name: "LSTM", colour: "--part-h", dash: "" },
  gru: { name: "GRU", colour: "--part-i", dash: "" },
  rnn: { name: "RNN", colour: "--part-f", dash: "" },
};

/**
 * Draw a line chart into `root` and return { update(series, changes), svgText(), csvText(), remove() }.
 *
 * options: title, description, xLabel, yLabel, log, floor (least value shown on a log axis), range [low, high], height,
 * format(value), xText(x) for the crosshair, file (name of saved files), strings, onCross(x).
 * series: [{name, short (label where there is little room), legend, values, at (x of each value, else 0, 1, 2 ...), colour (custom property), dash, thin, low, high}];
 * low and high draw a band.
 */
export function lineChart(root, options) {
  const chart = { options: { height: 300, format: chartNumber, file: "chart", ...options }, series: [], xs: [] };
  chart.strings = { ...chartTexts, ...options.strings };
  chart.id = `chart-${(chartCount += 1)}`;
  chart.cross = null;
  buildChart(root, chart);
  const observer = new ResizeObserver(() => drawChart(chart));
  observer.observe(chart.frame);
  return {
    update(series, changes = {}) {
      Object.assign(chart.options, changes);
      chart.series = series.filter((line) => line.values.length > 0);
      chart.xs = allXs(chart.series);
      drawChart(chart);
      if (!chart.tableBox.hidden) fillTable(chart);
    },
    svgText: () => standaloneSvg(chart.svg, chart.options.title),
    csvText: () => chartCsv(chart.options.xLabel, chart.xs, chart.series, valueAt),
    remove() {
      observer.disconnect();
      chart.figure.remove();
    },
  };
}

function buildChart(root, chart) {
  chart.figure = h("figure.chart");
  const caption = h("figcaption.chart-title", { id: `${chart.id}-title` }, chart.options.title);
  chart.caption = caption;
  chart.frame = h("div.chart-frame", { role: "slider", tabindex: 0, "aria-labelledby": caption.id,
    "aria-describedby": `${chart.id}-text`, "aria-valuemin": 0, "aria-valuenow": 0 });
  chart.svg = s("svg", { "aria-hidden": "true" });
  chart.frame.append(chart.svg);
  chart.legend = h("ul.chart-legend");
  chart.describe = h("p.visually-hidden", { id: `${chart.id}-text` });
  chart.tableBox = h("div.table-wrap.chart-table", { hidden: true, tabindex: 0, role: "region", "aria-labelledby": caption.id });
  chart.figure.append(caption, chart.frame, chart.legend, chart.describe, buttonRow(chart), chart.tableBox);
  root.append(chart.figure);
  chart.frame.addEventListener("pointermove", (event) => moveToPointer(chart, event));
  chart.frame.addEventListener("pointerdown", (event) => moveToPointer(chart, event));
  chart.frame.addEventListener("pointerleave", () => {
    if (document.activeElement !== chart.frame) setCross(chart, null);
  });
  chart.frame.addEventListener("keydown", (event) => moveByKey(chart, event));
  chart.frame.addEventListener("blur", () => setCross(chart, null));
}

function buttonRow(chart) {
  const { strings, options } = chart;
  const table = h("button.button.quiet", { type: "button", "aria-expanded": "false" }, strings.table);
  table.addEventListener("click", () => {
    chart.tableBox.hidden = !chart.tableBox.hidden;
    table.textContent = chart.tableBox.hidden ? strings.table : strings.hideTable;
    table.setAttribute("aria-expanded", String(!chart.tableBox.hidden));
    if (!chart.tableBox.hidden) fillTable(chart);
  });
  const csv = () => saveBlob(new Blob([chartCsv(options.xLabel, chart.xs, chart.series, valueAt)], { type: "text/csv" }), `${options.file}.csv`);
  const svg = () => saveBlob(new Blob([standaloneSvg(chart.svg, options.title)], { type: "image/svg+xml" }), `${options.file}.svg`);
  return h("div.row.chart-actions", {}, table,
    h("button.button.quiet", { type: "button", onclick: csv }, strings.csv),
    h("button.button.quiet", { type: "button", onclick: svg }, strings.svg));
}

function fillTable(chart) {
  const { title, xLabel, format } = chart.options;
  chart.tableBox.replaceChildren(chartTable(title, xLabel, chart.xs, chart.series, valueAt, format));
}

function drawChart(chart) {
  const { options, series, xs } = chart;
  const width = Math.max(280, Math.round(chart.frame.clientWidth));
  chart.label = (line) => (width >= 520 ? line.name : line.thin ? "" : line.short ?? line.name); // the legend has them all
  const right = 20 + Math.max(20, ...series.map((line) => chart.label(line).length * 7.4));
  const box = { left: MARGIN.left, top: MARGIN.top, right: width - right, bottom: options.height - MARGIN.bottom };
  const drawn = series.flatMap((line) => [...line.values, ...(line.low ?? []), ...(line.high ?? [])]);
  const [low, high] = options.range ?? chartRange(drawn, options.log, options.floor);
  const x = chartScale(xs[0] ?? 0, xs.at(-1) || 1, box.left, box.right);
  const y = chartScale(low, high, box.bottom, box.top, options.log);
  Object.assign(chart, { box, x, y, low, high });
  chart.svg.setAttribute("viewBox", `0 0 ${width} ${options.height}`);
  chart.svg.setAttribute("width", width);
  chart.svg.setAttribute("height", options.height);
  chart.caption.textContent = options.title;
  chart.describe.textContent = `${options.description ?? ""} ${chart.strings.help}`.trim();
  chart.crossGroup = s("g.chart-cross", { "data-screen-only": "" });
  chart.svg.replaceChildren(clipTo(chart), axes(chart), lines(chart), endLabels(chart), chart.crossGroup);
  chart.frame.setAttribute("aria-valuemax", String(Math.max(0, xs.length - 1)));
  drawLegend(chart);
  setCross(chart, chart.cross === null || xs.length === 0 ? null : Math.min(chart.cross, xs.length - 1));
}

function clipTo({ box, id }) {
  const clip = s("clipPath", { id: `${id}-clip` });
  const width = Math.max(0, box.right - box.left + 4);
  clip.append(s("rect", { x: box.left - 2, y: box.top - 2, width, height: box.bottom - box.top + 2 }));
  return clip;
}

function axes({ options, box, x, y, low, high, xs }) {
  const group = s("g.chart-axes", {});
  for (const tick of chartTicks(low, high, 6, options.log)) {
    group.append(s("line.grid", { x1: box.left, x2: box.right, y1: y(tick.value), y2: y(tick.value) }));
    group.append(s("text", { x: box.left - 8, y: y(tick.value) + 4, "text-anchor": "end" }, tick.text));
  }
  for (const tick of chartTicks(xs[0] ?? 0, xs.at(-1) || 1, Math.max(3, (box.right - box.left) / 80))) {
    group.append(s("text", { x: x(tick.value), y: box.bottom + 18, "text-anchor": "middle" }, tick.text));
  }
  group.append(s("line.base", { x1: box.left, x2: box.right, y1: box.bottom, y2: box.bottom }));
  const middle = (box.left + box.right) / 2;
  group.append(s("text.label", { x: middle, y: box.bottom + 36, "text-anchor": "middle" }, options.xLabel));
  return group;
}

function lines({ series, box, x, y, id, options }) {
  const group = s("g", { "clip-path": `url(#${id}-clip)` });
  const place = (line, values) => values.map((value, k) => (Number.isFinite(value) ? [x(xOf(line, k)), y(value)] : null));
  for (const line of series) {
    if (line.low && line.high) {
      const edge = [...place(line, line.low), ...place(line, line.high).reverse()].filter(Boolean);
      group.append(coloured(s("path.chart-band", { d: `${pathOf(edge, Infinity)}Z` }), line));
    }
    const limit = options.log ? box.bottom + 400 : Infinity;
    const path = s(line.thin ? "path.chart-line.thin" : "path.chart-line", { d: pathOf(place(line, line.values), limit) });
    if (line.dash) path.setAttribute("stroke-dasharray", line.dash);
    group.append(coloured(path, line));
  }
  return group;
}

function pathOf(points, limit) {
  let pen = "M";
  return points.map((point) => {
    if (!point) {
      pen = "M";
      return "";
    }
    const step = `${pen}${point[0].toFixed(1)} ${Math.min(Math.max(point[1], -limit), limit).toFixed(1)}`;
    pen = "L";
    return step;
  }).join("");
}

function endLabels({ series, box, x, y, low, options, label: labelOf }) {
  // A line that ends in no number, as a diverged loss does, is named where it was seen last.
  const seen = series.filter((line) => labelOf(line) && line.values.some(Number.isFinite));
  const labels = seen.map((line) => {
    const gone = options.log ? line.values.findIndex((value) => value < low) : -1;
    const last = gone < 0 ? line.values.findLastIndex(Number.isFinite) : gone;
    const leaves = gone >= 0;
    const text = leaves ? `${labelOf(line)} ↓` : labelOf(line);
    const width = text.length * 7.4;
    const left = Math.min(x(xOf(line, last)) + 7, leaves ? box.right - width : Infinity);
    return { line, text, x: left, y: leaves ? box.bottom - 12 : y(line.values[last]), width, height: LINE_HEIGHT };
  });
  const group = s("g.chart-labels", {});
  for (const label of spreadLabels(labels, box.top, box.bottom)) {
    group.append(coloured(s("text", { x: label.x, y: label.y + 4 }, label.text), label.line));
  }
  return group;
}

function drawLegend(chart) {
  chart.values = [];
  chart.legend.replaceChildren(...chart.series.map((line) => {
    const item = h("li.chart-key");
    const swatch = s("svg", { width: 28, height: 10, "aria-hidden": "true" });
    const stroke = s(line.thin ? "path.chart-line.thin" : "path.chart-line", { d: "M1 5H27" });
    if (line.dash) stroke.setAttribute("stroke-dasharray", line.dash);
    swatch.append(coloured(stroke, line));
    const value = h("span.chart-value");
    chart.values.push(value);
    item.append(swatch, h("span", {}, line.legend ?? line.name), value);
    return item;
  }));
}

function setCross(chart, index) {
  chart.cross = index;
  const { box, options, series, xs } = chart;
  if (!chart.crossGroup) return;
  chart.crossGroup.replaceChildren();
  const at = index === null ? null : xs[index];
  chart.values.forEach((node, k) => {
    node.textContent = at === null ? "" : options.format(valueAt(series[k], at));
  });
  const where = at === null ? "" : options.xText ? options.xText(at) : `${options.xLabel} ${at}`;
  chart.frame.setAttribute("aria-valuenow", String(index ?? 0));
  chart.frame.setAttribute("aria-valuetext", at === null ? chart.strings.help
    : `${where}: ${series.map((line) => `${line.name} ${options.format(valueAt(line, at))}`).join(", ")}`);
  options.onCross?.(at);
  if (at === null) return;
  const left = chart.x(at);
  chart.crossGroup.append(s("line", { x1: left, x2: left, y1: box.top, y2: box.bottom }));
  const anchor = left > (box.left + box.right) / 2 ? "end" : "start";
  const place = { x: left + (anchor === "end" ? -6 : 6), y: box.top + 8, "text-anchor": anchor };
  chart.crossGroup.append(s("text.halo", place, where));
  for (const line of series) {
    const value = valueAt(line, at);
    if (!Number.isFinite(value) || value < chart.low) continue;
    chart.crossGroup.append(coloured(s("circle", { cx: left, cy: chart.y(value), r: 4.5 }), line));
  }
}

function moveToPointer(chart, event) {
  if (chart.xs.length === 0) return;
  const { box, xs } = chart;
  const left = event.clientX - chart.svg.getBoundingClientRect().left;
  const share = Math.min(1, Math.max(0, (left - box.left) / (box.right - box.left)));
  setCross(chart, nearestIndex(xs, xs[0] + share * (xs.at(-1) - xs[0])));
}

function moveByKey(chart, event) {
  const last = chart.xs.length - 1;
  const now = chart.cross ?? 0;
  const jump = Math.max(1, Math.round(last / 10));
  const moves = { ArrowRight: now + 1, ArrowUp: now + 1, ArrowLeft: now - 1, ArrowDown: now - 1, Home: 0, End: last,
    PageUp: now + jump, PageDown: now - jump };
  if (event.key === "Escape") setCross(chart, null);
  if (!(event.key in moves) || last < 0) return;
  event.preventDefault();
  event.stopPropagation();
  setCross(chart, Math.min(last, Math.max(0, moves[event.key])));
}

function allXs(series) {
  return [...new Set(series.flatMap((line) => line.values.map((_, k) => xOf(line, k))))].sort((a, b) => a - b);
}

function xOf(line, k) {
  return line.at ? line.at[k] : k;
}

function valueAt(line, x) {
  const k = line.at ? line.at.indexOf(x) : x;
  return k < 0 ? undefined : line.values[k];
}

function coloured(node, line) {
  node.style.setProperty("--line-colour", `var(${line.colour})`);
  return node;
}
