// "Make unit u forget at word t": a gate is forced shut once, the text read again, and the answers set side by side.

import { h } from "./a11y.js";
import { isAbort } from "./api.js";
import { colour } from "./colour.js";
import { completeTexts } from "./strings-complete.js";

const texts = completeTexts.forget;
const GATES = { lstm: "f", gru: "z" };
const COUNTS = [1, 5, 20];

/** Put the panel into `root`; `ask()` gives {read, target, model, place, limit, question, unit, key} of the present answers. */
export function forgetPanel(root, context, ask) {
  const units = h("select", { id: "forget-units" });
  const at = h("select", { id: "forget-at" });
  const run = h("button.button.primary", { type: "submit", disabled: true }, texts.run);
  const lead = h("p.note");
  const result = h("p.big.forget-result", { "aria-live": "polite" });
  const after = h("p.note.forget-note");
  const form = h("form.row.forget-form", { onsubmit: submit },
    h("label.field", {}, texts.units, units), h("label.field", {}, texts.at, at), run);
  root.append(h("h2", {}, texts.title), lead, form, result, after);
  let turn = 0;

  /** Offer the units and words of the present model and text. */
  async function offer() {
    const mine = ++turn;
    const asked = ask();
    const { model } = asked;
    const gate = GATES[model?.family];
    form.hidden = !gate;
    lead.textContent = gate ? `${texts.lead(model.name)} (${texts.gate[model.family]})` : texts.none(model?.name ?? "");
    if (!gate) return;
    try {
      const trace = await context.store.traceOf(asked.question);
      const by = trace.alternatives > 0 ? "keeps" : "tau";
      const order = await context.store.ask("get", "order", { by, ...asked.place }, { question: asked.question });
      if (mine !== turn) return;
      context.problem(null, form);
      choices(asked, trace, order.permutation);
      run.disabled = false;
    } catch (error) {
      if (mine === turn && !isAbort(error)) context.problem(error, form);
    }
  }

  function choices({ unit, limit, key }, trace, permutation) {
    const { length } = permutation;
    const first = unit >= 0 && unit < length ? unit : permutation[0];
    const name = trace.alternatives > 0 ? texts.best : texts.first;
    const counts = COUNTS.filter((n) => n < length).map((n) => [String(n), n === 1 ? texts.one(first) : name(n)]);
    fill(units, [...counts, [String(length), texts.all(length)]], context.state.c_n ?? "1");
    units.dataset.order = permutation.join();
    units.dataset.first = String(first);
    const words = trace.tokens.map(([token, from], t) => [String(t), texts.option(t + 1, token), from]).filter(([, , from]) => from < limit);
    const keyStep = trace.tokens.findIndex(([token]) => token === key);
    const chosen = context.state.c_t ?? String(Math.min(words.length - 1, Math.max(0, keyStep + 1)));
    fill(at, words, chosen);
  }

  async function submit(event) {
    event.preventDefault();
    const mine = turn;
    const { read, target, model, place } = ask();
    const count = Number(units.value);
    const t = Number(at.value);
    const chosen = count === 1 ? [Number(units.dataset.first)] : units.dataset.order.split(",").slice(0, count).map(Number);
    const clamps = [{ ...place, units: chosen, gate: GATES[model.family], from: t, to: t + 1, value: 0 }];
    context.setState({ c_n: String(count), c_t: String(t) });
    run.disabled = true;
    try {
      const found = await forced({ models: [model.id], text: read, k: 5, clamps }, target);
      if (mine !== turn) return;
      context.problem(null, form);
      show(found);
    } catch (error) {
      if (mine === turn && !isAbort(error)) context.problem(error, form);
    } finally {
      if (mine === turn) run.disabled = false;
    }
  }

  /** Ask for a word's chance with and without the gate; of a word that the model does not know, for its own first choice. */
  async function forced(body, target) {
    const chance = async (word) => (await context.api.post("complete", word ? { ...body, target: word } : body)).answers[0];
    const answer = await chance(target);
    if (answer.target !== null) return { answer, word: target };
    const [word] = answer.top[0];
    return { answer: await chance(word), word };
  }

  function show({ answer, word: target }) {
    // A first choice that is no word of its own, such as a line's end, has its chance among the likeliest alone.
    const before = answer.target ?? answer.top[0][1];
    const clamped = answer.clamped.target ?? answer.clamped.top.find(([word]) => word === target)?.[1];
    if (clamped === undefined) {
      result.textContent = completeTexts.unknownTarget(target);
      after.textContent = "";
      return;
    }
    result.textContent = texts.result(target, colour.fmt(before), colour.fmt(clamped));
    const words = answer.clamped.top.slice(0, 3).map(([word, p]) => `${word} ${colour.fmt(p)}`).join(", ");
    const much = before - clamped > 0.05 ? texts.much(colour.fmt(before), colour.fmt(clamped)) : texts.little;
    after.textContent = `${much} ${texts.now(words)}`;
  }

  return {
    offer,
    /** Take away what was said of another text or word; nothing can be asked until `offer` is done. */
    clear() {
      turn += 1;
      run.disabled = true;
      result.textContent = "";
      after.textContent = "";
      context.problem(null, form);
    },
  };
}

function fill(select, options, chosen) {
  select.replaceChildren(...options.map(([value, text]) => h("option", { value }, text)));
  select.value = options.some(([value]) => value === chosen) ? chosen : options[options.length - 1]?.[0] ?? "";
}
