// Which map is drawn of one or two texts, on which scale, and in which order the letters stand.

import { difference, ownScales, rescale } from "./heat-pixels.js";

/**
 * Give the map of text A, of text B or of their difference; `lock` keeps both on one scale, `own` gives each unit its own.
 * A difference has the scale of its own largest value: on that of the texts it would be nearly white.
 */
export function pictured(map, other, { side, lock, own }) {
  const whole = chosen(map, other, side, lock);
  return own ? ownScales(whole) : whole;
}

function chosen(map, other, side, lock) {
  if (!other) return map;
  if (side === "d") return difference(map, other);
  const scale = Math.max(map.scale, other.scale);
  const shown = side === "b" ? other : map;
  return lock ? rescale(shown, scale) : shown;
}

/** Put the memory first, then the gates, then what is given out. */
export function lettersOf(gates) {
  const states = ["c", "h"].filter((letter) => gates.includes(letter));
  return [states[0], ...[...gates].filter((letter) => !states.includes(letter)), ...states.slice(1)];
}

/** The text that was read, or the steps' labels side by side where it was a series. */
export function textOf(context, trace) {
  return trace.tokens.some(([, , to]) => to > 0) ? context.store.text() : trace.tokens.map(([token]) => token).join(" ");
}
