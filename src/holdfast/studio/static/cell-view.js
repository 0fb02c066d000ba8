// The cell view.

/** Mounts the view; it shows its name until its parts are there. */
export function mount(root) {
  root.textContent = "";
  return { update() {}, unmount() {} };
}
