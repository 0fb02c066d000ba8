// The controls of the Memory view: order, layer, direction, the word to find, and the second text.

import { h } from "./a11y.js";
import { hasWord, withWord, wordsOf } from "./memory-data.js";
import { memoryTexts as texts } from "./strings-memory.js";

/** Make a labelled choice; `fill(options, chosen)` takes [[value, text, disabled], ...]. */
export function choice(label, onChange) {
  const select = h("select", { onchange: () => onChange(select.value) });
  const element = h("label.field", {}, h("span", {}, label), select);
  let shown = "";
  return {
    element,
    select,
    fill(options, chosen) {
      const name = JSON.stringify(options);
      if (name !== shown) {
        select.replaceChildren(...options.map(([value, text, off]) => h("option", { value, disabled: Boolean(off) }, text)));
        shown = name;
      }
      select.value = chosen;
      element.hidden = options.length < 2;
    },
  };
}

/** The order that rows stand in: the one asked for where the trace has it, else what says most. */
export function rowOrder(wanted, model, alternatives) {
  const possible = ["keeps", "tau", "cluster", "mean", "index"].filter((by) => {
    return by === "keeps" ? alternatives : by !== "tau" || model.family !== "rnn";
  });
  if (possible.includes(wanted)) return wanted;
  return possible[0] === "cluster" ? "index" : possible[0];
}

/** The row of sort, layer and direction. */
export function orderRow(context) {
  const sort = choice(texts.sort, (value) => context.setState({ sort: value }));
  const layer = choice(texts.layer, (value) => context.setState({ l: Number(value), u: -1 }));
  const direction = choice(texts.direction, (value) => context.setState({ d: value }));
  const scale = choice(texts.scale, (value) => context.setState({ rows: value === "one" ? "one" : "" }));
  return {
    elements: [sort.element, scale.element, layer.element, direction.element],
    update(state, model, alternatives) {
      const orders = model.family === "rnn" ? ["keeps", "cluster", "mean", "index"] : ["tau", "keeps", "cluster", "mean", "index"];
      sort.fill(orders.map((by) => [by, texts.sorts[by], by === "keeps" && !alternatives]), rowOrder(state.sort, model, alternatives));
      scale.fill(Object.entries(texts.scales), state.rows === "one" ? "one" : "own");
      scale.element.hidden = Boolean(state.b) && state.ab !== "d"; // two texts are compared on one scale, and their difference has its own
      layer.fill(model.layers.map((one, n) => [String(n), String(n + 1)]), String(state.l));
      const both = (model.layers[state.l] ?? model.layers[0]).directions > 1;
      direction.fill((both ? ["forward", "backward"] : ["forward"]).map((one) => [one, texts.directions[one]]), state.d);
    },
  };
}

