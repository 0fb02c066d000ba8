// The game's exact loss, number for number as src/holdfast/studio/game/play.py computes it; no DOM.

import { BIAS_PUSH, COUNTRIES, FLAG_THRESHOLD } from "./levels.js";

const QUIET_SCORE = 4;
const sigmoid = (x) => 1 / (1 + Math.exp(-x));

/** Returns the mouth's scores [quiet, ...] for the h of all cells. */
export function mouthScores(level, h) {
  if (level.mouth === "sign") {
    const sum = h.reduce((total, value) => total + value, 0);
    return [QUIET_SCORE, -10 * sum, 10 * sum];
  }
  return [QUIET_SCORE, ...Object.values(COUNTRIES).map(([a, b]) => 5 * (a * h[0] + b * h[1]))];
}

/** Returns the probabilities of scores. */
export function softmax(scores) {
  const top = Math.max(...scores);
  const powers = scores.map((value) => Math.exp(value - top));
  const total = powers.reduce((sum, value) => sum + value, 0);
  return powers.map((value) => value / total);
}

/** Returns -ln P(target) in nats. */
export function surprise(scores, target) {
  const top = Math.max(...scores);
  const total = scores.reduce((sum, value) => sum + Math.exp(value - top), 0);
  return top + Math.log(total) - scores[target];
}

/** One card: gates is one [f, i, o] a cell; returns {c, h, scores, said, nats, right}. */
export function stepCells(level, card, gates, before) {
  const c = gates.map(([f, i], k) => f * before.c[k] + i * card.g[k]);
  const h = gates.map(([, , o], k) => o * Math.tanh(c[k]));
  const scores = mouthScores(level, h);
  const said = scores.indexOf(Math.max(...scores));
  return { card, gates, c, h, scores, said, nats: surprise(scores, card.target), right: said === card.target };
}

/** The memory before the first card. */
export function emptyMemory(level) {
  return { c: level.cells.map(() => 0), h: level.cells.map(() => 0) };
}

/** Runs a policy (t, card, h before) -> gates over a stream; returns one step of stepCells for each card. */
export function play(level, stream, policy) {
  const steps = [];
  let before = emptyMemory(level);
  stream.forEach((card, t) => {
    before = stepCells(level, card, policy(t, card, before.h), before);
    steps.push(before);
  });
  return steps;
}

/** The balanced loss over the steps of one or more plays: half over asked cards, half over quiet ones. */
export function balancedLoss(plays) {
  const sums = [
    [0, 0],
    [0, 0],
  ];
  for (const steps of plays) {
    for (const step of steps) {
      const half = sums[step.card.target === 0 ? 1 : 0];
      half[0] += step.nats;
      half[1] += 1;
    }
  }
  const halves = sums.filter(([, count]) => count > 0).map(([total, count]) => total / count);
  return halves.reduce((total, value) => total + value, 0) / halves.length;
}

/** The gates of a stream played by hand: twentieths, [t][cell][gate] laid flat. */
export function byHand(level, gates) {
  const cells = level.cells.length;
  return (t) => level.cells.map((_, k) => [0, 1, 2].map((gate) => gates[(t * cells + k) * 3 + gate] / 20));
}

/** Index of a rule's value: rows, then flag off and on, then cells, then f, i, o. */
export function ruleIndex(level, row, on, cell, gate) {
  return ((row * 2 + on) * level.cells.length + cell) * 3 + gate;
}

/** A rule {values, split}: twentieths by row, flag, cell and gate; a row that is not split ignores the flag. */
export function byRule(level, rule) {
  return (t, card, h) => {
    const on = rule.split[card.row] && h[level.flag] > FLAG_THRESHOLD ? 1 : 0;
    return level.cells.map((_, k) => [0, 1, 2].map((gate) => rule.values[ruleIndex(level, card.row, on, k, gate)] / 20));
  };
}

/** Level 8: one bias a gate, to which the cards add their fixed pushes before the sigmoid. */
export function byBiases(biases) {
  return (t, card) => [BIAS_PUSH[card.row].map((push, gate) => sigmoid(push + biases[gate]))];
}

/** A trained player {words, recurrent}: gates = sigmoid(W[word] + R h). */
export function byPlayer(level, player) {
  return (t, card, h) =>
    level.cells.map((_, k) =>
      [0, 1, 2].map((gate) => {
        const row = k * 3 + gate;
        const memory = player.recurrent[row].reduce((sum, weight, cell) => sum + weight * h[cell], 0);
        return sigmoid(player.words[card.word][row] + memory);
      }),
    );
}

/** Judges a policy on streams: the pooled loss, how many were right throughout, and the first that was not (or -1). */
export function judge(level, streams, policy) {
  const plays = streams.map((stream) => play(level, stream, policy));
  const right = plays.map((steps) => steps.every((step) => step.right));
  return { loss: balancedLoss(plays), right: right.filter(Boolean).length, total: streams.length, wrong: right.indexOf(false) };
}

const CARE = 0.002;

/** For each card, cell and gate: true where moving it to 0, 1/2 or 1 changes the loss by less than 0.002 nats.

The gradient alone would not do: on a quiet card with h = 0 it is 0, and yet opening o would be wrong. */
export function dontCares(level, stream, steps) {
  const gates = steps.map((step) => step.gates);
  const loss = balancedLoss([steps]);
  return gates.map((cells, t) =>
    cells.map((values, k) =>
      values.map((_, gate) =>
        [0, 0.5, 1].every((value) => {
          const moved = gates.map((row, s) =>
            s !== t ? row : row.map((triple, j) => (j !== k ? triple : triple.map((old, g) => (g === gate ? value : old)))),
          );
          return Math.abs(balancedLoss([play(level, stream, (s) => moved[s])]) - loss) < CARE;
        }),
      ),
    ),
  );
}
