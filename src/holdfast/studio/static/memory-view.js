// The Memory view: what every unit held while the text was read, as a map, as coloured words and as lanes.

import { h } from "./a11y.js";
import { isAbort } from "./api.js";
import { colour } from "./colour.js";
import { saveFile } from "./heat-files.js";
import { claimOf } from "./memory-claim.js";
import { compareRow, findForm, orderRow, rowOrder } from "./memory-controls.js";
import { memoryData } from "./memory-data.js";
import { mapPanel } from "./memory-map.js";
import { memoryKeys } from "./memory-keys.js";
import { lettersOf, pictured, textOf } from "./memory-picture.js";
import { memoryQuestion, otherQuestion } from "./memory-question.js";
import { unitPanel } from "./memory-unit.js";
import { memoryTexts as texts } from "./strings-memory.js";
import { colouredText } from "./text.js";

const SMALL_MAP = 400000; // values; above it a letter's thumbnail waits until the letter is looked at

/** Mount the view. */
export function mount(root, context) {
  const view = new MemoryView(root, context);
  return { update: (state, changed) => view.update(state, changed), unmount: () => view.unmount() };
}

class MemoryView {
  constructor(root, context) {
    this.context = context;
    this.data = memoryData(context.store, context.api);
    this.turn = 0;
    this.shown = {};
    this.build(root);
    this.dropKeys = context.keys.register("memory", memoryKeys(this));
  }

  build(root) {
    const { context } = this;
    this.claim = h("p.big.claim", { id: "claim" }, texts.claim.waiting);
    this.notes = h("span");
    this.best = h("button.button.quiet.small", { type: "button", hidden: true, onclick: () => this.goTo({ u: Number(this.best.dataset.unit) }) });
    const words = h("section.panel.memory-words");
    this.by = h("p.note.memory-by");
    const picture = h("section.panel.memory-picture");
    const unit = h("section.panel.unit-panel");
    this.find = findForm(context);
    this.order = orderRow(context);
    this.compare = compareRow(context);
    this.empty = h("p.note", { hidden: true });
    this.body = h("div.stack", {}, words, h("div.columns", {}, picture, unit));
    this.root = h("div.memory.stack", {}, h("div.memory-head", {}, this.claim, h("p.note.claim-notes", {}, this.notes, " ", this.best)), this.empty, this.body);
    root.append(this.root);
    const edit = h("button.button.quiet.small", { type: "button", onclick: () => document.getElementById("edit")?.click() }, context.strings.reader.edit);
    words.append(h("div.row.spread", {}, this.by, edit));
    this.text = colouredText(words, "", { onStep: (t) => this.goTo({ t }) });
    words.append(this.find.element);
    const tools = h("div.memory-tools", {}, ...this.order.elements, ...this.compare.elements);
    picture.append(tools, this.compare.below);
    this.map = mapPanel(picture, {
      onLetter: (what) => context.setState({ what }),
      onCursor: ({ t, unit: row }) => this.goTo({ t, u: row }),
      onNpz: () => this.saveNpz(),
      describe: (...cell) => this.describe(...cell),
      title: () => this.claim.textContent,
    });
    this.unit = unitPanel(unit, {
      onStep: (t) => this.goTo({ t }),
      onUnit: (u) => this.goTo({ u }),
      onRow: (rows) => this.map.heat.move(0, rows),
      onCell: () => context.setState({ v: "cell" }),
    });
  }

  goTo(patch) {
    this.context.setState(patch);
    if (this.context.state.u === this.shown.unit) this.sayCell();
    else this.toSay = true; // once the new unit's values are there
  }

  sayCell() {
    this.toSay = false;
    const { t, u } = this.context.state;
    const value = this.valueOf(t);
    if (value !== null) this.context.announce(this.describe(t, u, value, this.shown.letter, false));
  }

  describe(t, unit, value, letter, about) {
    const series = this.shown.model?.reads === "series";
    const number = series ? texts.step(t + 1) : texts.word(t + 1);
    return texts.reading(number, this.shown.words?.[t] ?? "", unit, letter, colour.fmt(value), about);
  }

  valueOf(t) {
    const lane = this.shown.lanes?.[this.shown.letter];
    return lane && t >= 0 && t < lane.length ? lane[t] : null;
  }

  update(state, changed) {
    const { store } = this.context;
    this.shown.model = store.model;
    const empty = !store.text();
    this.empty.hidden = !empty;
    this.body.hidden = empty;
    if (empty) {
      this.claim.textContent = store.model?.reads === "series" ? texts.claim.emptySeries : texts.claim.empty;
      this.notes.textContent = "";
      return;
    }
    const wanted = JSON.stringify(this.wanted(state));
    if (wanted !== this.loaded) {
      this.loaded = wanted;
      this.turn += 1;
      this.run(() => this.load(state));
    } else {
      if (changed.has("u")) this.run(() => Promise.all([this.showUnit(), this.makeClaim(this.turn)]));
      else if (changed.has("t")) this.moveTo(state.t);
      if (changed.has("theme")) this.repaint();
    }
    this.controls(state);
  }

