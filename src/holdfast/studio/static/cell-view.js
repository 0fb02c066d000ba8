// The Cell view: the living diagram of one unit at one word, with its sentence, its equations and its whole story.

import { h, s } from "./a11y.js";
import { isAbort } from "./api.js";
import { draw } from "./cell.js";
import { makeClock, restTime } from "./cell-clock.js";
import { registerKeys } from "./cell-keys.js";
import { makePanel } from "./cell-panel.js";
import { litPhase } from "./cell-parts.js";
import { phasesOf, sentence, speech } from "./cell-say.js";
import { makeStrip } from "./cell-strip.js";
import { heldGates, makeTools } from "./cell-tools.js";
import { makeTransport } from "./cell-transport.js";
import { makeUnits } from "./cell-units.js";
import { latest } from "./latest.js";
import { cell as pictureWords, panel as words } from "./strings-cell.js";

const COMPACT_BELOW = 680;
let greeted = false;

/** Mounts the Cell view. */
export function mount(root, context) {
  const seen = { frame: null, trace: null, lanes: null, letters: [] };
  let wanted = 0;
  let compact = false;
  let shownPhase = -1;
  let quiet = true; // nothing is said of what the page does by itself
  const go = (patch) => {
    quiet = false;
    clock.pause();
    context.setState(patch);
  };
  const clock = makeClock({ onTime: paint, onEnd: nextWord, phases: () => phasesOf(seen.frame) });
  const picture = s("svg.cell-picture", { role: "group" });
  const place = h("h2.where");
  const says = h("p.big.sentence");
  const units = makeUnits(go);
  const panel = makePanel(go);
  const strip = makeStrip(go);
  const tools = makeTools(context);
  const transport = makeTransport({ step: stepWord, toggle, phase: (ph) => go({ ph }), scrub, speed: (value) => (clock.speed = value) });
  const stripTitle = h("h3");
  const frameBox = h("div.cell-frame", {}, picture);
  const opening = h("p.panel.note.opening", { role: "status" }, words.opening);
  root.append(
    opening,
    h(
      "div.columns",
      {},
      h(
        "div.stack",
        {},
        h("section.panel.stack.cell-panel", {}, h("div.row.spread", {}, place, units.chooser), frameBox, says, transport.element, units.keepers),
        h("section.panel.stack.story", {}, stripTitle, strip.element, units.facts, tools.element, tools.table),
      ),
      panel.element,
    ),
  );
  root.classList.add("opening-now");
  const unregister = registerKeys(context, { go, toggle, stepWord, stepPhase, jump, wordField });
  const observer = new ResizeObserver(([entry]) => {
    const small = entry.contentRect.width < COMPACT_BELOW;
    if (small !== compact) {
      compact = small;
      paint(clock.time);
    }
  });
  observer.observe(frameBox);

  function paint(time) {
    const { frame } = seen;
    if (!frame) return;
    draw(picture, frame, time, { compact, answers: answers(), onPart: (ph) => go({ ph }) });
    transport.show(frame, time, clock.playing && clock.until >= 6);
    const phase = litPhase(time);
    if (phase === shownPhase) return;
    shownPhase = phase;
    says.textContent = sentence(frame, phase) + (frame.held?.length ? words.heldHere(frame.held) : "");
    panel.show(frame, phase, answers());
  }

  function show() {
    const { frame, trace } = seen;
    const { state } = context;
    shownPhase = -1;
    if (!place.contains(document.activeElement)) tellPlace();
    picture.setAttribute("aria-label", pictureWords.picture(frame.family.toUpperCase()));
    units.show(context, trace);
    tools.show({ ...seen, state });
    strip.cursor(frame.t);
    paint(clock.time);
    if (!quiet && (!clock.playing || clock.until < 6)) context.announce(speech(frame, state.ph, noun()));
  }

  // What one step of the present model is called.
  function noun() {
    const { reads, units: kind } = context.store.model;
    return words.nouns[reads === "series" ? "series" : kind] ?? words.nouns.words;
  }

  // Whether what the model says after a step is an answer rather than a next word.
  function answers() {
    return context.store.model.task !== "language";
  }

  function tellPlace() {
    const { frame, trace } = seen;
    place.replaceChildren(h("span.note", {}, words.word(noun(), frame.t + 1, trace.T)), h("b.token", {}, frame.tok));
  }

  // A phase that is asked for runs once and rests at its end.
  function run(phase) {
    if (phase >= 6 || context.lessMotion()) clock.time = restTime(phase);
    else clock.play(phase, restTime(phase));
  }

  function nextWord() {
    const last = clock.until < Infinity || context.state.t >= seen.trace.T - 1;
    if (last) {
      clock.pause();
      if (litPhase(clock.time) !== context.state.ph) context.setState({ ph: litPhase(clock.time) });
      paint(clock.time);
      return false;
    }
    clock.time = 0;
    context.setState({ t: context.state.t + 1 });
    return true;
  }

  function toggle() {
    if (!seen.frame) return;
    quiet = false;
    if (clock.playing && clock.until >= 6) {
      clock.pause();
      context.setState({ ph: litPhase(clock.time) });
      paint(clock.time);
    } else if (context.lessMotion()) stepPhase(1);
    else clock.play();
  }

  function scrub(time) {
    quiet = false;
    clock.pause();
    clock.seek(time);
    context.setState({ ph: litPhase(time) });
  }

  function stepWord(by) {
    const t = Math.min((seen.trace?.T ?? 1) - 1, Math.max(0, context.state.t + by));
    go({ t });
  }

  function stepPhase(by) {
    if (!seen.frame) return;
    const phases = [...phasesOf(seen.frame), 6];
    const at = phases.indexOf(context.state.ph);
    const next = at + by;
    if (phases[next] !== undefined) go({ ph: phases[next] });
    else if (context.state.t + by >= 0 && context.state.t + by < seen.trace.T) go({ t: context.state.t + by, ph: by > 0 ? phases[0] : 6 });
  }

  function jump() {
    const lane = seen.lanes?.c ?? seen.lanes?.h;
    if (!lane) return;
    const before = seen.lanesOf.backward ? 1 : -1; // where a backward layer comes from
    let [best, size] = [0, -1];
    lane.data.forEach((value, t) => {
      const change = Math.abs(value - (lane.data[t + before] ?? 0));
      if (change > size) [best, size] = [t, change];
    });
    go({ t: best, ph: 4 });
  }

  function wordField() {
    if (!seen.trace) return;
    const field = h("input.field", { type: "number", min: 1, max: seen.trace?.T ?? 1, "aria-label": words.goTo });
    field.addEventListener("keydown", (event) => {
      if (!["Enter", "Escape"].includes(event.key)) return;
      const n = Math.round(Number(field.value));
      document.getElementById("view").focus();
      if (event.key === "Enter" && n >= 1 && n <= seen.trace.T) go({ t: n - 1 });
    });
    field.addEventListener("blur", tellPlace);
    place.replaceChildren(h("span.note", {}, words.goTo), field);
    field.focus();
  }

  async function load(changed) {
    const { state, store } = context;
    if (store.model && !store.text()) opening.textContent = words.nothing;
    if (state.u < 0 || state.t < 0 || !store.model || store.model.error) return;
    const turn = ++wanted;
    try {
      const trace = await store.trace();
      const frame = await store.frames(state.t);
      if (turn !== wanted || !frame) return;
      Object.assign(seen, { trace, frame: { ...frame, held: heldGates(state, frame.t) } });
      if (!clock.playing) {
        if (changed.has("ph") && greeted) run(state.ph);
        else if (litPhase(clock.time) !== state.ph) clock.time = restTime(state.ph);
      }
      root.classList.remove("opening-now");
      show();
      context.problem(null, root);
      greet();
      const place = [trace.id, state.l, state.d];
      await loadLanes(JSON.stringify([...place, state.u]), trace, state);
      if (turn === wanted) await units.find(JSON.stringify([...place, state.k]), context, trace);
      if (turn === wanted) units.show(context, trace);
    } catch (error) {
      if (turn !== wanted || isAbort(error)) return;
      opening.hidden = true;
      context.problem(error, root);
    }
  }

  const loadLanes = latest(async (still, trace, state) => {
    const { store } = context;
    const lanes = await store.ask("tensors", `unit/${Math.max(0, state.u)}`, { layer: state.l, direction: state.d });
    if (!still()) return;
    const order = ["c", ...(lanes.c ? store.model.gates.replace(/[ch]/g, "") : store.model.gates), "h"];
    const letters = [...new Set(order)].filter((letter) => lanes[letter]);
    Object.assign(seen, { lanes, letters, lanesOf: { trace, unit: state.u, backward: state.d === "backward" } });
    stripTitle.textContent = words.strip(state.u, noun());
    strip.show(lanes, trace, letters, words.strip(state.u, noun()), noun());
    tools.show({ ...seen, state: context.state });
    await units.tell(still, context, trace);
  });

  // What a fresh page draws while the model is still being loaded: the recorded frame of the same model and text.
  async function beforehand() {
    const { store, api } = context;
    if (!context.fresh || api.embedded || greeted) return;
    const first = await (await fetch("static/first-frame.json")).json();
    const same = store.model?.shipped && store.model.id === first.model && store.text() === first.text;
    if (!same || seen.frame || context.state.t >= 0) return;
    const { frame, T, hidden } = first;
    Object.assign(seen, { frame, trace: { T, layers: [{ hidden, directions: 1 }], alternatives: 0, tokens: [] } });
    root.classList.remove("opening-now");
    context.setState({ t: frame.t, u: frame.unit });
    show();
    greet();
  }

  // The first sight of a fresh page moves: one word plays once.
  function greet() {
    const first = !greeted && context.fresh;
    greeted = true;
    if (!first || context.lessMotion()) return;
    clock.play(0, 6);
  }

  beforehand().catch((error) => context.problem(error, root));
  return {
    update(state, changed) {
      if (changed.has("theme")) {
        strip.repaint();
        paint(clock.time);
      }
      if (["v", "x", "m", "k", "cl", "l", "d", "u", "t"].some((key) => changed.has(key))) load(changed);
      else if (changed.has("ph") && seen.frame && !(clock.playing && clock.until >= 6)) {
        if (litPhase(clock.time) !== state.ph) run(state.ph);
        show();
      }
    },
    unmount() {
      clock.pause();
      wanted += 1;
      unregister();
      observer.disconnect();
      strip.stop();
    },
  };
}
