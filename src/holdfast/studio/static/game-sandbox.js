// The sandbox's editor: cards of one's own, each with a face, a candidate and what the mouth should say.

import { h } from "./a11y.js";
import { fill, GAME, mouthWords, signed } from "./strings-game.js";

const MOST_CARDS = 40;

/** Makes the editor; update(state) shows the state's cards, and every change becomes a {type: "cards"} action. */
export function makeSandbox(app) {
  const body = h("div.g-slot");
  const element = h("details.g-sandbox", { open: true }, h("summary", {}, GAME.sandboxEdit), body);
  let shown = null;
  return {
    element,
    update(state) {
      element.hidden = state.level !== 0;
      if (state.level !== 0 || state.cards === shown) {
        return;
      }
      shown = state.cards;
      const label = body.contains(document.activeElement) ? document.activeElement.getAttribute("aria-label") : null;
      body.replaceChildren(...editor(state.cards, app));
      [...body.querySelectorAll("[aria-label]")].find((part) => label && part.getAttribute("aria-label") === label)?.focus();
    },
  };
}

function editor(cards, app) {
  const change = (t, patch) =>
    app.dispatch({ type: "cards", cards: cards.map((card, index) => (index === t ? { ...card, ...patch } : card)) });
  const lines = cards.map((card, t) => {
    const values = { t: t + 1 };
    const shown = h("output.g-own-value", {}, signed(card.g));
    return h(
      "li.g-own",
      {},
      h("input.g-own-face", {
        type: "text",
        maxlength: 8,
        value: card.face,
        "aria-label": fill(GAME.sandboxFace, values),
        onchange: (event) => change(t, { face: event.target.value.replace(/[~!]/g, "").trim() || "·" }),
      }),
      h("input.g-own-g", {
        type: "range",
        min: -1,
        max: 1,
        step: 0.05,
        value: card.g,
        "aria-label": fill(GAME.sandboxG, values),
        oninput: (event) => (shown.textContent = signed(Number(event.target.value))),
        onchange: (event) => change(t, { g: Number(event.target.value) }),
      }),
      shown,
      targetChoice(card, values, (target) => change(t, { target })),
      h(
        "button.g-small",
        {
          type: "button",
          "aria-label": fill(GAME.sandboxRemove, values),
          disabled: cards.length === 1,
          onclick: () => app.dispatch({ type: "cards", cards: cards.filter((_, index) => index !== t) }),
        },
        "×",
      ),
    );
  });
  const add = h(
    "button.g-button",
    {
      type: "button",
      disabled: cards.length >= MOST_CARDS,
      onclick: () => app.dispatch({ type: "cards", cards: [...cards, { face: "·", g: 0, target: 0 }] }),
    },
    GAME.sandboxAdd,
  );
  const link = h("button.g-button", { type: "button", onclick: () => app.copyLink() }, GAME.sandboxLink);
  return [h("ol.g-own-list", {}, ...lines), h("div.g-actions", {}, add, link)];
}

function targetChoice(card, values, choose) {
  const options = mouthWords(0).map((word, target) => h("option", { value: target, selected: target === card.target }, word));
  return h(
    "select.g-own-target",
    { "aria-label": fill(GAME.sandboxTarget, values), onchange: (event) => choose(Number(event.target.value)) },
    ...options,
  );
}
