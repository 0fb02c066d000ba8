// The Gradient view: trains small networks on the server and shows, live, how far back the gradient reaches.

import { h } from "./a11y.js";
import { isAbort } from "./api.js";
import { lineChart } from "./chart.js";
import { gradientControls } from "./gradient-controls.js";
import { addEvent, flowLines, lossLines, newRun, pictures, runLabels, settingsOf, touches, unlike } from "./gradient-data.js";
import { withCode } from "./problem.js";
import { gradientWords as words } from "./strings-gradient.js";
import { embeddedFile } from "./embedded.js";

const EXAMPLE = "static/gradient-example.json";
const LEAST_SHOWN = { share: 1e-10, norm: 1e-12 };
const BEGUN = "holdfast.gradient.begun";
const kept = { now: null, before: null, pinned: false, view: null }; // the runs outlast a change of view

/** Mounts the Gradient view. */
export function mount(root, context) {
  const view = { context, scrub: null, close: null, closed: false };
  build(root, view);
  const forget = context.keys.register("gradient", [
    { key: "t", label: words.keys.train, run: () => (running() ? stop(view) : train(view)) },
    { key: "p", label: words.keys.pin, run: () => pin(view) },
  ]);
  kept.view = view;
  if (kept.now) resume(view);
  else loadExample(view);
  return {
    update(state, changed) {
      if (![...changed].some((key) => key.startsWith("g_") || key === "v")) return;
      view.controls.update(state);
      showStale(view);
      if (changed.has("g_scale")) draw(view);
    },
    unmount() {
      view.closed = true;
      view.close?.();
      forget();
      view.flow.remove();
      view.loss.remove();
    },
  };
}

function build(root, view) {
  view.controls = gradientControls(view.context, { train: () => train(view), stop: () => stop(view) });
  view.said = h("div.gradient-said");
  view.others = h("p.note");
  view.badge = h("p.note.gradient-recorded", { hidden: true });
  view.stale = h("p.note.gradient-stale", { hidden: true });
  view.slider = h("input.grow", { type: "range", min: 0, max: 0, step: 1, "aria-label": words.after });
  view.sliderNote = h("output.number");
  view.slider.addEventListener("input", () => {
    const last = Number(view.slider.max);
    view.scrub = Number(view.slider.value) < last ? Number(view.slider.value) : null;
    draw(view);
  });
  view.scaleButton = h("button.button.quiet", { type: "button", onclick: () => switchScale(view) });
  view.pinButton = h("button.button.quiet", { type: "button", "aria-pressed": "false", onclick: () => pin(view) }, words.pin);
  view.solved = h("table.gradient-solved");
  const left = h("div.panel.stack", {}, view.stale, view.said, view.badge);
  const right = h("div.panel.stack");
  view.flow = lineChart(left, { title: words.flowTitle.share, description: words.flowAbout, xLabel: words.lag, log: true,
    height: 460, xText: words.lagAt, file: "gradient-by-lag" });
  left.append(h("div.row.gradient-scrub", {}, h("span.note", {}, words.after), view.slider, view.sliderNote),
    view.others, h("div.row.gradient-tools", {}, view.scaleButton, view.pinButton),
    h("div.table-wrap", { tabindex: 0, role: "region", "aria-label": words.solvedTitle }, view.solved));
  view.loss = lineChart(right, { title: words.lossTitle, description: words.lossAbout, xLabel: words.update,
    height: 240, xText: words.updateAt, file: "gradient-loss" });
  root.append(h("div.stack", {},
    h("div", {}, h("h2", {}, words.title), h("p.note.gradient-intro", {}, words.intro)),
    h("div.columns", {}, left, h("div.stack", {}, view.controls.element, right)),
    h("details.gradient-about", {}, h("summary", {}, words.about), ...words.notes.map((text) => h("p.note", {}, text)))));
  view.controls.train.disabled = view.context.api.embedded;
  if (view.context.api.embedded) view.controls.status.replaceChildren(...withCode(words.embedded));
}

function running() {
  return kept.now !== null && ["starting", "running"].includes(kept.now.status);
}

function scaleOf(view) {
  return view.context.state.g_scale === "norm" ? "norm" : "share";
}

function switchScale(view) {
  view.context.setState({ g_scale: scaleOf(view) === "share" ? "norm" : "" });
}

async function fetchExample() {
  const answer = await fetch(EXAMPLE).catch((error) => error);
  return answer.ok ? answer.json() : null;
}

async function loadExample(view) {
  const example = embeddedFile(EXAMPLE) ?? (await fetchExample());
  if (!example || view.closed || kept.now) return;
  const { runs } = example;
  const [before, now] = runs.map(({ settings, events }) => ({ ...newRun(settings, true), events }));
  if (view.closed || kept.now) return;
  Object.assign(kept, { now, before });
  draw(view);
}

async function train(view) {
  const { context, controls } = view;
  context.problem(null, controls.element);
  view.close?.();
  if (!kept.pinned) kept.before = kept.now && !kept.now.recorded && kept.now.events.length > 1 ? kept.now : null;
  const run = newRun(settingsOf(context.state));
  kept.now = run;
  noteRun();
  view.scrub = null;
  draw(view);
  try {
    run.id = (await context.api.post("gradient", run.settings)).id;
    // The reader may have left the view and come back, or asked for a stop, before the run had a name.
    if (kept.now === run) resume(kept.view);
    if (run.unwanted) await stop(kept.view);
  } catch (error) {
    if (isAbort(error)) return;
    run.status = "broken";
    context.problem(error, kept.view.controls.element);
    draw(kept.view);
  }
}

