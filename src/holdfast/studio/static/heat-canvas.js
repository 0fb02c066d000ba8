// Small things about a heat map's canvas: its size in pixels, and a frame that shows on any colour.

import { clampTo } from "./heat-pixels.js";

const MOST_PIXELS = 8192; // a side, whatever the page around does

/** Draw a frame that shows on any colour: a wide line of the ground under a thin one of ink. */
export function outline(pen, x, y, width, height, ink, ground, ratio) {
  pen.lineWidth = 3 * ratio;
  pen.strokeStyle = ground;
  pen.strokeRect(x, y, width, height);
  pen.lineWidth = 1.25 * ratio;
  pen.strokeStyle = ink;
  pen.strokeRect(x, y, width, height);
}

/** Give a canvas as many pixels as the box has on this screen, and return their numbers. */
export function fit(canvas, box) {
  const ratio = Math.min(2, window.devicePixelRatio || 1);
  const width = clampTo(Math.round(box.clientWidth * ratio), 1, MOST_PIXELS);
  const height = clampTo(Math.round(box.clientHeight * ratio), 1, MOST_PIXELS);
  if (canvas.width !== width) canvas.width = width;
  if (canvas.height !== height) canvas.height = height;
  return { width, height };
}
