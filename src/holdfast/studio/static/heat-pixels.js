// The arithmetic of a heat map: bytes, a colour table and a row order become pixels, with no page in sight.

/**
 * Make a map of H units and T steps, one byte a value, unit after unit.
 * `signed` bytes are 128 + 127 v / scale, the others 255 v; `exact` keeps the floats where they are known.
 */
export function makeMap({ data, units, steps, signed, scale = 1, exact = null }) {
  return { data, units, steps, signed, scale, exact, coarse: new Map() };
}

/** Turn floats into the bytes that the server would send for them. */
export function quantise(values, signed, scale) {
  const bytes = new Uint8Array(values.length);
  const factor = scale > 0 ? 127 / scale : 0;
  for (let n = 0; n < values.length; n += 1) {
    const code = signed ? 128 + factor * values[n] : 255 * values[n];
    bytes[n] = Math.max(0, Math.min(255, roundHalfEven(code)));
  }
  return bytes;
}

/** Round as NumPy does: a half goes to the even neighbour. */
export function roundHalfEven(value) {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest !== 0.5) return rest < 0.5 ? floor : floor + 1;
  return floor % 2 === 0 ? floor : floor + 1;
}

/** Give the value of one unit at one step: exact where floats are known, else to the nearest byte. */
export function valueAt(map, unit, step) {
  if (map.values) return valueAt(map.values, unit, step);
  const place = unit * map.steps + step;
  if (map.exact) return map.exact[place];
  return map.signed ? ((map.data[place] - 128) * map.scale) / 127 : map.data[place] / 255;
}

/** Subtract two maps over the steps that both have, on a scale of the largest difference. */
export function difference(first, second) {
  const steps = Math.min(first.steps, second.steps);
  const exact = new Float32Array(first.units * steps);
  let largest = 0;
  for (let unit = 0; unit < first.units; unit += 1) {
    for (let step = 0; step < steps; step += 1) {
      const apart = valueAt(first, unit, step) - valueAt(second, unit, step);
      exact[unit * steps + step] = apart;
      largest = Math.max(largest, Math.abs(apart));
    }
  }
  const range = largest || 1;
  const data = quantise(exact, true, range);
  return makeMap({ data, units: first.units, steps, signed: true, scale: range, exact });
}

/** Give the same values on another scale, so that two maps can be compared by eye. */
export function rescale(map, scale) {
  if (!map.signed || map.scale === scale) return map;
  const values = map.exact ?? Float32Array.from(map.data, (code) => ((code - 128) * map.scale) / 127);
  const data = quantise(values, true, scale);
  return makeMap({ ...map, data, scale });
}

/** Give every unit a scale of its own, its largest value either way; `values` keeps what was there. */
export function ownScales(map) {
  if (!map.signed) return map;
  const exact = new Float32Array(map.units * map.steps);
  for (let unit = 0; unit < map.units; unit += 1) {
    let largest = 0;
    for (let step = 0; step < map.steps; step += 1) largest = Math.max(largest, Math.abs(valueAt(map, unit, step)));
    for (let step = 0; step < map.steps; step += 1) {
      exact[unit * map.steps + step] = largest > 0 ? valueAt(map, unit, step) / largest : 0;
    }
  }
  const data = quantise(exact, true, 1);
  return { ...makeMap({ ...map, data, scale: 1 }), values: map };
}

/** Shrink the steps by a whole factor, keeping the value farthest from zero of each group. */
export function coarser(map, factor) {
  if (factor <= 1) return map;
  if (map.coarse.has(factor)) return map.coarse.get(factor);
  const middle = map.signed ? 128 : 0;
  const steps = Math.ceil(map.steps / factor);
  const data = new Uint8Array(map.units * steps);
  for (let unit = 0; unit < map.units; unit += 1) {
    const row = unit * map.steps;
    for (let to = 0; to < steps; to += 1) {
      data[unit * steps + to] = farthest(map.data, row + to * factor, row + Math.min(map.steps, (to + 1) * factor), middle);
    }
  }
  const small = makeMap({ data, units: map.units, steps, signed: map.signed, scale: map.scale });
  map.coarse.set(factor, small);
  return small;
}

