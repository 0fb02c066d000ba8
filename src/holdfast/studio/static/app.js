// Starts the page: state, client and store, the header, and the view that the address names.

import { announce, lessMotion } from "./a11y.js";
import { isAbort, makeApi } from "./api.js";
import { colour } from "./colour.js";
import { mount as mountCell } from "./cell-view.js";
import { mount as mountComplete } from "./complete-view.js";
import { embeddedData } from "./embedded.js";
import { registerCards } from "./export.js";
import { mount as mountGame } from "./game.js";
import { mount as mountGradient } from "./gradient-view.js";
import { makeHeader, startTheme } from "./header.js";
import { keys, listenToKeys } from "./keys.js";
import { mount as mountMemory } from "./memory-view.js";
import { problem } from "./problem.js";
import { mountReader } from "./reader.js";
import { settle } from "./settle.js";
import { makeState } from "./state.js";
import { makeStore } from "./store.js";
import { strings } from "./strings.js";
import { mountTour } from "./tour.js";

const VIEWS = { cell: mountCell, memory: mountMemory, gradient: mountGradient, complete: mountComplete, game: mountGame };

async function start() {
  startTheme();
  const exported = embeddedData();
  if (exported?.state && !location.hash) history.replaceState(null, "", "#" + exported.state);
  const state = makeState();
  const api = makeApi(showConnection);
  const store = makeStore(api, state);
  const context = makeContext(state, api, store);
  await state.ready;
  context.fresh = location.hash.length < 2;
  const main = document.getElementById("view");
  try {
    await store.load();
  } catch (error) {
    problem(error, main);
    return;
  }
  const tour = mountTour(document.getElementById("tour"), context);
  const parts = [makeHeader(context, tour), mountReader(document.getElementById("reader"), context), tour];
  registerCards(context);
  listenToKeys(() => viewOf(state.get()));
  let shown = null;

  function update(now, changed) {
    const name = viewOf(now);
    if (shown?.name !== name) {
      shown?.view.unmount();
      const root = document.createElement("div");
      root.className = "view-" + name;
      main.replaceChildren(root);
      main.setAttribute("aria-labelledby", "tab-" + name);
      document.body.dataset.view = name;
      shown = { name, view: VIEWS[name](root, context) };
    }
    for (const part of [...parts, shown.view]) part.update(now, changed);
    settle(context).catch((error) => {
      if (!isAbort(error)) problem(error, document.getElementById("reader"));
    });
  }
  state.subscribe(update);
  update(state.get(), new Set(Object.keys(state.get())));
  document.body.dataset.ready = "true";
}

function viewOf(state) {
  return Object.hasOwn(VIEWS, state.v) ? state.v : "cell";
}

function makeContext(state, api, store) {
  return {
    get state() {
      return state.get();
    },
    get theme() {
      return colour.theme();
    },
    setState: state.set,
    fragment: state.fragment,
    api,
    store,
    announce,
    lessMotion,
    problem,
    strings,
    keys,
    colour,
  };
}

function showConnection(away, seconds, anew) {
  const banner = document.getElementById("banner");
  banner.hidden = !away;
  banner.textContent = away ? (anew ? strings.connection.anew : strings.connection.retry(seconds)) : "";
  if (!away) announce(strings.connection.back);
}

start();