/** The form "Which units keep [word] told from [others]". */
export function findForm(context) {
  const { store } = context;
  const word = h("input.field", { type: "text", id: "find-word", autocomplete: "off", spellcheck: "false" });
  const others = h("input.field", { type: "text", id: "find-others", autocomplete: "off", spellcheck: "false", "aria-describedby": "find-note" });
  const note = h("p.note", { id: "find-note", role: "status" }, "");
  const here = h("button.button.quiet", { type: "button", hidden: true, onclick: () => ask(here.dataset.word) });
  const form = h("form.memory-find", { onsubmit: submit },
    h("label", {}, texts.find.word, word), h("label.wide", {}, texts.find.against, others),
    h("button.button", { type: "submit" }, texts.find.use), here);
  let shown = "";

  function submit(event) {
    event.preventDefault();
    const wanted = word.value.trim();
    const named = wordsOf(others.value).filter((other) => other !== wanted);
    if (!hasWord(store.text(), wanted)) return refuse(texts.find.absent(wanted), word);
    if (!named.length) return refuse(texts.find.alone, others);
    shown = "";
    const same = named.join() === automatic(store, wanted).join();
    context.setState({ k: wanted, ka: same ? "" : named.join(", "), sort: "keeps", u: -1 });
  }

  function refuse(reason, field) {
    note.textContent = reason;
    note.classList.add("refused");
    field.focus();
  }

  /** Words that could stand in a word's place are known of the countries alone: for others the reader names them. */
  function suggest() {
    others.value = automatic(store, word.value.trim()).join(", ");
  }
  word.addEventListener("input", suggest);

  function ask(text) {
    word.value = text;
    suggest();
    form.requestSubmit();
  }

  return {
    element: h("div", {}, form, note),
    word,
    ask,
    update(state, key, named, hereWord) {
      const asked = JSON.stringify([key, named]);
      if (asked !== shown) {
        shown = asked; // what the reader is writing stays until it is asked
        word.value = key;
        others.value = named.join(", ");
        note.textContent = texts.find.hint;
        note.classList.remove("refused");
      }
      here.hidden = !hereWord || hereWord === key || !/\p{L}/u.test(hereWord);
      here.dataset.word = hereWord ?? "";
      here.textContent = texts.find.here(hereWord);
    },
  };
}

function automatic(store, word) {
  const known = [store.info.key, ...(store.info.alternatives ?? [])].filter(Boolean);
  return known.includes(word) ? known.filter((other) => other !== word).slice(0, 3) : [];
}

/** The choice of a second text and of what the map shows: A, B or their difference. */
export function compareRow(context) {
  const { store } = context;
  const pick = choice(texts.compare.choose, chosen);
  const own = h("textarea.field", { rows: 3, "aria-label": texts.compare.ownLabel, hidden: true, spellcheck: "false", dir: "auto" });
  const lock = h("input", { type: "checkbox", id: "lock-scale", onchange: () => context.setState({ lock: lock.checked ? "" : "0" }) });
  const lockLabel = h("label.field", { for: "lock-scale" }, lock, texts.compare.lock);
  const sides = h("div.row", { role: "group", "aria-label": texts.compare.label });
  const buttons = ["a", "b", "d"].map((side) => h("button.button", { type: "button", "data-side": side, onclick: () => context.setState({ ab: side }) }, texts.compare[side]));
  sides.append(...buttons);
  const note = h("p.note", { hidden: true });
  let timer = 0;
  let words = [];
  own.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => context.setState({ b: own.value }), 400);
  });

  function chosen(value) {
    if (value === "") context.setState({ b: "", ab: "a" });
    else if (value === "own") context.setState({ b: context.state.b || store.text(), ab: "b" });
    else context.setState({ b: withWord(store.text(), words[0], value), ab: "d" });
    own.hidden = value !== "own";
    if (value === "own") own.focus();
  }

  return {
    elements: [pick.element, sides, lockLabel],
    below: h("div.memory-other", {}, own, note),
    update(state, key, named, text) {
      words = [key];
      const replaced = key && hasWord(text, key) ? named : [];
      const same = replaced.find((other) => state.b === withWord(text, key, other));
      const options = [["", texts.compare.none], ...replaced.map((other) => [other, texts.compare.replaced(key, other)]), ["own", texts.compare.own]];
      const typing = document.activeElement === own; // the field stays under the hands that empty it
      const present = state.b ? same ?? "own" : "";
      pick.fill(options, typing ? "own" : present);
      own.hidden = pick.select.value !== "own";
      if (document.activeElement !== own) own.value = state.b;
      const side = state.b ? state.ab || "a" : "a";
      for (const button of buttons) {
        button.disabled = !state.b;
        button.setAttribute("aria-pressed", String(button.dataset.side === side));
      }
      lock.checked = state.lock !== "0";
      lockLabel.hidden = !state.b || side === "d";
      sides.hidden = !state.b;
    },
    tell(message) {
      note.hidden = !message;
      note.textContent = message;
    },
  };
}