/** Note in this tab that a run was begun, so that a page loaded anew can say that it is gone. */
function noteRun() {
  try {
    sessionStorage.setItem(BEGUN, "1");
  } catch {
    // A browser that keeps nothing: the page loaded anew says only that its picture was recorded.
  }
}

function hadRun() {
  try {
    return sessionStorage.getItem(BEGUN) === "1";
  } catch {
    return false;
  }
}

function resume(view) {
  draw(view);
  const run = kept.now;
  if (!running() || !run.id || view.closed) return;
  const onError = () => {
    if (kept.now === run && running()) run.status = "lost";
    draw(view);
  };
  view.close = view.context.api.events(`gradient/${run.id}/events`, (event) => {
    if (kept.now !== run || view.closed) return;
    addEvent(run, event);
    if (event.problem) view.context.problem(event.problem, view.controls.element);
    if (event.done) view.context.announce(`${statusOf(run)} ${solvedText(run)}`);
    draw(view);
  }, { onError });
}

async function stop(view) {
  if (!running()) return;
  if (!kept.now.id) {
    kept.now.unwanted = true;
    return;
  }
  try {
    await view.context.api.remove(`gradient/${kept.now.id}`);
  } catch (error) {
    view.context.problem(error, view.controls.element);
  }
}

function pin(view) {
  kept.pinned = !kept.pinned && kept.now !== null;
  if (kept.pinned) kept.before = kept.now;
  else if (kept.before === kept.now) kept.before = null;
  draw(view);
}

function draw(view) {
  const { controls } = view;
  const run = kept.now;
  if (!run || view.closed) return;
  const before = kept.before === run ? null : kept.before;
  const all = pictures(run);
  const place = view.scrub === null ? all.length - 1 : Math.min(view.scrub, all.length - 1);
  const last = run.events.at(-1);
  controls.showRunning(running(), last?.loss ? last.step / run.settings.steps : null);
  if (!view.context.api.embedded) controls.status.textContent = statusOf(run);
  view.slider.max = String(Math.max(0, all.length - 1));
  view.slider.value = String(Math.max(0, place));
  view.slider.disabled = all.length < 2;
  view.badge.hidden = !run.recorded;
  view.badge.replaceChildren(h("b.chip", {}, words.recorded), ` ${hadRun() ? words.reloaded : words.recordedNote}`);
  view.pinButton.setAttribute("aria-pressed", String(kept.pinned));
  view.pinButton.textContent = kept.pinned ? words.unpin : words.pin;
  const scale = scaleOf(view);
  view.scaleButton.textContent = `${words.scale}: ${words.scales[scale]}`;
  const picture = all[place];
  view.sliderNote.textContent = picture ? String(picture.step) : "";
  view.slider.setAttribute("aria-valuetext", picture ? words.updateAt(picture.step) : "");
  drawSolved(view, run, before);
  showStale(view);
  view.loss.update(run.events.length ? lossLines(run, before) : []);
  if (!picture) return;
  const earlier = before ? pictureAt(before, picture.step) : null;
  view.flow.update(flowLines(run, picture, before, earlier, scale), { title: words.flowTitle[scale], floor: LEAST_SHOWN[scale] });
  drawSaid(view, run, before, picture, earlier);
}

/** Mark a chart whose run had other settings than those that stand beside it. */
function showStale(view) {
  const run = kept.now;
  const other = run ? unlike(run, settingsOf(view.context.state)) : [];
  view.stale.hidden = other.length === 0;
  view.stale.textContent = other.length ? words[run.recorded ? "staleRecorded" : "stale"](other) : "";
}

function pictureAt(run, step) {
  return pictures(run).filter((event) => event.step <= step).at(-1) ?? pictures(run)[0];
}

function drawSaid(view, run, before, picture, earlier) {
  const { differing } = runLabels(run, before);
  const [first, ...others] = sentencesOf(picture, run, differing);
  const parts = [h("p.big", {}, words.itsSignal(first))];
  if (earlier) parts.push(h("p.gradient-before", {}, words.itsSignal(sentencesOf(earlier, before, differing)[0])));
  view.others.textContent = others.join(" ");
  view.said.replaceChildren(...parts);
}

/** The sentences of a picture, one a cell; those of cells that the difference between the runs touches come first. */
function sentencesOf(picture, run, differing) {
  const all = picture.sentence.split(/(?<=\.) (?=The )/);
  const first = run.settings.cells.findIndex((cell) => touches(cell, differing));
  return first > 0 ? [all[first], ...all.filter((_, k) => k !== first)] : all;
}

function drawSolved(view, run, before) {
  const labels = runLabels(run, before);
  const rows = [[labels.now || words.run, run], ...(before ? [[labels.before, before]] : [])];
  const cells = run.settings.cells;
  view.solved.replaceChildren(h("caption", {}, words.solvedTitle),
    h("thead", {}, h("tr", {}, h("td"), ...cells.map((cell) => h("th", { scope: "col" }, cell.toUpperCase())))),
    h("tbody", {}, ...rows.map(([label, one]) => h("tr", {}, h("th", { scope: "row" }, label),
      ...cells.map((cell) => h("td", {}, one === before && !touches(cell, labels.differing) ? words.untouched : solvedCell(one, cell)))))));
}

function solvedCell(run, cell) {
  const solved = run.events.findLast((event) => event.solved)?.solved[cell];
  return solved ? words.solved(...solved) : "–";
}

function solvedText(run) {
  return run.settings.cells.map((cell) => `${cell.toUpperCase()} ${solvedCell(run, cell)}`).join(", ");
}

function statusOf(run) {
  const step = run.events.at(-1)?.step ?? 0;
  if (run.status === "starting") return words.starting;
  if (run.status === "running") return words.running(step, run.settings.steps);
  return run.recorded ? words.settings(run.settings) : words.ended[run.status](step);
}
