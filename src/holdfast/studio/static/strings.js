// The texts of the page's frame; each view keeps its own in strings-<view>.js, so that a translation replaces these files.

/** Texts of the frame around the views. */
export const frame = {
  title: "Holdfast Studio",
  views: { cell: "Cell", memory: "Memory", gradient: "Gradient", complete: "Completion", game: "Game" },
  viewsLabel: "Views",
  model: "Model",
  theme: (theme) => (theme === "dark" ? "Light colours" : "Dark colours"),
  share: "Share",
  shared: "The address of this very picture is copied.",
  sharedInPart: {
    title: "The address is copied, without the text",
    detail: "This text is too long for an address and stays in this tab; who opens the address sees the example in its place.",
    hint: "The key x saves this text's page as one file to pass on.",
  },
  shareFailed: "The browser did not let the page copy. The address is in its address bar.",
  help: "Help and keys",
  close: "Close",
  score: (name, score) => `${name}: ${score}`,
  modelBroken: (error) => `This model could not be opened: ${error}`,
  tour: "Take the two-minute tour",
  everywhere: "Everywhere",
  helpIntro: "One model reads one text. All views share the word, the unit and the layer you look at, and the address of the page holds them.",
};

/** Texts about the tie to the server. */
export const connection = {
  unknown: "Something went wrong",
  status: (status) => `The server answered with status ${status}`,
  away: "The Studio's server does not answer.",
  retry: (seconds) => `The Studio's server does not answer. What is on the page stays; the next try is in ${seconds} s.`,
  anew: "The Studio was started anew and does not know this page yet. What is on the page stays. Open the new address, which stands in the terminal where the Studio was started; then this page goes on.",
  back: "The server is back.",
  notHere: "Not in this file",
  notHereDetail: "This page is one exported file and holds only the trace it was made from.",
  notHereHint: "Run `holdfast studio` to ask anything else.",
};

/** Texts of the line that all views read. */
export const reader = {
  label: "The text the model reads",
  seriesLabel: "The series the model reads (CSV)",
  edit: "Edit text",
  done: "Done",
  reset: "Back to the example",
  unknown: (words, more) => `Not in the vocabulary, read as an unknown word: ${words.join(", ")}${more > 0 ? ` and ${more} more` : ""}`,
  reading: "Reading …",
  lost: "The text of this address was kept in another tab and is not here; this is the example.",
};

/** Texts of the tour. */
export const tour = {
  name: "Tour",
  start: "Show me",
  offer: "New here? Seven steps show how an LSTM keeps a word in mind.",
  next: "Next",
  back: "Back",
  end: "End the tour",
  dismiss: "No, thanks",
  step: (n, total) => `${n} of ${total}`,
};

/** All texts of the frame, as views get them in their context. */
export const strings = { frame, connection, reader, tour };