function farthest(data, from, to, middle) {
  let kept = data[from];
  let most = Math.abs(kept - middle);
  for (let place = from + 1; place < to; place += 1) {
    const size = Math.abs(data[place] - middle);
    if (size > most) {
      most = size;
      kept = data[place];
    }
  }
  return kept;
}

/** Say how many pixels a window of the map needs in a box: one a value, or fewer when the box is smaller. */
export function pixelSize(view, width, height) {
  return {
    width: Math.max(1, Math.min(view.t1 - view.t0, Math.round(width))),
    height: Math.max(1, Math.min(view.r1 - view.r0, Math.round(height))),
  };
}

/**
 * Fill `out` [height, width] with the colours of the window `view` {t0, t1, r0, r1} (steps, rows of `order`).
 * Where several values share a pixel the one farthest from zero is shown.
 */
export function paint(out, size, map, order, view, table) {
  const cols = view.t1 - view.t0;
  const rows = view.r1 - view.r0;
  const factor = 2 ** Math.floor(Math.log2(Math.max(1, cols / size.width)));
  const source = coarser(map, factor);
  const middle = map.signed ? 128 : 0;
  const starts = edges(view.t0, cols, size.width, factor, source.steps);
  const codes = new Uint8Array(size.width);
  const plain = factor === 1 && size.width === cols && size.height === rows;
  for (let y = 0; y < size.height; y += 1) {
    const first = view.r0 + Math.floor((y * rows) / size.height);
    const last = Math.max(first + 1, view.r0 + Math.floor(((y + 1) * rows) / size.height));
    const line = y * size.width;
    if (plain) {
      const row = order[first] * source.steps + view.t0;
      for (let x = 0; x < cols; x += 1) out[line + x] = table[source.data[row + x]];
      continue;
    }
    for (let row = first; row < last; row += 1) {
      shrinkRow(codes, source.data, order[row] * source.steps, starts, middle, row === first);
    }
    for (let x = 0; x < size.width; x += 1) out[line + x] = table[codes[x]];
  }
}

function shrinkRow(codes, data, base, starts, middle, fresh) {
  for (let x = 0; x < codes.length; x += 1) {
    let kept = fresh ? data[base + starts[2 * x]] : codes[x];
    let most = kept > middle ? kept - middle : middle - kept;
    const end = base + starts[2 * x + 1];
    for (let place = base + starts[2 * x]; place < end; place += 1) {
      const code = data[place];
      const far = code > middle ? code - middle : middle - code;
      if (far > most) {
        most = far;
        kept = code;
      }
    }
    codes[x] = kept;
  }
}

function edges(from, cols, width, factor, steps) {
  const starts = new Int32Array(2 * width);
  for (let x = 0; x < width; x += 1) {
    const left = Math.floor((from + Math.floor((x * cols) / width)) / factor);
    const right = Math.ceil((from + Math.floor(((x + 1) * cols) / width)) / factor);
    starts[2 * x] = left;
    starts[2 * x + 1] = Math.min(steps, Math.max(left + 1, right));
  }
  return starts;
}

/** Name the step and the row under a place given as parts of the box, 0 to 1. */
export function cellAt(view, fx, fy) {
  const t = view.t0 + Math.floor(fx * (view.t1 - view.t0));
  const row = view.r0 + Math.floor(fy * (view.r1 - view.r0));
  return { t: clampTo(t, view.t0, view.t1 - 1), row: clampTo(row, view.r0, view.r1 - 1) };
}

/** Keep a number between two others. */
export function clampTo(value, low, high) {
  return Math.max(low, Math.min(high, value));
}
