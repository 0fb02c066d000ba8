// The ten levels as data: kinds of card, cells, mouth, a solving rule and the bet; their texts are in strings-game.js.

export const GATES = ["f", "i", "o"];
export const COUNTRIES = { France: [1, 1], Spain: [1, -1], Italy: [-1, 1], Germany: [-1, -1] };
export const FLAG_THRESHOLD = 0.4;
export const BIAS_PUSH = [
  [-12, 12, -12],
  [0, 0, 0],
  [0, 0, 12],
];
export const BIAS_CHOICES = [-9, -6, -3, 0, 3, 6, 9];

const HOLD = [1, 0, 0];
const WRITE = [0, 1, 0];
const TELL = [1, 0, 1];
const SAY = [0, 1, 1];
const WIPE = [0, 0, 0];
const ADD = [1, 1, 1];
const LATCH = [[WRITE], [HOLD], [TELL]];

const FRANCE_WORDS = [
  "I",
  "we",
  "my",
  "friends",
  "then",
  "and",
  "visited",
  "saw",
  "worked",
  "loved",
  "lived",
  "up",
  "in",
  "near",
  "so",
  "speak",
  "grew",
  ...Object.keys(COUNTRIES),
  "fluent",
];

/* rows: kinds of card; rule: for each row one [f, i, o] a cell, or {off, on} where the flag cell's h decides;
   faces: what a card of each row shows for a candidate above and below 0; bet: which card, cell and gate to bet on. */
const one = (rows, faces, rule, bet, more = {}) => ({ cells: ["A"], mouth: "sign", flag: null, rows, faces, rule, bet, ...more });
const ARROWS = [
  ["▲", "▼"],
  ["·", "·"],
  ["?", "?"],
];

export const LEVELS = [
  one(["arrow", "dot"], ARROWS.slice(0, 2), [[SAY], [WIPE]], { row: 1, gate: 2 }),
  one(["arrow", "dot", "ask"], ARROWS, LATCH, { row: 1, gate: 0 }),
  one(["arrow", "dot", "ask"], ARROWS, LATCH, { row: 1, gate: 1 }),
  one(["arrow", "dot", "ask"], ARROWS, LATCH, { row: 0, nth: 1, gate: 0 }),
  one(["arrow", "dot", "ask", "stop"], [...ARROWS, ["◼", "◼"]], [...LATCH, [WIPE]], { row: 3, gate: 0 }),
  one(
    ["bracket", "letter"],
    [
      ["(", ")"],
      ["a", "a"],
    ],
    [[ADD], [TELL]],
    { row: 0, nth: 1, gate: 0 },
  ),
  one(
    ["arrow", "circle", "dot", "ask arrow", "ask circle"],
    [
      ["▲", "▼"],
      ["●", "○"],
      ["·", "·"],
      ["?▲", "?▲"],
      ["?●", "?●"],
    ],
    [
      [WRITE, HOLD],
      [HOLD, WRITE],
      [HOLD, HOLD],
      [TELL, HOLD],
      [HOLD, TELL],
    ],
    { row: 1, gate: 1 },
    { cells: ["A", "B"] },
  ),
  one(["arrow", "dot", "ask"], ARROWS, LATCH, { row: 1, gate: 0 }, { biases: [6, -6, -6] }),
  one(
    ["one", "zero"],
    [
      ["1", "1"],
      ["0", "0"],
    ],
    [{ off: [SAY], on: [[0, 0, 1]] }, [TELL]],
    { row: 1, nth: 1, gate: 2 },
    { flag: 0 },
  ),
  one(
    ["other", "grew", "country", "fluent"],
    null,
    [[HOLD, HOLD, TELL], [HOLD, HOLD, SAY], { off: [HOLD, HOLD, TELL], on: [WRITE, WRITE, WIPE] }, [TELL, TELL, TELL]],
    { row: 3, gate: 2 },
    { cells: ["A", "B", "C"], mouth: "france", flag: 2, words: FRANCE_WORDS },
  ),
].map((level, index) => ({ number: index + 1, ...level }));

/** Returns the sandbox's level for cards of one's own {face, g, target}: one row of the rule for each face. */
export function sandboxLevel(cards) {
  const faces = [...new Set(cards.map((card) => card.face))];
  return {
    ...one(
      faces,
      faces.map((face) => [face, face]),
      null,
      null,
    ),
    number: 0,
  };
}

/** Returns what a card shows: its word in the France level, otherwise the face of its row and sign. */
export function faceOf(level, card) {
  if (card.face) {
    return card.face;
  }
  return level.words ? level.words[card.word] : level.faces[card.row][card.g[0] < 0 ? 1 : 0];
}
