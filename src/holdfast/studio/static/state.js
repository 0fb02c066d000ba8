// The shared state of all views and its two-way tie to the fragment of the address, where texts are compressed.

const LONGEST_IN_ADDRESS = 2000;
const NUMBERS = ["l", "u", "t", "ph"]; // whole ones
const LAST_PHASE = 6;
const CHOICES = { v: ["cell", "memory", "gradient", "complete", "game"], d: ["forward", "backward"] };
const TEXTS = ["x", "b"];
const LOCAL = ["theme", "lost"]; // told to all views, but not part of a shared picture; lost: a text that only another tab has
const coded = new Map();

/** What a fresh page starts from; `u` and `t` below zero mean "not chosen yet". */
export const DEFAULTS = { v: "cell", m: "", l: 0, d: "forward", u: -1, t: -1, ph: 6, sort: "", x: "", b: "", k: "", cl: "" };

/** Makes the state: `get()`, `set(patch)`, `subscribe(fn(state, changed))`, `ready` (a promise) and `fragment()`. */
export function makeState(address = window) {
  let state = Object.freeze({ ...DEFAULTS });
  let written = null;
  let timer = 0;
  let reads = 0;
  const listeners = new Set();

  function replace(next) {
    const keys = new Set([...Object.keys(state), ...Object.keys(next)]);
    const changed = new Set([...keys].filter((key) => state[key] !== next[key]));
    if (changed.size === 0) return;
    const turned = changed.has("v");
    state = Object.freeze(next);
    scheduleWrite(turned);
    for (const listener of [...listeners]) listener(state, changed);
  }

  function scheduleWrite(push) {
    // Texts are compressed ahead, so that the fragment itself is put together without waiting.
    const waiting = TEXTS.map((key) => state[key]).filter((text) => text && !coded.has(text));
    if (waiting.length > 0) {
      Promise.all(waiting.map(encodeText)).then(() => scheduleWrite(push));
      return;
    }
    clearTimeout(timer);
    if (push && written !== null) write(true);
    else timer = setTimeout(() => write(false), 150);
  }

  function write(push) {
    const fragment = fragmentOf(state);
    if (fragment === written) return;
    written = fragment;
    const history = address.history;
    if (push) history.pushState(null, "", "#" + fragment);
    else history.replaceState(null, "", "#" + fragment);
  }

  async function read() {
    const turn = ++reads;
    const fragment = address.location.hash.slice(1);
    if (fragment === written) return;
    clearTimeout(timer); // or a cursor that just moved would be written over the entry gone back to
    const next = await stateOf(fragment);
    if (turn !== reads) return; // the address has changed again
    written = fragment;
    replace({ ...DEFAULTS, ...next });
  }

  address.addEventListener("hashchange", read);
  address.addEventListener("popstate", read);
  return {
    get: () => state,
    set: (patch) => replace({ ...state, ...patch }),
    subscribe: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    fragment: () => fragmentOf(state),
    ready: read(),
  };
}

/** The fragment of a state: keys that differ from their default; a text not yet compressed is left out. */
export function fragmentOf(state) {
  const parts = [];
  for (const [key, value] of Object.entries(state)) {
    if (LOCAL.includes(key) || (value === DEFAULTS[key] && key !== "v")) continue;
    if (value === "" || value === null || value === undefined) continue;
    const text = TEXTS.includes(key) ? coded.get(value) : String(value);
    if (text) parts.push(encodeURIComponent(key) + "=" + encodeURIComponent(text));
  }
  return parts.join("&");
}

/** Whether the fragment of a state holds its texts; one that is too long stays in this tab. */
export async function holdsTexts(state) {
  const codes = await Promise.all(TEXTS.map((key) => (state[key] ? encodeText(state[key]) : "-")));
  return codes.every((code) => code && !code.startsWith("~"));
}

/** The part of a state that a fragment tells; broken parts are left out rather than guessed. */
export async function stateOf(fragment) {
  const state = {};
  for (const part of fragment.split("&")) {
    const cut = part.indexOf("=");
    if (cut < 1) continue;
    const [key, text] = [plain(part.slice(0, cut)), plain(part.slice(cut + 1))];
    if (key === null || text === null) continue;
    if (TEXTS.includes(key)) {
      const found = await decodeText(text);
      if (found !== null) state[key] = found;
      else if (text.startsWith("~")) state.lost = true;
    } else if (NUMBERS.includes(key)) {
      const number = /^-?\d{1,9}$/.test(text) ? Number(text) : null;
      if (number !== null && (key !== "ph" || (number >= 0 && number <= LAST_PHASE))) state[key] = number;
    } else if (!LOCAL.includes(key) && (!CHOICES[key] || CHOICES[key].includes(text))) state[key] = text;
  }
  return state;
}

function plain(text) {
  try {
    return decodeURIComponent(text);
  } catch (error) {
    if (error instanceof URIError) return null;
    throw error;
  }
}

/** Compresses a text for the address (deflate-raw, base64url); long ones stay in this tab, under a short name. */
export async function encodeText(text) {
  if (coded.has(text)) return coded.get(text);
  const bytes = await through(new CompressionStream("deflate-raw"), new TextEncoder().encode(text));
  let binary = "";
  for (const byte of bytes) binary += String.fromCharCode(byte);
  let code = btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  if (code.length > LONGEST_IN_ADDRESS) {
    const name = "~" + hash(text);
    code = keep("holdfast.text." + name, text) ? name : "";
  }
  coded.set(text, code);
  return code;
}

/** The text behind a code of `encodeText`, or null when it cannot be read. */
export async function decodeText(code) {
  if (code.startsWith("~")) return recall("holdfast.text." + code);
  try {
    const binary = atob(code.replaceAll("-", "+").replaceAll("_", "/"));
    const bytes = Uint8Array.from(binary, (letter) => letter.charCodeAt(0));
    const text = new TextDecoder().decode(await through(new DecompressionStream("deflate-raw"), bytes));
    coded.set(text, code);
    return text;
  } catch (error) {
    if (error instanceof TypeError || error instanceof DOMException) return null;
    throw error;
  }
}

async function through(stream, bytes) {
  return new Uint8Array(await new Response(new Blob([bytes]).stream().pipeThrough(stream)).arrayBuffer());
}

function hash(text) {
  let value = 2166136261;
  for (let n = 0; n < text.length; n += 1) value = Math.imul(value ^ text.charCodeAt(n), 16777619) >>> 0;
  return value.toString(36) + text.length.toString(36);
}

function keep(name, text) {
  try {
    sessionStorage.setItem(name, text);
    return true;
  } catch (error) {
    if (error instanceof DOMException) return false; // full, or switched off: the address then leaves the text out
    throw error;
  }
}

function recall(name) {
  try {
    return sessionStorage.getItem(name);
  } catch (error) {
    if (error instanceof DOMException) return null;
    throw error;
  }
}
