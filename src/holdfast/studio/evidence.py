"""What a model holds of one word: its text run with the word, with others in its place, and in other orders.

A state that merely differs after another word need not know it: that other orders of the sentences in between give the
same differences is what tells memory from noise.
"""

from __future__ import annotations

import math
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from holdfast.errors import ConfigError, DataError
from holdfast.inside.claims import Held, Keeping, held_by, keeping
from holdfast.inside.plot import recognised_share
from holdfast.studio.whole_word import whole_word

if TYPE_CHECKING:
    from holdfast.studio.run import Run
    from holdfast.studio.subject import Subject

ORDERS = 12
"""Orders of the sentences between the word and the end in which it is looked for."""
TOLD_APART = 6
"""Words that are told apart there, the word itself among them."""
FEWEST_SENTENCES = 3
"""Between the word and the last sentence, for their orders to be many enough."""
MOST_STEPS = 200_000
"""Read for all orders together; a longer text is shown without them."""
_SENTENCE = re.compile(r"[^.!?\n]*[.!?\n]+\s*")

Array = NDArray[np.floating]


@dataclass(frozen=True)
class Evidence:
    """What was run, and what it showed.

    Attributes:
        run: The text as it is.
        names: The word, and what stood in its place.
        start: The step of the word (of its last token, where it has several).
        states: [1 + K, T, H] c of an LSTM, h of the others.
        kept: How each unit kept the word.
        known: [T - start] share of other orders in which the word is told from the whole state, None where that could
            not be measured; guessing gives `guessing`.
    """

    run: Run
    names: tuple[str, ...]
    start: int
    states: Array
    kept: Keeping
    known: Array | None
    guessing: float

    def held(self, name: str) -> Held:
        """Return what the sentence of claim needs to know."""
        family = self.run.subject.description.spec.family
        return held_by(name, family, self.kept, self.run.reading.labels, self.known, self.guessing)


def gather(
    subject: Subject,
    text: str,
    word: str,
    others: Sequence[str],
    *,
    layer: int = 0,
    direction: str = "forward",
    orders: int = ORDERS,
) -> Evidence:
    """Run a text with a word, with others in its place, and in other orders of the sentences after it.

    The first place where the word stands is replaced.

    Args:
        subject: A model of texts.
        text: The text.
        word: A word of the text.
        others: What can stand in its place, of as many tokens.
        layer, direction: Whose state is looked at; forward, for the word to lie in the past.
        orders: How many orders; 0 looks at the text alone.

    Raises:
        ConfigError: the word does not stand in the text, the model reads no texts, or the direction is backward.
        DataError: a replacement changes how many tokens the text has.
    """
    if subject.reads != "text":
        raise ConfigError(f"{subject.name} reads series: words are held by models of texts.")
    _check_forward(direction)
    place, names = find_word(text, word), (word, *others)
    runs = _runs(subject, [_with(text, place, name) for name in names], names)
    start = max(t for t, (_, end) in enumerate(runs[0].reading.spans) if end <= place[1])
    states = np.stack([_memory(run, layer, direction) for run in runs])
    told = names[:TOLD_APART]
    rows = [[_with(version, place, name) for version in reordered(text, place[1], orders)] for name in told]
    known = _told(subject, rows, (layer, direction), len(runs[0]), start)
    return Evidence(runs[0], names, start, states, keeping(states, start), known, 1 / len(told))


def gather_against(
    subject: Subject, text: str, against: Sequence[str], *, layer: int = 0, direction: str = "forward"
) -> Evidence:
    """Run a text and others that differ from it; the first token that differs is the word.

    Raises:
        ConfigError: a text does not differ, the model reads no texts, or the direction is backward.
        DataError: a text has another number of tokens.
    """
    if subject.reads != "text":
        raise ConfigError(f"{subject.name} reads series; texts are compared by models of texts.")
    _check_forward(direction)
    runs = _runs(subject, [text, *against], [text, *against])
    labels = [run.reading.labels for run in runs]
    different = [[t for t, label in enumerate(row) if label != labels[0][t]] for row in labels[1:]]
    if not different or not all(different):
        raise ConfigError("A text to compare with must differ from the text in a word or more.")
    start = min(row[0] for row in different)
    states = np.stack([_memory(run, layer, direction) for run in runs])
    names = tuple(row[start] for row in labels)
    return Evidence(runs[0], names, start, states, keeping(states, start), None, 1 / len(names))


def _check_forward(direction: str) -> None:
    if direction != "forward":
        raise ConfigError("A backward layer has not read the word yet where it comes after it. Look at forward.")


def _with(text: str, place: tuple[int, int], name: str) -> str:
    return text[: place[0]] + name + text[place[1] :]


def _runs(subject: Subject, texts: Sequence[str], names: Sequence[str]) -> list[Run]:
    runs = [subject.run(subject.read(text)) for text in texts]
    for name, run in zip(names, runs, strict=True):
        if len(run) != len(runs[0]):
            raise DataError(
                f"With {name!r} in the place of {names[0]!r} the text has {len(run)} tokens instead of {len(runs[0])}. "
                "Name words, or texts, that the model reads as equally many."
            )
    return runs


def find_word(text: str, word: str) -> tuple[int, int]:
    """Return where a whole word first stands in a text.

    Raises:
        ConfigError: it does not.
    """
    found = whole_word(word).search(text) if word.strip() else None
    if found is None:
        raise ConfigError(f"The word {word!r} does not stand in the text. Name one that does, as it is written there.")
    return found.span()


def reordered(text: str, end: int, orders: int, seed: int = 0) -> list[str]:
    """Return a text with the sentences after the one that holds character `end` in other orders, the last kept last.

    Empty where fewer than FEWEST_SENTENCES lie in between.
    """
    first = _SENTENCE.match(text, end)
    if first is None:
        return []
    sentences, at = [], first.end()
    while (found := _SENTENCE.match(text, at)) is not None:
        sentences.append(found.group())
        at = found.end()
    last = text[at:]
    if not last.strip() and sentences:
        last = sentences.pop() + last
    if len(sentences) < FEWEST_SENTENCES:
        return []
    # Each order once: one drawn twice would be told from itself.
    rng, versions = random.Random(seed), list[str]()
    wanted = min(orders, math.factorial(len(sentences))) if len(sentences) < 8 else orders
    for _ in range(50 * orders):
        rng.shuffle(sentences)
        version = text[: first.end()] + "".join(sentences) + last
        if version not in versions and len(versions) < wanted:
            versions.append(version)
    return versions


def _told(
    subject: Subject, rows: Sequence[Sequence[str]], where: tuple[int, str], steps: int, start: int
) -> Array | None:
    """Return [T - start] how often the word is told from the state, from its own step on; rows are [word][order]."""
    orders = len(rows[0])
    if len(rows) < 2 or orders < 2 or len(rows) * orders * steps > MOST_STEPS:
        return None
    found = [np.stack([_memory(subject.run(subject.read(version)), *where)[start:] for version in row]) for row in rows]
    return recognised_share(np.stack(found))


def _memory(run: Run, layer: int, direction: str) -> Array:
    return run.lanes(layer, direction, run.state_letter())
