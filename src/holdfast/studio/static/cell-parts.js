// The pieces a cell is drawn from: wires, layers, operations, chips and values, each painted anew from (frame, phase).

import { s } from "./a11y.js";
import { fmt, fmtSigned, isSigned, sequential } from "./colour.js";

export const PHASES = 6;
const CHIP = { width: 94, height: 30 };

/** The phase that is lit at a time 0..6: 0 read to 5 output; 6, at the very end, means all of them. */
export function litPhase(time) {
  return time >= PHASES ? PHASES : Math.max(0, Math.ceil(time) - 1);
}

/** How far a phase has come at a time, 0..1, eased at both ends; `from` and `to` cut out a part of the phase. */
export function progress(time, phase, from = 0, to = 1) {
  const share = Math.min(1, Math.max(0, (time - phase - from) / (to - from)));
  return share * share * (3 - 2 * share);
}

/** "lit", "dim" or "wait" for something that belongs to these phases and has its value from `born` on. */
export function standing(time, phases, born = -1) {
  if (time >= PHASES) return "lit";
  if (time <= born) return "wait";
  return phases.includes(litPhase(time)) ? "lit" : "dim";
}

/** A wire: `d`, `phases`; `casing` is the piece that crosses over another wire; with `value(frame)` its width and colour tell a state; `flow` = [phase, from, to] sends a pulse along. */
export function wire(spec) {
  const casing = spec.casing ? s("path.casing", { d: spec.casing }) : null;
  const line = s("path.wire", { d: spec.d, "data-wire": spec.id });
  const pulse = spec.flow ? s("path.pulse", { d: spec.d, pathLength: 100 }) : null;
  const arrow = spec.arrow ? arrowHead(spec.arrow) : null;
  const group = s("g", {}, line, arrow, pulse);
  return {
    node: casing ? s("g", {}, casing, group) : group,
    paint(frame, time) {
      const state = standing(time, spec.phases);
      group.setAttribute("class", `wire-group ${spec.kind ?? ""} ${state}`);
      if (spec.value) paintState(line, arrow, spec.value(frame, time), time, spec);
      if (pulse) paintPulse(pulse, time, spec.flow);
    },
  };
}

// A state's line is as thick as the state is large, and takes its sign's colour.
function paintState(line, arrow, value, time, { born = -1 }) {
  const grown = born < 0 ? 1 : progress(time, born, 0.3, 0.9);
  const size = Math.min(1, Math.abs(value)) * grown;
  line.style.setProperty("stroke-width", (3 + 5 * size).toFixed(2));
  const share = grown === 0 ? 0 : Math.round(100 * Math.min(1, 0.15 + size));
  const sign = value < 0 ? "var(--negative)" : "var(--positive)";
  const colour = share > 15 ? `color-mix(in oklab, ${sign} ${share}%, var(--wire))` : "var(--wire)";
  line.style.setProperty("stroke", colour);
  arrow?.style.setProperty("fill", colour);
}

function paintPulse(pulse, time, flows) {
  const flow = flows.find(([phase, from, to]) => time > phase + from && time < phase + (to ?? 1) - 0.01);
  pulse.setAttribute("visibility", flow ? "visible" : "hidden");
  if (!flow) {
    pulse.removeAttribute("stroke-dashoffset");
    return;
  }
  const [phase, from, to = 1] = flow;
  const share = (time - phase - from) / (to - from);
  pulse.setAttribute("stroke-dashoffset", (24 - 124 * share).toFixed(1));
}

function arrowHead([x, y, direction = "right"]) {
  const turn = { right: 0, down: 90, left: 180, up: 270 }[direction];
  return s("path.arrow", { d: "M-11,-6 L1,0 L-11,6 Z", transform: `translate(${x} ${y}) rotate(${turn})` });
}

/** A dot where a wire forks. */
export function dot({ x, y, phases }) {
  const node = s("circle.dot", { cx: x, cy: y, r: 5 });
  return { node, paint: (frame, time) => node.setAttribute("class", "dot " + standing(time, phases)) };
}

/** A learned layer: a box with its squashing function; in the compact picture with its value instead. */
export function layer(spec, options) {
  const { x, y, letter } = spec;
  const [width, height] = options.compact ? [112, 54] : [84, 46];
  const text = s("text.in-box", { x, y, "text-anchor": "middle", "dominant-baseline": "central" });
  const box = s("rect.layer", { x: x - width / 2, y: y - height / 2, width, height, rx: 10 });
  box.style.setProperty("stroke", `var(--part-${letter})`);
  const group = part(spec, options, box, text);
  return {
    node: group,
    paint(frame, time) {
      const state = standing(time, spec.phases);
      group.setAttribute("class", "part layer-group " + state);
      group.setAttribute("aria-label", spec.label(frame));
      const shown = options.compact && time > spec.born;
      text.textContent = shown ? number(letter, spec.value(frame) * progress(time, spec.born, 0.2, 0.8)) : spec.text;
      text.setAttribute("class", text.textContent.length > 5 ? "in-box long" : "in-box");
    },
  };
}

