// What is kept of a game: progress in this browser, a file, a result to paste, and the sandbox's cards in an address.

import { saveBlob } from "./files.js";
import { byHand, play } from "./game-loss.js";
import { levelOf, newGame, OWN_CARDS, reduce, rulePolicy, starsOf, streamOf } from "./game-play.js";
import { GATES, LEVELS } from "./levels.js";
import { fill, GAME, NAMES } from "./strings-game.js";

const PLACE = "holdfast.game.1";
const FORMAT = "holdfast game 1";
const MOST_CARDS = 40;
const STARS = ["hand", "rule", "fine", "crown"];
const BLOCKS = "▁▂▃▄▅▆▇█";

/** What goes into storage and files. */
export function packed(state) {
  const { stars, best, kept, bets, cards, level } = state;
  return { format: FORMAT, stars, best, kept, bets, cards, level };
}

/** A game from what was packed, checked; null where it is none. */
export function unpacked(data) {
  if (!isObject(data) || data.format !== FORMAT || !isObject(data.stars)) {
    return null;
  }
  const fresh = newGame();
  const cards = validCards(data.cards) ?? OWN_CARDS;
  const whole = {
    ...fresh,
    stars: plainStars(data.stars),
    best: plainBest(data.best),
    bets: plainBets(data.bets),
    cards,
    kept: validKept(data.kept),
  };
  const level = Number.isInteger(data.level) && data.level >= 0 && data.level <= LEVELS.length ? data.level : 1;
  return reduce(whole, { type: "open", level });
}

function isObject(value) {
  return value !== null && typeof value === "object";
}

function plainBets(bets) {
  const fine = ([, bet]) => Number.isFinite(bet?.value) && typeof bet.right === "boolean";
  return Object.fromEntries(Object.entries(bets ?? {}).filter(fine));
}

function plainStars(stars) {
  return Object.fromEntries(
    LEVELS.filter(({ number }) => stars[number]).map(({ number }) => [
      number,
      Object.fromEntries(STARS.map((name) => [name, stars[number][name] === true])),
    ]),
  );
}

function plainBest(best) {
  return Object.fromEntries(Object.entries(best ?? {}).filter(([, value]) => Number.isFinite(value)));
}

function validKept(kept) {
  const out = {};
  for (const level of LEVELS) {
    const entry = kept?.[level.number];
    const size = level.rows.length * 2 * level.cells.length * 3;
    const gates = (values, count) =>
      Array.isArray(values) && values.length === count && values.every((value) => Number.isFinite(value));
    if (
      entry &&
      Number.isInteger(entry.seed) &&
      gates(entry.rule?.values, size) &&
      entry.rule.split?.length === level.rows.length &&
      gates(entry.biases, 3)
    ) {
      out[level.number] = entry;
    }
  }
  return out;
}

/** A game with what another tab has reached since: no star, best loss or bet is lost; the open level stays as it is here. */
export function joined(state, other) {
  const levels = new Set([...Object.keys(state.stars), ...Object.keys(other.stars)]);
  const stars = Object.fromEntries([...levels].map((level) => [level, eitherStars(state.stars[level], other.stars[level])]));
  const best = { ...other.best };
  for (const [level, loss] of Object.entries(state.best)) best[level] = Math.min(loss, best[level] ?? Infinity);
  const here = state.kept[state.level];
  const kept = { ...state.kept, ...other.kept, ...(here ? { [state.level]: here } : {}) };
  const cards = state.level === 0 ? state.cards : other.cards;
  return { ...state, stars, best, kept, cards, bets: { ...other.bets, ...state.bets } };
}

function eitherStars(one = {}, other = {}) {
  return Object.fromEntries(STARS.map((name) => [name, Boolean(one[name] || other[name])]));
}

/** Tells of what another tab keeps, as a game; returns a function that ends it. */
export function whenStored(take) {
  const listen = (event) => event.key === PLACE && event.newValue !== null && take(restore());
  window.addEventListener("storage", listen);
  return () => window.removeEventListener("storage", listen);
}

/** Keeps the game in this browser beside what another tab reached, or `alone`; a full or forbidden storage keeps nothing. */
export function store(state, alone = false) {
  try {
    localStorage.setItem(PLACE, JSON.stringify(packed(alone ? state : joined(state, restore()))));
  } catch (error) {
    if (!(error instanceof DOMException)) throw error;
  }
}

/** The game kept in this browser, or a fresh one. */
export function restore() {
  try {
    return unpacked(JSON.parse(localStorage.getItem(PLACE) ?? "null")) ?? newGame();
  } catch (error) {
    if (error instanceof DOMException || error instanceof SyntaxError) return newGame();
    throw error;
  }
}

/** Offers the game as a file. */
export function saveFile(state) {
  saveBlob(new Blob([JSON.stringify(packed(state), null, 1)], { type: "application/json" }), "holdfast-game.json");
}

/** The game in a file, or null where there is none. */
export async function loadFile(file) {
  try {
    return unpacked(JSON.parse(await file.text()));
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

/** A level's result as plain text: stars, losses, and the gates as three rows of blocks for each cell. */
export function resultText(state) {
  const level = levelOf(state);
  const stream = streamOf(state);
  const byRuleNow = state.mode !== "hand" && state.verdict;
  const steps = play(level, stream, byRuleNow ? rulePolicy(state) : byHand(level, state.gates));
  const has = state.stars[state.level] ?? {};
  const stars = "★".repeat(starsOf(state, state.level)) + "☆".repeat(3 - starsOf(state, state.level)) + (has.crown ? " 👑" : "");
  const losses = state.verdict
    ? [
        `${fill(GAME.loss, { loss: state.verdict.loss.toFixed(3) })}${state.verdict.lstm === null ? "" : ` · LSTM ${state.verdict.lstm.toFixed(3)}`}`,
      ]
    : [];
  const rows = level.cells.flatMap((name, k) =>
    GATES.map(
      (gate, index) =>
        `${level.cells.length > 1 ? name : ""}${gate} ` +
        steps.map((step) => BLOCKS[Math.min(7, Math.floor(step.gates[k][index] * 8))]).join(""),
    ),
  );
  return [
    GAME.shareTitle,
    `${level.number} ${NAMES[level.number - 1] ?? GAME.sandbox} ${level.number ? stars : ""}`.trim(),
    ...losses,
    ...rows,
  ].join("\n");
}

/** Copies a text; false where the browser does not allow it. */
export async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch (error) {
    if (error instanceof DOMException || error instanceof TypeError) return false;
    throw error;
  }
}

/** The sandbox's cards as a short text for an address: face~candidate~target, joined by "!". */
export function cardsCode(cards) {
  return cards.map((card) => [card.face.replace(/[~!]/g, ""), card.g, card.target].join("~")).join("!");
}

/** The cards of such a text, or null where it is none. */
export function cardsOf(code) {
  return validCards(
    code
      .split("!")
      .map((part) => part.split("~"))
      .map(([face, g, target]) => ({ face, g: Number(g), target: Number(target) })),
  );
}

function validCards(cards) {
  const fine = (card) =>
    card &&
    typeof card.face === "string" &&
    [...card.face].length >= 1 &&
    [...card.face].length <= 8 &&
    Math.abs(card.g) <= 1 &&
    [0, 1, 2].includes(card.target);
  return Array.isArray(cards) && cards.length >= 1 && cards.length <= MOST_CARDS && cards.every(fine)
    ? cards.map(({ face, g, target }) => ({ face, g, target }))
    : null;
}
