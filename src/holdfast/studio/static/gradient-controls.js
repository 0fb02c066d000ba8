// The Gradient view's settings as a form: three experiments at a click, sliders, and Train and Stop.

import { h } from "./a11y.js";
import { CELL_LINES } from "./chart.js";
import { fmt } from "./colour.js";
import { FIRST_SETTINGS, patchOf, settingsOf } from "./gradient-data.js";
import { gradientWords as words } from "./strings-gradient.js";

const RATES = [0.001, 0.003, 0.01, 0.03, 0.1];

/** The bias at which a gate keeps for about `length` steps: ln T, to one digit. */
export function holdingBias(length) {
  return Math.round(10 * Math.log(length)) / 10;
}

/** Build the form; `actions` = {train(), stop()}; returns {element, status, update(state), showRunning(running)}. */
export function gradientControls(context, actions) {
  const set = (patch) => context.setState(patchOf({ ...settingsOf(context.state), ...patch }));
  const form = {
    task: selectField(words.task, words.tasks, (value) => set({ task: value })),
    length: rangeField(words.length, { min: 10, max: 500, step: 5 }, (value) => set({ length: value })),
    bias: rangeField(words.bias, { min: -2, max: 8, step: 0.1 }, (value) => set({ bias: value })),
    hidden: rangeField(words.hidden, { min: 2, max: 64, step: 1 }, (value) => set({ hidden: value })),
    seeds: rangeField(words.seeds, { min: 1, max: 5, step: 1 }, (value) => set({ seeds: value })),
    steps: rangeField(words.updates, { min: 50, max: 2000, step: 50 }, (value) => set({ steps: value })),
    rate: selectField(words.rate, Object.fromEntries(RATES.map((rate) => [rate, rate])), (value) => set({ rate: Number(value) })),
    recurrent: selectField(words.recurrent, words.recurrents, (value) => set({ recurrent: Number(value) })),
  };
  const cells = cellBoxes((chosen) => set({ cells: chosen }));
  const train = h("button.button.primary.gradient-train", { type: "submit" }, words.train);
  const stop = h("button.button.gradient-stop", { type: "button", disabled: true, onclick: () => actions.stop() }, words.stop);
  const status = h("p.note.gradient-status");
  const progress = h("progress.gradient-progress", { max: 1, value: 0, "aria-label": words.update, hidden: true });
  const experiment = (patch) => {
    set({ recurrent: 0, ...patch });
    actions.train();
  };
  const hold = h("button.button", { type: "button", onclick: () => experiment({ bias: holdingBias(settingsOf(context.state).length) }) });
  const presets = h("div.row.gradient-presets", { role: "group", "aria-label": words.experiments },
    h("button.button", { type: "button", onclick: () => experiment({ bias: 1 }) }, words.forget), hold,
    h("button.button", { type: "button", onclick: () => experiment({ recurrent: 1.5 }) }, words.explode));
  const more = h("details.gradient-more", {}, h("summary", {}, words.more),
    h("div.gradient-fields", {}, form.hidden.element, form.seeds.element, form.steps.element, form.rate.element,
      form.recurrent.element, cells.element));
  const taskNote = h("p.note");
  const element = h("form.panel.gradient-controls", {}, presets, form.task.element, taskNote,
    h("div.gradient-fields", {}, form.length.element, form.bias.element), more,
    h("div.row", {}, train, stop, progress, status));
  element.addEventListener("submit", (event) => {
    event.preventDefault();
    actions.train();
  });
  if (Object.keys(FIRST_SETTINGS).some((name) => name in moreOf(context.state))) more.open = true;

  function update(state) {
    const settings = settingsOf(state);
    for (const [name, field] of Object.entries(form)) field.show(settings[name], noteOf(name, settings));
    cells.show(settings.cells);
    taskNote.textContent = words.taskNotes[settings.task];
    hold.textContent = words.hold(holdingBias(settings.length));
  }

  function showRunning(running, share = null) {
    stop.disabled = !running;
    progress.hidden = !running;
    if (share === null) progress.removeAttribute("value");
    else progress.value = share;
  }
  return { element, status, train, update, showRunning };
}

function moreOf(state) {
  const settings = settingsOf(state);
  const hidden = ["hidden", "seeds", "steps", "rate", "recurrent", "cells"];
  return Object.fromEntries(hidden.filter((name) => String(settings[name]) !== String(FIRST_SETTINGS[name])).map((name) => [name, true]));
}

function noteOf(name, settings) {
  const value = settings[name];
  if (name === "length") return words.steps(value);
  if (name === "bias") return words.biasNote(fmt(value, 1), fmt(1 / (1 + Math.exp(-value)), 2));
  if (name === "hidden") return words.hiddenNote(value);
  if (name === "seeds") return words.seedsNote(value);
  return String(value);
}

function rangeField(label, { min, max, step }, change) {
  const input = h("input", { type: "range", min, max, step });
  const note = h("span.number");
  input.addEventListener("input", () => change(Number(input.value)));
  return {
    element: h("label.gradient-range", {}, h("span.row.spread", {}, h("span", {}, label), note), input),
    show(value, text) {
      input.value = value;
      input.setAttribute("aria-valuetext", text);
      note.textContent = text;
    },
  };
}

function selectField(label, choices, change) {
  const select = h("select", {}, ...Object.entries(choices).map(([value, text]) => h("option", { value }, String(text))));
  select.addEventListener("change", () => change(select.value));
  return {
    element: h("label.field.gradient-select", {}, h("span", {}, label), select),
    show(value) {
      if (![...select.options].some((option) => option.value === String(value))) {
        select.append(h("option", { value }, String(value)));
      }
      select.value = String(value);
    },
  };
}

function cellBoxes(change) {
  const boxes = Object.entries(CELL_LINES).map(([cell, { name }]) => {
    const box = h("input", { type: "checkbox", value: cell });
    return { box, element: h("label.field", {}, box, name) };
  });
  const chosen = () => boxes.filter(({ box }) => box.checked).map(({ box }) => box.value);
  for (const { box } of boxes) {
    box.addEventListener("change", () => {
      if (chosen().length === 0) box.checked = true; // one cell at least
      change(chosen());
    });
  }
  return {
    element: h("div.row", { role: "group", "aria-label": words.cells }, ...boxes.map(({ element }) => element)),
    show(cells) {
      for (const { box } of boxes) box.checked = cells.includes(box.value);
    },
  };
}
