"""Train a tagger on a few sentences about journeys, and let it tag new ones: chunks, their certainty, and an intent.

python examples/tag_sentences.py
"""

from __future__ import annotations

import argparse
import itertools

from holdfast import Tagger

PEOPLE, CITIES = ["Ann", "Bob Lee", "Élise"], ["Rome", "New York", "Oslo"]


def chunk(text: str, kind: str) -> list[tuple[str, str]]:
    return [(word, f"{'I' if n else 'B'}-{kind}") for n, word in enumerate(text.split())]


def journeys() -> tuple[list[list[str]], list[list[str]], list[str]]:
    """Return words, BIO tags and intents."""
    sentences, intents = [], []
    for who, verb, start, end in itertools.product(PEOPLE, ["flies", "walks"], CITIES, CITIES):
        way = [[("from", "O"), *chunk(start, "FROM")], [("to", "O"), *chunk(end, "TO")]]
        for parts in (way, way[::-1], way[1:]):
            sentences.append([*chunk(who, "PERSON"), (verb, "O"), *itertools.chain(*parts)])
            intents.append("book a flight" if verb == "flies" else "show a path")
    return [[w for w, _ in s] for s in sentences], [[t for _, t in s] for s in sentences], intents


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tiny", action="store_true", help="a small model and one epoch only")
    options = parser.parse_args()

    words, tags, intents = journeys()
    size = 8 if options.tiny else 32
    tagger = Tagger(hidden_size=size, word_size=size, character_hidden_size=size, epochs=1 if options.tiny else 30)
    tagger.fit(words, tags, intents=intents, quiet=options.tiny)

    new = "Ann Lee flies to New York from Oslo".split()
    print(tagger.predict_intents([new])[0])
    for word, chances in zip(new, tagger.tag(new, proba=True), strict=True):
        tag = next(iter(chances))  # the likeliest comes first
        print(f"{word:<8}{tag:<10}{chances[tag]:.3f}")


if __name__ == "__main__":
    main()
