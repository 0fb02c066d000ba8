// The arithmetic of a line chart: scales, ticks, numbers as text, and labels that do not overlap.

const SUPERSCRIPT = "⁰¹²³⁴⁵⁶⁷⁸⁹";

/** Write a number for a chart: 3 digits, powers of ten below 0.001 and above 100,000, a true minus sign. */
export function chartNumber(value, digits = 3) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "\u2212∞";
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e5)) {
    const [mantissa, exponent] = value.toExponential(digits - 1).split("e");
    return `${mantissa.replace("-", "\u2212")}·${tenToThe(Number(exponent))}`;
  }
  return String(Number(value.toPrecision(digits))).replace("-", "\u2212");
}

/** Write a power of ten: 10⁻⁷. */
export function tenToThe(exponent) {
  const digits = [...String(Math.abs(exponent))].map((digit) => SUPERSCRIPT[Number(digit)]).join("");
  return `10${exponent < 0 ? "⁻" : ""}${digits}`;
}

/** Map [from, to] to [start, end], by the logarithm when asked; values beyond go beyond, zero to a far end. */
export function chartScale(from, to, start, end, log = false) {
  const place = log ? (value) => Math.log10(Math.max(value, 1e-300)) : (value) => value;
  const low = place(from);
  const span = place(to) - low || 1;
  return (value) => start + ((place(value) - low) / span) * (end - start);
}

/** Choose round tick values in [from, to]: decades on a log axis, else steps of 1, 2 or 5. */
export function chartTicks(from, to, count, log = false) {
  if (log) return decadeTicks(from, to, count);
  const rough = (to - from) / Math.max(1, count) || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= rough * 0.999);
  const ticks = [];
  for (let k = Math.ceil(from / step - 1e-9); k * step <= to + step * 1e-9; k += 1) {
    ticks.push({ value: k * step, text: chartNumber(Number((k * step).toPrecision(12)), 4) });
  }
  return ticks;
}

function decadeTicks(from, to, count) {
  const first = Math.ceil(Math.log10(from) - 1e-9);
  const last = Math.floor(Math.log10(to) + 1e-9);
  if (last - first < 1) {
    return chartTicks(from, to, count).filter((tick) => tick.value > 0);
  }
  const stride = Math.max(1, Math.ceil((last - first) / count));
  const ticks = [];
  for (let exponent = last; exponent >= first; exponent -= stride) {
    const text = Math.abs(exponent) <= 2 ? String(Number((10 ** exponent).toPrecision(3))) : tenToThe(exponent);
    ticks.unshift({ value: 10 ** exponent, text });
  }
  return ticks;
}

/** Choose the least range that shows all values; on a log axis whole decades, cut at `floor`. */
export function chartRange(values, log, floor) {
  const shown = values.filter((value) => Number.isFinite(value) && (!log || value > 0));
  if (shown.length === 0) return log ? [floor || 1e-3, 1] : [0, 1];
  let low = Infinity;
  let high = -Infinity;
  for (const value of shown) {
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  if (!log) return low === high ? [Math.min(0, low), high || 1] : [Math.min(0, low), high];
  const top = 10 ** Math.ceil(Math.log10(high) - 1e-9);
  const bottom = 10 ** Math.floor(Math.log10(Math.max(low, floor || 0)) + 1e-9);
  return bottom < top ? [bottom, top] : [top / 10, top];
}

/** Move labels (x, y, width, height around their middle line) up or down, so that none overlaps within [top, bottom]. */
export function spreadLabels(labels, top, bottom) {
  const placed = [];
  for (const label of [...labels].sort((a, b) => b.y - a.y)) {
    const half = label.height / 2;
    label.y = Math.min(Math.max(label.y, top + half), bottom - half);
    const apart = (y) => placed.every((other) => !boxesTouch({ ...label, y }, other));
    const tries = [];
    for (let k = 0; k <= 2 * (bottom - top); k += 1) tries.push(label.y - k / 2, label.y + k / 2);
    const free = tries.find((y) => y - half >= top - 1e-6 && y + half <= bottom + 1e-6 && apart(y));
    if (free !== undefined) label.y = free;
    placed.push(label);
  }
  return labels;
}

function boxesTouch(a, b) {
  const high = (a.height + b.height) / 2;
  return Math.abs(a.y - b.y) < high && a.x < b.x + b.width && b.x < a.x + a.width;
}

/** Find the place in a rising list whose value is nearest to `x`. */
export function nearestIndex(xs, x) {
  let low = 0;
  let high = xs.length - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (xs[middle] < x) low = middle;
    else high = middle;
  }
  return Math.abs(xs[low] - x) <= Math.abs(xs[high] - x) ? low : high;
}
