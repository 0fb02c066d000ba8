// The Completion view: how each model goes on with the text, how far the memory reaches, and what it rests on.

import { h } from "./a11y.js";
import { isAbort } from "./api.js";
import { completer, continues, keepText, lastSentence, textToContinue } from "./complete-ask.js";
import { barCard } from "./complete-bars.js";
import { completionClaim } from "./complete-claim.js";
import { curvePanel } from "./complete-curve.js";
import { forgetPanel } from "./complete-forget.js";
import { restPanel } from "./complete-rest.js";
import { withCode } from "./problem.js";
import { completeTexts as texts } from "./strings-complete.js";

const TYPING_PAUSE = 110;
const SETTLED_PAUSE = 900;
const MOST_MODELS = 4;

/** Mount the view. */
export function mount(root, context) {
  const view = new CompleteView(root, context);
  return { update: (state, changed) => view.update(state, changed), unmount: () => view.unmount() };
}

class CompleteView {
  constructor(root, context) {
    this.context = context;
    this.asker = completer(context);
    this.timers = {};
    this.turn = 0;
    this.unshared = false; // whether the field holds typed text that the shared state does not have yet
    this.now = {};
    this.build(root);
    // Whatever the reader turns to finds the typed text: it is shared before the click, the key or the choice counts,
    // and not when the focus goes, where a page that moves under the pointer would lose the click.
    this.leaving = new AbortController();
    const turned = ({ target }) => target !== this.field && this.share();
    for (const kind of ["click", "keydown", "input", "change"]) window.addEventListener(kind, turned, { capture: true, signal: this.leaving.signal });
    this.dropKeys = context.keys.register("complete", [
      { key: "e", label: texts.keys.text, run: () => this.field.focus() },
      { key: "d", label: texts.keys.distractors, run: () => this.slider.focus() },
      { key: "i", label: texts.keys.insert, run: () => this.insertOne() },
    ]);
  }

  build(root) {
    this.claim = h("p.big.claim", { id: "claim" }, texts.claim.waiting);
    this.note = h("p.note");
    this.field = h("textarea.complete-text", { rows: 3, id: "complete-text", "aria-label": texts.textLabel, spellcheck: "false", dir: "auto", oninput: () => this.typed() });
    this.slider = h("input", { type: "range", min: 0, max: 200, step: 5, id: "distractors", oninput: () => this.slid() });
    this.amount = h("output.number", { for: "distractors" });
    this.target = h("input.field", { type: "text", id: "target", autocomplete: "off", spellcheck: "false", placeholder: texts.targetHint, oninput: () => this.later("target", TYPING_PAUSE, () => this.context.setState({ c_w: this.target.value.trim() })) });
    this.unknown = h("p.note.complete-unknown");
    this.read = h("p.complete-read", { hidden: true, dir: "auto", "aria-label": texts.readLabel });
    this.cards = h("div.bar-cards");
    this.chartBox = h("section.panel");
    const button = (text, run) => h("button.button", { type: "button", onclick: run }, text);
    const forget = h("section.panel.forget");
    const rest = h("section.panel.rest");
    this.back = button(texts.back, () => this.restore());
    this.body = h("div.stack", {},
      h("section.panel.complete-input", {}, this.field,
        h("div.row", {}, h("label.field.grow.distractors", {}, h("span", {}, texts.distractors), this.slider, this.amount),
          button(texts.another, () => this.context.setState({ c_s: String(Number(this.context.state.c_s ?? 0) + 1) })),
          button(texts.insertOne, () => this.insertOne()), this.back),
        this.unknown, this.read,
        h("label.field", {}, h("span", {}, texts.target), this.target)),
      this.cards, h("div.columns", {}, this.chartBox, h("div.stack", {}, forget, rest)));
    root.append(h("div.complete.stack", {}, h("div", {}, this.claim, this.note), this.body));
    this.curve = curvePanel(this.chartBox, this.context);
    const ask = () => this.asked();
    this.forget = forgetPanel(forget, this.context, ask);
    this.rest = restPanel(rest, this.context, ask);
  }

