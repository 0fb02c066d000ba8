// Playing by rule: a table from kinds of card to gates (or, on level 8, three biases), judged on unseen streams.

import { h } from "./a11y.js";
import { gateScale, makeBar } from "./game-bar.js";
import { ruleIndex } from "./game-loss.js";
import { levelOf } from "./game-play.js";
import { GATES } from "./levels.js";
import { fill, GAME, ROWS, signed } from "./strings-game.js";

/** Makes the rule panel for the state's level; returns {element, bars, update(state)}. */
export function makeRule(state, app) {
  const level = levelOf(state);
  const bars = [];
  const verdict = h("div.g-verdict", {});
  const table = level.biases ? biasTable(bars, app) : ruleTable(level, state.rule.split, bars, app);
  const element = h("div.g-rule", {}, h("p.g-rule-goal", {}, level.biases ? GAME.biasGoal : GAME.ruleGoal), table);

  function update(next) {
    for (const bar of bars) {
      const { row, on, cell, gate } = bar.address;
      bar.set(level.biases ? next.biases[gate] : next.rule.values[ruleIndex(level, row, on, cell, gate)]);
    }
    verdict.replaceChildren(...verdictParts(next, level));
    verdict.dataset.perfect = String(Boolean(next.verdict?.perfect));
  }
  return { element, bars, update, before: [verdict] };
}

/** What changes the table's shape: the level and which rows look at h. */
export function ruleKey(state) {
  return `${state.level}/${levelOf(state).rows.join()}/${state.rule.split.join()}`;
}

function ruleTable(level, split, bars, app) {
  const many = level.cells.length > 1;
  const lines = [];
  level.rows.forEach((row, index) => {
    for (const on of split[index] ? [0, 1] : [0]) {
      lines.push(ruleLine(level, { row, index, on, split: split[index], many, line: lines.length }, bars, app));
    }
  });
  return h("div.g-table", { "data-cells": level.cells.length }, ...lines);
}

function ruleLine(level, { row, index, on, split, many, line }, bars, app) {
  const face = ROWS[row] ?? row;
  const side = split ? (on ? GAME.rowOn : GAME.rowOff) : "";
  const splitter =
    level.flag !== null && on === 0
      ? h(
          "button.g-small",
          { type: "button", "aria-pressed": String(Boolean(split)), onclick: () => app.dispatch({ type: "split", row: index }) },
          split ? GAME.say.join : GAME.say.split,
        )
      : null;
  const cells = level.cells.map((name, cell) => {
    const own = GATES.map((part, gate) => {
      const bar = makeBar({
        part,
        flat: true,
        name: [face, side, many ? fill(GAME.cell, { cell: name }) : "", GAME.gates[gate]].filter(Boolean).join(", "),
        ...gateScale(GAME.verbs[gate]),
        input: (value) => app.dispatch({ type: "rule", row: index, on, cell, gate, value }),
        chosen: () => app.choose(bar),
      });
      bar.address = { group: line * level.cells.length + cell, line, row: index, on, cell, gate };
      bars.push(bar);
      return bar.element;
    });
    return h("div.g-table-cell", {}, many ? h("span.g-table-name", { "aria-hidden": "true" }, name) : null, ...own);
  });
  return h(
    "div.g-table-line",
    {},
    h("div.g-table-face", {}, h("span.g-table-card", {}, face), side ? h("span.g-table-side", {}, side) : null, splitter),
    ...cells,
  );
}

function biasTable(bars, app) {
  const own = GATES.map((part, gate) => {
    const bar = makeBar({
      part,
      flat: true,
      name: fill(GAME.biasBar, { gate: GAME.gates[gate] }),
      low: -9,
      high: 9,
      coarse: 3,
      fine: 1,
      show: (value) => `${signed(value, 0)}   σ = ${(1 / (1 + Math.exp(-value))).toFixed(3)}`,
      words: (value) => `${value}, sigmoid ${(1 / (1 + Math.exp(-value))).toFixed(3)}`,
      input: (value) => app.dispatch({ type: "bias", gate, value }),
      chosen: () => app.choose(bar),
    });
    bar.address = { group: 0, line: 0, cell: 0, gate };
    bars.push(bar);
    return bar.element;
  });
  return h("div.g-table.biases", {}, h("div.g-table-line", {}, h("div.g-table-cell", {}, ...own)));
}

function verdictParts(state, level) {
  const found = state.verdict;
  if (!found) {
    return [];
  }
  const values = {
    right: found.right,
    total: found.total,
    loss: found.loss.toFixed(3),
    lstm: found.lstm?.toFixed(3),
    limit: found.lstm ? (1.1 * found.lstm).toFixed(3) : "",
  };
  if (level.number === 0) {
    return [h("p.g-verdict-main", {}, fill(found.perfect ? GAME.ownRight : GAME.ownWrong, values))];
  }
  const parts = [h("p.g-verdict-main", {}, fill(found.perfect ? GAME.runRight : GAME.runWrong, values)), shareOfRight(found)];
  if (found.perfect && found.lstm !== null) {
    const text = found.loss < found.lstm ? GAME.runCrown : found.loss <= 1.1 * found.lstm ? GAME.runFine : GAME.runFar;
    parts.push(h("p", {}, fill(text, values)));
  } else if (found.lstm !== null) {
    parts.push(h("p", {}, `${GAME.lossLabel} ${values.loss} · ${GAME.lstmLabel} ${values.lstm}`));
  } else {
    parts.push(h("p", {}, GAME.noPlayer));
  }
  if (found.longer.length) {
    parts.push(h("p", {}, found.longer.map((run) => fill(GAME.longer, run)).join(" · ")));
  }
  return parts;
}

function shareOfRight(found) {
  const bar = h("div.g-share-right", { "aria-hidden": "true" }, h("i"));
  bar.style.setProperty("--fill", String(found.right / found.total));
  return bar;
}
