// The client of the server's API: JSON, safetensors and event streams, with patience when the server is away.

import { readTensors } from "./safetensors.js";
import { embeddedSource } from "./embedded.js";
import { connection as words } from "./strings.js";

const RETRY_SECONDS = [1, 2, 5];

/** What went wrong, in the words of the server's problem JSON: title, detail, hint, limit, status. */
export class ApiError extends Error {
  constructor({ title, detail, hint, limit, status }) {
    super(detail || title || words.unknown);
    Object.assign(this, { name: "ApiError", title: title || words.unknown, detail: detail || "", hint: hint || "", limit, status });
  }
}

/**
 * Makes the client. `onConnection(away, seconds, anew)` hears when the server goes and when it is back; `anew`: one was
 * started that has not let this browser in, so its new address must be opened first.
 */
export function makeApi(onConnection = () => {}) {
  const embedded = embeddedSource();
  let returning = null;
  let letIn = false;

  async function request(method, path, { query, body, signal, kind = "json" } = {}) {
    const address = locate(path, query);
    if (embedded) return embedded.answer(method, address, body, kind, ApiError);
    const options = { method, signal, credentials: "same-origin", headers: {} };
    if (body !== undefined) {
      options.body = JSON.stringify(body);
      options.headers["content-type"] = "application/json";
    }
    for (;;) {
      let response;
      try {
        response = await fetch(address, options);
      } catch (error) {
        if (!(error instanceof TypeError)) throw error; // an aborted request, which its caller asked for
        await untilBack(signal);
        continue;
      }
      if (response.status === 403 && letIn) {
        await untilBack(signal, true);
        continue;
      }
      if (!response.ok) throw await problemOf(response);
      letIn = true;
      if (kind === "tensors") return readTensors(await response.arrayBuffer());
      if (kind === "blob") return response.blob();
      return response.status === 204 ? null : response.json();
    }
  }

  /** Waits until the server answers this page again; all requests that failed share one wait. */
  async function untilBack(signal, anew = false) {
    returning ??= knock(anew).finally(() => (returning = null));
    await Promise.race([returning, aborted(signal)]);
  }

  async function knock(anew) {
    for (let n = 0; ; n += 1) {
      const seconds = RETRY_SECONDS[Math.min(n, RETRY_SECONDS.length - 1)];
      onConnection(true, seconds, anew);
      await new Promise((resolve) => setTimeout(resolve, 1000 * seconds));
      try {
        const { status } = await fetch(locate("models"), { credentials: "same-origin" });
        anew = status === 403;
        if (anew) continue;
        onConnection(false, 0);
        return;
      } catch (error) {
        if (!(error instanceof TypeError)) throw error;
      }
    }
  }

  return {
    embedded: Boolean(embedded),
    get: (path, query, { signal } = {}) => request("GET", path, { query, signal }),
    post: (path, body, { signal } = {}) => request("POST", path, { body, signal }),
    remove: (path, { signal } = {}) => request("DELETE", path, { signal }),
    tensors: (path, query, { signal } = {}) => request("GET", path, { query, signal, kind: "tensors" }),
    file: (path, body, { signal } = {}) => request("POST", path, { body, signal, kind: "blob" }),
    events: (path, onEvent, { signal, onError } = {}) => listen(locate(path), onEvent, onError, signal),
  };
}

function listen(address, onEvent, onError = () => {}, signal = undefined) {
  const source = new EventSource(address);
  const close = () => source.close();
  source.onmessage = (message) => {
    const event = JSON.parse(message.data);
    onEvent(event);
    if (event.done) close();
  };
  source.onerror = () => {
    if (source.readyState === EventSource.CLOSED) onError(new ApiError({ title: words.away }));
  };
  signal?.addEventListener("abort", close, { once: true });
  return close;
}

/** The address of an API path with its query, keys sorted so that equal questions have equal addresses. */
export function locate(path, query = {}) {
  const place = path.startsWith("/api/") ? path : "/api/1/" + path.replace(/^\//, "");
  const pairs = Object.entries(query ?? {}).filter(([, value]) => value !== undefined && value !== null);
  pairs.sort(([a], [b]) => (a < b ? -1 : 1));
  const text = new URLSearchParams(pairs).toString();
  return text ? place + "?" + text : place;
}

async function problemOf(response) {
  const text = await response.text();
  let problem = {};
  try {
    problem = JSON.parse(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error; // what is not JSON has only its status to tell
  }
  return new ApiError({ title: words.status(response.status), ...problem, status: response.status });
}

function aborted(signal) {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) reject(signal.reason);
    signal?.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}

/** Whether an error only says that its request was called off. */
export function isAbort(error) {
  return error instanceof DOMException && error.name === "AbortError";
}
