// What the Memory view asks the server for, kept so that nothing is asked twice: maps, orders, facts, lanes.

import { makeMap, quantise } from "./heat-pixels.js";
import { wholeWord } from "./whole-word.js";

const MOST_BYTES = 128e6;
const MOST_FLOATS = 262144; // maps up to this size come as floats, so that every value under the cursor is exact
const LARGEST_REPLY = 15e6;
const LONGEST_CLAIM = 8000; // characters; the server reads such a text many times over
const SIGNED = "gnhc";

/** Make the keeper of answers over the page's store; a `question` is the body of a trace request. */
export function memoryData(store, api) {
  return new MemoryData(store, api);
}

class MemoryData {
  constructor(store, api) {
    this.store = store;
    this.api = api;
    this.kept = new Map();
    this.bytes = 0;
  }

  /** Run a text or series through a model. */
  trace(question) {
    return this.store.traceOf(question);
  }

  /** Fetch one letter's map of one layer and direction, in pieces where one reply would be too large. */
  map(question, place, letter) {
    return this.once(["map", letter, place, question], () => this.fetchMap(question, place, letter));
  }

  /** Fetch a row order: {permutation, score, means, note}. */
  order(question, place, by) {
    return this.once(["order", by, place, question], async () => {
      const order = await this.store.ask("get", "order", { by, ...place }, { question });
      return { ...order, permutation: Int32Array.from(order.permutation) };
    });
  }

  /** Fetch a row order; where the words cannot be compared, that by time constant. */
  async orderOrTau(question, place, by) {
    try {
      return await this.order(question, place, by);
    } catch (error) {
      if (by !== "keeps" || error.status !== 422) throw error;
      return this.order(question, place, "tau");
    }
  }

  /** Fetch what is known of one unit: time constant, what it keeps, the words that wrote and wiped it. */
  facts(question, place, unit) {
    return this.once(["facts", unit, place, question], () => this.store.ask("get", "facts", { ...place, unit }, { question }));
  }

  /** Fetch one unit's values over all steps, by letter. */
  lanes(question, place, unit) {
    return this.once(["lanes", unit, place, question], async () => {
      const { metadata, ...lanes } = await this.store.ask("tensors", `unit/${unit}`, place, { question });
      return Object.fromEntries(Object.entries(lanes).map(([letter, { data }]) => [letter, data]));
    });
  }

  /** Ask for the sentence of claim about a word; null where the text is too long for it, or the page has no server. */
  claim(asked) {
    return this.once(["claim", asked], async () => {
      if (this.api.embedded || asked.text.length > LONGEST_CLAIM) return null;
      return this.api.post("claim", asked);
    });
  }

  async fetchMap(question, place, letter) {
    const trace = await this.trace(question);
    const { hidden } = trace.layers[place.layer];
    const steps = trace.T;
    const dtype = hidden * steps <= MOST_FLOATS ? "f32" : "u8";
    const most = Math.max(1, Math.floor(LARGEST_REPLY / (hidden * (dtype === "f32" ? 4 : 1))));
    let whole = null;
    let units = hidden;
    let scale = 1;
    for (let from = 0; from < steps; from += most) {
      const to = Math.min(steps, from + most);
      const reply = await this.store.ask("tensors", "maps", { ...place, what: letter, from, to, dtype }, { question });
      const { data, shape } = reply[letter];
      units = shape[0]; // fewer for the h of a layer with a projection
      scale = Number(reply.metadata[`scale.${letter}`] ?? 1);
      whole ??= new data.constructor(units * steps);
      for (let unit = 0; unit < units; unit += 1) {
        whole.set(data.subarray(unit * (to - from), (unit + 1) * (to - from)), unit * steps + from);
      }
    }
    const signed = SIGNED.includes(letter);
    const exact = whole instanceof Float32Array ? whole : null;
    return makeMap({ data: exact ? quantise(exact, signed, scale) : whole, units, steps, signed, scale, exact });
  }

  once(parts, make) {
    const name = JSON.stringify(parts);
    let entry = this.kept.get(name);
    if (entry) this.kept.delete(name);
    else {
      entry = { bytes: 0, promise: make() };
      entry.promise.then((value) => this.weigh(entry, value), () => this.kept.delete(name));
    }
    this.kept.set(name, entry); // the last used stands last, the first is let go of first
    return entry.promise;
  }

  weigh(entry, value) {
    entry.bytes = (value?.data?.byteLength ?? 0) + (value?.exact?.byteLength ?? 0) + 1000;
    this.bytes += entry.bytes;
    for (const [name, old] of this.kept) {
      if (this.bytes <= MOST_BYTES) break;
      if (old === entry) continue;
      this.bytes -= old.bytes;
      this.kept.delete(name);
    }
  }
}

/** Replace every whole occurrence of a word. */
export function withWord(text, word, other) {
  return text.replace(wholeWord(word), () => other);
}

/** Whether a word stands alone somewhere in a text. */
export function hasWord(text, word) {
  return Boolean(word) && wholeWord(word).test(text);
}

/** Take words parted by commas apart. */
export function wordsOf(text) {
  return (text ?? "").split(",").map((word) => word.trim()).filter(Boolean);
}
