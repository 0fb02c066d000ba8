// Paints a text word by word: spans for short texts, CSS highlights on one text node for long ones.

import { h } from "./a11y.js";

const MOST_SPANS = 3000;

/** Paints the tokens of a trace into an element; returns {show(t), at(event), range(t)}. */
export function paintWords(element, text, trace) {
  const series = trace.tokens.every(([, , to]) => to === 0);
  if (series) return paintWords(element, ...stepsOf(trace));
  const places = trace.tokens.map(([, from, to]) => [from, to]);
  const unknown = new Set(trace.unknown);
  return places.length > MOST_SPANS ? paintLong(element, text, places, unknown) : paintShort(element, text, places, unknown);
}

// A series has no text to point at: its steps' names, one after the other, take its place.
function stepsOf(trace) {
  let end = 0;
  const tokens = trace.tokens.map(([name]) => {
    const from = end;
    end += String(name).length + 2;
    return [name, from, end - 2];
  });
  return [tokens.map(([name]) => name).join("  "), { ...trace, tokens }];
}

function paintShort(element, text, places, unknown) {
  const spans = [];
  const pieces = [];
  let end = 0;
  places.forEach(([from, to], t) => {
    if (from > end) pieces.push(text.slice(end, from));
    const span = h("span.word", { "data-t": t }, text.slice(from, to));
    if (unknown.has(t)) span.classList.add("unknown");
    spans.push(span);
    pieces.push(span);
    end = to;
  });
  element.replaceChildren(...pieces, text.slice(end));
  let now = null;
  return {
    at: (event) => Number(event.target.closest?.("[data-t]")?.dataset.t ?? -1),
    show(t) {
      now?.classList.remove("now");
      now = spans[t] ?? null;
      now?.classList.add("now");
      if (now) bringIntoSight(element, now.getBoundingClientRect());
    },
  };
}

function paintLong(element, text, places, unknown) {
  const node = document.createTextNode(text);
  element.replaceChildren(node);
  const rangeOf = (t) => {
    const range = document.createRange();
    range.setStart(node, places[t][0]);
    range.setEnd(node, places[t][1]);
    return range;
  };
  CSS.highlights?.set("unknown-word", new Highlight(...[...unknown].map(rangeOf)));
  return {
    at(event) {
      const caret = document.caretPositionFromPoint?.(event.clientX, event.clientY);
      const offset = caret?.offset ?? document.caretRangeFromPoint?.(event.clientX, event.clientY)?.startOffset;
      return offset === undefined ? -1 : places.findIndex(([, to]) => offset < to);
    },
    show(t) {
      if (!places[t]) return;
      const range = rangeOf(t);
      CSS.highlights?.set("word-now", new Highlight(range));
      bringIntoSight(element, range.getBoundingClientRect());
    },
  };
}

/** Scrolls the element itself, never the page, until the word stands inside. */
function bringIntoSight(element, word) {
  const frame = element.getBoundingClientRect();
  if (word.top < frame.top || word.bottom > frame.bottom) element.scrollTop += word.top - frame.top - frame.height / 3;
  if (word.left < frame.left || word.right > frame.right) element.scrollLeft += word.left - frame.left - frame.width / 3;
}
