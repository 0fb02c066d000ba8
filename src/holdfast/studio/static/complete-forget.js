// "Make unit u forget at word t": a gate is forced shut once, the text read again, and the answers set side by side.

import { h } from "./a11y.js";
import { colour } from "./colour.js";
import { completeTexts } from "./strings-complete.js";

const texts = completeTexts.forget;
const GATES = { lstm: "f", gru: "z" };
const COUNTS = [1, 5, 20];

/** Put the panel into `root`; `ask()` gives {read, target, model, at, key} of the present answers. */
export function forgetPanel(root, context, ask) {
  const units = h("select", { id: "forget-units" });
  const at = h("select", { id: "forget-at" });
  const run = h("button.button.primary", { type: "submit" }, texts.run);
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
    const { model, place, limit, key } = ask();
    const gate = GATES[model?.family];
    form.hidden = !gate;
    lead.textContent = gate ? `${texts.lead(model.name)} (${texts.gate[model.family]})` : texts.none(model?.name ?? "");
    if (!gate) return;
    const trace = await context.store.trace();
    if (mine !== turn) return;
    const order = await orderOf(trace, place);
    if (mine !== turn) return;
    const first = context.state.u >= 0 ? context.state.u : order.permutation[0];
    const name = trace.alternatives > 0 ? texts.best : texts.first;
    const { length } = order.permutation;
    const counts = COUNTS.filter((n) => n < length).map((n) => [String(n), n === 1 ? texts.one(first) : name(n)]);
    fill(units, [...counts, [String(length), texts.all(length)]], context.state.c_n ?? "1");
    units.dataset.order = order.permutation.join();
    units.dataset.first = String(first);
    const words = trace.tokens.map(([token, from], t) => [String(t), texts.option(t + 1, token), from]).filter(([, , from]) => from < limit);
    const keyStep = trace.tokens.findIndex(([token]) => token === key);
    const chosen = context.state.c_t ?? String(Math.min(words.length - 1, Math.max(0, keyStep + 1)));
    fill(at, words, chosen);
  }

  async function orderOf(trace, place) {
    const by = trace.alternatives > 0 ? "keeps" : "tau";
    return context.store.ask("get", "order", { by, ...place });
  }

  async function submit(event) {
    event.preventDefault();
    const { read, target, model, place } = ask();
    const count = Number(units.value);
    const t = Number(at.value);
    const chosen = count === 1 ? [Number(units.dataset.first)] : units.dataset.order.split(",").slice(0, count).map(Number);
    const clamps = [{ ...place, units: chosen, gate: GATES[model.family], from: t, to: t + 1, value: 0 }];
    context.setState({ c_n: String(count), c_t: String(t) });
    run.disabled = true;
    try {
      const body = { models: [model.id], text: read, k: 5, clamps, ...(target ? { target } : {}) };
      const { answers: [answer] } = await context.api.post("complete", body);
      context.problem(null, form);
      show(answer, target ?? answer.top[0][0]);
    } catch (error) {
      context.problem(error, form);
    } finally {
      run.disabled = false;
    }
  }

  function show(answer, target) {
    const before = answer.target ?? answer.top[0][1];
    const clamped = answer.clamped.target ?? answer.clamped.top.find(([word]) => word === target)?.[1] ?? 0;
    result.textContent = texts.result(target, colour.fmt(before), colour.fmt(clamped));
    const words = answer.clamped.top.slice(0, 3).map(([word, p]) => `${word} ${colour.fmt(p)}`).join(", ");
    const much = before - clamped > 0.05 ? texts.much(colour.fmt(before), colour.fmt(clamped)) : texts.little;
    after.textContent = `${much} ${texts.now(words)}`;
  }

  return {
    offer,
    clear() {
      result.textContent = "";
      after.textContent = "";
    },
  };
}

function fill(select, options, chosen) {
  select.replaceChildren(...options.map(([value, text]) => h("option", { value }, text)));
  select.value = options.some(([value]) => value === chosen) ? chosen : options[options.length - 1]?.[0] ?? "";
}