  wanted(state) {
    const { question } = memoryQuestion(this.context);
    return [question, state.l, state.d, state.what, state.sort, state.b, state.b && state.ab, state.lock, state.rows];
  }

  controls(state) {
    const { store } = this.context;
    const { key, others } = memoryQuestion(this.context);
    this.order.update(state, store.model, Boolean(key));
    this.find.element.hidden = store.model.task !== "language";
    this.find.update(state, key, others, this.shown.words?.[state.t]);
    this.compare.update(state, key, others, store.text());
  }

  /** Do what may fail, and say so beside the claim unless something newer is being loaded. */
  async run(work) {
    const { turn } = this;
    try {
      await work();
    } catch (error) {
      if (turn === this.turn && !isAbort(error)) this.context.problem(error, this.claim);
    }
  }

  async load(state) {
    const turn = this.turn;
    const { question, key, others } = memoryQuestion(this.context);
    const { model } = this.shown;
    const layer = Math.min(state.l, model.layers.length - 1);
    const place = { layer, direction: model.layers[layer].directions > 1 ? state.d : "forward" };
    const letters = lettersOf(model.gates);
    const letter = letters.includes(state.what) ? state.what : letters[0];
    const side = state.b ? state.ab || "a" : "a";
    const second = side === "a" ? null : otherQuestion(question, state.b, model);
    Object.assign(this.shown, { question, key, others, place, letter, letters, side, second });
    this.map.offer(letters, letter);
    const [trace, map, other, otherTrace] = await Promise.all([
      this.data.trace(question), this.data.map(question, place, letter),
      state.b ? this.data.map(otherQuestion(question, state.b, model), place, letter) : null,
      second ? this.data.trace(second) : null,
    ]);
    if (turn !== this.turn) return;
    this.context.problem(null, this.claim);
    const shownTrace = side === "b" ? otherTrace : trace;
    const words = shownTrace.tokens.map(([token]) => token);
    this.compare.tell(otherTrace && otherTrace.T !== trace.T ? texts.compare.unequal(trace.T, otherTrace.T) : "");
    const picture = pictured(map, other, { side, lock: state.lock !== "0", own: state.rows !== "one" && (!state.b || side === "d") });
    Object.assign(this.shown, { trace, map: picture, words, marked: words.indexOf(key) });
    const name = side === "d" ? texts.compare.legend(letter) : `${texts.letters[letter]} ${letter}`;
    // The rows keep their order until the new one is there; of another text or layer there is none to keep.
    const kept = this.shown.orderOf === JSON.stringify([question, place]) ? {} : { order: null, scores: null, bars: "" };
    this.map.show({ map: picture, ...kept, words, cursor: this.cursor(), marked: this.shown.marked, letter, name });
    this.text.read(side === "b" ? state.b : textOf(this.context, trace), shownTrace);
    const sorted = this.sortRows(state, turn).then(() => this.thumbnails(turn));
    await Promise.all([sorted, this.showUnit(), this.makeClaim(turn)]);
  }

  async sortRows(state, turn) {
    const { question, place, model } = this.shown;
    const trace = await this.data.trace(question);
    const by = rowOrder(state.sort, model, trace.alternatives > 0);
    const [order, tau] = await Promise.all([this.data.orderOrTau(question, place, by), this.data.order(question, place, "tau")]);
    if (turn !== this.turn) return;
    const kept = by === "keeps" || model.family === "rnn";
    const scores = kept ? (by === "keeps" ? order.score : null) : tau.score.map((score) => score ?? Infinity);
    const bars = scores ? (kept ? texts.bars.keeps : texts.bars.tau) : "";
    Object.assign(this.shown, { order: order.permutation, orderOf: JSON.stringify([question, place]) });
    // The h of a layer with a projection has fewer rows than the layer has units: they stand as they are.
    const fits = order.permutation.length === this.shown.map.units;
    this.map.show(fits ? { order: order.permutation, scores, bars } : { order: null, scores: null, bars: "" });
  }

