// The second source of answers: those written into an exported page, which has no server.

import { readTensors } from "./safetensors.js";
import { connection as words } from "./strings.js";

const MAPS = /^(GET \/api\/1\/trace\/[^/]+)\/(maps|unit\/(\d+))\?(.*)$/;

/**
 * The source of a page that carries its answers in `<script type="application/json" id="holdfast-data">`, else null.
 *
 * The data is {"state": fragment, "answers": {"GET /api/1/models": {"json": ...}}, "files": {address: JSON}}; the keys of
 * answers are method, blank and `locate(path, query)`, the values {"json"}, {"base64"} of a safetensors file, {"deflated"}
 * of JSON, or of a POST {"asked": [{"question", "json"}]}. Of each trace, layer and direction the maps are there whole, as
 * `GET /api/1/trace/ID/maps?direction=...&layer=...`; any part of them, and any unit's lanes, are cut from these.
 */
export function embeddedSource() {
  const data = embeddedData();
  if (data === null) return null;
  return {
    async answer(method, address, body, kind, ApiError) {
      const found = await find(data.answers, `${method} ${address}`, body);
      if (found === undefined) throw new ApiError({ title: words.notHere, detail: words.notHereDetail, hint: words.notHereHint, status: 404 });
      return found;
    },
  };
}

/** The data of an exported page, or null on a served one. */
export function embeddedData() {
  const place = document.getElementById("holdfast-data");
  return place === null ? null : JSON.parse(place.textContent);
}

/** The content of a JSON file that an exported page carries, or null. */
export function embeddedFile(address) {
  return embeddedData()?.files?.[address] ?? null;
}

async function find(answers, name, body) {
  const [, trace, what, unit, query] = MAPS.exec(name) ?? [];
  if (trace) return part(answers, trace, what, unit, new URLSearchParams(query));
  const found = answers[name];
  if (found?.asked) return structuredClone(found.asked.find(({ question }) => equal(question, body))?.json);
  if (found?.deflated) return JSON.parse(await inflated(bytesOf(found.deflated)));
  return found && structuredClone(found.json);
}

/** Cuts letters, steps or one unit out of the maps of a layer and direction. */
function part(answers, trace, what, unit, query) {
  if (query.has("alternative") || (what === "maps" && query.get("dtype") !== "f32")) return undefined;
  const whole = answers[`${trace}/maps?direction=${query.get("direction") ?? "forward"}&layer=${query.get("layer") ?? 0}`];
  if (!whole) return undefined;
  const { metadata, ...maps } = readTensors(bytesOf(whole.base64).buffer);
  const letters = query.get("what")?.split(",") ?? Object.keys(maps);
  if (!letters.every((letter) => maps[letter])) return undefined;
  const steps = maps[letters[0]].shape[1];
  const from = Number(query.get("from") ?? 0);
  const to = Math.min(steps, Number(query.get("to") ?? steps));
  const cut = { metadata: { ...metadata, from: String(from), to: String(to) } };
  for (const letter of letters) {
    const { data, shape } = maps[letter];
    if (unit !== undefined) {
      if (Number(unit) >= shape[0]) continue; // a projected layer has fewer h than c
      cut[letter] = { data: data.slice(unit * steps, (Number(unit) + 1) * steps), shape: [steps] };
    } else cut[letter] = windowOf(data, shape, from, to);
  }
  return Object.keys(cut).length > 1 ? cut : undefined;
}

function windowOf(data, [units, steps], from, to) {
  const kept = new Float32Array(units * (to - from));
  for (let row = 0; row < units; row += 1) kept.set(data.subarray(row * steps + from, row * steps + to), row * (to - from));
  return { data: kept, shape: [units, to - from] };
}

function equal(left, right) {
  const [a, b] = [left, right].map((one) => JSON.stringify(Object.entries(one ?? {}).sort()));
  return a === b;
}

async function inflated(bytes) {
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw"))).text();
}

function bytesOf(base64) {
  return Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
}
