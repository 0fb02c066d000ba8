// A heat map on canvas: one row a unit, one column a step, with a cross-hair, zoom, keys and margins.

import { cellAt, clampTo, paint, pixelSize } from "./heat-pixels.js";
import { drawBars, drawWords } from "./heat-margins.js";
import { fit, outline } from "./heat-canvas.js";

const DRAG_PIXELS = 6;

/**
 * Put a heat map into `root`. `handlers`: onCursor({t, unit}) when a cell is chosen, onHover({t, unit} or null),
 * onView(view) after a zoom. The caller hands data over with `set` and reads `view`, `hit` and `canvas`.
 */
export function heatMap(root, label, handlers) {
  return new HeatMap(root, label, handlers);
}

class HeatMap {
  constructor(root, label, handlers) {
    this.handlers = handlers;
    this.given = { map: null, order: null, table: null, scores: null, words: [], cursor: { t: 0, unit: 0 }, marked: -1 };
    this.view = null;
    this.drag = null;
    this.hover = null;
    this.pending = 0;
    this.stale = true;
    this.root = element("div", "heat", root);
    this.bars = element("canvas", "heat-bars", this.root);
    this.stage = element("div", "heat-stage", this.root);
    this.words = element("canvas", "heat-words", this.root);
    this.canvas = element("canvas", "heat-map", this.stage);
    this.over = element("canvas", "heat-over", this.stage);
    this.picture = document.createElement("canvas");
    for (const canvas of [this.bars, this.words, this.canvas]) canvas.setAttribute("aria-hidden", "true");
    this.over.tabIndex = 0;
    this.over.setAttribute("role", "application");
    this.over.setAttribute("aria-roledescription", label.kind);
    this.over.setAttribute("aria-label", label.name);
    this.listen();
    this.watch = new ResizeObserver(() => this.redraw());
    this.watch.observe(this.stage);
  }

  /** Take new data, order, table, cursor: whatever is given; the rest stays. */
  set(given) {
    const before = this.given;
    this.given = { ...before, ...given };
    const { map, order } = this.given;
    if (!map) return;
    if (!order || order.length !== map.units) this.given.order = Int32Array.from({ length: map.units }, (_, n) => n);
    if (this.given.order !== before.order || !this.rows) {
      this.rows = new Int32Array(map.units);
      this.given.order.forEach((unit, row) => { this.rows[unit] = row; });
    }
    const resized = !before.map || before.map.steps !== map.steps || before.map.units !== map.units;
    if (resized || !this.view) this.view = { t0: 0, t1: map.steps, r0: 0, r1: map.units };
    if (given.cursor && this.follows) this.showCell(given.cursor);
    if (["map", "order", "table", "scores", "words"].some((key) => this.given[key] !== before[key])) this.stale = true;
    this.schedule();
  }

  /** Draw everything anew, as after a change of theme or size. */
  redraw() {
    this.stale = true;
    this.schedule();
  }

  /** Draw at once what is waiting to be drawn. */
  flush() {
    cancelAnimationFrame(this.pending);
    this.pending = 0;
    if (!this.given.map || !this.given.table) return;
    if (this.stale) this.drawMap();
    this.stale = false;
    this.drawOver();
  }

  schedule() {
    if (!this.pending) this.pending = requestAnimationFrame(() => this.flush());
  }

  drawMap() {
    const { map, order, table, scores, words, marked } = this.given;
    const box = fit(this.canvas, this.stage);
    fit(this.over, this.stage);
    const size = pixelSize(this.view, box.width, box.height);
    const image = new ImageData(size.width, size.height);
    paint(new Uint32Array(image.data.buffer), size, map, order, this.view, table);
    this.picture.width = size.width;
    this.picture.height = size.height;
    this.picture.getContext("2d").putImageData(image, 0, 0);
    const pen = this.canvas.getContext("2d");
    pen.imageSmoothingEnabled = false;
    pen.clearRect(0, 0, box.width, box.height);
    pen.drawImage(this.picture, 0, 0, box.width, box.height);
    fit(this.bars, this.bars);
    drawBars(this.bars, this.view, order, scores);
    fit(this.words, this.words);
    drawWords(this.words, this.view, words, marked);
  }

