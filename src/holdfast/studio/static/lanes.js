// The lanes of one unit: each gate and state as a line over the words, on one shared axis of steps.

import { s } from "./a11y.js";

const LEFT = 46;
const RIGHT = 12;
const HIGH = 46;
const GAP = 8;
const FOOT = 26;
export const DASHES = { f: "", i: "6 3", g: "2 3", o: "9 3 2 3", c: "", h: "12 4", z: "", r: "6 3", n: "2 3" };

/**
 * Draw the lanes into `root`. `handlers`: onStep(t) when a place is clicked.
 * The caller hands over `draw({letters, lanes, scale, words, t, format, marked, second})` and moves the cursor with `mark(t)`.
 */
export function laneChart(root, label, handlers) {
  return new LaneChart(root, label, handlers);
}

/** Shrink a lane to the largest and smallest value of each group of steps: [[t, value], ...] in order. */
export function thinned(lane, most) {
  const steps = lane.length;
  const points = [];
  if (steps <= 2 * most) {
    for (let t = 0; t < steps; t += 1) points.push([t, lane[t]]);
    return points;
  }
  for (let k = 0; k < most; k += 1) {
    const from = Math.floor((k * steps) / most);
    const to = Math.floor(((k + 1) * steps) / most);
    let low = from;
    let high = from;
    for (let t = from; t < to; t += 1) {
      if (lane[t] < lane[low]) low = t;
      if (lane[t] > lane[high]) high = t;
    }
    for (const t of low < high ? [low, high] : [high, low]) points.push([t, lane[t]]);
  }
  return points;
}

class LaneChart {
  constructor(root, label, handlers) {
    this.svg = s("svg.lanes", { role: "img", "aria-label": label });
    root.append(this.svg);
    this.root = root;
    this.wide = 0;
    // One unit of the drawing is one pixel of the page, so that letters keep their size on a phone.
    this.watch = new ResizeObserver(() => {
      if (this.given && Math.round(root.clientWidth) !== this.wide) this.draw({ ...this.given, t: this.t });
    });
    this.watch.observe(root);
    this.svg.addEventListener("click", (event) => {
      const t = this.stepAt(event.clientX);
      if (t >= 0) handlers.onStep?.(t);
    });
  }

  /** Draw all lanes: `lanes[letter]` [T], signed letters within ±scale[letter], the others within 0..1. */
  draw({ letters, lanes, scale, words, t, format, marked = -1, second = null }) {
    this.given = { letters, lanes, scale, words, format, marked, second };
    this.wide = Math.max(240, Math.round(this.root.clientWidth));
    this.steps = lanes[letters[0]].length;
    const height = letters.length * (HIGH + GAP) + FOOT;
    this.svg.setAttribute("viewBox", `0 0 ${this.wide} ${height}`);
    this.svg.replaceChildren();
    letters.forEach((letter, k) => this.lane(letter, k * (HIGH + GAP) + 4));
    this.foot(height - FOOT + 14, marked);
    this.cursor = s("line.lanes-cursor", { y1: 0, y2: height - FOOT + 2 });
    this.readings = s("g.lanes-readings");
    this.svg.append(this.cursor, this.readings);
    this.mark(t);
  }

  lane(letter, top) {
    const { lanes, scale } = this.given;
    const range = scale[letter];
    const y = this.height(letter, top);
    this.svg.append(
      s("rect.lanes-ground", { x: LEFT, y: top, width: this.wide - LEFT - RIGHT, height: HIGH }),
      s("line.lanes-zero", { x1: LEFT, x2: this.wide - RIGHT, y1: y(0), y2: y(0) }),
    );
    const other = this.given.second?.[letter]?.slice(0, this.steps);
    if (other) this.svg.append(s("polyline.lanes-second", { points: this.points(other, y) }));
    this.svg.append(s(`polyline.lanes-line.part-${letter}`, { points: this.points(lanes[letter], y), "stroke-dasharray": DASHES[letter] ?? "" }));
    const name = s("text.lanes-letter", { x: 14, y: top + HIGH / 2 + 5, "text-anchor": "middle" });
    name.textContent = letter;
    this.svg.append(name, s(`rect.lanes-key.part-${letter}`, { x: 2, y: top, width: 3, height: HIGH }));
    const { format } = this.given;
    const ends = range.signed ? [[range.to, top + 9], [-range.to, top + HIGH - 1]] : [[1, top + 9], [0, top + HIGH - 1]];
    for (const [value, at] of ends) {
      const end = s("text.lanes-end", { x: LEFT - 4, y: at, "text-anchor": "end" });
      end.textContent = Number.isInteger(value) ? format(value, 0) : format(value, 1);
      this.svg.append(end);
    }
  }

  points(lane, y) {
    return thinned(lane, this.wide - LEFT).map(([t, value]) => `${this.x(t).toFixed(1)},${y(value).toFixed(2)}`).join(" ");
  }

  height(letter, top) {
    const range = this.given.scale[letter];
    const low = range.signed ? -range.to : 0;
    const span = (range.to - low) || 1;
    return (value) => top + HIGH - 3 - ((value - low) / span) * (HIGH - 6);
  }

  x(t) {
    return LEFT + ((t + 0.5) / this.steps) * (this.wide - LEFT - RIGHT);
  }

  foot(y, marked) {
    const { words } = this.given;
    let free = LEFT;
    const put = (t, strong) => {
      const word = words[t] ?? "";
      const half = word.length * 3.4 + 4;
      const at = Math.max(LEFT + half - 4, Math.min(this.wide - half, this.x(t)));
      if (!strong && at - half < free) return;
      const text = s(strong ? "text.lanes-word.strong" : "text.lanes-word", { x: at, y, "text-anchor": "middle" });
      text.textContent = word;
      this.svg.append(text);
      free = at + half;
    };
    const room = marked >= 0 ? this.x(marked) - (words[marked] ?? "").length * 3.4 - 8 : this.wide;
    for (let t = 0; t < this.steps; t += 1) {
      if (t === marked) put(t, true);
      else if (t > marked || this.x(t) + (words[t] ?? "").length * 3.4 + 4 < room) put(t, false);
    }
  }

  /** Move the cursor to a step and write each lane's value beside it. */
  mark(t) {
    this.t = t;
    if (!this.cursor || !(t >= 0) || t >= this.steps) return;
    const { letters, lanes, format } = this.given;
    const x = this.x(t);
    this.cursor.setAttribute("x1", x);
    this.cursor.setAttribute("x2", x);
    this.readings.replaceChildren();
    const right = x < this.wide - 70;
    letters.forEach((letter, k) => {
      const top = k * (HIGH + GAP) + 4;
      const value = lanes[letter][t];
      const text = s("text.lanes-value", { x: right ? x + 8 : x - 8, y: top + 14, "text-anchor": right ? "start" : "end" });
      text.textContent = format(value, 2);
      text.dataset.letter = letter;
      this.readings.append(s(`circle.lanes-dot.part-${letter}`, { cx: x, cy: this.height(letter, top)(value), r: 4 }), text);
    });
  }

  stepAt(clientX) {
    if (!this.steps) return -1;
    const box = this.svg.getBoundingClientRect();
    const x = ((clientX - box.left) / box.width) * this.wide;
    const t = Math.floor(((x - LEFT) / (this.wide - LEFT - RIGHT)) * this.steps);
    return Math.max(0, Math.min(this.steps - 1, t));
  }

  /** Take the chart off the page. */
  unmount() {
    this.watch.disconnect();
    this.svg.remove();
  }
}
