// The game as one pure reducer: a state and an action give the next state; no DOM, no clock, no chance.

import { balancedLoss, byBiases, byHand, byPlayer, byRule, emptyMemory, judge, ruleIndex, stepCells } from "./game-loss.js";
import { LEVELS, sandboxLevel } from "./levels.js";
import { drawStream } from "./game-streams.js";

export const UNSEEN = 200;
const FIRST_UNSEEN = 5000;
const HALF = 10;
const NEAR = 1.1;
const LENGTHS = [30, 100, 300];

/** What the sandbox starts with: the stream of a latch. */
export const OWN_CARDS = [
  ["▲", 1, 0],
  ["·", 0.7, 0],
  ["·", -0.8, 0],
  ["?", 0, 2],
].map(([face, g, target]) => ({ face, g, target }));

/** A fresh game: nothing solved, level 1, all gates at one half, as an untrained sigmoid has them. */
export function newGame() {
  return openLevel({ stars: {}, best: {}, kept: {}, bets: {}, cards: OWN_CARDS, runs: 0 }, 1, "hand");
}

/** The level that is open; the sandbox's follows from its cards. */
export function levelOf(state) {
  return state.level === 0 ? sandboxLevel(streamOf(state)) : LEVELS[state.level - 1];
}

/** The cards of the state: the level's stream for its seed, or the sandbox's own. */
export function streamOf(state) {
  return remembered(streams, state.level === 0 ? state.cards : `${state.level}/${state.seed}`, () =>
    state.level === 0 ? sandboxStream(state.cards) : drawStream(state.level, state.seed),
  );
}

// What was worked out last is remembered, so that a key press costs only what it changes; results stay the same.
const streams = new Map();
const walks = new Map();

function remembered(cache, key, make) {
  if (!cache.has(key)) {
    if (cache.size > 8) cache.clear();
    cache.set(key, make());
  }
  return cache.get(key);
}

function sandboxStream(cards) {
  const faces = [...new Set(cards.map((card) => card.face))];
  return cards.map((card) => ({ ...card, g: [card.g], row: faces.indexOf(card.face), word: 0 }));
}

function openLevel(state, level, mode) {
  const kept = state.kept[level] ?? {};
  const next = {
    stars: state.stars,
    best: state.best,
    kept: state.kept,
    bets: state.bets,
    cards: state.cards,
    level,
    seed: kept.seed ?? 1,
    mode,
    t: 0,
    runs: state.runs,
    biases: kept.biases ?? [0, 0, 0],
    undo: [],
    verdict: null,
  };
  next.rule = kept.rule ?? emptyRule(levelOf(next));
  next.gates = evenGates(next);
  return next;
}

function evenGates(state) {
  return new Array(streamOf(state).length * levelOf(state).cells.length * 3).fill(HALF);
}

function emptyRule(level) {
  return { values: new Array(level.rows.length * 2 * level.cells.length * 3).fill(HALF), split: level.rows.map(() => false) };
}

/** The steps played so far by hand: one for each card that has been run. */
export function handSteps(state) {
  const level = levelOf(state);
  const stream = streamOf(state);
  const width = level.cells.length * 3;
  const walk = remembered(walks, stream, () => ({ gates: [], steps: [] }));
  const same = state.gates.findIndex((value, index) => value !== walk.gates[index]);
  const kept = walk.steps.slice(0, Math.min(state.t, same < 0 ? Infinity : Math.floor(same / width)));
  const policy = byHand(level, state.gates);
  for (let t = kept.length; t < state.t; t += 1) {
    kept.push(stepCells(level, stream[t], policy(t), kept[t - 1] ?? emptyMemory(level)));
  }
  walks.set(stream, { gates: state.gates, steps: kept });
  return kept;
}

/** The policy of the rule table, or of the biases on level 8. */
export function rulePolicy(state) {
  const level = levelOf(state);
  return level.biases ? byBiases(state.biases) : byRule(level, state.rule);
}