  drawOver() {
    const pen = this.over.getContext("2d");
    const { width, height } = this.over;
    const style = getComputedStyle(this.over);
    const ratio = width / Math.max(1, this.over.clientWidth);
    pen.clearRect(0, 0, width, height);
    const ink = style.getPropertyValue("--ink").trim() || "#111";
    const ground = style.getPropertyValue("--ground").trim() || "#fff";
    if (this.hover && !this.drag) this.frame(pen, this.hover, ink, ground, ratio, 0.45);
    const { t, unit } = this.given.cursor;
    if (this.rows && unit < this.rows.length) this.frame(pen, { t, row: this.rows[unit] }, ink, ground, ratio, 1);
    if (this.drag?.moved) {
      const box = this.dragBox();
      pen.globalAlpha = 1;
      pen.setLineDash([4 * ratio, 3 * ratio]);
      outline(pen, box.x * ratio, box.y * ratio, box.width * ratio, box.height * ratio, ink, ground, ratio);
      pen.setLineDash([]);
    }
  }

  frame(pen, cell, ink, ground, ratio, alpha) {
    const view = this.view;
    const { width, height } = this.over;
    const wide = width / (view.t1 - view.t0);
    const high = height / (view.r1 - view.r0);
    const x = (cell.t - view.t0) * wide;
    const y = (cell.row - view.r0) * high;
    pen.globalAlpha = alpha;
    const side = Math.max(wide, 3 * ratio);
    const tall = Math.max(high, 3 * ratio);
    if (x >= -1 && x < width) outline(pen, x + wide / 2 - side / 2, -2 * ratio, side, height + 4 * ratio, ink, ground, ratio);
    if (y >= -1 && y < height) outline(pen, -2 * ratio, y + high / 2 - tall / 2, width + 4 * ratio, tall, ink, ground, ratio);
    pen.globalAlpha = 1;
  }

  /** Name the cell under a point of the page: {t, row, unit}. */
  hit(clientX, clientY) {
    const box = this.over.getBoundingClientRect();
    const cell = cellAt(this.view, (clientX - box.left) / box.width, (clientY - box.top) / box.height);
    return { ...cell, unit: this.given.order[cell.row] };
  }

  /** Show a window of steps and rows; without one, everything. */
  zoomTo(view) {
    const { map } = this.given;
    if (!map) return;
    const wanted = view ?? { t0: 0, t1: map.steps, r0: 0, r1: map.units };
    const cols = clampTo(wanted.t1 - wanted.t0, Math.min(2, map.steps), map.steps);
    const rows = clampTo(wanted.r1 - wanted.r0, 1, map.units);
    const t0 = clampTo(wanted.t0, 0, map.steps - cols);
    const r0 = clampTo(wanted.r0, 0, map.units - rows);
    this.view = { t0, t1: t0 + cols, r0, r1: r0 + rows };
    this.handlers.onView?.(this.view);
    this.redraw();
  }

  /** Zoom in (factor below 1) or out around the cross-hair. */
  zoomBy(factor) {
    const { t, unit } = this.given.cursor;
    const view = this.view;
    const cols = Math.max(2, Math.round((view.t1 - view.t0) * factor));
    const rows = Math.max(1, Math.round((view.r1 - view.r0) * factor));
    const row = this.rows[unit] ?? 0;
    const t0 = Math.round(t - ((t - view.t0) / (view.t1 - view.t0)) * cols);
    const r0 = Math.round(row - ((row - view.r0) / (view.r1 - view.r0)) * rows);
    this.zoomTo({ t0, t1: t0 + cols, r0, r1: r0 + rows });
  }

  showCell({ t, unit }) {
    const view = this.view;
    const row = this.rows[unit] ?? 0;
    const aside = t < view.t0 ? t - view.t0 : Math.max(0, t - view.t1 + 1);
    const down = row < view.r0 ? row - view.r0 : Math.max(0, row - view.r1 + 1);
    if (aside || down) {
      this.zoomTo({ t0: view.t0 + aside, t1: view.t1 + aside, r0: view.r0 + down, r1: view.r1 + down });
    }
  }

  /** Move the cross-hair by steps and rows, as the arrow keys do. */
  move(steps, rows) {
    const { map, order, cursor } = this.given;
    if (!map) return;
    const t = clampTo(cursor.t + steps, 0, map.steps - 1);
    const unit = order[clampTo((this.rows[cursor.unit] ?? 0) + rows, 0, map.units - 1)];
    this.choose({ t, unit });
  }

