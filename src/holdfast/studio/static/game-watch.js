// Watching the trained LSTM: first a bet, then its gates as outlines over yours, at five stages of its training.

import { h, lessMotion } from "./a11y.js";
import { balancedLoss, byPlayer, dontCares, play } from "./game-loss.js";
import { handSteps, levelOf, rulePolicy, streamOf } from "./game-play.js";
import { faceOf, GATES } from "./levels.js";
import { fill, GAME } from "./strings-game.js";

export const CHECKPOINTS = [0, 10, 50, 200, 800];
const LAST = CHECKPOINTS.length - 1;

/** Makes the panel; `app` has dispatch, players, strip and announce. Returns {element, bars, update(state), stop(), finish()}. */
export function makeWatch(state, app) {
  const level = levelOf(state);
  const stream = streamOf(state);
  const levelPlayers = app.players?.levels?.[level.number] ?? null;
  const box = h("div.g-watch-box");
  const legend = h("p.g-legend");
  const differing = h("div.g-differences");
  const lesson = h("div.g-slot");
  const element = h(
    "div.g-watch",
    {},
    h("p.g-rule-goal", {}, levelPlayers || app.players === undefined ? GAME.watchGoal : GAME.noPlayer),
    box,
  );
  const plays = new Map();
  let stage = LAST;
  let shown = 0;
  let timer = 0;
  let latest = state;

  function played(index) {
    if (!plays.has(index)) {
      const steps = play(level, stream, byPlayer(level, levelPlayers[CHECKPOINTS[index]]));
      plays.set(index, { steps, ignored: dontCares(level, stream, steps), loss: balancedLoss([steps]) });
    }
    return plays.get(index);
  }

  function update(next) {
    latest = next;
    if (!levelPlayers) {
      return;
    }
    const bet = next.bets[next.level];
    if (bet === undefined) {
      box.replaceChildren(betBox());
      app.strip.show({ level, stream, steps: [], now: -1, label: GAME.say.watch });
      [legend, differing, lesson].forEach((part) => part.replaceChildren());
      return;
    }
    if (!box.querySelector(".g-stages")) {
      box.replaceChildren(...revealed(bet));
      reveal();
    }
    paint();
  }

  function betBox() {
    const { t, gate, cell } = betPlace(level, stream);
    const text = fill(GAME.bet, {
      t: t + 1,
      face: faceOf(level, stream[t]),
      gate: GAME.gates[gate],
      cell: level.cells.length > 1 ? fill(GAME.betCell, { cell: level.cells[cell] }) : "",
    });
    const its = played(LAST).steps[t].gates[cell][gate];
    const truth = its < 0.2 ? 0 : its > 0.8 ? 2 : 1;
    const choices = GAME.betChoices.map((words, index) =>
      h(
        "button.g-button",
        { type: "button", onclick: () => app.dispatch({ type: "bet", value: its, right: index === truth }) },
        words,
      ),
    );
    return h("div.g-bet", {}, h("h3", {}, GAME.betTitle), h("p", {}, text), h("div.g-choices", {}, ...choices));
  }

  function revealed(bet) {
    const values = { value: bet.value.toFixed(2), gate: GAME.gates[level.bet.gate] };
    const outcome = h(
      "p.g-bet-outcome",
      { "data-right": String(bet.right) },
      fill(bet.right ? GAME.betRight : GAME.betWrong, values),
    );
    lesson.replaceChildren(...(level.biases ? [lesson8(app)] : []));
    const range = h("input.g-stages", {
      type: "range",
      min: 0,
      max: LAST,
      step: 1,
      value: stage,
      "aria-label": GAME.stepsLabel,
      oninput: () => {
        stage = Number(range.value);
        finish();
      },
    });
    return [outcome, h("label.g-stage", {}, range, h("span.g-stage-text")), h("p.g-stage-loss")];
  }

  function paint() {
    const its = played(stage);
    const mine = ownSteps(latest, level, stream);
    app.strip.show({ level, stream, steps: mine, now: -1, other: its.steps, shown, ignored: its.ignored, label: GAME.say.watch });
    const correct = its.steps.filter((step) => step.right).length;
    const stageText = fill(GAME.steps, { steps: CHECKPOINTS[stage] });
    box.querySelector(".g-stage-text").textContent = stageText;
    box.querySelector(".g-stages").setAttribute("aria-valuetext", stageText);
    box.querySelector(".g-stage-loss").textContent = fill(GAME.watchLoss, {
      correct,
      total: stream.length,
      loss: its.loss.toFixed(3),
    });
    legend.textContent = mine.length ? GAME.watchLegend : GAME.watchAlone;
    differing.replaceChildren(...(mine.length && shown >= stream.length ? differences(level, mine, its) : []));
  }

  function reveal() {
    if (lessMotion()) {
      shown = stream.length;
      return;
    }
    timer = setTimeout(
      () => {
        shown += 1;
        if (shown < stream.length) {
          reveal();
        }
        paint();
      },
      stream.length > 20 ? 80 : 240,
    );
  }

  function finish() {
    clearTimeout(timer);
    if (box.querySelector(".g-stages")) {
      shown = stream.length;
      paint();
    }
  }
  return { element, bars: [], after: [legend, differing, lesson], update, finish, stop: () => clearTimeout(timer) };
}

