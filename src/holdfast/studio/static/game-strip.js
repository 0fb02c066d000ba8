// The strip of cards: faces, gates as small bars, the memory as a line, what was said; a second play as outlines.

import { h, s } from "./a11y.js";
import { faceOf, GATES } from "./levels.js";
import { fill, GAME, mouthWords, signed } from "./strings-game.js";

/**
 * Makes a strip. `show({level, stream, steps, now, other, shown, ignored})`: `steps` are played cards, `now` the index of
 * the open card (-1: none), `preview` its step as the gates stand, `other` the steps of a second player drawn as
 * outlines up to card `shown`, `ignored` its gates that do not matter.
 */
export function makeStrip() {
  const list = h("ol.g-strip-list", {});
  const element = h("div.g-strip", { tabindex: 0, role: "region", "aria-label": GAME.levels }, list);
  let present = null;
  let columns = [];
  let lines = [];

  function build(level, stream) {
    list.replaceChildren();
    columns = stream.map((card) => column(level, card));
    lines = level.cells.map((_, k) => line(k, stream.length));
    list.append(...columns.map((entry) => entry.element));
    element.style.setProperty("--cards", String(stream.length));
    element.style.setProperty("--cells", String(level.cells.length));
    element.classList.toggle("dense", stream.length > 20 && !level.words);
    element.classList.toggle("wordy", Boolean(level.words));
    const names = level.cells.length > 1 ? level.cells.map((name, k) => nameTag(name, k)) : [];
    element.replaceChildren(list, ...lines.map((entry) => entry.element), ...names);
  }

  function show({ level, stream, steps, now, preview = null, other = [], shown = 0, ignored = null, label }) {
    if (stream !== present) {
      build(level, stream);
      present = stream;
      element.scrollLeft = 0;
    }
    element.setAttribute("aria-label", label ?? GAME.levels);
    const scale = Math.max(1.2, ...[...steps, ...other].flatMap((step) => step.c.map(Math.abs)));
    columns.forEach((entry, t) =>
      paint(entry, {
        level,
        t,
        card: stream[t],
        step: steps[t],
        now,
        preview: t === now ? preview : null,
        other: t < shown ? other[t] : null,
        ignored,
        alone: steps.length === 0 && other.length > 0,
      }),
    );
    lines.forEach((entry, k) =>
      entry.draw(
        steps.map((step) => step.c[k]),
        other.slice(0, shown).map((step) => step.c[k]),
        scale,
      ),
    );
    follow(now >= 0 ? now : shown > 0 ? shown - 1 : -1);
  }

  function follow(t) {
    const target = columns[t]?.element;
    if (target && element.scrollWidth > element.clientWidth) {
      element.scrollLeft = Math.max(0, target.offsetLeft - element.clientWidth * 0.6);
    }
  }
  return { element, show };
}

function nameTag(name, k) {
  const tag = h("span.g-strip-name", { "aria-hidden": "true" }, name);
  tag.style.setProperty("--k", String(k));
  return tag;
}

function column(level, card) {
  const face = h("span.g-face");
  const cells = level.cells.map(() => {
    const bars = GATES.map((gate) => h("span.g-mini", { "data-part": gate }, h("i.g-mini-fill"), h("i.g-mini-ghost")));
    return { bars, element: h("span.g-minis", {}, ...bars) };
  });
  const said = h("span.g-said");
  const their = h("span.g-said.g-their", { hidden: true });
  const element = h("li.g-col", {}, face, ...cells.map((cell) => h("span.g-cellbox", {}, cell.element)), said, their);
  return { element, face, cells, said, their, words: level.words ? 1 : 0, card };
}

function paint(entry, { level, t, card, step, now, preview, other, ignored, alone }) {
  const seen = [step, t === now, preview, other, ignored, alone];
  if (entry.seen?.every((part, index) => part === seen[index])) {
    return;
  }
  entry.seen = seen;
  const words = mouthWords(level.number);
  const known = Boolean(step) || t === now || Boolean(other);
  const face = faceOf(level, card);
  entry.face.textContent = known ? face : "";
  const state = step ? (step.right ? "right" : "wrong") : t === now ? "now" : known ? "seen" : "hidden";
  entry.element.dataset.state = state;
  entry.element.dataset.wants = known && card.target ? "answer" : "quiet";
  entry.cells.forEach((cell, k) =>
    cell.bars.forEach((bar, gate) => {
      bar.style.setProperty("--fill", (step ?? preview)?.gates[k][gate].toFixed(4) ?? "0");
      bar.dataset.played = step || preview ? "yes" : "no";
      bar.dataset.ghost = other ? (ignored?.[t][k][gate] ? "ignored" : "yes") : "no";
      bar.style.setProperty("--ghost", other ? other.gates[k][gate].toFixed(4) : "0");
    }),
  );
  const speaker = step ?? other;
  speak(entry.said, step, words);
  speak(entry.their, other, words);
  entry.said.hidden = alone;
  entry.their.hidden = !other;
  entry.element.setAttribute("aria-label", label(level, t, { state, step: speaker, face, card, words }));
}

function speak(place, step, words) {
  place.textContent = step ? (step.said ? words[step.said] : "·") : "";
  place.dataset.right = step ? (step.right ? "yes" : "no") : "";
}

function label(level, t, { state, step, face, card, words }) {
  if (!step) {
    return fill(state === "now" ? GAME.current : GAME.hidden, { t: t + 1, face });
  }
  const gates = step.gates.map(
    (cell, k) =>
      (level.cells.length > 1 ? `${level.cells[k]} ` : "") +
      cell.map((value, gate) => `${GATES[gate]} ${value.toFixed(2)}`).join(" "),
  );
  return fill(GAME.column, {
    t: t + 1,
    face,
    g: card.g.map((g) => signed(g)).join(" "),
    gates: gates.join(", "),
    c: step.c.map((c) => signed(c)).join(" "),
    said: words[step.said],
    verdict: step.right ? GAME.right : fill(GAME.wrong, { target: words[card.target] }),
  });
}

function line(k, count) {
  const zero = s("line.g-line-zero", { x1: 0, x2: count, y1: 0.5, y2: 0.5 });
  const theirs = s("path.g-line-other", {});
  const mine = s("path.g-line-mine", {});
  const element = s(
    "svg.g-line",
    { viewBox: `0 0 ${count} 1`, preserveAspectRatio: "none", "aria-hidden": "true" },
    zero,
    theirs,
    mine,
  );
  element.style.setProperty("--k", String(k));
  const path = (values, scale) =>
    values.map((c, t) => `${t ? "L" : "M"}${(t + 0.5).toFixed(2)},${(0.5 - (0.46 * c) / scale).toFixed(4)}`).join("") +
    (values.length === 1 ? "h.01" : "");
  return {
    element,
    draw(own, other, scale) {
      mine.setAttribute("d", path(own, scale));
      theirs.setAttribute("d", path(other, scale));
    },
  };
}
