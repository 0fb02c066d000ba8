// The parts around the play field: level list, heading, action buttons, results, hints, help and files.

import { h } from "./a11y.js";
import { copyText, loadFile, resultText, saveFile } from "./game-keep.js";
import { handDone, isOpen, levelOf, starsOf, streamOf } from "./game-play.js";
import { LEVELS } from "./levels.js";
import { fill, GAME, LEVEL_TEXTS, NAMES } from "./strings-game.js";

const nameOf = (number) => NAMES[number - 1] ?? GAME.sandbox;

/** The list of levels with their stars. */
export function makeLevels(app) {
  const chips = [...LEVELS.map((level) => level.number), 0].map((number) => {
    const stars = h("span.g-chip-stars", { "aria-hidden": "true" });
    const label = h("span.g-chip-name", { "aria-hidden": "true" }, nameOf(number));
    const button = h(
      "button.g-chip",
      { type: "button", onclick: () => app.open(number) },
      h("span.g-chip-number", { "aria-hidden": "true" }, number || "∞"),
      label,
      stars,
    );
    return { number, button, stars };
  });
  const element = h("nav.g-levels", { "aria-label": GAME.levels }, ...chips.map((chip) => chip.button));
  return {
    element,
    update(state) {
      for (const { number, button, stars } of chips) {
        const open = isOpen(state, number) || number === state.level;
        const got = starsOf(state, number);
        const values = { number, name: nameOf(number), stars: got };
        button.disabled = !open;
        const label = fill(number === 0 ? (open ? GAME.sandbox : GAME.sandboxLocked) : open ? GAME.level : GAME.locked, values);
        button.setAttribute("aria-label", label);
        button.title = open ? "" : label;
        if (number === state.level) button.setAttribute("aria-current", "true");
        else button.removeAttribute("aria-current");
        button.dataset.crown = String(Boolean(state.stars[number]?.crown));
        stars.textContent = number === 0 ? "" : "★".repeat(got) + "☆".repeat(3 - got);
      }
    },
  };
}

/** The level's name, stars, goal and what to do first. */
export function makeHead() {
  const title = h("h2.g-title");
  const goal = h("p.g-goal");
  const first = h("p.g-first");
  const stars = h("span.g-stars", { role: "img" });
  let shown = "";
  const element = h("header.g-head", {}, h("div.g-title-line", {}, title, stars), goal, first);
  return {
    element,
    update(state) {
      const text = LEVEL_TEXTS[state.level - 1];
      const got = starsOf(state, state.level);
      title.textContent = state.level ? `${state.level} ${nameOf(state.level)}` : GAME.sandbox;
      goal.textContent = text?.goal ?? GAME.sandboxGoal;
      first.textContent = state.mode === "hand" ? (text?.first ?? "") : "";
      first.hidden = !first.textContent;
      stars.hidden = state.level === 0;
      stars.setAttribute("aria-label", fill(GAME.level, { number: state.level, name: nameOf(state.level), stars: got }));
      const has = state.stars[state.level] ?? {};
      const sign = JSON.stringify([state.level, has]);
      if (sign === shown) {
        return; // or each key press would let the stars pop up again
      }
      shown = sign;
      stars.replaceChildren(
        ...["hand", "rule", "fine"].map((name) =>
          h("span.g-star", { "data-on": String(Boolean(has[name])) }, h("i", {}, "★"), h("small", {}, GAME.starNames[name])),
        ),
        ...(has.crown ? [h("span.g-crown", {}, "♛")] : []),
      );
    },
  };
}

/** The buttons below the field; those that make no sense in a mode are hidden. */
export function makeActions(app, act) {
  const make = (name, text, modes, primary) => ({
    name,
    modes,
    button: h(
      primary ? "button.g-button.primary" : "button.g-button",
      { type: "button", "data-act": name, onclick: () => act(name) },
      text,
    ),
  });
  const all = [
    make("step", GAME.say.step, ["hand", "rule"], true),
    make("hold", GAME.say.hold, ["hand"]),
    make("copy", GAME.say.copy, ["rule"]),
    make("undo", GAME.say.undo, ["hand", "rule"]),
    make("reset", GAME.say.reset, ["hand", "rule"]),
    make("deal", GAME.say.deal, ["hand", "watch"]),
  ];
  const coach = h("p.g-go-coach", { "aria-hidden": "true" }); // where the mouth is off the screen of a phone
  const element = h(
    "div.g-controls",
    {},
    h("div.g-go", {}, coach, all[0].button),
    h("div.g-actions", {}, ...all.slice(1).map((entry) => entry.button)),
  );
  return {
    element,
    update(state, told) {
      const over = state.t >= streamOf(state).length;
      coach.textContent = told?.text ?? "";
      coach.dataset.right = String(told?.right);
      for (const { name, modes, button } of all) {
        button.hidden =
          !modes.includes(state.mode) ||
          (name === "deal" && state.level === 0) ||
          (name === "copy" && Boolean(levelOf(state).biases));
        button.disabled =
          (name === "undo" && !state.undo.length) ||
          (state.mode === "hand" && over && (name === "step" || name === "hold")) ||
          (name === "copy" && state.t === 0);
      }
      element.firstChild.hidden = all[0].button.hidden || (state.mode === "hand" && over);
      all[0].button.textContent = state.mode === "hand" ? GAME.say.step : state.level === 0 ? GAME.say.runOwn : GAME.say.run;
    },
  };
}