  asked() {
    const { store, state } = this.context;
    const { models } = this;
    const model = models.find((one) => one.id === store.model?.id) ?? models[0];
    const text = this.field.value;
    const limit = this.words() > 0 ? lastSentence(text) : text.length;
    const place = { layer: model?.layers[state.l] ? state.l : 0, direction: "forward" };
    // The shared trace and unit are those of another model, or of another text, while the reader types.
    const shared = store.model?.id === model?.id && store.text() === text;
    const question = shared ? store.question() : { model: model?.id, text };
    return { read: this.now.read ?? text, target: this.now.target, model, place, limit, question, unit: shared ? state.u : -1, key: store.key(text) };
  }

  words() {
    return Math.max(0, Math.min(200, Number(this.context.state.c_d ?? 0) || 0));
  }

  later(name, pause, run) {
    clearTimeout(this.timers[name]);
    this.timers[name] = setTimeout(() => {
      delete this.timers[name];
      run();
    }, pause);
  }

  typed() {
    this.unshared = true;
    this.later("ask", TYPING_PAUSE, () => this.ask());
    // The shared text follows once the reader pauses or turns to something else, for every other view reads it anew.
    this.later("share", SETTLED_PAUSE, () => this.share());
  }

  /** Give the typed text to all views; an empty field is no text, and leaves theirs as it is. */
  share() {
    const text = this.field.value;
    const { store } = this.context;
    if (!this.unshared || !text.trim()) return;
    this.unshared = false;
    if (!continues(store.model)) keepText(text);
    else if (text !== store.text()) this.context.setState({ x: text === store.example() ? "" : text, t: -1, cl: "" });
  }

  slid() {
    this.amount.textContent = texts.words(this.slider.value);
    this.later("slide", TYPING_PAUSE, () => this.context.setState({ c_d: this.slider.value }));
  }

  restore() {
    this.unshared = false;
    keepText("");
    const shared = continues(this.context.store.model) ? { x: "", t: -1, u: -1, cl: "" } : {};
    this.context.setState({ ...shared, c_d: "0", c_w: "" });
    this.field.value = textToContinue(this.context.store);
    this.ask();
  }

  async insertOne() {
    const { context, field } = this;
    const body = { text: field.value, at: field.selectionStart ?? field.value.length, words: 8, seed: Math.floor(Math.random() * 1e6) };
    try {
      const { text, inserted } = await context.api.post("insert", body);
      if (this.gone || field.value !== body.text) return;
      context.problem(null, field);
      field.value = text;
      const at = text.indexOf(inserted) + inserted.length;
      field.setSelectionRange(at, at);
      field.focus();
      this.unshared = true;
      this.share();
      this.ask();
    } catch (error) {
      if (!isAbort(error)) context.problem(error, field);
    }
  }

  update(state, changed) {
    const { store } = this.context;
    this.models = store.models.filter((model) => model.task === "language" && !model.error).slice(0, MOST_MODELS);
    this.body.hidden = this.models.length === 0;
    if (!this.models.length) {
      this.claim.textContent = texts.claim.none;
      return;
    }
    this.offerCards();
    if (this.context.api.embedded) {
      this.showHeld();
      return;
    }
    if (changed.has("x")) this.unshared = false;
    const text = textToContinue(store);
    if (!this.unshared && text !== this.field.value) this.field.value = text;
    if (document.activeElement !== this.slider && !this.timers.slide) this.slider.value = String(this.words());
    if (document.activeElement !== this.target && !this.timers.target) this.target.value = state.c_w ?? "";
    this.amount.textContent = texts.words(this.timers.slide ? this.slider.value : this.words());
    this.back.hidden = text === store.info.text && !this.words();
    if (["x", "m", "c_d", "c_s", "c_w", "v"].some((key) => changed.has(key))) this.ask();
  }

  /** Show what an exported page holds: how the model of its trace goes on with its text. */
  async showHeld() {
    const { store } = this.context;
    this.cards.before(this.read);
    this.read.textContent = store.text();
    for (const part of this.body.children) part.hidden = part !== this.cards && part !== this.read;
    this.note.replaceChildren(...withCode(texts.claim.held));
    try {
      const { model, answer } = await store.trace();
      const answers = [{ model, top: answer.next, target: null }];
      for (const [id, card] of this.bars) card.element.hidden = id !== model;
      this.bars.get(model)?.show(answers[0], "");
      this.claim.textContent = completionClaim({ answers, target: "" }, this.models).sentence;
    } catch (error) {
      this.context.problem(error, this.claim);
    }
  }

