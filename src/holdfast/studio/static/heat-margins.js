// The margins of a heat map: bars and unit numbers at its left, words or step numbers below.

const FONT = "11px system-ui, sans-serif";

/** Draw one bar a row, as long as the logarithm of its score, and as many unit numbers as fit. */
export function drawBars(canvas, view, order, scores) {
  const { pen, width, height, ink, muted } = begin(canvas);
  const rows = view.r1 - view.r0;
  const high = height / rows;
  const every = Math.max(1, Math.ceil(13 / high));
  const scale = logScale(scores);
  const room = width - 32;
  for (let row = view.r0; row < view.r1; row += 1) {
    const unit = order[row];
    const y = (row - view.r0) * high;
    if (scale) {
      pen.fillStyle = muted;
      const long = scale(scores[unit]) * room;
      pen.fillRect(room - long, y + (high > 3 ? 0.5 : 0), long, Math.max(high > 3 ? high - 1 : high, 0.5));
    }
    if ((row - view.r0) % every === 0) {
      pen.fillStyle = high * every >= 13 ? ink : muted;
      pen.textAlign = "right";
      pen.textBaseline = "middle";
      pen.fillText(String(unit), width - 5, Math.min(height - 6, Math.max(6, y + high / 2)));
    }
  }
}

function logScale(scores) {
  if (!scores) return null;
  const good = Array.from(scores).filter((score) => score > 0 && Number.isFinite(score));
  if (!good.length) return null;
  const most = Math.log1p(Math.max(...good));
  return (score) => (score > 0 ? Math.min(1, Math.log1p(Number.isFinite(score) ? score : Math.exp(most)) / most) : 0);
}

/** Write the words below the columns where they fit, else step numbers; the marked words always. */
export function drawWords(canvas, view, words, marked) {
  const { pen, width, height, ink, muted, accent } = begin(canvas);
  const cols = view.t1 - view.t0;
  const wide = width / cols;
  const shown = wide >= 12;
  const every = shown ? 1 : roundStep(Math.ceil(44 / wide));
  for (let t = view.t0; t < view.t1; t += 1) {
    const x = (t - view.t0 + 0.5) * wide;
    const isMarked = t === marked;
    if (shown) slanted(pen, clipped(pen, words[t] ?? "", height * 1.35), x, isMarked ? accent : ink, isMarked);
    else if ((t + 1) % every === 0) upright(pen, String(t + 1), x, width, muted, 8);
    if (isMarked && !shown) upright(pen, words[t] ?? "", x, width, accent, 24, true);
  }
  if (!shown) upright(pen, "step", width, width, muted, 26);
}

function begin(canvas) {
  const pen = canvas.getContext("2d");
  const ratio = canvas.width / Math.max(1, canvas.clientWidth);
  const style = getComputedStyle(canvas);
  const colour = (name, other) => style.getPropertyValue(name).trim() || other;
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, canvas.clientWidth, canvas.clientHeight);
  pen.font = FONT;
  const ink = colour("--ink", "#16191D");
  const muted = colour("--muted", "#555");
  const accent = colour("--accent", "#0465AF");
  return { pen, width: canvas.clientWidth, height: canvas.clientHeight, ink, muted, accent };
}

function slanted(pen, word, x, colour, bold) {
  pen.save();
  pen.translate(x + 3, 5);
  pen.rotate(-Math.PI / 3.2);
  pen.textAlign = "right";
  pen.textBaseline = "middle";
  pen.fillStyle = colour;
  pen.font = bold ? `bold ${FONT}` : FONT;
  pen.fillText(word, 0, 0);
  pen.restore();
}

function upright(pen, text, x, width, colour, y, bold = false) {
  pen.font = bold ? `bold ${FONT}` : FONT;
  pen.fillStyle = colour;
  pen.textBaseline = "middle";
  pen.textAlign = "center";
  const half = pen.measureText(text).width / 2;
  pen.fillText(text, Math.min(width - half - 1, Math.max(half + 1, x)), y);
}

function clipped(pen, word, room) {
  let text = word;
  while (text.length > 1 && pen.measureText(text).width > room) text = text.slice(0, -1);
  return text === word ? word : `${text.slice(0, -1)}…`;
}

function roundStep(step) {
  const power = 10 ** Math.floor(Math.log10(step));
  return [1, 2, 5, 10].map((n) => n * power).find((n) => n >= step);
}
