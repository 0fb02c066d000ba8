// All words of the game in one object, so that it can be translated; {name} is filled in by fill().

/** Fills the {names} of a text. */
export function fill(text, values) {
  return text.replace(/\{(\w+)\}/g, (_, name) => String(values[name] ?? ""));
}

export const GAME = {
  title: "You are the gates",
  intro: "Cards pass. You set f, i and o of an LSTM cell; the mouth says what h tells it.",
  levels: "Levels",
  sandbox: "Sandbox",
  level: "Level {number}, {name}, {stars} of 3 stars",
  sandboxLocked: "Sandbox, locked: earn a star on level 10",
  locked: "Level {number}, {name}, locked: earn a star on one of the two levels before it",
  modes: { hand: "By hand", rule: "By rule", watch: "Watch the LSTM" },
  modesLabel: "How to play",
  gates: ["forget gate f", "input gate i", "output gate o"],
  verbs: ["keep", "let in", "say"],
  cell: "Cell {cell}",
  field: "Play field. F, I, O choose a gate, up and down change it, Enter runs the card, Escape leaves.",
  quiet: "quiet",
  candidate: "offers g",
  cardOf: "Card {t} of {total}",
  done: "All cards played",
  memory: "memory c",
  mouth: "The mouth would say",
  mouthDone: "The mouth said",
  wanted: "wanted",
  coachRight: "The mouth will say {said}, as wanted.",
  coachQuiet: "The mouth will stay quiet, as wanted.",
  coachWrong: "The mouth will say {said}, but {target} is wanted.",
  coachSilent: "The mouth will stay quiet, but {target} is wanted.",
  coachLoud: "The mouth will say {said}, but this card wants quiet.",
  say: {
    step: "Step",
    hold: "Hold to the end",
    undo: "Undo",
    reset: "Start again",
    deal: "New cards",
    run: "Run 200 streams",
    runOwn: "Run the rule",
    copy: "Fill from my hand",
    split: "look at h",
    join: "ignore h",
    share: "Copy result",
    save: "Save game",
    load: "Load game",
    hint: "Hint",
    next: "Next level: {name}",
    writeRule: "Now write the rule",
    watch: "Watch the LSTM",
    again: "Try again",
    back: "Back",
    reveal: "Show me",
    setBiases: "Now set the biases",
    play: "Play",
    keys: "Keys",
    gradient: "See the gradient vanish",
  },
  keysText:
    "F I O choose a gate · ↑ ↓ change it by ¼ (Shift: .05) · 0 and 1 shut and open it · Enter step or run · H hold to the end · Tab next cell · " +
    "← → back and on, or the rows of a rule · Z undo · L watch the LSTM · R start again · N new cards · S look at h · Esc leave the field",
  column: "Card {t}, {face}, g {g}: {gates}; c {c}; said {said}, {verdict}",
  hidden: "Card {t}, not yet seen",
  current: "Card {t}, {face}, now",
  right: "right",
  wrong: "wrong, wanted {target}",
  steppedRight: "{said}. Right. Next card: {face}, g {g}; wanted {target}.",
  steppedWrong: "{said}. Wrong, wanted {target}. Next card: {face}, g {g}; wanted {next}.",
  undone: "Undone.",
  handRight: "All {total} cards right. A star is yours: done by hand.",
  handWrong: "{correct} of {total} cards right. A star wants all of them: undo, or start again.",
  loss: "loss {loss}",
  lossLabel: "Your loss",
  lstmLabel: "The LSTM's",
  ruleTitle: "One line for each kind of card",
  ruleGoal:
    "The table plays 200 streams you have not seen. All right: a second star. A loss within 10 % of the trained LSTM's: a third.",
  biasGoal:
    "Three biases play all streams: σ(bias + push). An arrow pushes f by −12, i by +12 and o by −12; ? pushes o by +12. What holds for 30 dots?",
  biasBar: "bias of the {gate}",
  rowOff: "h off",
  rowOn: "h on",
  runRight: "{right} of {total} streams right: the second star.",
  runWrong: "{right} of {total} streams right. Below: the first that went wrong.",
  runFine: "Loss {loss}, the LSTM's {lstm}: the third star.",
  runCrown: "Loss {loss}, below the LSTM's {lstm}: the third star, and the crown.",
  runFar: "Loss {loss}, the LSTM's {lstm}: the third star wants at most {limit}.",
  ownRight: "The rule gets your stream right. Loss {loss}.",
  ownWrong: "The rule gets your stream wrong. Loss {loss}.",
  longer: "with {length} dots: {right} of {total}",
  watchGoal: "The same cells, candidates, mouth and loss; it learned its gates by gradient descent, from nothing but the loss.",
  betTitle: "First a bet",
  bet: "When card {t} ({face}) comes, where has the trained LSTM put its {gate}{cell}?",
  betCell: " of cell {cell}",
  betChoices: ["shut: below 0.2", "between", "open: above 0.8"],
  betRight: "Your bet was right: its {gate} is {value}.",
  betWrong: "Your bet was wrong: its {gate} is {value}.",
  steps: "after {steps} steps of training",
  stepsLabel: "Steps of training",
  watchLegend:
    "Filled bars, solid line: you. Outlines, dashed line and boxes: the LSTM. Dashed grey: it does not matter there, "
    + "moving it changes the loss by less than 0.002.",
  watchAlone: "Outlines, dashed line and boxes: the LSTM. Play the level by hand or by rule to see yours beside it.",
  watchLoss: "{correct} of {total} cards right, loss {loss} on this stream",
  difference: "Card {t} ({face}){cell}: your {gate} is {yours}, its {gate} is {its}.",
  same: "Where it matters, you and the LSTM do the same.",
  differences: "Largest differences",
  noPlayer: "The trained players could not be loaded, so there is no third star; all else works.",
  lesson8:
    "Trained from five seeds for 400 steps, the LSTM solves this level in {one} of 5 with a forget bias of 1, in {two} of 5 with 2, in {three} of 5 with 3.4 = ln 30: " +
    "with f = σ(1) a thirtieth step back is worth 0.73³⁰ = 0.008 %, and so is its gradient.",
  saved: "Game saved as a file.",
  loaded: "Game loaded.",
  notLoaded: "{file} is no saved game of Holdfast: choose a file that 'Save game' made.",
  copied: "Result copied.",
  copyHere: "Copy from here:",
  shareTitle: "Holdfast · You are the gates",
  sandboxGoal: "Your own cards: a face, a candidate, what the mouth should say.",
  starNames: { hand: "hand", rule: "rule", fine: "LSTM" },
  sandboxEdit: "The cards",
  sandboxAdd: "Add a card",
  sandboxRemove: "Remove card {t}",
  sandboxFace: "Face of card {t}",
  sandboxG: "Candidate of card {t}, −1 to 1",
  sandboxTarget: "What card {t} wants",
  sandboxLink: "Copy link",
  linkCopied: "Link copied: it holds your cards.",
  openedLevel: "Level {number}, {name}. {goal}",
};

