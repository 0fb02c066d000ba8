// What the Completion view asks: the text with distractors put in, and where they go.

let kept = ""; // the last text of a language model: another model's series is nothing to go on with

/** Whether a model continues texts. */
export function continues(model) {
  return model?.task === "language";
}

/** The text to go on with: that of the chosen language model; of another model the last one, or the example. */
export function textToContinue(store) {
  if (continues(store.model)) kept = store.text();
  return kept || store.info.text;
}

/** Keep a text that was written while another model was chosen, for this view alone. */
export function keepText(text) {
  kept = text;
}

/** Find where the last sentence that is begun starts, as the server's filler does: the place distractors go to. */
export function lastSentence(text) {
  const end = text.trimEnd().length;
  let place = 0;
  for (const found of text.matchAll(/[.!?…]+["'”’)]*(?:\s+|$)|\n+/g)) {
    const after = found.index + found[0].length;
    if (after < end) place = after;
  }
  return place;
}

/** Make the asker: every answer carries the text that was read, and later questions call off earlier ones. */
export function completer(context) {
  const fillings = new Map();
  let running = null;

  async function filled(text, words, seed, signal) {
    if (!(words > 0) || !text.trim()) return { text, inserted: "" };
    const name = JSON.stringify([text, words, seed]);
    if (!fillings.has(name)) {
      const found = await context.api.post("insert", { text, at: lastSentence(text), words, seed }, { signal });
      fillings.set(name, found);
      if (fillings.size > 60) fillings.delete(fillings.keys().next().value);
    }
    return fillings.get(name);
  }

  return {
    filled,
    /** Ask all models how the text goes on: {read, inserted, answers, unknown}. */
    async complete({ text, words, seed, models, target, k = 5 }) {
      running?.abort();
      running = new AbortController();
      const { signal } = running;
      const read = await filled(text, words, seed, signal);
      const body = { models, text: read.text, k, ...(target ? { target } : {}) };
      const reply = await context.api.post("complete", body, { signal });
      return { ...reply, read: read.text, inserted: read.inserted };
    },
    stop: () => running?.abort(),
  };
}
