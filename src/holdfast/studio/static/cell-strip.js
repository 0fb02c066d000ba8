// One unit's memory and gates over the whole text, as lanes; a click or the arrow keys move the cursor.

import { h } from "./a11y.js";
import { fmt } from "./colour.js";
import { panel as words } from "./strings-cell.js";

const STATE_HEIGHT = 64;
const GATE_HEIGHT = 26;
const GAP = 6;
const LEFT = 30;

/** Makes the strip: `show(lanes, trace, letters)`, `cursor(t)`; `go({t})` moves the shared cursor. */
export function makeStrip(go) {
  const canvas = h("canvas.strip", { role: "slider", tabindex: 0, "aria-valuemin": 1 });
  const readout = h("p.note.strip-readout.number");
  let shown = null;
  let at = -1;
  let hover = -1;
  const observer = new ResizeObserver(() => paint());
  observer.observe(canvas);

  canvas.addEventListener("pointermove", (event) => point(stepAt(event)));
  canvas.addEventListener("pointerleave", () => point(-1));
  canvas.addEventListener("click", (event) => {
    const t = stepAt(event);
    if (t >= 0) go({ t });
  });
  canvas.addEventListener("keydown", (event) => {
    const steps = { ArrowRight: 1, ArrowLeft: -1, PageUp: 10, PageDown: -10, Home: -Infinity, End: Infinity };
    if (!(event.key in steps) || event.shiftKey || !shown) return;
    event.preventDefault();
    go({ t: Math.min(shown.trace.T - 1, Math.max(0, at + steps[event.key])) });
  });

  function point(t) {
    hover = t;
    paint();
    tell();
  }

  function stepAt(event) {
    if (!shown) return -1;
    const share = (event.offsetX - LEFT) / (canvas.clientWidth - LEFT);
    return Math.min(shown.trace.T - 1, Math.max(0, Math.floor(share * shown.trace.T)));
  }

  function tell() {
    const t = hover >= 0 ? hover : at;
    if (!shown || !shown.trace.tokens[t]) return;
    const values = shown.letters.map((letter) => `${letter} ${fmt(shown.lanes[letter].data[t])}`).join("  ");
    const text = words.stripLabel(shown.noun, t + 1, shown.trace.tokens[t][0], values);
    readout.textContent = text;
    if (hover < 0) {
      canvas.setAttribute("aria-valuenow", t + 1);
      canvas.setAttribute("aria-valuetext", text);
    }
  }

  function paint() {
    const width = canvas.clientWidth;
    if (!shown || width === 0) return;
    const ratio = window.devicePixelRatio || 1;
    const height = heightOf(shown.letters);
    canvas.style.setProperty("height", height + "px");
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    const pen = canvas.getContext("2d");
    pen.scale(ratio, ratio);
    paintLanes(pen, shown, width, [hover, at], canvas);
  }

  return {
    element: h("div.strip-box", {}, canvas, readout),
    show(lanes, trace, letters, label, noun) {
      shown = { lanes, trace, letters, noun };
      canvas.setAttribute("aria-label", label);
      canvas.setAttribute("aria-valuemax", trace.T);
      paint();
      tell();
    },
    cursor(t) {
      at = t;
      paint();
      tell();
    },
    repaint: paint,
    stop: () => observer.disconnect(),
  };
}

function heightOf(letters) {
  return letters.reduce((total, letter) => total + heightOfLane(letter, letters) + GAP, 0);
}

// The state that remembers is drawn large: c, or h where there is no c.
function heightOfLane(letter, letters) {
  return letter === (letters.includes("c") ? "c" : "h") ? STATE_HEIGHT : GATE_HEIGHT;
}

function paintLanes(pen, { lanes, trace, letters }, width, [hover, at], canvas) {
  const style = getComputedStyle(canvas);
  const colour = (name) => style.getPropertyValue(name).trim();
  const inner = width - LEFT;
  const step = inner / trace.T;
  pen.font = `600 13px ${style.fontFamily}`;
  for (const [t, ink] of [[hover, colour("--line")], [at, colour("--accent")]]) {
    if (t < 0) continue;
    pen.globalAlpha = t === at ? 0.22 : 1;
    pen.fillStyle = ink;
    pen.fillRect(LEFT + t * step, 0, Math.max(2, step), heightOf(letters));
    pen.globalAlpha = 1;
  }
  let top = 0;
  for (const letter of letters) {
    const height = heightOfLane(letter, letters);
    const signed = "cghn".includes(letter);
    const data = lanes[letter].data;
    const scale = letter === "c" ? Math.max(1, ...extremes(data)) : 1;
    const zero = signed ? top + height / 2 : top + height;
    const unit = (signed ? height / 2 : height) / scale;
    pen.fillStyle = colour("--line");
    pen.fillRect(LEFT, Math.round(zero), inner, 1);
    paintLane(pen, data, { step, zero, unit, signed, colours: [colour("--positive"), colour("--negative"), colour("--part-" + letter)] });
    pen.fillStyle = colour("--ink");
    pen.fillText(letter, 6, top + height / 2 + 4);
    pen.fillStyle = colour("--part-" + letter);
    pen.fillRect(0, top + 2, 2.5, height - 4);
    top += height + GAP;
  }
}

// One bar a step; where steps are thinner than a pixel, the largest value of each pixel.
function paintLane(pen, data, { step, zero, unit, signed, colours }) {
  const bins = step >= 1 ? data.length : Math.ceil(data.length * step);
  const gap = step > 5 ? 1 : 0;
  for (let n = 0; n < bins; n += 1) {
    const value = step >= 1 ? data[n] : largest(data, Math.floor(n / step), Math.floor((n + 1) / step));
    const size = value * unit;
    pen.fillStyle = signed ? (value < 0 ? colours[1] : colours[0]) : colours[2];
    const x = LEFT + n * Math.max(1, step);
    pen.fillRect(x, Math.min(zero, zero - size), Math.max(1, step) - gap, Math.max(1, Math.abs(size)));
  }
}

function largest(data, from, to) {
  let best = data[from];
  for (let n = from + 1; n < Math.min(to, data.length); n += 1) if (Math.abs(data[n]) > Math.abs(best)) best = data[n];
  return best;
}

function extremes(data) {
  let most = 0;
  for (const value of data) most = Math.max(most, Math.abs(value));
  return [most];
}
