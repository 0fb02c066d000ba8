// Playing by hand: the open card with its gates as large bars, the equation with its numbers, the mouth's answer.

import { h } from "./a11y.js";
import { gateScale, makeBar } from "./game-bar.js";
import { emptyMemory, softmax, stepCells } from "./game-loss.js";
import { handSteps, levelOf, streamOf } from "./game-play.js";
import { faceOf, GATES } from "./levels.js";
import { fill, GAME, mouthWords, signed } from "./strings-game.js";

/** Makes the panel of the open card; returns {element, bars, update(state)}; `app` has dispatch(action) and choose(address). */
export function makeHand(state, app) {
  const level = levelOf(state);
  const face = h("div.g-card-face");
  const count = h("div.g-card-count");
  const bars = [];
  const cells = level.cells.map((name, cell) => makeCell(level, name, cell, bars, app));
  const mouth = makeMouth(level);
  const equations = h("div.g-equations", { "aria-hidden": "true" });
  const element = h(
    "div.g-now",
    { "data-cells": level.cells.length },
    h("div.g-card", {}, count, face),
    h("div.g-cells", {}, ...cells.map((entry) => entry.element)),
    h("div.g-out", {}, equations, mouth.element),
  );

  function update(next) {
    const stream = streamOf(next);
    const steps = handSteps(next);
    const over = next.t >= stream.length;
    const t = Math.min(next.t, stream.length - 1);
    const card = stream[t];
    const before = t > 0 ? steps[t - 1] : emptyMemory(level);
    const gates = level.cells.map((_, k) => [0, 1, 2].map((gate) => next.gates[(t * level.cells.length + k) * 3 + gate] / 20));
    const live = stepCells(level, card, gates, before);
    element.dataset.over = String(over);
    face.textContent = faceOf(level, card);
    count.textContent = over ? GAME.done : fill(GAME.cardOf, { t: t + 1, total: stream.length });
    bars.forEach((bar) => bar.set(Math.round(gates[bar.address.cell][bar.address.gate] * 20)));
    cells.forEach((entry, k) => entry.show(card.g[k], before.c[k], live.c[k]));
    equations.replaceChildren(...level.cells.map((name, k) => equation(level, name, live, before, k)));
    mouth.show(live, over);
    return { ...live, text: over ? "" : coachText(live, mouthWords(level.number)) };
  }
  return { element, bars, update };
}

function makeCell(level, name, cell, bars, app) {
  const offered = h("span.g-offer");
  const memory = h("div.g-memory", { role: "img" }, h("span.g-memory-zero"), h("span.g-memory-before"), h("span.g-memory-now"));
  const value = h("span.g-memory-value");
  const own = GATES.map((part, gate) => {
    const bar = makeBar({
      part,
      name: GAME.gates[gate] + (level.cells.length > 1 ? `, ${fill(GAME.cell, { cell: name })}` : ""),
      ...gateScale(GAME.verbs[gate]),
      input: (next) => app.dispatch({ type: "set", cell, gate, value: next }),
      chosen: () => app.choose(bar),
    });
    bar.address = { group: cell, line: 0, gate, cell };
    bars.push(bar);
    return h("div.g-gate", {}, bar.element, h("span.g-verb", { "aria-hidden": "true" }, GAME.verbs[gate]));
  });
  const title = level.cells.length > 1 ? h("div.g-cell-name", {}, fill(GAME.cell, { cell: name })) : null;
  const element = h(
    "div.g-cell",
    {},
    title,
    h("div.g-offer-line", {}, offered),
    h("div.g-gates", {}, ...own),
    h("div.g-memory-line", {}, memory, value),
  );
  return {
    element,
    show(g, before, after) {
      offered.textContent = `${GAME.candidate} ${g > 0 ? "+" : ""}${signed(g)}`;
      offered.dataset.sign = g > 0 ? "plus" : g < 0 ? "minus" : "zero";
      const scale = Math.max(2, Math.abs(before), Math.abs(after));
      memory.style.setProperty("--before", String(before / scale));
      memory.style.setProperty("--now", String(after / scale));
      memory.dataset.sign = after < 0 ? "minus" : "plus";
      memory.setAttribute("aria-label", `${GAME.memory} ${signed(before)} → ${signed(after)}`);
      value.textContent = `c ${signed(before)} → ${signed(after)}`;
    },
  };
}

function equation(level, name, live, before, k) {
  const [f, i, o] = live.gates[k].map((value) => value.toFixed(2));
  const part = (gate, text) => h("b.g-num", { "data-part": gate }, text);
  const suffix = level.cells.length > 1 ? h("sub", {}, name) : null;
  return h(
    "div.g-equation",
    {},
    h(
      "span",
      {},
      "c",
      suffix,
      " = ",
      part("f", f),
      ` · ${signed(before.c[k])} + `,
      part("i", i),
      ` · ${signed(live.card.g[k])} = `,
      h("strong", {}, signed(live.c[k])),
    ),
    h(
      "span",
      {},
      "h",
      suffix?.cloneNode(true) ?? null,
      " = ",
      part("o", o),
      ` · tanh ${signed(live.c[k])} = `,
      h("strong", {}, signed(live.h[k])),
    ),
  );
}

function makeMouth(level) {
  const words = mouthWords(level.number);
  const used = level.number === 6 || level.number === 9 ? [0, 2] : words.map((_, index) => index);
  const title = h("div.g-mouth-title");
  const options = used.map((index) => {
    const share = h("span.g-option-share");
    const row = h(
      "li.g-option",
      {},
      h("span.g-option-word", {}, words[index]),
      share,
      h("span.g-option-wanted", {}, GAME.wanted),
    );
    return { index, share, row };
  });
  const coach = h("p.g-coach");
  const element = h("div.g-mouth", {}, title, h("ul.g-options", {}, ...options.map((entry) => entry.row)), coach);
  return {
    element,
    show(live, over) {
      const chances = softmax(live.scores);
      title.textContent = over ? GAME.mouthDone : GAME.mouth;
      for (const { index, share, row } of options) {
        row.style.setProperty("--share", chances[index].toFixed(4));
        row.dataset.said = String(index === live.said);
        row.dataset.wanted = String(index === live.card.target);
        share.textContent = `${Math.round(100 * chances[index])} %`;
      }
      coach.textContent = over ? "" : coachText(live, words);
      element.dataset.right = String(live.right);
    },
  };
}

function coachText(live, words) {
  const values = { said: words[live.said], target: words[live.card.target] };
  if (live.right) {
    return fill(live.said ? GAME.coachRight : GAME.coachQuiet, values);
  }
  if (!live.card.target) {
    return fill(GAME.coachLoud, values);
  }
  return fill(live.said ? GAME.coachWrong : GAME.coachSilent, values);
}