const ACTIONS = {
  /** {level}: open a level. */
  open: (state, action) => openLevel(state, action.level, action.mode ?? "hand"),
  /** {mode}: hand, rule or watch. */
  mode: (state, action) => ({ ...state, mode: action.mode }),
  /** {cell, gate, value}: set a gate, in twentieths, from this card on. */
  set(state, { cell, gate, value }) {
    const cells = levelOf(state).cells.length;
    const at = (state.t * cells + cell) * 3 + gate;
    if (at >= state.gates.length || state.gates[at] === value) {
      return state;
    }
    const gates = state.gates.slice();
    for (let index = at; index < gates.length; index += cells * 3) {
      gates[index] = value;
    }
    return remember(state, { gates });
  },
  /** Run this card. */
  step: (state) => walk(state, state.t + 1),
  /** Hold the gates and run all cards that are left. */
  hold: (state) => walk(state, streamOf(state).length),
  reset: (state) => (state.mode === "hand" ? remember(state, { t: 0, gates: evenGates(state) }) : clearRule(state)),
  /** Another stream of the same level. */
  deal(state) {
    const dealt = { ...state, seed: state.seed + 1, t: 0, undo: [] };
    return keep({ ...dealt, gates: evenGates(dealt) });
  },
  /** Back to before the last change, in the mode where it was made. */
  undo(state) {
    if (state.undo.length === 0) {
      return state;
    }
    return keep({ ...state, ...state.undo.at(-1), undo: state.undo.slice(0, -1) });
  },
  /** {row, on, cell, gate, value}: set one value of the rule; a row that is not split has it for both states of h. */
  rule(state, { row, on, cell, gate, value }) {
    const level = levelOf(state);
    const values = state.rule.values.slice();
    for (const side of state.rule.split[row] ? [on] : [0, 1]) {
      values[ruleIndex(level, row, side, cell, gate)] = value;
    }
    return keep(remember(state, { rule: { ...state.rule, values }, verdict: null }));
  },
  /** {row}: let a row look at whether h was on, or no longer. */
  split(state, { row }) {
    const level = levelOf(state);
    const split = state.rule.split.map((on, index) => (index === row ? !on : on));
    const values = state.rule.values.slice();
    level.cells.forEach((_, cell) => {
      for (let gate = 0; gate < 3; gate += 1) {
        values[ruleIndex(level, row, 1, cell, gate)] = values[ruleIndex(level, row, 0, cell, gate)];
      }
    });
    return keep(remember(state, { rule: { values, split }, verdict: null }));
  },
  /** Fill the rule from the last gates set by hand on each kind of card. */
  copy: (state) => keep(remember(state, { rule: ruleFromHand(state), verdict: null })),
  bias(state, { gate, value }) {
    const biases = state.biases.map((old, index) => (index === gate ? value : old));
    return keep(remember(state, { biases, verdict: null }));
  },
  /** {player}: judge the rule on unseen streams beside the trained player; new streams at every run. */
  run(state, { player }) {
    const verdict = judgeRule(state, player);
    const near = verdict.perfect && verdict.lstm !== null && verdict.loss <= NEAR * verdict.lstm;
    const crown = near && verdict.loss < verdict.lstm;
    const earned = state.level === 0 ? {} : { rule: verdict.perfect, fine: near, crown };
    return award({ ...state, verdict, runs: state.runs + 1 }, earned, verdict.perfect ? verdict.loss : null);
  },
  /** {value, right}: a bet on the LSTM, placed before it is shown. */
  bet: (state, { value, right }) => ({ ...state, bets: { ...state.bets, [state.level]: { value, right } } }),
  /** {cards}: cards of one's own for the sandbox. */
  cards: (state, { cards }) => openLevel({ ...state, cards, kept: { ...state.kept, 0: undefined } }, 0, state.mode),
};

/** The next state after an action {type, ...}; unknown actions change nothing. */
export function reduce(state, action) {
  return ACTIONS[action.type] ? ACTIONS[action.type](state, action) : state;
}

function remember(state, change) {
  const { mode, t, gates, rule, biases, verdict } = state;
  return { ...state, ...change, undo: [...state.undo, { mode, t, gates, rule, biases, verdict }] };
}

function keep(state) {
  const { seed, rule, biases } = state;
  return { ...state, kept: { ...state.kept, [state.level]: { seed, rule, biases } } };
}

function walk(state, to) {
  if (state.t >= streamOf(state).length) {
    return state;
  }
  const walked = remember(state, { t: to });
  return to === streamOf(state).length && state.level > 0 ? award(walked, { hand: handDone(walked).right }, null) : walked;
}

/** What a stream finished by hand came to: {right, loss}. */
export function handDone(state) {
  const steps = handSteps(state);
  return {
    right: steps.every((step) => step.right),
    loss: balancedLoss([steps]),
    correct: steps.filter((step) => step.right).length,
  };
}

function award(state, earned, loss) {
  const had = state.stars[state.level] ?? {};
  const has = Object.fromEntries(["hand", "rule", "fine", "crown"].map((name) => [name, Boolean(had[name] || earned[name])]));
  const best = loss === null ? state.best[state.level] : Math.min(loss, state.best[state.level] ?? Infinity);
  return { ...state, stars: { ...state.stars, [state.level]: has }, best: { ...state.best, [state.level]: best } };
}

function clearRule(state) {
  return keep(remember(state, { rule: emptyRule(levelOf(state)), biases: [0, 0, 0], verdict: null }));
}

function ruleFromHand(state) {
  const level = levelOf(state);
  const rule = { values: state.rule.values.slice(), split: state.rule.split };
  const cells = level.cells.length;
  handSteps(state).forEach((step, t, steps) => {
    const on = rule.split[step.card.row] && t > 0 && steps[t - 1].h[level.flag] > 0.4 ? 1 : 0;
    for (const side of rule.split[step.card.row] ? [on] : [0, 1]) {
      for (let index = 0; index < cells * 3; index += 1) {
        const [cell, gate] = [Math.floor(index / 3), index % 3];
        rule.values[ruleIndex(level, step.card.row, side, cell, gate)] = state.gates[t * cells * 3 + index];
      }
    }
  });
  return rule;
}

function judgeRule(state, player) {
  const level = levelOf(state);
  const first = FIRST_UNSEEN + UNSEEN * state.runs;
  const streams = (length) =>
    state.level === 0 ? [streamOf(state)] : Array.from({ length: UNSEEN }, (_, n) => drawStream(state.level, first + n, length));
  const seen = streams(LENGTHS[0]);
  const found = judge(level, seen, rulePolicy(state));
  const lstm = player ? judge(level, seen, byPlayer(level, player)).loss : null;
  const longer = level.biases
    ? LENGTHS.slice(1).map((length) => ({ length, ...judge(level, streams(length), rulePolicy(state)) }))
    : [];
  const example = seen[Math.max(found.wrong, 0)];
  return { ...found, perfect: found.right === found.total, lstm, longer, example };
}

/** How many stars a level has, 0 to 3. */
export function starsOf(state, level) {
  const has = state.stars[level] ?? {};
  return ["hand", "rule", "fine"].filter((name) => has[name]).length;
}

/** Whether a level may be opened: levels unlock two ahead of the last one with a star; the sandbox after level 10. */
export function isOpen(state, level) {
  const solved = LEVELS.filter((entry) => starsOf(state, entry.number) > 0).map((entry) => entry.number);
  const last = Math.max(0, ...solved);
  return level === 0 ? last >= LEVELS.length : level <= last + 2;
}