  offerCards() {
    const names = this.models.map((model) => model.id).join();
    if (this.cards.dataset.models === names) return;
    this.cards.dataset.models = names;
    this.bars = new Map(this.models.map((model) => [model.id, barCard(model)]));
    this.cards.replaceChildren(...[...this.bars.values()].map((card) => card.element));
  }

  /** Ask all models about the text as it stands; what comes late is dropped. */
  async ask() {
    const { context } = this;
    const text = this.field.value;
    const wanted = JSON.stringify([text, this.words(), context.state.c_s, context.state.c_w, context.store.model?.id]);
    if (wanted === this.wanted) return;
    this.wanted = wanted;
    const turn = ++this.turn;
    if (!text.trim()) {
      this.asker.stop();
      this.claim.textContent = texts.claim.empty;
      return;
    }
    try {
      const target = context.state.c_w || (await this.ownTarget(text));
      if (turn !== this.turn) return;
      const asked = { text, words: this.words(), seed: Number(context.state.c_s ?? 0), models: this.models.map((one) => one.id), target };
      const reply = await this.asker.complete(asked);
      if (turn !== this.turn) return;
      context.problem(null, this.claim);
      this.show({ ...reply, text, target, model: this.asked().model.id });
    } catch (error) {
      if (turn === this.turn && !isAbort(error)) {
        this.wanted = "";
        context.problem(error, this.claim);
      }
    }
  }

  /** The word asked for where the reader named none: what the present model puts first without distractors. */
  async ownTarget(text) {
    const { model } = this.asked();
    const name = JSON.stringify([text, model.id]);
    if (this.own?.name !== name) {
      const { answers } = await this.context.api.post("complete", { models: [model.id], text, k: 1 });
      this.own = { name, word: answers[0].top[0]?.[0] ?? "" };
    }
    return this.own.word;
  }

  show(reply) {
    const changed = ["target", "read", "model"].some((part) => this.now[part] !== reply[part]);
    const { target } = reply;
    this.now = reply;
    for (const answer of reply.answers) this.bars.get(answer.model)?.show(answer, target);
    const strange = target && reply.answers.every((answer) => answer.target === null);
    const notes = [reply.unknown.length ? texts.unknown(reply.unknown) : "", strange ? texts.unknownTarget(target) : ""];
    this.unknown.textContent = notes.filter(Boolean).join(" ");
    this.unknown.hidden = !this.unknown.textContent;
    this.showRead(reply);
    this.curve.turnTo(reply.text, target);
    this.tell();
    this.cards.dataset.read = reply.read;
    if (!changed) return;
    this.forget.clear();
    this.rest.refresh();
    this.later("settled", SETTLED_PAUSE, () => this.settled());
  }

  showRead({ read, inserted }) {
    this.read.hidden = !inserted;
    if (!inserted) return;
    const at = read.indexOf(inserted);
    this.read.replaceChildren(read.slice(0, at), h("span.inserted", {}, inserted), read.slice(at + inserted.length));
  }

  tell() {
    const { store } = this.context;
    const { sentence, note } = completionClaim({ ...this.now, ...this.curve.of(this.now.text, this.now.target) }, this.models);
    this.claim.textContent = sentence;
    const others = continues(store.model) ? "" : texts.claim.others(store.model.name, this.models.map((one) => one.name));
    this.note.textContent = [others, note].filter(Boolean).join(" ");
    this.context.announce(sentence);
  }

  /** Ask what takes longer, once the reader has stopped: P by distance, and the units and words that can be forgotten. */
  async settled() {
    const { text, target, answers } = this.now;
    const knowing = this.models.filter((model) => answers.some((answer) => answer.model === model.id && answer.target !== null));
    this.forget.offer();
    if (await this.curve.measure(text, target, knowing, this.context.store.key(text))) this.tell();
  }

  unmount() {
    this.gone = true;
    this.leaving.abort();
    this.unshared = false; // the state may be that of an earlier visit by now
    this.turn += 1;
    this.asker.stop();
    for (const timer of Object.values(this.timers)) clearTimeout(timer);
    this.forget.clear();
    this.dropKeys();
    this.curve.remove();
  }
}