/** What a finished stream or a judged rule came to, the level's lesson, and where to go next. */
export function makeResult(app, act) {
  const element = h("div.g-result", { hidden: true });
  const go = (name, text, primary) =>
    h(primary ? "button.g-button.primary" : "button.g-button", { type: "button", onclick: () => act(name) }, text);
  return {
    element,
    update(state) {
      const over = state.mode === "hand" && state.t >= streamOf(state).length;
      const solved = state.mode === "rule" && state.verdict?.perfect;
      element.hidden = !over && !solved;
      const has = state.stars[state.level] ?? {};
      const next =
        state.level > 0 && (has.hand || has.rule)
          ? [go("next", fill(GAME.say.next, { name: nameOf(state.level + 1) }), solved)]
          : [];
      const watch = state.level > 0 ? [go("watch", GAME.say.watch)] : [];
      if (over) {
        const { right, loss, correct } = handDone(state);
        const text = fill(right ? GAME.handRight : GAME.handWrong, { correct, total: streamOf(state).length });
        const rule = go("rule", levelOf(state).biases ? GAME.say.setBiases : GAME.say.writeRule, right);
        element.dataset.right = String(right);
        element.replaceChildren(
          h("p.g-result-main", {}, `${text} `, h("span.g-result-loss", {}, fill(GAME.loss, { loss: loss.toFixed(3) }))),
          ...(right ? lesson(state) : []),
          h("div.g-actions", {}, ...(right ? [rule] : [go("reset", GAME.say.again, true), rule]), ...watch, ...next),
        );
      } else if (solved) {
        element.dataset.right = "true";
        element.replaceChildren(...lesson(state), h("div.g-actions", {}, ...next, ...watch));
      }
    },
  };
}

function lesson(state) {
  const text = LEVEL_TEXTS[state.level - 1]?.lesson;
  return text ? [h("p.g-lesson", {}, text)] : [];
}

/** Hints, help with the keys, copy, save and load. */
export function makeFoot(app) {
  const shown = {};
  const hints = h("ol.g-hints");
  const copied = h("textarea.g-copied", { readonly: true, rows: 6, hidden: true, "aria-label": GAME.copyHere });
  const note = h("p.g-note", { role: "status" });
  const hint = h("button.g-button.quiet", {
    type: "button",
    onclick: () => ((shown[app.state().level] = (shown[app.state().level] ?? 0) + 1), update(app.state())),
  });
  const file = h("input.g-file", {
    type: "file",
    accept: ".json,application/json",
    hidden: true,
    "aria-label": GAME.say.load,
    onchange: () => read(file.files[0]),
  });
  const element = h(
    "footer.g-foot",
    {},
    hints,
    h(
      "div.g-actions",
      {},
      hint,
      h("button.g-button.quiet", { type: "button", onclick: share }, GAME.say.share),
      h(
        "button.g-button.quiet",
        { type: "button", onclick: () => (saveFile(app.state()), (note.textContent = GAME.saved)) },
        GAME.say.save,
      ),
      h("button.g-button.quiet", { type: "button", onclick: () => file.click() }, GAME.say.load),
    ),
    file,
    note,
    copied,
    h("details.g-keys", {}, h("summary", {}, GAME.say.keys), h("p", {}, GAME.keysText)),
  );

  async function share() {
    const text = resultText(app.state());
    copied.value = text;
    copied.hidden = false;
    note.textContent = (await copyText(text)) ? GAME.copied : GAME.copyHere;
  }

  async function read(chosen) {
    const game = chosen ? await loadFile(chosen) : null;
    if (game) {
      app.load(game);
    }
    note.textContent = game ? GAME.loaded : fill(GAME.notLoaded, { file: chosen?.name ?? "" });
    file.value = "";
  }

  function update(state) {
    const all = LEVEL_TEXTS[state.level - 1]?.hints ?? [];
    const count = Math.min(shown[state.level] ?? 0, all.length);
    hints.replaceChildren(...all.slice(0, count).map((text) => h("li", {}, text)));
    hints.hidden = count === 0;
    hint.textContent = `${GAME.say.hint} ${Math.min(count + 1, 3)}/3`;
    hint.hidden = all.length === 0 || count >= all.length;
  }
  return { element, update };
}
