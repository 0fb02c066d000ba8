// What a heat map hands out: the visible window as a table or as CSV, and the picture as PNG.

import { csvWord, saveBlob } from "./files.js";
import { valueAt } from "./heat-pixels.js";
import { heatTexts } from "./strings-chart.js";

const MOST_CELLS = 4000;

/** Build an HTML table of the visible window, rows and columns as drawn, cut at 4,000 cells and saying so. */
export function windowTable(map, order, view, words, letter, format) {
  const cols = Math.min(view.t1 - view.t0, 200);
  const rows = Math.min(view.r1 - view.r0, Math.max(1, Math.floor(MOST_CELLS / cols)));
  const table = document.createElement("table");
  const caption = table.createCaption();
  const cut = cols < view.t1 - view.t0 || rows < view.r1 - view.r0;
  caption.textContent = heatTexts.caption(letter, view.t0 + 1, view.t0 + cols, rows, cut);
  const head = table.createTHead().insertRow();
  heading(head, heatTexts.unit, "col");
  for (let t = view.t0; t < view.t0 + cols; t += 1) heading(head, `${t + 1} ${words[t] ?? ""}`, "col");
  const body = table.createTBody();
  for (let row = view.r0; row < view.r0 + rows; row += 1) {
    const line = body.insertRow();
    heading(line, String(order[row]), "row");
    for (let t = view.t0; t < view.t0 + cols; t += 1) {
      line.insertCell().textContent = format(valueAt(map, order[row], t), 2);
    }
  }
  return table;
}

function heading(row, text, scope) {
  const cell = document.createElement("th");
  cell.scope = scope;
  cell.textContent = text;
  row.append(cell);
}

/** Write the visible window as CSV: one line a step, one column a unit. */
export function windowCsv(map, order, view, words, letter) {
  const units = Array.from(order.slice(view.r0, view.r1));
  const lines = [["step", "word", ...units.map((unit) => `${letter}_${unit}`)].join(",")];
  for (let t = view.t0; t < view.t1; t += 1) {
    lines.push([t + 1, csvWord(words[t] ?? ""), ...units.map((unit) => valueAt(map, unit, t))].join(","));
  }
  return new Blob([`${lines.join("\n")}\n`], { type: "text/csv" });
}

/** Paint the map with its margins, a title and a line of small print into one PNG, at least 1200 pixels wide. */
export async function mapPng(heat, title, small) {
  const style = getComputedStyle(heat.root);
  const parts = [heat.bars, heat.canvas, heat.words];
  const base = heat.root.getBoundingClientRect();
  const scale = Math.max(2, 1200 / base.width);
  const canvas = document.createElement("canvas");
  canvas.width = Math.round(base.width * scale);
  canvas.height = Math.round((base.height + 70) * scale);
  const pen = canvas.getContext("2d");
  pen.scale(scale, scale);
  pen.fillStyle = style.getPropertyValue("--ground").trim() || "#fff";
  pen.fillRect(0, 0, base.width, base.height + 70);
  pen.imageSmoothingEnabled = false;
  for (const part of parts) {
    const box = part.getBoundingClientRect();
    if (box.width > 0) pen.drawImage(part, box.left - base.left, box.top - base.top + 36, box.width, box.height);
  }
  pen.fillStyle = style.getPropertyValue("--ink").trim() || "#111";
  pen.font = "600 16px system-ui, sans-serif";
  pen.fillText(title, 12, 24, base.width - 24);
  pen.fillStyle = style.getPropertyValue("--muted").trim() || "#555";
  pen.font = "12px system-ui, sans-serif";
  pen.fillText(small, 12, base.height + 58, base.width - 24);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
}

/** Ask the server for a whole trace as a file, and hand it to the reader. */
export async function saveFile(context, question, kind) {
  // A server that has let the trace go makes it anew for this question, which costs next to nothing.
  await context.store.ask("get", "order", { by: "index", layer: 0, direction: "forward" }, { question });
  const trace = await context.store.traceOf(question);
  const blob = await context.api.file("export", { kind, trace: trace.id, state: context.fragment() });
  saveBlob(blob, `trace.${kind}`);
}
