// A text coloured by one unit: spans for short texts, CSS custom highlights above 3,000 tokens.

const MOST_SPANS = 3000;
const BINS = 15;
let sheet = null;

/**
 * Put a coloured text into `root`. `handlers`: onStep(t) when a word is chosen. The caller hands over the text with
 * `read` and its colours with `colour`; the words keep their places, so that a selection copies the plain text.
 */
export function colouredText(root, label, handlers) {
  return new ColouredText(root, label, handlers);
}

/** Sort a value of -1..1 into one of 15 bins, the middle one for zero. */
export function binOf(value) {
  return Math.max(0, Math.min(BINS - 1, Math.round(((value + 1) / 2) * (BINS - 1))));
}

class ColouredText {
  constructor(root, label, handlers) {
    this.handlers = handlers;
    this.places = [];
    this.spans = null;
    this.here = -1;
    this.root = document.createElement("div");
    this.root.className = "coloured-text";
    this.root.tabIndex = 0;
    this.root.dir = "auto";
    this.root.setAttribute("role", "group");
    this.root.setAttribute("aria-label", label);
    root.append(this.root);
    this.root.addEventListener("click", (event) => {
      if (!document.getSelection()?.isCollapsed) return;
      const t = this.stepAt(event.clientX, event.clientY, event.target);
      if (t >= 0) handlers.onStep?.(t);
    });
    this.root.addEventListener("pointermove", (event) => {
      handlers.onHover?.(this.stepAt(event.clientX, event.clientY, event.target));
    });
    this.root.addEventListener("keydown", (event) => this.key(event));
  }

  /** Show a text and the tokens [[token, from, to], ...] of its trace, the unknown ones underlined. */
  read(text, { tokens, unknown = [] }) {
    if (this.text === text && this.tokens === tokens) return;
    this.text = text;
    this.tokens = tokens;
    let end = 0;
    const placed = tokens.some(([, , to]) => to > 0);
    this.places = placed ? tokens.map(([, from, to]) => [from, to]) : tokens.map(([token]) => {
      const from = end;
      end += token.length + 1;
      return [from, from + token.length];
    });
    this.unknown = new Set(unknown);
    this.here = -1;
    this.clear();
    const { places } = this;
    if (places.length <= MOST_SPANS) this.build();
    else {
      this.spans = null;
      this.node = document.createTextNode(text);
      this.root.replaceChildren(this.node);
    }
  }

  build() {
    const pieces = [];
    let at = 0;
    this.spans = this.places.map(([from, to], t) => {
      if (from > at) pieces.push(this.text.slice(at, from));
      const span = document.createElement("span");
      span.className = this.unknown.has(t) ? "coloured unknown" : "coloured";
      span.dataset.t = String(t);
      span.textContent = this.text.slice(from, to);
      at = to;
      pieces.push(span);
      return span;
    });
    pieces.push(this.text.slice(at));
    this.root.replaceChildren(...pieces);
  }

  /** Colour every token by a value of -1..1 (or NaN for none), with a 256-entry table of pixels. */
  colour(values, table) {
    if (this.spans) {
      this.spans.forEach((span, t) => {
        span.style.backgroundColor = Number.isFinite(values[t]) ? cssOf(table, values[t]) : "";
      });
      return;
    }
    const groups = Array.from({ length: BINS }, () => []);
    this.places.forEach(([from, to], t) => {
      if (!Number.isFinite(values[t])) return;
      groups[binOf(values[t])].push(new StaticRange(this.range(from, to)));
    });
    paintRules(table);
    groups.forEach((ranges, bin) => CSS.highlights.set(`bin-${bin}`, new Highlight(...ranges)));
  }

  range(from, to) {
    return { startContainer: this.node, startOffset: from, endContainer: this.node, endOffset: to };
  }

  /** Mark the word that the shared cursor is at, and bring it into the box's view when asked. */
  mark(t, scroll = false) {
    if (this.spans) {
      this.spans[this.here]?.classList.remove("here");
      this.spans[t]?.classList.add("here");
    } else if (this.node && this.places[t]) {
      const place = new Highlight(new StaticRange(this.range(...this.places[t])));
      place.priority = 1;
      CSS.highlights.set("bin-here", place);
    }
    this.here = t;
    if (scroll) this.show(t);
  }

  show(t) {
    const box = this.boxOf(t);
    if (!box) return;
    const frame = this.root.getBoundingClientRect();
    if (box.top < frame.top) this.root.scrollTop -= frame.top - box.top + 8;
    else if (box.bottom > frame.bottom) this.root.scrollTop += box.bottom - frame.bottom + 8;
  }

  boxOf(t) {
    if (!this.places[t]) return null;
    if (this.spans) return this.spans[t].getBoundingClientRect();
    const range = document.createRange();
    range.setStart(this.node, this.places[t][0]);
    range.setEnd(this.node, this.places[t][1]);
    return range.getBoundingClientRect();
  }

  stepAt(x, y, target) {
    if (this.spans) return Number(target.closest?.(".coloured")?.dataset.t ?? -1);
    const caret = document.caretPositionFromPoint?.(x, y);
    if (!caret || caret.offsetNode !== this.node) return -1;
    return stepOfPlace(this.places, caret.offset);
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const far = event.shiftKey ? 10 : 1;
    const moves = { ArrowLeft: -far, ArrowRight: far, Home: -this.places.length, End: this.places.length };
    if (!(event.key in moves) || !this.places.length) return;
    const t = Math.max(0, Math.min(this.places.length - 1, Math.max(0, this.here) + moves[event.key]));
    event.preventDefault();
    event.stopPropagation();
    this.handlers.onStep?.(t);
  }

  clear() {
    if (typeof CSS === "undefined" || !CSS.highlights) return;
    for (let bin = 0; bin < BINS; bin += 1) CSS.highlights.delete(`bin-${bin}`);
    CSS.highlights.delete("bin-here");
  }

  /** Take the text and its highlights off the page. */
  unmount() {
    this.clear();
    this.root.remove();
  }
}

/** Find the token that a place in the text lies in or right before, by halving. */
export function stepOfPlace(places, offset) {
  let low = 0;
  let high = places.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (places[middle][0] <= offset) low = middle;
    else high = middle - 1;
  }
  return places.length ? low : -1;
}

function cssOf(table, value) {
  const pixel = table[Math.max(0, Math.min(255, Math.round(127.5 * (1 + value))))];
  return `rgb(${pixel & 255}, ${(pixel >> 8) & 255}, ${(pixel >> 16) & 255})`;
}

function paintRules(table) {
  if (!sheet) {
    sheet = new CSSStyleSheet();
    document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
  }
  const rules = Array.from({ length: BINS }, (_, bin) => {
    return `::highlight(bin-${bin}) { background-color: ${cssOf(table, (2 * bin) / (BINS - 1) - 1)}; }`;
  });
  sheet.replaceSync(rules.join("\n"));
}
