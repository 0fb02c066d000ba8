// A chart's numbers as a table, as CSV, and the chart itself as an SVG file of its own.

import { csvWord } from "./files.js";

const STYLES = ["fill", "stroke", "stroke-width", "stroke-dasharray", "stroke-linejoin", "opacity", "font-family",
  "font-size", "font-weight", "text-anchor", "paint-order"];

/** Build the HTML table of a chart: one row for each x, one column for each line. */
export function chartTable(title, xLabel, xs, series, valueAt, format) {
  const table = document.createElement("table");
  const caption = table.createCaption();
  caption.textContent = title;
  const head = table.createTHead().insertRow();
  for (const name of [xLabel, ...series.map((line) => line.name)]) {
    const cell = document.createElement("th");
    cell.scope = "col";
    cell.textContent = name;
    head.append(cell);
  }
  const body = table.createTBody();
  for (const x of xs) {
    const row = body.insertRow();
    const first = document.createElement("th");
    first.scope = "row";
    first.textContent = String(x);
    row.append(first);
    for (const line of series) row.insertCell().textContent = format(valueAt(line, x));
  }
  return table;
}

/** Write a chart's numbers as CSV, at full precision. */
export function chartCsv(xLabel, xs, series, valueAt) {
  const rows = [[xLabel, ...series.map((line) => line.name)].map(csvWord)];
  for (const x of xs) rows.push([x, ...series.map((line) => valueAt(line, x) ?? "")]);
  return `${rows.map((row) => row.join(",")).join("\n")}\n`;
}

/** Copy an SVG picture with every colour and font written out, so that it looks the same without the page. */
export function standaloneSvg(svg, title) {
  const copy = svg.cloneNode(true);
  const originals = [svg, ...svg.querySelectorAll("*")];
  const copies = [copy, ...copy.querySelectorAll("*")];
  originals.forEach((original, k) => {
    const style = getComputedStyle(original);
    for (const name of STYLES) {
      const value = style.getPropertyValue(name);
      if (value && !copies[k].hasAttribute(name)) copies[k].setAttribute(name, value);
    }
    copies[k].removeAttribute("style");
    copies[k].removeAttribute("class");
  });
  for (const hidden of copy.querySelectorAll("[data-screen-only]")) hidden.remove();
  const ground = document.createElementNS(svg.namespaceURI, "rect");
  for (const [name, value] of [["width", "100%"], ["height", "100%"], ["fill", groundBehind(svg)]]) {
    ground.setAttribute(name, value);
  }
  const heading = document.createElementNS(svg.namespaceURI, "title");
  heading.textContent = title;
  copy.prepend(heading, ground);
  copy.setAttribute("xmlns", svg.namespaceURI);
  return new XMLSerializer().serializeToString(copy);
}

function groundBehind(element) {
  for (let node = element; node; node = node.parentElement) {
    const colour = getComputedStyle(node).backgroundColor;
    if (colour && colour !== "rgba(0, 0, 0, 0)" && colour !== "transparent") return colour;
  }
  return "white";
}
