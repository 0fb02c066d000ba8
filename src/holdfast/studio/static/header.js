// The top line: the views as tabs, the model with its score, the theme, the share and help buttons.

import { h, roving } from "./a11y.js";
import { colour } from "./colour.js";
import { copyText } from "./game-keep.js";
import { shortcuts } from "./keys.js";
import { holdsTexts } from "./state.js";
import { frame as words } from "./strings.js";

const THEME_KEY = "holdfast.theme";

/** Sets the theme the reader chose, else the system's. */
export function startTheme() {
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const apply = () => setTheme(remembered() ?? (dark.matches ? "dark" : "light"));
  dark.addEventListener("change", apply);
  apply();
}

function setTheme(name) {
  document.documentElement.dataset.theme = name;
}

function remembered() {
  try {
    const name = localStorage.getItem(THEME_KEY);
    return name === "dark" || name === "light" ? name : null;
  } catch (error) {
    if (error instanceof DOMException) return null;
    throw error;
  }
}

function remember(name) {
  try {
    localStorage.setItem(THEME_KEY, name);
  } catch (error) {
    if (!(error instanceof DOMException)) throw error; // storage is off: the choice lasts as long as the page
  }
}

/** Fills the header; `update` follows the state. A change of theme is told to all as the state key "theme". */
export function makeHeader(context, tour) {
  const tabs = makeTabs(context);
  const picker = makePicker(context);
  const theme = h("button.button.icon", { type: "button", id: "theme", onclick: () => toggleTheme(context, theme) });
  labelTheme(theme);
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => tellTheme(context, theme));
  const share = h("button.button", { type: "button", id: "share", onclick: () => copyAddress(context, share) }, words.share);
  const help = h("button.button.icon", { type: "button", id: "help", "aria-label": words.help, title: words.help, onclick: () => openHelp(tour) }, "?");
  document.getElementById("tools").append(picker.element, share, theme, help);
  document.getElementById("skip").addEventListener("click", (event) => {
    event.preventDefault();
    document.getElementById("view").focus();
  });
  context.keys.register("*", [{ key: "?", label: words.help, run: () => openHelp(tour) }]);
  return {
    update(state) {
      tabs.update(state);
      picker.update();
    },
  };
}

function makeTabs(context) {
  const list = document.getElementById("views");
  list.setAttribute("aria-label", words.viewsLabel);
  const choose = (tab) => context.setState({ v: tab.dataset.view });
  for (const [name, label] of Object.entries(words.views)) {
    const tab = h("button.tab", { type: "button", role: "tab", id: "tab-" + name, "aria-controls": "view", "data-view": name }, label);
    tab.addEventListener("click", () => choose(tab));
    list.append(tab);
  }
  roving(list, ".tab", choose);
  return {
    update(state) {
      for (const tab of list.children) {
        const chosen = tab.dataset.view === (Object.hasOwn(words.views, state.v) ? state.v : "cell");
        tab.setAttribute("aria-selected", String(chosen));
        tab.tabIndex = chosen ? 0 : -1;
      }
      document.title = `${Object.hasOwn(words.views, state.v) ? words.views[state.v] : words.views.cell} · ${words.title}`;
    },
  };
}

function makePicker(context) {
  const select = h("select", { id: "model", onchange: () => choose() });
  const own = {}; // the reader's text and series, so that neither is given to a model that reads the other
  const choose = () => {
    const { x, b, k } = context.state;
    const before = context.store.model?.reads;
    const after = context.store.models.find((model) => model.id === select.value)?.reads;
    own[before] = { x, b, k };
    const texts = before === after ? {} : { t: -1, ...(own[after] ?? { x: "", b: "", k: "" }) };
    context.setState({ m: select.value, l: 0, d: "forward", u: -1, cl: "", ...texts });
  };
  for (const model of context.store.models) {
    select.append(h("option", { value: model.id, disabled: Boolean(model.error) }, model.error ? `${model.name} (!)` : model.name));
  }
  const foot = document.getElementById("foot");
  return {
    element: h("label.field.picker", {}, h("span.visually-hidden", {}, words.model), select),
    update() {
      const model = context.store.model;
      if (!model) return;
      select.value = model.id;
      const idle = ["gradient", "game"].includes(context.state.v); // these views do not look at the model
      foot.textContent = idle ? "" : model.error ? words.modelBroken(model.error) : [model.name, model.cell, model.score].filter(Boolean).join(" · ");
    },
  };
}

function toggleTheme(context, button) {
  const name = colour.theme() === "dark" ? "light" : "dark";
  setTheme(name);
  remember(name);
  tellTheme(context, button);
}

function tellTheme(context, button) {
  labelTheme(button);
  context.setState({ theme: colour.theme() });
}

function labelTheme(button) {
  const label = words.theme(colour.theme());
  button.textContent = "◐";
  button.setAttribute("aria-label", label);
  button.title = label;
}

async function copyAddress(context, button) {
  const whole = await holdsTexts(context.state);
  const done = await copyText(location.href.split("#")[0] + "#" + context.fragment());
  if (!whole) context.problem(words.sharedInPart, document.getElementById("reader"));
  context.announce(done ? (whole ? words.shared : words.sharedInPart.title) : words.shareFailed);
  button.textContent = done ? "✓" : words.share;
  setTimeout(() => (button.textContent = words.share), 1500);
}

/** Opens the help: what the page is, the keys that count everywhere, and those of the present view. */
export function openHelp(tour) {
  const dialog = document.getElementById("dialog");
  const close = h("button.button", { type: "button", onclick: () => dialog.close() }, words.close);
  dialog.replaceChildren(h("h2", { id: "help-title" }, words.help), h("p", {}, words.helpIntro));
  dialog.setAttribute("aria-labelledby", "help-title");
  for (const [view, list] of shortcuts()) {
    const told = list.filter((shortcut) => !shortcut.hidden);
    if (told.length === 0) continue;
    dialog.append(h("h3", {}, words.views[view] ?? words.everywhere), h("dl.keys", {}, ...told.flatMap(keyRow)));
  }
  const show = h("button.button.primary", { type: "button", onclick: () => (dialog.close(), tour.start()) }, words.tour);
  dialog.append(h("div.row.spread", {}, tour.possible() ? show : h("span"), close));
  dialog.showModal();
}

function keyRow({ key, shift, label }) {
  const names = { " ": "Space", ArrowRight: "→", ArrowLeft: "←", ArrowUp: "↑", ArrowDown: "↓" };
  const shown = (shift ? "Shift " : "") + (names[key] ?? key);
  return [h("dt", {}, h("kbd", {}, shown)), h("dd", {}, label)];
}
