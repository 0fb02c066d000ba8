// Files that the page hands to its reader: any blob under a name, and the words of a CSV.

/** Hands a blob to the reader as a file. */
export function saveBlob(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

/** A word as a CSV holds it: in quotes where it has a comma, a quote or a line break. */
export function csvWord(word) {
  return /[",\n\r]/.test(word) ? `"${word.replaceAll('"', '""')}"` : word;
}