/** An operation on single values: a small circle (or an oval for a word) that swells as it acts. */
export function operation(spec, options) {
  const { x, y, text } = spec;
  const wide = text.length > 1;
  const shape = wide ? s("ellipse.op", { cx: x, cy: y }) : s("circle.op", { cx: x, cy: y });
  const sign = s("text.op-sign", { x, y, "text-anchor": "middle", "dominant-baseline": "central" }, text);
  if (wide) sign.classList.add("op-word");
  const group = part(spec, options, shape, sign);
  return {
    node: group,
    paint(frame, time) {
      group.setAttribute("class", "part op-group " + standing(time, spec.phases));
      group.setAttribute("aria-label", spec.label(frame));
      const swell = 4 * Math.sin(Math.PI * progress(time, spec.acts ?? spec.phases[0], spec.at ?? 0.45, (spec.at ?? 0.45) + 0.4));
      if (wide) {
        shape.setAttribute("rx", ((text.length > 2 ? (options.compact ? 42 : 34) : 24) + swell).toFixed(2));
        shape.setAttribute("ry", (17 + swell / 2).toFixed(2));
      } else shape.setAttribute("r", (18 + swell).toFixed(2));
    },
  };
}

// What can be pressed: it takes the reader to the phase in which it acts.
function part(spec, options, ...children) {
  const group = s("g.part", { role: "button", tabindex: -1, "data-part": spec.id }, ...children);
  const act = () => options.onPart?.(spec.acts ?? spec.phases[0]);
  group.addEventListener("click", act);
  group.addEventListener("keydown", (event) => {
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      act();
    }
  });
  return group;
}

/** A chip beside a layer's wire: the letter, its value, and a meter of 0..1 or, for signed values, from the middle. */
export function chip({ x, y, letter, value, born, phases }) {
  const { width, height } = CHIP;
  const text = s("text.chip-text", { x: x + width / 2, y: y + height / 2 - 2, "text-anchor": "middle", "dominant-baseline": "central" });
  const frameBox = s("rect.chip-box", { x, y, width, height, rx: 8 });
  frameBox.style.setProperty("stroke", `var(--part-${letter})`);
  const track = s("rect.meter-track", { x: x + 8, y: y + height - 7, width: width - 16, height: 3, rx: 1.5 });
  const meter = s("rect.meter", { y: y + height - 7, height: 3, rx: 1.5 });
  const group = s("g.chip-group", { "data-chip": letter }, frameBox, track, meter, text);
  return {
    node: group,
    paint(frame, time) {
      group.setAttribute("class", "chip-group " + standing(time, phases, born));
      const now = value(frame) * progress(time, born, 0.2, 0.8);
      text.textContent = `${letter} ${number(letter, now)}`;
      const span = width - 16;
      const share = Math.min(1, Math.abs(now));
      const [from, size] = isSigned(letter) ? [x + 8 + (span / 2) * (now < 0 ? 1 - share : 1), (span / 2) * share] : [x + 8, span * share];
      meter.setAttribute("x", from.toFixed(2));
      meter.setAttribute("width", size.toFixed(2));
      meter.style.setProperty("fill", isSigned(letter) ? (now < 0 ? "var(--negative)" : "var(--positive)") : meterColour(now));
    },
  };
}

function meterColour(value) {
  return sequential(0.35 + 0.45 * value);
}

/** A value written beside a wire: {x, y, anchor, name, value, born, phases, signed}. */
export function written({ id, x, y, anchor = "start", name = "", value, born = -1, phases, signed = true, grows = true }) {
  const text = s("text.value", { x, y, "text-anchor": anchor, "data-value": id });
  return {
    node: text,
    paint(frame, time) {
      text.setAttribute("class", "value " + standing(time, phases, born));
      const now = value(frame) * (grows && born >= 0 ? progress(time, born, 0.4, 0.95) : 1);
      const shown = signed ? fmtSigned(now) : fmt(now);
      text.textContent = Number.isFinite(now) ? (name ? name + " " : "") + shown : "";
    },
  };
}

/** A text that does not change with the time; `text` may be a function of the frame. */
export function label({ x, y, anchor = "start", text, phases = null, kind = "name" }) {
  const node = s("text." + kind, { x, y, "text-anchor": anchor });
  return {
    node,
    paint(frame, time) {
      node.setAttribute("class", `${kind} ${phases ? standing(time, phases) : "lit"}`);
      if (typeof text === "string") writeIndexed(node, text);
      else node.textContent = text(frame);
    },
  };
}

// "c_t−1" becomes c with a small t−1 below it.
function writeIndexed(node, text) {
  if (node.childNodes.length) return;
  const [base, index] = text.split("_");
  node.append(base);
  if (index) node.append(s("tspan.index", { dy: 5 }, index));
}

/** A ring where something enters or leaves the cell, with its name inside. */
export function ring({ x, y, text, phases }) {
  const circle = s("circle.ring", { cx: x, cy: y, r: 24 });
  const name = s("text.ring-name", { x, y: y + 5, "text-anchor": "middle" });
  writeIndexed(name, text);
  const group = s("g", {}, circle, name);
  return { node: group, paint: (frame, time) => group.setAttribute("class", "ring-group " + standing(time, phases)) };
}

/** A plain shape that marks something: `name` of the SVG element and its attributes. */
export function mark({ name, attributes, phases = null, kind = "mark" }) {
  const node = s(name, attributes);
  return { node, paint: (frame, time) => node.setAttribute("class", `${kind} ${phases ? standing(time, phases) : "lit"}`) };
}

/** A gate's or state's value as the diagram shows it. */
export function number(letter, value) {
  return isSigned(letter) ? fmtSigned(value) : fmt(value);
}
