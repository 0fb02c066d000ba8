// The game on a page of its own, without the Studio: a small context, the address, light and dark.

import { announce } from "./a11y.js";
import { mount } from "./game.js";

const root = document.documentElement;
const state = () => Object.fromEntries(new URLSearchParams(location.hash.slice(1)));

const view = mount(document.getElementById("game"), {
  state: state(),
  announce,
  setState(patch) {
    const next = new URLSearchParams(location.hash.slice(1));
    for (const [key, value] of Object.entries(patch)) {
      if (value === "") next.delete(key);
      else next.set(key, value);
    }
    history.replaceState(null, "", `#${next}`);
  },
});
addEventListener("hashchange", () => view.update(state()));
document.getElementById("theme").addEventListener("click", () => {
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
});
view.focus();
