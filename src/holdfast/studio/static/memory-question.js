// What the Memory view asks of the model: the text, the same text with other words in the key word's place, and text B.

import { withWord, wordsOf } from "./memory-data.js";

/** Give {question, key, others}: the trace request of the present state, the word looked for, the words in its place. */
export function memoryQuestion(context) {
  const { store, state } = context;
  const question = store.question();
  const key = question.alternatives ? store.key() : "";
  if (!key) return { question, key: "", others: [] };
  const named = wordsOf(state.ka).filter((word) => word !== key);
  if (named.length) {
    const alternatives = named.map((word) => withWord(question.text, key, word));
    return { question: { ...question, alternatives }, key, others: named };
  }
  const known = [store.info.key, ...(store.info.alternatives ?? [])].filter((word) => word && word !== key);
  return { question, key, others: known.slice(0, question.alternatives.length) };
}

/** The trace request of a second text for the same model, without alternatives. */
export function otherQuestion(question, text, model) {
  return { model: question.model, [model.reads === "series" ? "series" : "text"]: text };
}
