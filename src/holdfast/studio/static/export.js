// Cards to share (key s): a claim over two strips of text, or the cell at a word with its equations, as a picture.

import { ApiError, isAbort } from "./api.js";
import { colour } from "./colour.js";
import { equationsOf } from "./cell-equations.js";
import { sentence } from "./cell-say.js";
import { saveBlob } from "./files.js";
import { memoryQuestion } from "./memory-question.js";
import { fragmentOf } from "./state.js";
import { cardTexts as texts } from "./strings-export.js";

const SVG = "http://www.w3.org/2000/svg";
const [WIDTH, HEIGHT, EDGE] = [1200, 630, 44];
const FONT = "system-ui, sans-serif";
const COPIED = ["fill", "stroke", "stroke-width", "stroke-dasharray", "stroke-linecap", "opacity", "font-family", "font-size",
  "font-weight", "font-style", "text-anchor", "display", "visibility", "dominant-baseline"];

/** Registers s, which saves the present view's card as PNG, and x, which saves the present trace's page as one HTML file. */
export function registerCards(context) {
  context.keys.register("*", [
    { key: "s", label: texts.key, run: () => saveCard(context) },
    { key: "x", label: texts.page, run: () => savePage(context) },
  ]);
}

/** Saves the page of the present trace as one file that opens without a server. */
export async function savePage(context) {
  const { store, api } = context;
  try {
    context.announce(texts.pageMade);
    const state = fragmentOf({ ...context.state, tour: "", step: "" }); // the file has no tours
    saveBlob(await store.withTrace((trace) => api.file("export", { kind: "html", trace, state })), "holdfast.html");
    context.announce(texts.pageSaved);
  } catch (error) {
    if (!isAbort(error)) context.problem(error, document.getElementById("view"));
  }
}

/** Draws and saves the card of the present view; says why where there is none. */
export async function saveCard(context) {
  const make = { cell: cellCard, memory: claimCard }[context.state.v];
  const place = document.getElementById("view");
  if (!make) return context.announce(texts.none);
  try {
    const card = await make(context);
    saveBlob(await pngOf(card), `holdfast-${context.state.v}.png`);
    context.announce(texts.saved);
  } catch (error) {
    if (!isAbort(error)) context.problem(error, place);
  }
}

/** The card of the Memory view: the sentence of claim, and the text in a strip for each model it names. */
export async function claimCard(context) {
  const { store, state, api } = context;
  const { question, key, others } = memoryQuestion(context);
  if (!key) throw new ApiError({ title: texts.noWord, detail: texts.noWord });
  const rnn = store.models.find((one) => one.family === "rnn" && one.task === "language" && !one.error && one.id !== store.model.id);
  const claim = await api.post("claim", { model: question.model, text: question.text, word: key, others, beside: rnn?.id, layer: state.l, direction: state.d });
  const trace = await store.traceOf(question);
  const card = makeCard();
  let y = paragraph(card, claim.sentence, { y: 78, size: 40, weight: 700, width: WIDTH - 2 * EDGE });
  const room = (HEIGHT - 64 - y) / claim.strips.length - 58;
  for (const strip of claim.strips) {
    y += 44;
    text(card, `${strip.name} ${strip.told ? texts.strip(key) : texts.differs(claim.unit, key)}`, { x: EDGE, y, size: 19, fill: "--muted" });
    y = words(card, trace.tokens, strip, y + 14, room);
  }
  footer(card, store.model, `holdfast trace ${store.model.id}${rnn ? " --beside " + rnn.id : ""}`);
  return card;
}

/** The card of the Cell view: the cell at the word with its numbers, and the equations. */
export async function cellCard(context) {
  const { store, state } = context;
  const frame = await store.frames(state.t);
  const shown = document.querySelector("#view svg.cell-picture");
  if (!shown) throw new ApiError({ title: texts.noPicture, detail: texts.noPicture });
  const card = makeCard();
  paragraph(card, sentence(frame, 6), { y: 74, size: 34, weight: 700, width: WIDTH - 2 * EDGE });
  const copy = flatCopy(shown);
  const compact = shown.classList.contains("compact");
  for (const [name, value] of Object.entries({ x: EDGE - 10, y: 150, width: compact ? 560 : 740, height: 410 })) copy.setAttribute(name, value);
  card.append(copy);
  let y = 190;
  for (const [letter, formula, value] of equations(frame)) {
    const x = compact ? 640 : 810;
    add(card, "rect", { x, y: y - 26, width: 6, height: 36, rx: 3, fill: css(`--part-${letter}`) });
    text(card, formula, { x: x + 18, y, size: sizeFor(formula, WIDTH - EDGE - 104 - x), family: "serif", italic: true });
    text(card, value, { x: WIDTH - EDGE, y, size: 22, weight: 700, anchor: "end" });
    y += 58;
  }
  footer(card, store.model, "holdfast studio");
  return card;
}

