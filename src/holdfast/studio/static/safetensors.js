// Reads the safetensors format: an 8-byte length, a JSON header, then the tensors' bytes.

const TYPES = { U8: Uint8Array, I8: Int8Array, U16: Uint16Array, I16: Int16Array, U32: Uint32Array, I32: Int32Array, F32: Float32Array, F64: Float64Array };
let halves = null;

/** Returns {name: {data: TypedArray, shape}, metadata: {...}} of a safetensors ArrayBuffer; F16 is widened to F32. */
export function readTensors(buffer) {
  const size = Number(new DataView(buffer).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 8, size)));
  const tensors = { metadata: header.__metadata__ ?? {} };
  delete header.__metadata__;
  for (const [name, { dtype, shape, data_offsets: [from, to] }] of Object.entries(header)) {
    // A copy, for a view would have to start at a multiple of its item's size.
    const bytes = buffer.slice(8 + size + from, 8 + size + to);
    const data = dtype === "F16" ? widen(new Uint16Array(bytes)) : new TYPES[dtype](bytes);
    tensors[name] = { data, shape };
  }
  return tensors;
}

function widen(bits) {
  halves ??= Float32Array.from({ length: 65536 }, (_, n) => half(n));
  return Float32Array.from(bits, (n) => halves[n]);
}

function half(bits) {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