/** Words of each level: goal, what to do first, three hints from faint to plain, the lesson, the mouth's words. */
export const LEVEL_TEXTS = [
  {
    goal: "Say each arrow at once. Stay quiet on dots.",
    first:
      "Drag the bars, or press their letter and ↑ ↓. An arrow: open i to let it in and o to say it. A dot: shut o. Then step.",
    hints: [
      "Nothing needs to be remembered here.",
      "What is old only disturbs: f can stay shut.",
      "▲ ▼: f 0, i 1, o 1. ·: all 0.",
    ],
    lesson: "Nothing has to be kept here: f may be 0, and a net without memory would do.",
  },
  {
    goal: "Remember the arrow while the cards are empty. Say it at ?.",
    first: "Let the arrow in, but keep o shut. Then hold it with f = 1 until ?.",
    hints: [
      "Knowing and saying are two gates.",
      "f = 1 keeps all; o waits for the question.",
      "▲ ▼: f 0, i 1, o 0. ·: f 1, i 0, o 0. ?: f 1, i 0, o 1.",
    ],
    lesson: "f = 1 keeps, o waits. At f = ½ the arrow would be gone after three cards.",
  },
  {
    goal: "The same, but now the dots offer noise. Say the arrow at ?.",
    first: "Let the arrow in. Then decide who else may come in.",
    hints: [
      "A dot's candidate is not zero any more.",
      "The gate that lets things in can be shut.",
      "As in level 2, and i = 0 on dots.",
    ],
    lesson: "i is the door. What matters comes in, noise stays out.",
  },
  {
    goal: "At each ? say the last arrow.",
    first: "Let the first arrow in. When the next one comes, think about what is already there.",
    hints: [
      "Old and new add up.",
      "Forgetting and letting in can happen on one card.",
      "▲ ▼: f 0, i 1, o 0. ·: f 1, i 0, o 0. ?: f 1, i 0, o 1.",
    ],
    lesson: "f = 0 with i = 1 replaces. With f = 1 the two arrows would have cancelled.",
  },
  {
    goal: "After ◼ nothing counts: at ? stay quiet, until a new arrow has come.",
    first: "Play as in level 4. Only ◼ is new: what must happen to the memory there?",
    hints: [
      "Being quiet at ? is not the same as shutting o there.",
      "A memory of 0 says nothing, even when o is open.",
      "◼: f 0, i 0, o 0. The rest as in level 4.",
    ],
    lesson: "Forgetting alone. The ? cannot know what happened; the memory must.",
  },
  {
    goal: "Say + while inside brackets, also nested ones. Quiet outside.",
    first: "( offers +1 and ) offers −1. How many are open?",
    hints: [
      "The memory may grow beyond 1.",
      "Add on each bracket, never forget, keep o open.",
      "( ): f 1, i 1, o 1. a: f 1, i 0, o 1.",
    ],
    lesson: "c is not squashed: it counts. Only h is, on its way out.",
    mouth: ["quiet", "−", "+"],
  },
  {
    goal: "Two cells. ?▲ wants the last arrow; ?● the last circle (● is +, ○ is −).",
    first: "Let one cell hold arrows and the other circles. Tab goes to the next cell.",
    hints: [
      "Each cell is offered everything.",
      "i routes: A takes arrows, B takes circles. o selects.",
      "A: ▲ f 0, i 1; ?▲ f 1, o 1. B: ● f 0, i 1; ?● f 1, o 1. All else: f 1.",
    ],
    lesson: "Units hold different facts: i routes them in, o selects which one speaks.",
    mouth: ["quiet", "−", "+"],
  },
  {
    goal: "Thirty dots of noise between the arrow and the question.",
    first: "Let the arrow in; on the first dot set f 1 and the rest 0, then press H to hold until the end.",
    hints: [
      "By rule, there is one bias for each gate.",
      "σ(2) = 0.88 is not enough: 0.88 to the power of 30 is 2 %.",
      "b_f 6, b_i −6, b_o −6.",
    ],
    lesson: "The forget bias sets how long a memory lives, and how far a gradient reaches.",
  },
  {
    goal: "A light: on after an odd number of 1s, off after an even number.",
    first: "At a 1: was the light on? h tells. By rule, let the line for 1 look at h.",
    hints: [
      "What a 1 does depends on what the mouth just said.",
      "Gates see h, not c: keep o open on 0 too, or you are blind.",
      "1, h off: f 0, i 1, o 1. 1, h on: f 0, i 0, o 1. 0: f 1, i 0, o 1.",
    ],
    lesson: "The feedback loop: gates read h. Shutting o hides the memory from the cell itself.",
    mouth: ["off", "−", "on"],
  },
  {
    goal: "At 'fluent' say the language of the country where they grew up.",
    first: "Cells A and B hold a country's two signs. Cell C hears 'grew': it can open the door for the next country.",
    hints: [
      "Visits do not count. What announces the country that does?",
      "C is a flag: set it at 'grew', show it with o, clear it at the country. By rule, the line for countries looks at C's h.",
      "grew: C 0, 1, 1. Country, h on: A and B 0, 1, 0, C 0, 0, 0. fluent: A and B 1, 0, 1. All else: A and B 1, 0, 0, C 1, 0, 1.",
    ],
    lesson: "All of it together: a flag, a door, a memory and a question. This is how an LSTM answers 'I grew up in France'.",
    mouth: ["quiet", "French", "Spanish", "Italian", "German"],
  },
];

export const NAMES = ["Echo", "Latch", "Noise", "Overwrite", "Full stop", "Brackets", "Two cells", "Thirty", "Parity", "France"];

export const ROWS = {
  arrow: "▲ ▼",
  dot: "·",
  ask: "?",
  stop: "◼",
  bracket: "( )",
  letter: "a",
  circle: "● ○",
  "ask arrow": "?▲",
  "ask circle": "?●",
  one: "1",
  zero: "0",
  other: "other words",
  grew: "grew",
  country: "a country",
  fluent: "fluent",
};

const SIGNS = ["quiet", "▼", "▲"];

/** What the mouth of a level says, by number: quiet first. */
export function mouthWords(number) {
  return LEVEL_TEXTS[number - 1]?.mouth ?? SIGNS;
}

/** A number as the game shows it: two decimals and a true minus. */
export function signed(value, digits = 2) {
  const text = Math.abs(value).toFixed(digits);
  return (value < 0 && Number(text) !== 0 ? "−" : "") + text;
}
