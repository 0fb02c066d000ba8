"""How well tags fit: token accuracy, and conlleval's precision, recall and F1 over chunks. Needs no torch."""

from __future__ import annotations

from collections.abc import Sequence

from holdfast.tasks.tag.schemes import read_spans

Tags = Sequence[Sequence[str]]


def accuracy(expected: Tags, found: Tags) -> float:
    """Return the share of tokens whose tag is right."""
    pairs = [(a, b) for gold, guess in zip(expected, found, strict=True) for a, b in zip(gold, guess, strict=True)]
    return sum(a == b for a, b in pairs) / len(pairs)


def chunk_scores(expected: Tags, found: Tags) -> dict[str, float]:
    """Return precision, recall and F1 over chunks, which count only when their bounds and their kind are right.

    Source: Tjong Kim Sang & Buchholz 2000, conlleval; the same figures as the package seqeval gives by default.
    """
    right = in_expected = in_found = 0
    for gold, guess in zip(expected, found, strict=True):
        ours, theirs = set(read_spans(guess)), set(read_spans(gold))
        right, in_expected, in_found = right + len(ours & theirs), in_expected + len(theirs), in_found + len(ours)
    precision, recall = right / in_found if in_found else 0.0, right / in_expected if in_expected else 0.0
    total = precision + recall
    return {"precision": precision, "recall": recall, "f1": 2 * precision * recall / total if total else 0.0}