  choose(cell) {
    this.given.cursor = { t: cell.t, unit: cell.unit };
    this.showCell(cell);
    this.schedule();
    this.handlers.onCursor?.(this.given.cursor);
  }

  listen() {
    const over = this.over;
    over.addEventListener("pointerdown", (event) => {
      if (!this.given.map || event.button > 0) return;
      const at = this.inside(event);
      this.drag = { from: at, to: at, moved: false, touch: event.pointerType === "touch" };
      if (!this.drag.touch) over.setPointerCapture(event.pointerId);
    });
    over.addEventListener("pointermove", (event) => {
      if (!this.given.map) return;
      const cell = this.hit(event.clientX, event.clientY);
      if (this.hover?.t !== cell.t || this.hover?.row !== cell.row) this.handlers.onHover?.(cell);
      this.hover = cell;
      if (this.drag && !this.drag.touch) {
        this.drag.to = this.inside(event);
        const { from, to } = this.drag;
        this.drag.moved ||= Math.hypot(to.x - from.x, to.y - from.y) > DRAG_PIXELS;
      }
      this.schedule();
    });
    over.addEventListener("pointerup", (event) => this.release(event));
    over.addEventListener("pointercancel", () => { this.drag = null; this.schedule(); });
    over.addEventListener("pointerleave", () => {
      this.hover = null;
      this.handlers.onHover?.(null);
      this.schedule();
    });
    over.addEventListener("dblclick", () => this.zoomTo(null));
    over.addEventListener("keydown", (event) => this.key(event));
  }

  release(event) {
    const drag = this.drag;
    this.drag = null;
    if (!drag) return;
    if (!drag.moved) this.choose(this.hit(event.clientX, event.clientY));
    else this.zoomTo(this.dragWindow(drag));
    this.schedule();
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || !this.given.map) return;
    const far = event.shiftKey ? 10 : 1;
    const { map } = this.given;
    const acts = {
      ArrowLeft: () => this.move(-far, 0), ArrowRight: () => this.move(far, 0),
      ArrowUp: () => this.move(0, -far), ArrowDown: () => this.move(0, far),
      Home: () => this.move(-map.steps, 0), End: () => this.move(map.steps, 0),
      PageUp: () => this.move(0, -map.units), PageDown: () => this.move(0, map.units),
      "+": () => this.zoomBy(0.5), "=": () => this.zoomBy(0.5), "-": () => this.zoomBy(2), 0: () => this.zoomTo(null),
    };
    if (!acts[event.key]) return;
    acts[event.key]();
    event.preventDefault();
    event.stopPropagation();
  }

  inside(event) {
    const box = this.over.getBoundingClientRect();
    return { x: clampTo(event.clientX - box.left, 0, box.width), y: clampTo(event.clientY - box.top, 0, box.height) };
  }

  dragBox() {
    const { from, to } = this.drag;
    const { clientWidth, clientHeight } = this.over;
    const box = { x: Math.min(from.x, to.x), y: Math.min(from.y, to.y), width: Math.abs(to.x - from.x), height: Math.abs(to.y - from.y) };
    // A drag along one axis means that axis alone.
    if (box.height < 3 * DRAG_PIXELS) Object.assign(box, { y: 0, height: clientHeight });
    else if (box.width < 3 * DRAG_PIXELS) Object.assign(box, { x: 0, width: clientWidth });
    return box;
  }

  dragWindow(drag) {
    this.drag = drag;
    const box = this.dragBox();
    this.drag = null;
    const { clientWidth, clientHeight } = this.over;
    const first = cellAt(this.view, box.x / clientWidth, box.y / clientHeight);
    const last = cellAt(this.view, (box.x + box.width) / clientWidth, (box.y + box.height) / clientHeight);
    return { t0: first.t, t1: last.t + 1, r0: first.row, r1: last.row + 1 };
  }

  /** Stop watching and take the map off the page. */
  unmount() {
    this.watch.disconnect();
    cancelAnimationFrame(this.pending);
    this.root.remove();
  }
}

function element(tag, name, parent) {
  const made = document.createElement(tag);
  made.className = name;
  parent.append(made);
  return made;
}
