// What helps those who hear the page or steer it by keyboard: announcements, focus, and making elements by name.

const WAIT = 150;
let timer = 0;

/** Says a text in the polite live region once nothing new has come for 150 ms. */
export function announce(text) {
  clearTimeout(timer);
  timer = setTimeout(() => {
    const live = document.getElementById("live");
    if (live) live.textContent = text;
  }, WAIT);
}

/** Whether the reader asked for less motion. */
export function lessMotion() {
  return window.matchMedia("(prefers-reduced-motion: reduce)").matches;
}

/**
 * Makes an element: `h("button.primary", {type: "button", onclick: fn}, "Play", child)`.
 * Attributes that start with "on" are listeners; `true` is an empty attribute, `false` and null leave it out.
 */
export function h(name, attributes = {}, ...children) {
  const [tag, ...classes] = name.split(".");
  const element = document.createElement(tag);
  if (classes.length) element.className = classes.join(" ");
  return dress(element, attributes, children);
}

/** The same for SVG elements. */
export function s(name, attributes = {}, ...children) {
  const [tag, ...classes] = name.split(".");
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  if (classes.length) element.setAttribute("class", classes.join(" "));
  return dress(element, attributes, children);
}

function dress(element, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else element.setAttribute(key, value === true ? "" : String(value));
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** Lets the left and right arrow keys, Home and End move along a row of items of which only one is in the tab order. */
export function roving(container, selector, choose) {
  container.addEventListener("keydown", (event) => {
    const items = [...container.querySelectorAll(selector)];
    const at = items.indexOf(document.activeElement);
    if (at < 0 || event.ctrlKey || event.metaKey || event.altKey) return;
    const steps = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: items.length - 1 };
    if (!(event.key in steps)) return;
    event.preventDefault();
    const item = items[(steps[event.key] + items.length) % items.length];
    item.focus();
    choose(item);
  });
}