function betPlace(level, stream) {
  const { row, nth = 0, gate, cell = 0 } = level.bet;
  const places = stream.map((card, t) => (card.row === row ? t : -1)).filter((t) => t >= 0);
  return { t: places[Math.min(nth, places.length - 1)], gate, cell };
}

/** The reader's play of this stream: by hand as far as it went, otherwise by a rule that was changed. */
export function ownSteps(state, level, stream) {
  if (state.t > 0) {
    return handSteps(state);
  }
  const touched = level.biases ? state.biases.some((value) => value !== 0) : state.rule.values.some((value) => value !== 10);
  return touched ? play(level, stream, rulePolicy(state)) : [];
}

function differences(level, mine, its) {
  const found = [];
  mine.forEach((step, t) =>
    step.gates.forEach((values, k) =>
      values.forEach((yours, gate) => {
        const theirs = its.steps[t].gates[k][gate];
        if (!its.ignored[t][k][gate] && Math.abs(yours - theirs) > 0.1) {
          found.push({ t, k, gate, yours, theirs, size: Math.abs(yours - theirs), card: step.card });
        }
      }),
    ),
  );
  found.sort((a, b) => b.size - a.size);
  if (!found.length) {
    return [h("p", {}, GAME.same)];
  }
  const lines = found.slice(0, 3).map((entry) =>
    h(
      "li",
      {},
      fill(GAME.difference, {
        t: entry.t + 1,
        face: faceOf(level, entry.card),
        gate: GATES[entry.gate],
        yours: entry.yours.toFixed(2),
        its: entry.theirs.toFixed(2),
        cell: level.cells.length > 1 ? `, ${fill(GAME.cell, { cell: level.cells[entry.k] })}` : "",
      }),
    ),
  );
  return [h("h3", {}, GAME.differences), h("ul", {}, ...lines)];
}

function lesson8(app) {
  const [one, two, three] = ["1.0", "2.0", "3.4"].map((bias) => app.players["forget bias"][bias]);
  const link = app.toGradient ? h("button.g-button", { type: "button", onclick: app.toGradient }, GAME.say.gradient) : null;
  return h("div.g-lesson", {}, h("p", {}, fill(GAME.lesson8, { one, two, three })), link);
}

/** The trained players: from the page itself, from their file, or null where there are none. */
export async function loadPlayers() {
  const embedded = document.getElementById("game-players");
  if (embedded) {
    return JSON.parse(embedded.textContent);
  }
  try {
    const reply = await fetch(new URL("./game/players.json", import.meta.url));
    return reply.ok ? await reply.json() : null;
  } catch (error) {
    if (error instanceof TypeError) return null;
    throw error;
  }
}
