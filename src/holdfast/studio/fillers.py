"""Sentences that are put into a text to make it longer: held-out ones of the long-memory demo."""

from __future__ import annotations

import re

from holdfast.tasks.france.generator import Generator, make_pools
from holdfast.tasks.france.sentences import COUNTRIES

_SENTENCE_END = re.compile(r"[.!?…]+[\"'”’)]*(?:\s+|$)|\n+")

_WORD = re.compile(r"\w+(?:['’-]\w+)*")


def boundaries(text: str) -> list[int]:
    """Return the places of a text where a sentence may be put in: its beginning, and after each sentence."""
    return [0, *(found.end() for found in _SENTENCE_END.finditer(text))]


def default_place(text: str) -> int:
    """Return the place before the last sentence that is begun, where it is not the first."""
    places = [place for place in boundaries(text) if place < len(text.rstrip())]
    return places[-1]


def gap(text: str, key: str) -> tuple[str, str, int] | None:
    """Return the text up to the end of the sentence that first names a word, the last sentence, and the words between.

    These words are those after the key and those of the last sentence: so many stand between the key and what is asked
    for when the sentences in between are left out. None where the key is not there, or stands in the last sentence.
    """
    found = re.search(rf"\b{re.escape(key)}\b", text) if key else None
    last = default_place(text)
    if found is None or found.start() >= last:
        return None
    end = min(place for place in boundaries(text) if place >= found.end())
    head, tail = text[:end].rstrip(), text[last:]
    return head, tail, len(_WORD.findall(text[found.end() : end])) + len(_WORD.findall(tail))


def bridge(head: str, tail: str, words: int, seed: int) -> str:
    """Return two parts of a text with sentences of so many words between them."""
    between = insert(f"{head} ", len(head) + 1, words, seed)[1]
    return f"{head} {between} {tail}" if between else f"{head} {tail}"


def insert(text: str, at: int, words: int, seed: int) -> tuple[str, str]:
    """Put sentences of so many words into a text, at the end of a sentence next to `at`.

    Longer fillings mention other countries, if the text names one.

    Returns:
        The new text, and what was put in.
    """
    place = min(boundaries(text), key=lambda one: (abs(one - at), one))
    home = next((country for country in COUNTRIES if re.search(rf"\b{country}\b", text)), None)
    sentences = Generator(make_pools()[1], seed).filling(words, home)
    inserted = " ".join(f"{sentence}." for sentence in sentences)
    if not inserted:
        return text, ""
    before, after = text[:place], text[place:]
    gap_before = "" if not before or before[-1].isspace() else " "
    gap_after = "" if not after or after[0].isspace() else " "
    return f"{before}{gap_before}{inserted}{gap_after}{after}", inserted
