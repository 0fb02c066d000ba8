// Colours by meaning (which part, how much, with which sign) and the way numbers are written.

const STOPS = {
  sequential: {
    light: ["#EBFFFE", "#5FD6EF", "#159CD1", "#27629C", "#273151"],
    dark: ["#131735", "#174984", "#0687BC", "#50C8E2", "#C5FFFE"],
  },
  signed: {
    light: ["#A24102", "#CC7953", "#E9B6A0", "#F7F7F7", "#A3C7ED", "#5796D6", "#0465AF"],
    dark: ["#FFA666", "#B37345", "#68462F", "#1F1F1F", "#2C546A", "#3D8DB8", "#69CAFF"],
  },
  words: {
    light: ["#F79E75", "#FAFAFA", "#7CBDFF"],
    dark: ["#89401C", "#1F1F1F", "#1D5B92"],
  },
};
const tables = new Map();

/** The present theme, "light" or "dark". */
export function theme() {
  return document.documentElement.dataset.theme === "dark" ? "dark" : "light";
}

/** The CSS colour of a part (f i g o c h z r n); for borders, lanes and underlines only. */
export function part(letter) {
  return `var(--part-${letter})`;
}

/** The 256 colours of a ramp ("sequential", "signed" or "words") as the Uint32 of canvas pixels. */
export function ramp(name, which = theme()) {
  const key = name + which;
  if (!tables.has(key)) tables.set(key, tabulate(STOPS[name][which]));
  return tables.get(key);
}

/** The CSS colour of an amount in 0..1. */
export function sequential(value, which = theme()) {
  return css(ramp("sequential", which), 255 * value);
}

/** The CSS colour of a signed value in -1..1; zero is the ground. */
export function signed(value, which = theme()) {
  return css(ramp("signed", which), 127.5 * (1 + value));
}

/** The CSS colour behind a word, pale enough for ink to stand on, of a signed value in -1..1. */
export function wordColour(value, which = theme()) {
  return css(ramp("words", which), 127.5 * (1 + value));
}

/** Whether a letter's values carry a sign (g n h c) rather than an amount of 0..1 (f i o z r). */
export function isSigned(letter) {
  return "gnhc".includes(letter);
}

/** The CSS colour of a letter's value; `scale` is the value of the ramp's end for signed letters. */
export function valueColour(letter, value, scale = 1) {
  return isSigned(letter) ? signed(value / (scale || 1)) : sequential(value);
}

/** A number with a true minus sign; one just above 0 or below 1 that would round to it shows a third digit. */
export function fmt(value, digits = 2) {
  if (!Number.isFinite(value)) return value === Infinity ? "∞" : value === -Infinity ? "\u2212∞" : "?";
  let text = Math.abs(value).toFixed(digits);
  const rounded = Number(text);
  if ((rounded === 0 && value !== 0) || (rounded === 1 && Math.abs(value) < 1)) text = Math.abs(value).toFixed(Math.max(digits, 3));
  return value < 0 && Number(text) !== 0 ? "\u2212" + text : text;
}

/** The same with a plus sign before what is above zero. */
export function fmtSigned(value, digits = 2) {
  const text = fmt(value, digits);
  return value > 0 && Number(text) !== 0 ? "+" + text : text;
}

/** A share as a percentage: 98 %, and 0.4 % or >99.9 % where a whole number would say nothing. */
export function percent(value) {
  const share = 100 * value;
  const whole = Math.round(share);
  const between = (whole === 0 && share > 0) || (whole === 100 && share < 100);
  const text = between ? share.toFixed(1) : String(whole);
  const sign = between && text === "0.0" ? "<0.1" : between && text === "100.0" ? ">99.9" : text;
  return sign + "\u00a0%";
}

function css(table, index) {
  const pixel = table[Math.min(255, Math.max(0, Math.round(index)))];
  return `rgb(${pixel & 255} ${(pixel >> 8) & 255} ${(pixel >> 16) & 255})`;
}

function tabulate(stops) {
  const points = stops.map(toLab);
  return Uint32Array.from({ length: 256 }, (_, n) => {
    const place = (n / 255) * (points.length - 1);
    const k = Math.min(points.length - 2, Math.floor(place));
    const mixed = points[k].map((value, axis) => value + (place - k) * (points[k + 1][axis] - value));
    const [r, g, b] = fromLab(mixed);
    return (255 << 24) | (b << 16) | (g << 8) | r;
  });
}

// OKLab, so that the steps between two stops look even (Ottosson 2020).
function toLab(hex) {
  const [r, g, b] = [1, 3, 5].map((at) => linear(parseInt(hex.slice(at, at + 2), 16) / 255));
  const l = Math.cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b);
  const m = Math.cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b);
  const t = Math.cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b);
  return [
    0.2104542553 * l + 0.793617785 * m - 0.0040720468 * t,
    1.9779984951 * l - 2.428592205 * m + 0.4505937099 * t,
    0.0259040371 * l + 0.7827717662 * m - 0.808675766 * t,
  ];
}

function fromLab([lightness, a, b]) {
  const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const t = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
  const mixed = [
    4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * t,
    -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * t,
    -0.0041960863 * l - 0.7034186147 * m + 1.707614701 * t,
  ];
  return mixed.map((value) => Math.round(255 * Math.min(1, Math.max(0, gamma(value)))));
}

function linear(value) {
  return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
}

function gamma(value) {
  return value <= 0.0031308 ? 12.92 * value : 1.055 * Math.max(0, value) ** (1 / 2.4) - 0.055;
}

/** All of this module as one object, as views get it in their context. */
export const colour = { theme, part, ramp, sequential, signed, wordColour, isSigned, valueColour, fmt, fmtSigned, percent };
