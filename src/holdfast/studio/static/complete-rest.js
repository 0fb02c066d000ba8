// What an answer rests on: every word with a bar under it, for or against, by integrated gradients.

import { h } from "./a11y.js";
import { colour } from "./colour.js";
import { completeTexts } from "./strings-complete.js";

const texts = completeTexts.rest;

/** Put the panel into `root`; `ask()` gives {read, target, model}. */
export function restPanel(root, context, ask) {
  const title = h("h2", {}, texts.none);
  const run = h("button.button", { type: "button", onclick: () => measure() }, texts.run);
  const words = h("p.rest-words");
  const note = h("p.note");
  const tableBox = h("div.table-wrap", { hidden: true, tabindex: "0", role: "region", "aria-label": texts.table });
  const tableButton = h("button.button.small", { type: "button", hidden: true, "aria-expanded": "false", onclick: toggle }, texts.table);
  root.append(title, h("div.row", {}, run), words, note, h("div.row", {}, tableButton), tableBox);
  let turn = 0;
  let done = "";

  async function measure() {
    const mine = ++turn;
    const { read, target, model } = ask();
    run.disabled = true;
    note.textContent = texts.waiting;
    try {
      const found = await context.api.post("attribute", { model: model.id, text: read, target });
      if (mine !== turn) return;
      context.problem(null, words);
      done = JSON.stringify([read, target, model.id]);
      show(found, target, model);
    } catch (error) {
      if (mine === turn) context.problem(error, words);
      note.textContent = "";
    } finally {
      run.disabled = false;
    }
  }

  function show({ tokens, weights, gap }, target, model) {
    title.textContent = texts.title(target, model.name);
    const most = Math.max(...weights.map(Math.abs), 1e-12);
    const pieces = [];
    tokens.forEach((token, t) => {
      const name = Array.isArray(token) ? token[0] : token;
      const bar = h("i", { "aria-hidden": "true" });
      bar.style.width = `${(100 * Math.abs(weights[t])) / most}%`;
      bar.className = weights[t] < 0 ? "against" : "for";
      pieces.push(h("span.rest-word", { title: texts.word(name, colour.fmtSigned(weights[t], 3)) }, name, bar), " ");
    });
    words.replaceChildren(...pieces);
    note.textContent = texts.note(colour.fmtSigned(gap, 3));
    tableButton.hidden = false;
    fillTable(tokens, weights);
  }

  function fillTable(tokens, weights) {
    const table = h("table", {}, h("thead", {}, h("tr", {}, h("th", { scope: "col" }, texts.tokenName), h("th", { scope: "col" }, texts.weightName))));
    const body = h("tbody");
    tokens.forEach((token, t) => body.append(h("tr", {}, h("th", { scope: "row" }, Array.isArray(token) ? token[0] : token), h("td", {}, colour.fmtSigned(weights[t], 3)))));
    table.append(body);
    tableBox.replaceChildren(table);
  }

  function toggle() {
    tableBox.hidden = !tableBox.hidden;
    tableButton.setAttribute("aria-expanded", String(!tableBox.hidden));
    tableButton.textContent = tableBox.hidden ? texts.table : texts.hide;
  }

  return {
    measure,
    /** Take away what was said of another text or word. */
    refresh() {
      const { read, target, model } = ask();
      if (JSON.stringify([read, target, model?.id]) === done) return;
      turn += 1;
      done = "";
      title.textContent = texts.none;
      words.replaceChildren();
      note.textContent = "";
      tableButton.hidden = true;
      tableBox.hidden = true;
      run.disabled = !target;
    },
  };
}
