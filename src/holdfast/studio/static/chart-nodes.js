// Small makers of HTML and SVG nodes for charts.

const SVG = "http://www.w3.org/2000/svg";

/** Make an HTML element with a class and a text. */
export function htmlNode(name, className, text) {
  const node = document.createElement(name);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

/** Make an SVG element with attributes and a text. */
export function svgNode(name, attributes, text) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (text !== undefined) node.textContent = text;
  return node;
}

/** Give a node the colour of a line, named by a custom property such as --part-f. */
export function colourLine(node, line) {
  node.style.setProperty("--line-colour", `var(${line.colour})`);
  return node;
}
