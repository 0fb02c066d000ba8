// Words as wholes: found where no letter or digit touches them.

/** A pattern of every place where a word stands alone. */
export function wholeWord(word) {
  const literal = word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  return new RegExp(`(?<![\\p{L}\\p{N}])${literal}(?![\\p{L}\\p{N}])`, "gu");
}
