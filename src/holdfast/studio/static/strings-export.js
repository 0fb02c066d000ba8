// The texts of the cards to share.

/** What the cards say, and what is said of them. */
export const cardTexts = {
  key: "Save a card of this view as a picture",
  page: "Save this text's page as one HTML file, for reading without a server",
  pageMade: "The page is being put into one file.",
  pageSaved: "The page is saved as one HTML file.",
  saved: "The card is saved as a picture.",
  none: "Cell and Memory have a card to save; this view has none.",
  noWord: "There is no word whose memory is looked for: name one in the Memory view.",
  noPicture: "The cell is not drawn yet.",
  strip: (word) => `tells “${word}”, in other orders of the sentences too: blue is sure, bare is a guess`,
  differs: (unit, word) => `unit ${unit}: blue where it differs from the text with other words in the place of “${word}”`,
};
