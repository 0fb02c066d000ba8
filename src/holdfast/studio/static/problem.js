// Shows what went wrong beside what caused it, with the hint on how to mend it.

import { h } from "./a11y.js";

const shown = new WeakMap();

/** Shows an error after an element, in place of an earlier one there; null takes it away. */
export function problem(error, where) {
  shown.get(where)?.remove();
  shown.delete(where);
  if (!error) return;
  const detail = error.detail || (error.title ? "" : String(error.message ?? error));
  const box = h("div.problem", { role: "alert" }, error.title ? h("b", {}, error.title) : null);
  for (const text of [detail, error.hint]) if (text) box.append(" ", h("span", {}, ...withCode(text)));
  where.after(box);
  shown.set(where, box);
}

/** The parts of a text, what stands between backticks as code. */
export function withCode(text) {
  return text.split("`").map((part, n) => (n % 2 ? h("code", {}, part) : part)).filter((part) => part !== "");
}