  async showUnit() {
    const { question, place, second, side, trace } = this.shown;
    const unit = Math.max(0, this.context.state.u);
    if (!trace || unit >= trace.layers[place.layer].hidden) return;
    this.unit.name(unit);
    this.map.moveTo(this.cursor());
    const [lanes, otherLanes] = await Promise.all([
      this.data.lanes(question, place, unit), second ? this.data.lanes(second, place, unit) : null,
    ]);
    if (unit !== Math.max(0, this.context.state.u) || question !== this.shown.question) return;
    Object.assign(this.shown, { unit, lanes: side === "b" ? otherLanes : lanes, otherLanes: side === "d" ? otherLanes : null });
    if (this.toSay) this.sayCell();
    this.drawLanes();
    this.paintText();
    const facts = await this.data.facts(question, place, unit);
    if (unit !== this.shown.unit || question !== this.shown.question) return;
    const at = Math.max(0, this.shown.marked);
    const room = place.direction === "backward" ? at + 1 : trace.T - at; // how far it can be kept: to the end of its reading
    const units = trace.layers[place.layer].hidden;
    this.unit.showFacts(facts, { key: this.shown.key, units, room });
  }

  drawLanes() {
    const { lanes, otherLanes, letters, model, words, marked } = this.shown;
    const scale = Object.fromEntries(letters.map((letter) => [letter, this.range(letter)]));
    const shown = [...model.gates].filter((letter) => lanes[letter]);
    this.unit.showLanes({ letters: shown, lanes, scale, words, t: Math.max(0, this.context.state.t), format: colour.fmt, marked, second: otherLanes });
  }

  range(letter) {
    if (!colour.isSigned(letter)) return { signed: false, to: 1 };
    const all = [this.shown.lanes[letter], this.shown.otherLanes?.[letter]].filter(Boolean);
    const most = all.reduce((top, lane) => lane.reduce((largest, value) => Math.max(largest, Math.abs(value)), top), 0);
    return { signed: true, to: letter === "c" ? most || 1 : Math.max(1, most) };
  }

  /** Colour the words by the unit, a state on the unit's own scale, which is printed beside. */
  paintText() {
    const { unit, letter, side, lanes, otherLanes } = this.shown;
    if (!lanes?.[letter]) return;
    const apart = side === "d" ? otherLanes[letter] : null;
    const values = apart ? lanes[letter].subarray(0, apart.length).map((value, t) => value - apart[t]) : lanes[letter];
    const signed = Boolean(apart) || colour.isSigned(letter);
    const scale = signed ? values.reduce((most, value) => Math.max(most, Math.abs(value)), 0) || 1 : 1;
    const name = apart ? texts.compare.legend(letter) : `${letter} (${texts.letters[letter]})`;
    this.by.textContent = texts.colouredBy(unit, name, signed ? `−${colour.fmt(scale)} … +${colour.fmt(scale)}` : "0 … 1");
    this.text.root.setAttribute("aria-label", texts.textLabel(unit, letter));
    this.text.colour(values.map((value) => value / scale), colour.ramp("words"));
    this.text.mark(this.context.state.t);
  }

  moveTo(t) {
    this.map.moveTo(this.cursor());
    this.unit.mark(t);
    this.text.mark(t, true);
  }

  cursor() {
    return { t: Math.max(0, this.context.state.t), unit: Math.max(0, this.context.state.u) };
  }

  async makeClaim(turn) {
    if (!this.shown.trace) return;
    const { question, place, key, others, model } = this.shown;
    const { models } = this.context.store;
    const beside = models.find((one) => one.family === "rnn" && one.task === "language" && !one.error && one.id !== model.id)?.id;
    const found = await claimOf(this.data, { question, place, key, others, beside, unit: this.context.state.u });
    if (turn !== this.turn) return;
    this.claim.textContent = found.sentence;
    this.notes.textContent = found.notes.join(" ");
    this.best.hidden = found.unit === Math.max(0, this.context.state.u);
    this.best.dataset.unit = String(found.unit);
    this.best.textContent = texts.claim.show(found.unit);
  }

  async thumbnails(turn) {
    const { question, place, letters, letter, map, order } = this.shown;
    const small = map.units * map.steps <= SMALL_MAP;
    for (const other of small ? letters : [letter]) {
      const found = await this.data.map(question, place, other);
      if (turn !== this.turn) return;
      this.map.thumbnail(other, found, order?.length === found.units ? order : Int32Array.from({ length: found.units }, (_, unit) => unit));
    }
  }

  repaint() {
    if (!this.shown.map) return;
    this.map.show({});
    this.map.heat.redraw();
    this.drawLanes();
    this.paintText();
    this.run(() => this.thumbnails(this.turn));
  }

  saveNpz() {
    const { question } = this.shown;
    if (question) this.run(() => saveFile(this.context, question, "npz"));
  }

  unmount() {
    this.turn += 1;
    this.dropKeys();
    for (const part of [this.map, this.unit, this.text]) part.unmount();
  }
}
