// Replays a tour: a list of steps, each a title, a few words, and the fragment of the address that shows it.

import { h } from "./a11y.js";
import { DEFAULTS, stateOf } from "./state.js";
import { tour as words } from "./strings.js";

const SEEN = "holdfast.tour";
const OFFERED_IN = "cell";

/** Offers the first tour once, and replays it; `tour` and `step` in the address name the place in it. */
export function mountTour(root, context) {
  let tour = null;
  let shown = "";
  const { store, api } = context;

  root.setAttribute("aria-label", words.name);

  async function load(name) {
    if (tour?.name === name) return tour;
    const response = await fetch(`tours/${encodeURIComponent(name)}.json`);
    if (!response.ok) return null;
    tour = { name, ...(await response.json()) };
    return tour;
  }

  async function goTo(name, step) {
    const { steps, text } = await load(name);
    const state = await stateOf(steps[step].fragment);
    context.setState({ ...DEFAULTS, ...state, x: text === store.info.text ? "" : text, tour: name, step: String(step) });
  }

  function end() {
    remember();
    context.setState({ tour: "", step: "", cl: "" });
    document.getElementById("view").focus(); // the button that was pressed goes away
  }

  function possible() {
    return !api.embedded && store.models.some((model) => model.id === "lstm" && model.shipped && !model.error);
  }

  function offer() {
    if (seen() || !possible()) return root.replaceChildren();
    const dismiss = () => {
      remember();
      root.replaceChildren();
      document.getElementById("view").focus();
    };
    root.replaceChildren(
      h(
        "div.tour.offer",
        {},
        h("span", {}, words.offer),
        h("button.button.primary", { type: "button", id: "tour-start", onclick: () => goTo("france", 0) }, words.start),
        h("button.button.quiet", { type: "button", onclick: dismiss }, words.dismiss),
      ),
    );
  }

  function paint(step) {
    const { title, text } = tour.steps[step];
    const total = tour.steps.length;
    const last = step === total - 1;
    const focused = root.contains(document.activeElement) ? document.activeElement.id : "";
    const back = h("button.button", { type: "button", id: "tour-back", disabled: step === 0, onclick: () => goTo(tour.name, step - 1) }, words.back);
    const next = h("button.button.primary", { type: "button", id: "tour-next", onclick: () => (last ? end() : goTo(tour.name, step + 1)) }, last ? words.end : words.next);
    const stop = last ? null : h("button.button.quiet", { type: "button", id: "tour-end", onclick: end }, words.end);
    root.replaceChildren(
      h(
        "section.tour",
        { "aria-label": words.name },
        h("div.tour-words", {}, h("h2", {}, h("span.tour-step", {}, words.step(step + 1, total)), title), h("p", {}, text)),
        h("div.row.tour-buttons", {}, stop, back, next),
      ),
    );
    const again = document.getElementById(focused);
    if (focused) (again && !again.disabled ? again : next).focus();
    context.announce(`${title}. ${text}`);
  }

  async function follow(state) {
    const name = state.tour ?? "";
    const key = `${name} ${state.step ?? ""} ${name ? "" : state.v}`;
    if (key === shown) return;
    shown = key;
    const found = name && !api.embedded ? await load(name) : null;
    const step = Number(state.step);
    if (found?.steps[step]) paint(step);
    else if (state.v === OFFERED_IN) offer();
    else root.replaceChildren();
  }

  return {
    update(state) {
      follow(state).catch((error) => context.problem(error, root));
    },
    start: () => goTo("france", 0),
    possible,
  };
}

function seen() {
  try {
    return localStorage.getItem(SEEN) !== null;
  } catch (error) {
    if (error instanceof DOMException) return true;
    throw error;
  }
}

function remember() {
  try {
    localStorage.setItem(SEEN, "seen");
  } catch (error) {
    if (!(error instanceof DOMException)) throw error; // storage is off: the offer comes back with the next visit
  }
}
