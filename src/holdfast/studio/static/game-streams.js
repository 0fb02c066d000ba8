// Draws a level's stream of cards from a seed, bit for bit as src/holdfast/studio/game/streams.py does.

import { COUNTRIES, LEVELS } from "./levels.js";

const MINUS = 1;
const PLUS = 2;

/** Mulberry32: equally likely 32-bit whole numbers from a level and a seed. */
export class Dice {
  constructor(level, seed) {
    this.state = (Math.imul(seed + 1, 0x9e3779b1) ^ Math.imul(level, 0x85ebca6b)) >>> 0;
  }

  below(n) {
    this.state = (this.state + 0x6d2b79f5) >>> 0;
    let x = this.state;
    x = Math.imul(x ^ (x >>> 15), x | 1);
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
    return Math.floor((((x ^ (x >>> 14)) >>> 0) * n) / 4294967296);
  }

  sign() {
    return this.below(2) ? 1 : -1;
  }

  noise() {
    const sign = this.sign();
    return (sign * (60 + this.below(36))) / 100;
  }
}

const card = (row, g, target = 0, word = row) => ({ row, word, g, target });
const answer = (sign) => (sign > 0 ? PLUS : MINUS);
const arrow = (sign, target = 0) => card(0, [sign], target);
const dot = (g) => card(1, [g]);
const ask = (target) => card(2, [0], target);
const repeat = (count, make) => Array.from({ length: count }, make);
const dots = (dice, most) => repeat(dice.below(most + 1), () => dot(dice.noise()));

function echo(dice) {
  const forced = 1 + dice.below(3);
  return repeat(8, (_, t) => {
    if (t === forced || (t > 0 && dice.below(3) === 0)) {
      return dot(dice.noise());
    }
    const sign = dice.sign();
    return arrow(sign, answer(sign));
  });
}

function latch(dice) {
  const sign = dice.sign();
  return [arrow(sign), ...repeat(3 + dice.below(3), () => dot(0)), ask(answer(sign))];
}

function roundOfNoise(dice, count) {
  const sign = dice.sign();
  return [arrow(sign), ...repeat(count, () => dot(dice.noise())), ask(answer(sign))];
}

function overwrite(dice) {
  const cards = [];
  for (let round = 0; round < 2; round += 1) {
    let sign = dice.sign();
    cards.push(arrow(sign), ...dots(dice, 2));
    if (round === 0 || dice.below(2)) {
      sign = -sign;
      cards.push(arrow(sign), ...dots(dice, 2));
    }
    cards.push(ask(answer(sign)), ...dots(dice, 1));
  }
  return cards;
}

function fullStop(dice) {
  const stopped = dice.below(3);
  const live = (stopped + 1 + dice.below(2)) % 3;
  const cards = [];
  for (let round = 0; round < 3; round += 1) {
    const sign = dice.sign();
    cards.push(arrow(sign), ...dots(dice, 1));
    const stop = dice.below(2) === 1;
    if (round === stopped || (stop && round !== live)) {
      cards.push(card(3, [dice.noise()]), ...dots(dice, 1), ask(0));
    } else {
      cards.push(ask(answer(sign)));
    }
  }
  return cards;
}

function brackets(dice) {
  const cards = [card(1, [dice.noise()])];
  let depth = 0;
  for (let t = 0; t < 12; t += 1) {
    const kind = t === 0 ? 1 : dice.below(3);
    if (kind === 0) {
      cards.push(card(1, [dice.noise()], depth ? PLUS : 0));
      continue;
    }
    const opens = depth === 0 || (kind === 1 && depth < 3);
    depth += opens ? 1 : -1;
    cards.push(card(0, [opens ? 1 : -1], depth ? PLUS : 0));
  }
  return cards;
}

function twoCells(dice) {
  const quiet = () => repeat(dice.below(2), () => card(2, [dice.noise(), dice.noise()]));
  const item = (row, sign) => [card(row, [sign, sign]), ...quiet()];
  const first = dice.below(2);
  const signs = [dice.sign(), dice.sign()];
  const cards = [...item(first, signs[first]), ...item(1 - first, signs[1 - first])];
  if (dice.below(2)) {
    const again = dice.below(2);
    signs[again] = -signs[again];
    cards.push(...item(again, signs[again]));
  }
  const asked = dice.below(2);
  for (const row of [asked, 1 - asked]) {
    cards.push(card(3 + row, [0, 0], answer(signs[row])), ...quiet());
  }
  return cards;
}

function parity(dice) {
  let odd = false;
  return repeat(10, (_, t) => {
    const one = t > 1 ? dice.below(2) === 1 : t === 1;
    odd = odd !== one;
    return card(one ? 0 : 1, [one ? 1 : dice.noise()], odd ? PLUS : 0);
  });
}

const VISITS = [
  ["I", "visited"],
  ["we", "saw"],
  ["I", "worked", "in"],
  ["my", "friends", "lived", "in"],
  ["we", "loved"],
];
const GROWING = [
  ["I", "grew", "up", "in"],
  ["then", "I", "grew", "up", "near"],
  ["I", "grew", "up", "in"],
];

function france(dice) {
  const names = Object.keys(COUNTRIES);
  const home = dice.below(4);
  const sides = 1 + dice.below(3);
  const words = [];
  for (let part = 0; part < 3; part += 1) {
    if (part === 1) {
      words.push(...GROWING[dice.below(3)], names[home]);
    } else if (sides & (part === 0 ? 1 : 2)) {
      words.push(...VISITS[dice.below(5)], names[(home + 1 + dice.below(3)) % 4]);
    }
  }
  words.push("so", "I", "speak", "fluent");
  return words.map((word) => franceCard(dice, word, 1 + home));
}

function franceCard(dice, word, language) {
  const index = LEVELS[9].words.indexOf(word);
  if (word === "fluent") {
    return card(3, [0, 0, 0], language, index);
  }
  if (word in COUNTRIES) {
    return card(2, [...COUNTRIES[word], dice.noise()], 0, index);
  }
  const [a, b] = [dice.noise(), dice.noise()];
  return card(word === "grew" ? 1 : 0, [a, b, word === "grew" ? 1 : dice.noise()], 0, index);
}

const DRAW = {
  1: echo,
  2: latch,
  3: (dice) => roundOfNoise(dice, 4 + dice.below(3)),
  4: overwrite,
  5: fullStop,
  6: brackets,
  7: twoCells,
  9: parity,
  10: france,
};

/** Returns the cards {row, word, g, target} of a level for a seed; length is the number of dots of level 8. */
export function drawStream(number, seed, length = 30) {
  const dice = new Dice(number, seed);
  return number === 8 ? roundOfNoise(dice, length) : DRAW[number](dice);
}
