// The map's panel: a tab with a thumbnail for each gate and state, the heat map, its legend, table and files.

import { h, roving } from "./a11y.js";
import { colour } from "./colour.js";
import { heatMap } from "./heat.js";
import { saveBlob } from "./files.js";
import { mapPng, windowCsv, windowTable } from "./heat-files.js";
import { paint, pixelSize, valueAt } from "./heat-pixels.js";
import { memoryTexts as texts } from "./strings-memory.js";

const THUMBNAIL = { width: 120, height: 24 };

/** Put the panel into `root`. `handlers`: onLetter, onCursor({t, unit}), onNpz(), describe(t, unit, value, letter), title(). */
export function mapPanel(root, handlers) {
  return new MapPanel(root, handlers);
}

class MapPanel {
  constructor(root, handlers) {
    this.handlers = handlers;
    this.tabs = h("div.letters", { role: "tablist", "aria-label": texts.lettersLabel });
    roving(this.tabs, ".letter-tab", (tab) => handlers.onLetter(tab.dataset.letter));
    this.barsName = h("span.heat-bars-name");
    this.place = h("div.heat-place", { role: "tabpanel", id: "heat-panel" });
    this.reading = h("p.heat-reading.number");
    this.legend = h("div.heat-legend");
    this.tableBox = h("div.table-wrap", { hidden: true, tabindex: "0", role: "region", "aria-label": texts.table });
    this.tableButton = this.button(texts.table, () => this.toggleTable(), { "aria-expanded": "false" });
    const buttons = h("div.heat-buttons", {},
      this.button(texts.all, () => this.heat.zoomTo(null)),
      this.button("+", () => this.heat.zoomBy(0.5), { "aria-label": texts.zoomIn }),
      this.button("−", () => this.heat.zoomBy(2), { "aria-label": texts.zoomOut }),
      this.tableButton,
      this.button(texts.png, () => this.savePng()),
      this.button(texts.csv, () => this.saveCsv()),
      this.button(texts.npz, () => handlers.onNpz()));
    this.buttons = buttons;
    root.append(this.tabs, this.barsName, this.place, h("div.heat-foot", {}, this.reading, this.legend), buttons,
      h("p.note.heat-hint", {}, texts.drag), this.tableBox);
    this.heat = heatMap(this.place, { kind: texts.mapKind, name: "" }, {
      onCursor: (cell) => handlers.onCursor(cell),
      onHover: (cell) => this.read(cell),
      onView: () => this.fillTable(),
    });
    this.place.classList.add("waiting");
  }

  button(text, run, attributes = {}) {
    return h("button.button.small", { type: "button", onclick: run, ...attributes }, text);
  }

  /** Offer the letters that this cell has; one of them is chosen. */
  offer(letters, chosen) {
    if (this.tabs.dataset.letters !== letters.join("")) {
      this.tabs.dataset.letters = letters.join("");
      this.tabs.replaceChildren(...letters.map((letter) => this.tab(letter)));
    }
    for (const tab of this.tabs.children) {
      const on = tab.dataset.letter === chosen;
      tab.setAttribute("aria-selected", String(on));
      tab.tabIndex = on ? 0 : -1;
    }
  }

  tab(letter) {
    const canvas = h("canvas", { width: THUMBNAIL.width, height: THUMBNAIL.height, "aria-hidden": "true" });
    const attributes = { type: "button", role: "tab", "data-letter": letter, "aria-controls": "heat-panel", onclick: () => this.handlers.onLetter(letter) };
    return h(`button.letter-tab.part-${letter}`, attributes, h("b", {}, letter), h("span", {}, texts.letters[letter]), canvas);
  }

  /** Paint one letter's thumbnail. */
  thumbnail(letter, map, order) {
    const canvas = this.tabs.querySelector(`[data-letter="${letter}"] canvas`);
    if (!canvas) return;
    const view = { t0: 0, t1: map.steps, r0: 0, r1: map.units };
    const size = pixelSize(view, THUMBNAIL.width, THUMBNAIL.height);
    const image = new ImageData(size.width, size.height);
    paint(new Uint32Array(image.data.buffer), size, map, order, view, tableOf(map));
    canvas.width = size.width;
    canvas.height = size.height;
    canvas.getContext("2d").putImageData(image, 0, 0);
  }

  /** Show a map: {map, order, scores, bars, words, cursor, marked, letter, name}. */
  show(given) {
    this.given = { ...this.given, ...given };
    const { map, order, scores, bars, words, cursor, marked, letter, name } = this.given;
    if (!map) return;
    this.place.classList.remove("waiting");
    this.barsName.textContent = bars ?? "";
    this.heat.over.setAttribute("aria-label", texts.mapName(letter, name));
    this.heat.set({ map, order, scores, words, cursor, marked, table: tableOf(map) });
    this.drawLegend(map, name);
    this.read(null);
    this.fillTable();
  }

  /** Move the cross-hair; a place outside the window comes into it. */
  moveTo(cursor) {
    if (!this.given?.map) return;
    this.given.cursor = cursor;
    this.heat.follows = true;
    this.heat.set({ cursor });
    this.heat.follows = false;
    this.read(null);
  }

  read(cell) {
    const { map, cursor, letter } = this.given ?? {};
    if (!map) return;
    const { t, unit } = cell ?? cursor;
    if (t < 0 || unit < 0 || t >= map.steps || unit >= map.units) return;
    this.reading.textContent = this.handlers.describe(t, unit, valueAt(map, unit, t), letter, map.exact === null);
  }

  drawLegend(map, name) {
    const canvas = h("canvas", { width: 256, height: 1, "aria-hidden": "true" });
    const image = new ImageData(256, 1);
    new Uint32Array(image.data.buffer).set(tableOf(map));
    canvas.getContext("2d").putImageData(image, 0, 0);
    const to = colour.fmt(map.scale, 2).replace(/\.?0+$/, "");
    const [low, high] = map.values ? [`− ${texts.ownScale}`, "+"] : map.signed ? [`−${to}`, `+${to}`] : ["0", "1"];
    this.legend.replaceChildren(h("span.note", {}, name), h("span", {}, low), canvas, h("span", {}, high));
  }

  toggleTable() {
    this.tableBox.hidden = !this.tableBox.hidden;
    this.tableButton.textContent = this.tableBox.hidden ? texts.table : texts.hideTable;
    this.tableButton.setAttribute("aria-expanded", String(!this.tableBox.hidden));
    this.fillTable();
  }

  fillTable() {
    if (this.tableBox.hidden || !this.given?.map) return;
    const { map, words, letter } = this.given;
    this.tableBox.replaceChildren(windowTable(map, this.heat.given.order, this.heat.view, words, letter, colour.fmt));
  }

  async savePng() {
    if (!this.given?.map) return;
    this.heat.flush();
    saveBlob(await mapPng(this.heat, this.handlers.title(), `${this.given.name} · Holdfast Studio`), `memory-${this.given.letter}.png`);
  }

  saveCsv() {
    if (!this.given?.map) return;
    const { map, words, letter } = this.given;
    saveBlob(windowCsv(map, this.heat.given.order, this.heat.view, words, letter), `memory-${letter}.csv`);
  }

  /** Take the map off the page. */
  unmount() {
    this.heat.unmount();
  }
}

function tableOf(map) {
  return colour.ramp(map.signed ? "signed" : "sequential");
}