/** The equations of a frame's cell as [letter, formula, value], in the order they are read; weights without their names. */
export function equations(frame) {
  return equationsOf(frame).map(({ letter, math, value }) => {
    const steps = math.replaceAll("_t−1", "ₜ₋₁").replaceAll("_t", "ₜ");
    const formula = steps.replaceAll(/_\w+/g, "").replaceAll("( ", "(").replaceAll(" )", ")").replaceAll(/(σ|tanh|relu|LN) \(/g, "$1(");
    return [letter, formula, "ch".includes(letter) ? colour.fmtSigned(value) : colour.fmt(value)];
  });
}

// The size at which a formula fits its room.
function sizeFor(formula, room) {
  let size = 20;
  while (size > 11 && measurer(size, "italic", "serif")(formula) > room) size -= 1;
  return size;
}

function makeCard() {
  const card = document.createElementNS(SVG, "svg");
  for (const [name, value] of Object.entries({ viewBox: `0 0 ${WIDTH} ${HEIGHT}`, width: WIDTH, height: HEIGHT })) card.setAttribute(name, value);
  add(card, "rect", { width: WIDTH, height: HEIGHT, fill: css("--ground") });
  return card;
}

/** The text in lines, each word on the blue that says how surely the state tells what was replaced; returns where it ends. */
function words(card, tokens, { known, start, guessing }, top, room) {
  let [size, placed] = [32, null];
  for (; size >= 11; size -= 1) {
    placed = lay(tokens, size, start);
    if (placed.lines * size * 1.5 <= room) break;
  }
  for (const [n, { x, line, width, label }] of placed.words.entries()) {
    const share = n < start ? 0 : Math.max(0, (known[n - start] - guessing) / (1 - guessing));
    const y = top + line * size * 1.5;
    add(card, "rect", { x, y, width: width + 0.5, height: size * 1.38, fill: colour.wordColour(share) });
    if (n === start) add(card, "rect", { x: x + 1, y: y + 1, width: width - 2, height: size * 1.38 - 2, fill: "none", stroke: css("--ink"), "stroke-width": 2 });
    text(card, label, { x: x + size * 0.16, y: y + size, size, weight: n === start ? 700 : 400 });
  }
  return top + placed.lines * size * 1.5;
}

function lay(tokens, size, start) {
  const [placed, measure, measureBold] = [[], measurer(size), measurer(size, 700)];
  let [x, line] = [EDGE, 0];
  for (const [n, [label]] of tokens.entries()) {
    const width = (n === start ? measureBold : measure)(label) + size * 0.32;
    if (x + width > WIDTH - EDGE) [x, line] = [EDGE, line + 1];
    placed.push({ x, line, width, label });
    x += width;
  }
  return { words: placed, lines: line + 1 };
}

function measurer(size, weight = 400, family = FONT) {
  const pen = document.createElement("canvas").getContext("2d");
  pen.font = `${weight} ${size}px ${family}`;
  return (label) => pen.measureText(label).width;
}

/** Writes a sentence in as many lines as it needs; returns the base of the last. */
function paragraph(card, content, { y, size, weight, width }) {
  const measure = measurer(size, weight);
  let line = "";
  for (const word of content.split(" ")) {
    if (line && measure(`${line} ${word}`) > width) {
      text(card, line, { x: EDGE, y, size, weight });
      [line, y] = [word, y + size * 1.25];
    } else line = line ? `${line} ${word}` : word;
  }
  text(card, line, { x: EDGE, y, size, weight });
  return y;
}

function footer(card, model, command) {
  text(card, [model.name, model.score].filter(Boolean).join(" · "), { x: EDGE, y: HEIGHT - 26, size: 16, fill: "--muted" });
  text(card, command, { x: WIDTH - EDGE, y: HEIGHT - 26, size: 16, fill: "--muted", anchor: "end", family: "monospace" });
}

function text(card, content, { x, y, size, weight = 400, fill = "--ink", anchor = "start", family = FONT, italic = false }) {
  const part = { x, y, "font-size": size, "font-weight": weight, "font-family": family, "text-anchor": anchor, fill: css(fill) };
  add(card, "text", italic ? { ...part, "font-style": "italic" } : part).textContent = content;
}

function add(parent, name, attributes) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  parent.append(element);
  return element;
}

/** A copy of an SVG that looks the same without the page's styles. */
function flatCopy(svg) {
  const copy = svg.cloneNode(true);
  const [from, to] = [[svg, ...svg.querySelectorAll("*")], [copy, ...copy.querySelectorAll("*")]];
  for (const [n, element] of from.entries()) {
    const style = getComputedStyle(element);
    for (const name of COPIED) to[n].setAttribute(name, style.getPropertyValue(name));
    to[n].removeAttribute("class");
    to[n].removeAttribute("style");
  }
  return copy;
}

function css(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/** The PNG of a card, at twice its size. */
export async function pngOf(card, scale = 2) {
  const address = URL.createObjectURL(new Blob([new XMLSerializer().serializeToString(card)], { type: "image/svg+xml" }));
  try {
    const image = new Image();
    image.src = address;
    await image.decode();
    const canvas = Object.assign(document.createElement("canvas"), { width: WIDTH * scale, height: HEIGHT * scale });
    canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
    return await new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
  } finally {
    URL.revokeObjectURL(address);
  }
}
