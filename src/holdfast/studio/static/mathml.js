// Makes equations as MathML, which browsers draw and screen readers speak without a library.

const SPACE = "http://www.w3.org/1998/Math/MathML";

function m(name, ...children) {
  const node = document.createElementNS(SPACE, name);
  node.append(...children);
  return node;
}

/**
 * Reads a line such as "f = σ(W_f x + R_f h_t−1 + b_f)" into MathML: one math element for each term, so that lines can wrap.
 *
 * Parts stand apart by blanks and brackets; "a_b" is a with index b; tanh, LN and σ are upright; the rest are letters or signs.
 */
export function equation(line) {
  const terms = line.split(/ (?=\+ )/);
  return terms.map((term) => m("math", m("mrow", ...term.match(/[()]|[^\s()]+/g).map(partOf))));
}

function partOf(text) {
  if ("()".includes(text)) return m("mo", text);
  if (/^[=+−⊙×→]$/.test(text)) {
    const sign = m("mo", text);
    sign.setAttribute("form", "infix"); // also where it begins a line
    return sign;
  }
  if (/^\d+(\.\d+)?$/.test(text)) return m("mn", text);
  const [base, index] = text.split("_");
  const name = m("mi", base);
  if (base.length > 1) name.setAttribute("mathvariant", "normal");
  return index ? m("msub", name, m("mtext", index)) : name;
}
