// The game's view: levels, the play field with its three modes, results; all rules live in game-play.js.

import { h, roving } from "./a11y.js";
import { makeHand } from "./game-hand.js";
import { cardsCode, cardsOf, copyText, joined, restore, store, whenStored } from "./game-keep.js";
import { listenInField } from "./game-keys.js";
import { play } from "./game-loss.js";
import { handDone, handSteps, levelOf, reduce, rulePolicy, streamOf } from "./game-play.js";
import { makeRule, ruleKey } from "./game-rule.js";
import { makeActions, makeFoot, makeHead, makeLevels, makeResult } from "./game-parts.js";
import { makeStrip } from "./game-strip.js";
import { loadPlayers, makeWatch } from "./game-watch.js";
import { makeSandbox } from "./game-sandbox.js";
import { faceOf } from "./levels.js";
import { fill, GAME, LEVEL_TEXTS, mouthWords, NAMES, signed } from "./strings-game.js";

const EXAMPLE_SEED = 4000;
const MODES = ["hand", "rule", "watch"];

/** Builds the game inside `root`; `context` offers {state, setState(patch), announce(text)}. Returns {update, unmount, focus}. */
export function mount(root, context = {}) {
  const announce = context.announce ?? (() => {});
  let state = restore();
  let panel = null;
  let panelKey = "";
  let chosen = null;
  let live = false;

  const app = {
    players: undefined, // null once they cannot be had
    strip: makeStrip(),
    dispatch,
    choose: (bar) => {
      chosen = bar;
      markChosen();
    },
    announce,
    toGradient: context.store ? () => context.setState({ v: "gradient", g_task: "thirty", g_T: "30", g_b: "1" }) : null,
    load: (loaded) => replace(loaded, true),
    state: () => state,
    async copyLink() {
      const link = `${location.protocol}//${location.host}${location.pathname}#v=game&lv=0&gc=${encodeURIComponent(cardsCode(state.cards))}`;
      announce((await copyText(link)) ? GAME.linkCopied : link);
    },
  };
  const levels = makeLevels(app);
  const head = makeHead();
  const tabs = MODES.map((mode) =>
    h(
      "button.g-mode",
      { type: "button", role: "tab", "data-mode": mode, onclick: () => dispatch({ type: "mode", mode }) },
      GAME.modes[mode],
    ),
  );
  const modes = h("div.g-modes", { role: "tablist", "aria-label": GAME.modesLabel }, ...tabs);
  const own = makeSandbox(app);
  const place = h("div.g-place");
  const actions = makeActions(app, act);
  const result = makeResult(app, act);
  const before = h("div.g-slot");
  const after = h("div.g-slot");
  const field = h(
    "div.g-field",
    { role: "group", "aria-label": GAME.field },
    place,
    actions.element,
    before,
    app.strip.element,
    after,
    result.element,
  );
  const foot = makeFoot(app);
  const element = h(
    "section.game",
    { "aria-label": GAME.title },
    levels.element,
    h("div.g-main", {}, head.element, own.element, modes, field, foot.element),
  );
  roving(modes, "[role=tab]", (tab) => tab.click());

  function dispatch(action) {
    const before = state;
    replace(reduce(state, action));
    tell(action, before);
  }

  function replace(next, alone = false) {
    if (next === state) {
      return;
    }
    const inside = field.contains(document.activeElement);
    state = next;
    store(state, alone);
    render();
    if (inside && !usable(document.activeElement)) {
      enter(); // a button that hid itself would take the keys with it
    }
    const patch = { lv: String(state.level), gm: state.mode, gc: state.level === 0 ? cardsCode(state.cards) : "" };
    if (live) {
      context.setState?.(patch);
    }
  }

  function render() {
    const level = levelOf(state);
    const key = keyOfPanel(level);
    if (key !== panelKey) {
      rebuild(key);
    }
    levels.update(state);
    head.update(state);
    own.update(state);
    const hidden = state.level === 0 ? ["watch"] : [];
    for (const tab of tabs) {
      const on = tab.dataset.mode === state.mode;
      tab.setAttribute("aria-selected", String(on));
      tab.tabIndex = on ? 0 : -1;
      tab.hidden = hidden.includes(tab.dataset.mode);
    }
    const preview = panel.update(state);
    showStrip(level, preview);
    actions.update(state, preview);
    const finished = result.element.hidden;
    result.update(state);
    if (live && finished && !result.element.hidden) {
      result.element.scrollIntoView({ block: "nearest" });
    }
    foot.update(state);
  }

  /** What the panel was built for; when it changes the panel is built anew. */
  function keyOfPanel(level) {
    const parts = {
      hand: () => [level.number, level.cells.length],
      rule: () => [ruleKey(state)],
      watch: () => [state.level, state.seed, typeof app.players],
    };
    return [state.mode, ...parts[state.mode]()].join("/");
  }

  function rebuild(key) {
    const inside = panel && panel.element.contains(document.activeElement);
    const address = chosen?.address ?? { cell: 0, line: 0, gate: 0 };
    panel?.stop?.();
    panel = (state.mode === "hand" ? makeHand : state.mode === "rule" ? makeRule : makeWatch)(state, app);
    panelKey = key;
    place.replaceChildren(panel.element);
    before.replaceChildren(...(panel.before ?? []));
    after.replaceChildren(...(panel.after ?? []));
    const same = (bar) => ["line", "cell", "gate"].every((part) => bar.address[part] === address[part]);
    chosen = panel.bars.find(same) ?? panel.bars[0] ?? null;
    markChosen();
    if (inside && chosen) {
      chosen.focus();
    }
  }

  function markChosen() {
    for (const bar of panel?.bars ?? []) {
      bar.element.tabIndex = bar === chosen ? 0 : -1;
      bar.element.dataset.chosen = String(bar === chosen);
    }
  }

  function showStrip(level, preview) {
    if (state.mode === "hand") {
      const stream = streamOf(state);
      app.strip.show({
        level,
        stream,
        steps: handSteps(state),
        now: state.t < stream.length ? state.t : -1,
        preview,
        label: GAME.modes.hand,
      });
    } else if (state.mode === "rule") {
      const stream =
        state.verdict?.example ?? (state.level === 0 ? streamOf(state) : streamOf({ level: state.level, seed: EXAMPLE_SEED }));
      app.strip.show({ level, stream, steps: play(level, stream, rulePolicy(state)), now: -1, label: GAME.modes.rule });
    }
  }

  function act(name) {
    const doing = {
      step: () => (state.mode === "hand" ? dispatch({ type: "step" }) : state.mode === "rule" ? run() : panel.finish()),
      back: () => dispatch({ type: "undo" }),
      hold: () => state.mode === "hand" && dispatch({ type: "hold" }),
      undo: () => dispatch({ type: "undo" }),
      reset: () => state.mode !== "watch" && dispatch({ type: "reset" }),
      deal: () => state.level > 0 && state.mode !== "rule" && dispatch({ type: "deal" }),
      copy: () => dispatch({ type: "copy" }),
      watch: () => state.level > 0 && (dispatch({ type: "mode", mode: state.mode === "watch" ? "hand" : "watch" }), enter()),
      rule: () => (dispatch({ type: "mode", mode: "rule" }), enter()),
      hand: () => (dispatch({ type: "mode", mode: "hand" }), enter()),
      next: () => open(state.level < 10 ? state.level + 1 : 0),
      split: () =>
        state.mode === "rule" && chosen && levelOf(state).flag !== null && dispatch({ type: "split", row: chosen.address.row }),
      leave: () => tabs.find((tab) => tab.tabIndex === 0).focus(),
    };
    doing[name]();
  }

  function run() {
    dispatch({ type: "run", player: app.players?.levels?.[state.level]?.[800] ?? null });
  }

  function open(level) {
    dispatch({ type: "open", level });
    enter();
    head.element.scrollIntoView({ block: "nearest" });
  }
  app.open = open;

  function enter() {
    const target = chosen?.element ?? place.querySelector("button, input");
    target?.focus({ preventScroll: true });
  }

  function tell(action, before) {
    const words = mouthWords(state.level);
    const stream = streamOf(state);
    if (action.type === "step" && state.t > before.t && state.t < stream.length) {
      const last = handSteps(state).at(-1);
      const next = stream[state.t];
      announce(
        fill(last.right ? GAME.steppedRight : GAME.steppedWrong, {
          said: words[last.said],
          face: faceOf(levelOf(state), next),
          g: next.g.map((g) => signed(g)).join(" "),
          target: words[(last.right ? next : last.card).target],
          next: words[next.target],
        }),
      );
    } else if ((action.type === "step" || action.type === "hold") && state.t === stream.length) {
      const { right, correct } = handDone(state);
      announce(fill(right ? GAME.handRight : GAME.handWrong, { correct, total: stream.length }));
    } else if (action.type === "run") {
      announce(field.querySelector(".g-verdict")?.textContent ?? "");
    } else if (action.type === "undo") {
      announce(GAME.undone);
    } else if (action.type === "open") {
      announce(
        fill(GAME.openedLevel, {
          number: state.level,
          name: NAMES[state.level - 1] ?? GAME.sandbox,
          goal: LEVEL_TEXTS[state.level - 1]?.goal,
        }),
      );
    }
  }

  function follow(address) {
    const wanted = address?.lv ? Number(address.lv) : state.level;
    const cards = address?.gc ? cardsOf(address.gc) : null;
    if (wanted === 0 && cards && cardsCode(cards) !== cardsCode(state.cards)) {
      replace(reduce(state, { type: "cards", cards }));
    } else if (wanted !== state.level && Number.isInteger(wanted) && wanted >= 0 && wanted <= 10) {
      replace(reduce(state, { type: "open", level: wanted }));
    }
    if (MODES.includes(address?.gm) && address.gm !== state.mode) {
      replace(reduce(state, { type: "mode", mode: address.gm }));
    }
  }

  const stopKeys = listenInField(field, {
    bars: () => panel.bars,
    selected: () => chosen,
    select: (bar) => bar?.focus(),
    lines: () => state.mode === "rule",
    act,
    enter,
  });
  const stopTaking = whenStored((other) => {
    state = joined(state, other);
    render();
  });
  follow(context.state);
  render();
  root.append(element);
  live = true; // not before: a page must not hear of a new state while it still mounts the view
  loadPlayers().then((players) => {
    app.players = players;
    render();
  });
  return {
    update: follow,
    unmount() {
      panel?.stop?.();
      stopKeys();
      stopTaking();
      element.remove();
    },
    focus: enter,
  };
}

function usable(element) {
  return element.isConnected && !element.disabled && element.checkVisibility();
}
