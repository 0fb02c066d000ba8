// The second source of answers: those written into an exported page, which has no server.

import { readTensors } from "./safetensors.js";
import { connection as words } from "./strings.js";

/**
 * The source of a page that carries its answers in `<script type="application/json" id="holdfast-data">`, else null.
 *
 * The data is {"state": fragment, "answers": {"GET /api/1/models": {"json": ...}, "GET /api/1/trace/ID/maps?...": {"base64": ...}}};
 * the keys are method, blank and `locate(path, query)`. A POST has the key of its path alone, for the page holds one trace.
 */
export function embeddedSource() {
  const data = embeddedData();
  if (data === null) return null;
  return {
    async answer(method, address, body, kind, ApiError) {
      const found = data.answers[method + " " + address];
      if (found === undefined) throw new ApiError({ title: words.notHere, detail: words.notHereDetail, hint: words.notHereHint, status: 404 });
      if (kind === "tensors") return readTensors(bytesOf(found.base64).buffer);
      return structuredClone(found.json);
    },
  };
}

/** The data of an exported page, or null on a served one. */
export function embeddedData() {
  const place = document.getElementById("holdfast-data");
  return place === null ? null : JSON.parse(place.textContent);
}

function bytesOf(base64) {
  return Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
}
