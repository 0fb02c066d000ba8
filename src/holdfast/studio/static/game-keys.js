// The keys of the play field: they count inside it and where no other part has keys of its own; Tab always gets out again.

const ELSEWHERE = ".game, #view, [role=tab]"; // besides the page itself; other parts keep their keys

/**
 * Listens on the field and, for keys that nobody else took, on the page; returns a function that ends it. `view` gives: bars() in order, each with address {group, line, gate}; selected() and select(bar);
 * act(name) for step, back, hold, undo, watch, reset, deal, split, leave. Rules move between lines by left and right.
 */
export function listenInField(field, view) {
  const listen = (event) => {
    const inside = field.contains(event.target);
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) {
      return;
    }
    if (!inside && (document.querySelector("dialog[open]") || ["Tab", "Escape"].includes(event.key) || !isFree(event.target))) {
      return;
    }
    const button = event.target.closest("button, summary");
    if (button && (event.key === "Enter" || event.key === " ")) {
      return;
    }
    const run = actionOf(event, view);
    if (run && run() !== false) {
      event.preventDefault();
      if (!inside) {
        view.enter();
      }
    }
  };
  document.body.addEventListener("keydown", listen);
  return () => document.body.removeEventListener("keydown", listen);
}

function isFree(target) {
  return target === document.body || Boolean(target.closest(ELSEWHERE));
}

function actionOf(event, view) {
  const bar = view.selected();
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const bars = view.bars();
  const gates = { f: 0, i: 1, o: 2 };
  const acts = { Enter: "step", h: "hold", z: "undo", l: "watch", r: "reset", n: "deal", s: "split", Escape: "leave" };
  if (key in acts) {
    return () => view.act(acts[key]);
  }
  if (event.key === "ArrowRight" || event.key === "ArrowLeft") {
    const by = event.key === "ArrowRight" ? 1 : -1;
    return () => (view.lines() ? toLine(view, bars, bar, by) : view.act(by > 0 ? "step" : "back"));
  }
  if (!bar) {
    return null;
  }
  if (key in gates) {
    return () =>
      view.select(bars.find((other) => other.address.group === bar.address.group && other.address.gate === gates[key]));
  }
  const changes = {
    ArrowUp: () => bar.nudge(1, event.shiftKey),
    ArrowDown: () => bar.nudge(-1, event.shiftKey),
    0: () => bar.put(bar.low < 0 ? 0 : bar.low),
    1: () => bar.put(bar.high),
    Tab: () => toCell(view, bars, bar, event.shiftKey ? -1 : 1),
  };
  return changes[key] ?? null;
}

/** Tab goes to the next cell of the same line; after the last one the browser's own Tab leaves the field. */
function toCell(view, bars, bar, by) {
  if (document.activeElement !== bar.element) {
    return false;
  }
  const { group, line, gate } = bar.address;
  const next = bars.find(
    (other) => other.address.group === group + by && other.address.line === line && other.address.gate === gate,
  );
  return next ? view.select(next) : false;
}

function toLine(view, bars, bar, by) {
  if (!bar) {
    return false;
  }
  const next = bars.find(
    (other) =>
      other.address.line === bar.address.line + by &&
      other.address.cell === bar.address.cell &&
      other.address.gate === bar.address.gate,
  );
  return next ? view.select(next) : undefined;
}

function typing(target) {
  return ["INPUT", "TEXTAREA", "SELECT"].includes(target.tagName);
}
