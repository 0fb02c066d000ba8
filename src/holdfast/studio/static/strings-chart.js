// The texts of charts and of what a heat map hands out.

/** Texts of line charts. */
export const chartTexts = {
  table: "Table",
  csv: "CSV",
  svg: "SVG",
  hideTable: "Hide table",
  help: "Arrow keys move the crosshair.",
};

/** Texts of a heat map's table. */
export const heatTexts = {
  caption: (letter, from, to, units, cut) => `${letter}: words ${from} to ${to}, ${units} units${cut ? " (zoom in to see the others)" : ""}`,
  unit: "unit",
};
