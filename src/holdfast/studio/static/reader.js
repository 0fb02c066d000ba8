// The line of text that Cell, Memory and Completion share: the words, the one looked at, and the field to edit them.

import { h } from "./a11y.js";
import { isAbort } from "./api.js";
import { paintWords } from "./words.js";
import { reader as texts } from "./strings.js";

const USERS = ["cell", "memory", "complete"];
const TYPING_PAUSE = 300;
const MOST_UNKNOWN = 12;
const VISIBLE = /[^\s\p{Cf}\p{M}]/u; // a sign that only joins others, as in emoji, cannot be listed
const MOST_REFUSED = 20000;

/** Fills the text line; a click on a word moves the shared cursor there. */
export function mountReader(root, context) {
  const { store } = context;
  let editing = false;
  let wanted = "";
  let painted = null;
  let reads = null;
  let timer = 0;
  const line = h("p.reader-words", { id: "words", role: "group", tabindex: "0", dir: "auto", "aria-label": texts.label });
  const field = h("textarea.reader-field", { id: "text", rows: 4, dir: "auto", spellcheck: "false", hidden: true, "aria-label": texts.label });
  const edit = h("button.button.quiet", { type: "button", id: "edit", "aria-expanded": "false", onclick: () => setEditing(!editing) }, texts.edit);
  const reset = h("button.button.quiet", { type: "button", id: "reset", hidden: true, onclick: restore }, texts.reset);
  const note = h("p.note.reader-note", { hidden: true });
  root.setAttribute("aria-label", texts.label);
  root.append(h("div.reader-body", {}, line, field, note), h("div.reader-tools", {}, edit, reset));

  field.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(send, TYPING_PAUSE);
  });
  field.addEventListener("change", () => {
    clearTimeout(timer);
    send();
  });
  field.addEventListener("keydown", (event) => {
    if (event.key === "Escape") setEditing(false);
  });
  line.addEventListener("click", (event) => {
    const t = painted?.at(event);
    if (t >= 0) context.setState({ t });
  });

  function send() {
    const text = field.value;
    if (text === store.text()) return;
    context.setState({ x: text === store.example() ? "" : text, t: -1, cl: "" });
  }

  function restore() {
    context.setState({ x: "", t: -1, u: -1, cl: "" });
    field.value = store.text();
    if (editing) field.focus();
  }

  function setEditing(on) {
    if (!on) {
      clearTimeout(timer);
      send();
    }
    editing = on;
    field.hidden = !on;
    line.hidden = on;
    edit.textContent = on ? texts.done : texts.edit;
    edit.setAttribute("aria-expanded", String(on));
    if (on) {
      field.value = store.text();
      field.focus();
    } else edit.focus();
  }

  // An open editor shows what a model of the other kind reads; a text meant for the first is not sent to it.
  function takeModel() {
    reads = store.model.reads;
    const label = reads === "series" ? texts.seriesLabel : texts.label;
    for (const element of [root, line, field]) element.setAttribute("aria-label", label);
    clearTimeout(timer);
    if (editing) field.value = store.text();
  }

  async function repaint() {
    const question = JSON.stringify(store.question());
    if (question === wanted) return;
    wanted = question;
    root.classList.add("waiting");
    const text = store.text();
    if (!painted) line.textContent = text;
    try {
      const trace = await store.trace();
      if (wanted !== question) return;
      painted = paintWords(line, text, trace);
      painted.show(context.state.t);
      const unknown = [...new Set(trace.unknown.map((t) => trace.tokens[t][0]))].filter((word) => VISIBLE.test(word));
      const lost = context.state.lost && !context.state.x;
      note.hidden = unknown.length === 0 && !lost;
      note.textContent = lost ? texts.lost : unknown.length ? texts.unknown(unknown.slice(0, MOST_UNKNOWN), unknown.length - MOST_UNKNOWN) : "";
      context.problem(null, root);
    } catch (error) {
      if (wanted !== question || isAbort(error)) return;
      wanted = "";
      painted = null;
      line.textContent = text.slice(0, MOST_REFUSED); // what was refused, not what was read before
      context.problem(error, root);
    } finally {
      root.classList.remove("waiting");
    }
  }

  return {
    update(state, changed) {
      root.hidden = !USERS.includes(state.v);
      reset.hidden = !state.x;
      if (root.hidden || !store.model || store.model.error) return;
      if (reads !== store.model.reads) takeModel();
      if (["x", "m", "k", "cl", "v"].some((key) => changed.has(key))) repaint();
      if (changed.has("t")) painted?.show(state.t);
    },
  };
}
