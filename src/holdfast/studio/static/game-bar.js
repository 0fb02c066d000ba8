// One gate as a bar: a slider for mouse, touch and screen reader; keys come from the field around it.

import { h } from "./a11y.js";

/**
 * Makes a bar. `options`: part (f, i, o), name, flat (lies down), low, high, coarse and fine steps, show(value), words(value),
 * input(value) when the reader changes it, chosen() when it gets the focus.
 * Returns {element, set(value), nudge(direction, fine), put(value), focus()}.
 */
export function makeBar(options) {
  const { part, name, flat, low, high, coarse, fine } = options;
  const level = h("span.g-bar-level");
  const value = h("span.g-bar-value");
  const element = h(
    flat ? "div.g-bar.flat" : "div.g-bar",
    {
      role: "slider",
      tabindex: -1,
      "data-part": part,
      "aria-label": name,
      "aria-valuemin": low,
      "aria-valuemax": high,
      "aria-orientation": flat ? "horizontal" : "vertical",
    },
    level,
    h("span.g-bar-letter", { "aria-hidden": "true" }, part),
    value,
  );
  let current = null;

  function set(next) {
    if (next === current) {
      return;
    }
    current = next;
    element.style.setProperty("--fill", String((next - low) / (high - low)));
    element.setAttribute("aria-valuenow", String(next));
    element.setAttribute("aria-valuetext", options.words(next));
    value.textContent = options.show(next);
  }

  function put(next) {
    const within = Math.min(high, Math.max(low, next));
    if (within !== current) {
      options.input(within);
    }
  }

  function fromPointer(event) {
    const box = element.getBoundingClientRect();
    const share = flat ? (event.clientX - box.left) / box.width : (box.bottom - event.clientY) / box.height;
    const step = event.shiftKey ? fine : coarse;
    put(low + Math.round((share * (high - low)) / step) * step);
  }

  element.addEventListener("pointerdown", (event) => {
    element.setPointerCapture(event.pointerId);
    element.focus({ preventScroll: true });
    fromPointer(event);
  });
  element.addEventListener("pointermove", (event) => {
    if (element.hasPointerCapture(event.pointerId)) {
      fromPointer(event);
    }
  });
  element.addEventListener("focus", () => options.chosen());
  return {
    element,
    set,
    put,
    nudge(direction, small) {
      const step = small ? fine : coarse;
      const moved = (current - low) / step + direction;
      put(low + (direction > 0 ? Math.floor(moved + 1e-9) : Math.ceil(moved - 1e-9)) * step);
    },
    low,
    high,
    focus: () => element.focus({ preventScroll: true }),
  };
}

/** Options of a gate's bar in twentieths: ¼ steps, .05 with Shift. */
export function gateScale(verb) {
  return {
    low: 0,
    high: 20,
    coarse: 5,
    fine: 1,
    show: (value) => (value / 20).toFixed(2),
    words: (value) => `${(value / 20).toFixed(2)}: ${verb} ${value * 5} %`,
  };
}
