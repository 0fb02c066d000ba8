// The data all views share: the models, the present text's trace, and the exact frames of the unit looked at.

import { isAbort } from "./api.js";
import { wholeWord } from "./whole-word.js";

const WINDOW = 64;
const KEPT_WINDOWS = 200;
const KEPT_TRACES = 12;
const ALTERNATIVES = 3;
const LONGEST_WITH_ALTERNATIVES = 20000;

/** Makes the store over a client and the state; `load()` fetches the models before anything else is asked. */
export function makeStore(api, state) {
  const listeners = new Set();
  const traces = new Map();
  const windows = new Map();
  const store = { info: { text: "", alternatives: [], key: "" }, models: [] };

  function notify(what) {
    for (const listener of [...listeners]) listener(what);
  }

  store.subscribe = (listener) => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  };

  store.load = async () => {
    store.info = await api.get("models");
    store.models = store.info.models;
    notify("models");
  };

  /** The model of state.m, or the first that could be opened. */
  Object.defineProperty(store, "model", {
    get: () => {
      const chosen = store.models.find((model) => model.id === state.get().m);
      return chosen ?? store.models.find((model) => !model.error) ?? store.models[0] ?? null;
    },
  });

  /** What the present model reads where the reader gave nothing: its own example, else the page's. */
  store.example = () => store.model?.example ?? (store.model?.reads === "series" ? "" : store.info.text);

  /** The text the present model reads: the reader's own, else the example. */
  store.text = () => state.get().x || store.example();

  /** The word whose memory is asked for: state.k, else the country that stands in the text; "" where there is none. */
  store.key = (text = store.text()) => {
    const candidates = [state.get().k, store.info.key, ...(store.info.alternatives ?? [])];
    return candidates.find((word) => word && wholeWord(word).test(text)) ?? "";
  };

  /** The body of the trace request of the present state. */
  store.question = () => {
    const text = store.text();
    const body = { model: store.model?.id, [store.model?.reads === "series" ? "series" : "text"]: text };
    const key = store.model?.task === "language" && text.length < LONGEST_WITH_ALTERNATIVES ? store.key(text) : "";
    if (key) {
      const others = [store.info.key, ...store.info.alternatives].filter((word) => word && word !== key);
      body.alternatives = others.slice(0, ALTERNATIVES).map((word) => text.replace(wholeWord(key), word));
    }
    const clamps = readClamps(state.get().cl);
    if (clamps.length) body.clamps = clamps;
    return body;
  };

  /** The trace of the present text by the present model: {id, tokens, T, layers, ...}. */
  store.trace = ({ signal } = {}) => store.traceOf(store.question(), { signal });

  /** The trace of any question; equal questions share one answer. */
  store.traceOf = (question, { signal } = {}) => {
    const name = JSON.stringify(question);
    if (!traces.has(name)) {
      const asked = api.post("trace", question).then((trace) => {
        notify("trace");
        return trace;
      });
      traces.set(name, asked);
      asked.catch(() => traces.delete(name));
      if (traces.size > KEPT_TRACES) traces.delete(traces.keys().next().value);
    }
    return orAborted(traces.get(name), signal);
  };

  /** Whether a trace answers the present question; what comes late is thus told from what is wanted. */
  store.isPresent = async (trace) => (await store.trace()) === trace;

  /** Calls `run(id)` with the present trace's id; once more when the server has let the trace go. */
  store.withTrace = async (run, { signal, question } = {}) => {
    const asked = question ?? store.question();
    const id = async () => (await store.traceOf(asked, { signal })).id;
    try {
      return await run(await id());
    } catch (error) {
      if (isAbort(error) || ![404, 410].includes(error.status) || api.embedded) throw error;
      traces.delete(JSON.stringify(asked));
      return run(await id());
    }
  };

  /** Asks `trace/{id}/{what}` of the present trace ("get" or "tensors"). */
  store.ask = (kind, what, query = {}, { signal, question } = {}) =>
    store.withTrace((id) => api[kind](`trace/${id}/${what}`, query, { signal }), { signal, question });

  /** The layer, direction and unit looked at, as a query. */
  store.place = () => {
    const { l, d, u } = state.get();
    return { layer: l, direction: d, unit: Math.max(0, u) };
  };

  /** The exact frame at step t of the present layer, direction and unit; fetched in windows of 64. */
  store.frames = async (t, { signal } = {}) => {
    const question = store.question();
    const trace = await store.traceOf(question, { signal });
    const from = WINDOW * Math.floor(t / WINDOW);
    const query = { ...store.place(), from, to: Math.min(trace.T, from + WINDOW) };
    const name = JSON.stringify([question, query]);
    if (!windows.has(name)) {
      const asked = store.ask("get", "frames", query, { question });
      windows.set(name, asked);
      asked.catch(() => windows.delete(name));
      if (windows.size > KEPT_WINDOWS) windows.delete(windows.keys().next().value);
    }
    const { frames } = await orAborted(windows.get(name), signal);
    return frames[t - from];
  };

  return store;
}

/** Reads the clamps of the address: "layer,direction,unit,gate,from,to,value" parted by ";". */
export function readClamps(text) {
  const clamps = [];
  for (const part of (text || "").split(";").filter(Boolean)) {
    const [layer, direction, unit, gate, from, to, value] = part.split(",");
    const numbers = [layer, unit, from, to, value].map(Number);
    if (!numbers.every(Number.isFinite) || !gate) continue;
    clamps.push({ layer: numbers[0], direction, unit: numbers[1], gate, from: numbers[2], to: numbers[3], value: numbers[4] });
  }
  return clamps;
}

/** Writes clamps as the address holds them. */
export function writeClamps(clamps) {
  return clamps.map((c) => [c.layer, c.direction, c.unit, c.gate, c.from, c.to, c.value].join(",")).join(";");
}

function orAborted(promise, signal) {
  if (!signal) return promise;
  return new Promise((resolve, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    promise.then(resolve, reject);
  });
}
