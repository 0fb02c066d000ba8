// Keyboard shortcuts: each view registers its own, and the help lists them.

const registered = new Map();

/** Registers shortcuts {key, shift?, label, run, hidden?} of a view ("*": of all); returns a function that takes them away. */
export function register(view, shortcuts) {
  const list = registered.get(view) ?? [];
  list.push(...shortcuts);
  registered.set(view, list);
  return () => registered.set(view, list.filter((shortcut) => !shortcuts.includes(shortcut)));
}

/** All shortcuts by view, for the help. */
export function shortcuts() {
  return registered;
}

/** Starts listening; `currentView()` names the view whose shortcuts count now. */
export function listenToKeys(currentView) {
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
    if (pressesButton(event) || document.querySelector("dialog[open]")) return;
    for (const shortcut of [...(registered.get(currentView()) ?? []), ...(registered.get("*") ?? [])]) {
      if (!matches(shortcut, event)) continue;
      event.preventDefault();
      shortcut.run(event);
      return;
    }
  });
}

function matches(shortcut, event) {
  if (event.key !== shortcut.key) return false;
  // For letters and signs the key itself tells whether Shift is down; for named keys the shortcut says it.
  return shortcut.key.length === 1 && shortcut.key !== " " ? true : Boolean(shortcut.shift) === event.shiftKey;
}

function typing(target) {
  return target instanceof HTMLElement && (target.isContentEditable || ["INPUT", "TEXTAREA", "SELECT"].includes(target.tagName));
}

function pressesButton(event) {
  const button = event.target instanceof Element && event.target.closest("button, a[href], summary, [role=button], [role=tab]");
  return Boolean(button) && (event.key === "Enter" || event.key === " ");
}

/** What views get of this module in their context. */
export const keys = { register };
