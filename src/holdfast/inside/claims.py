"""What a run shows about memory, as numbers and as one sentence that says no more than they do.

The evidence is a replacement, not a look: the text is run with one word in its place and with others, and a unit keeps
the word for as long as its state still tells them apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from holdfast.errors import ShapeError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.floating[Any]]
    Integers = NDArray[np.int64]

SEPARATES = 0.1
"""Share of its greatest difference below which a unit keeps the word no longer."""
TAKES_PART = 0.1
"""Share of a unit's whole range that its greatest difference must reach: below it the unit never held the word."""
LONG_MEMORY = 20
"""Words over which a text must hold a word before a claim about memory is made of it."""


@dataclass(frozen=True)
class Keeping:
    """How each unit of one layer kept a word that was replaced.

    Attributes:
        difference: [T, H] mean over the replacements of |state - state with the replacement|.
        written: [H] the step at which a unit took the word in: its difference first exceeds SEPARATES of its peak.
        steps: [H] for how many steps from then on the difference stays above that; 0 where a unit never held the word.
        start: The step of the word.
        told: [H] from how many of the replacements a unit still tells the word at the last step of keeping it: by more
            than SEPARATES of its range.
        strength: [H] the least difference while it kept the word, as a share of the unit's range; ranks equal `steps`.
        others: How many replacements there were.
    """

    difference: Array
    written: Integers
    steps: Integers
    start: int
    strength: Array
    told: Integers
    others: int

    @property
    def order(self) -> list[int]:
        """The units, longest keeping first; of equally long ones the one that tells the words apart best."""
        return [int(unit) for unit in np.lexsort((-self.strength, -self.steps))]

    @property
    def best(self) -> int:
        """The unit that keeps the word longest."""
        return self.order[0]

    def last(self, unit: int) -> int:
        """Return the last step at which a unit still keeps the word; that of the word itself if it never did."""
        return int(self.written[unit] + self.steps[unit] - 1) if self.steps[unit] else self.start

    def share(self, unit: int) -> Array:
        """Return a unit's difference as a share of its peak [T], 0 before the word and where it never held it."""
        peak = self.difference[self.start :, unit].max()
        shares = self.difference[:, unit] / peak if self.steps[unit] else np.zeros(len(self.difference))
        return np.where(np.arange(len(shares)) < self.start, 0.0, shares)


def keeping(states: Array, start: int) -> Keeping:
    """Measure for how long each unit keeps the word at one step of a text.

    Args:
        states: [1 + K, T, H]: the state (c of an LSTM, h of the others) while the text is read, and with each of K
            other words in the place of the one at `start`; the texts are equal otherwise.
        start: The step of the word.

    Raises:
        ShapeError: no replacement, or no such step.
    """
    if np.ndim(states) != 3 or len(states) < 2 or not 0 <= start < states.shape[1]:
        raise ShapeError(
            f"Expected states [1 + replacements, steps, units] with one replacement or more and step {start} among the "
            f"steps, got {np.shape(states)}."
        )
    states = np.asarray(states, dtype=np.float64)
    difference = np.abs(states[1:] - states[:1]).mean(axis=0)
    extent = states.max(axis=(0, 1)) - states.min(axis=(0, 1))
    after = difference[start:]
    peak = after.max(axis=0)
    holds = (peak > 0) & (peak >= TAKES_PART * extent)
    above = after > SEPARATES * peak
    written = above.argmax(axis=0)
    fallen = ~above & (np.arange(len(after))[:, None] > written)
    end = np.where(fallen.any(axis=0), fallen.argmax(axis=0), len(after))
    steps = np.where(holds, end - written, 0)
    inside = (np.arange(len(after))[:, None] >= written) & (np.arange(len(after))[:, None] < end)
    least = np.where(inside, after, np.inf).min(axis=0)
    extent = np.where(extent > 0, extent, 1.0)
    strength = np.where(holds, least / extent, 0.0)
    last = np.abs(states[1:, start + end - 1, np.arange(len(end))] - states[0, start + end - 1, np.arange(len(end))])
    told = np.where(holds, (last > SEPARATES * extent).sum(axis=0), 0)
    return Keeping(difference, written + start, steps.astype(np.int64), start, strength, told, len(states) - 1)


def words_between(labels: Sequence[str], start: int, last: int) -> int:
    """Return how many words stand after step `start` up to step `last`; signs of punctuation are none."""
    return sum(any(letter.isalnum() for letter in label) for label in labels[start + 1 : last + 1])


@dataclass(frozen=True)
class Held:
    """What one model held of a word, for the sentence.

    Attributes:
        name: The model as the sentence calls it, such as "LSTM".
        family: "lstm", "gru" or "rnn".
        unit: The unit that kept the word longest.
        words: For how many words it kept it.
        whole: It kept it to the end of the text.
        known: [T - start] share of other texts in which the word is told from the whole state after so many steps, None
            where that was not measured; with `guessing`, what guessing would reach.
        others: What was read in the place of the word: so many other words, or texts.
    """

    name: str
    family: str
    unit: int
    words: int
    whole: bool
    known: Array | None = None
    guessing: float = 0.0
    others: int = 0


def held_by(
    name: str,
    family: str,
    kept: Keeping,
    labels: Sequence[str],
    known: Array | None = None,
    guessing: float = 0.0,
) -> Held:
    """Return what the sentence needs to know of one model."""
    unit = kept.best
    last = kept.last(unit)
    whole = bool(kept.steps[unit]) and last == len(labels) - 1
    return Held(name, family, unit, words_between(labels, kept.start, last), whole, known, guessing, kept.others)


def words_known(held: Held, labels: Sequence[str], start: int) -> int | None:
    """Return for how many words the word is told from the whole state: until half way between certainty and guessing.

    None where it was not measured.
    """
    if held.known is None:
        return None
    lost = np.flatnonzero(held.known < (1 + held.guessing) / 2)
    last = start + (int(lost[0]) - 1 if len(lost) else len(held.known) - 1)
    return words_between(labels, start, max(start, last))


def claim(word: str, labels: Sequence[str], start: int, held: Held, beside: Held | None = None) -> str:
    """Return one sentence, or two, about how long a model held a word, and another model beside it.

    It does not boast: where fewer than LONG_MEMORY words follow the word, or the model lost it sooner, it says so. A
    unit that keeps a difference is not called memory where other texts show that the state no longer tells the word, or
    where no other order of the sentences was read; then nothing is said of another model either.
    """
    following = words_between(labels, start, len(labels) - 1)
    if following < LONG_MEMORY:
        return f"{_words(following).capitalize()} follow '{word}': this text does not need long memory."
    first = _own(word, held, words_known(held, labels, start), following)
    if beside is None or held.known is None or beside.known is None:
        return first
    other = _other(beside, words_known(beside, labels, start), held.words if "held" in first else 0)
    if other.endswith("as long."):
        return f"{first} {other} This text does not tell the two apart."
    return f"{first} {other}"


def _own(word: str, held: Held, known: int | None, following: int) -> str:
    a_unit = f"{'One cell' if held.family == 'lstm' else 'One unit'} of this {held.name} (unit {held.unit})"
    if known is not None and known < min(held.words, following):
        if not known:
            return f"This {held.name} did not take '{word}' in: its state does not tell it in other texts."
        return f"This {held.name} knew '{word}' for {_words(known)}; after that its state no longer tells it."
    if held.words < LONG_MEMORY:
        spread = f", though its whole state tells it for {_words(known)}" if known and known > held.words else ""
        return f"No single unit of this {held.name} held '{word}' for more than {_words(held.words)}{spread}."
    if known is None:
        others = f"{held.others} alternative{'s' if held.others != 1 else ''}"
        return (
            f"{a_unit} differs from {others} to '{word}' for {_words(held.words)}; whether that is memory or noise was "
            "not tested, as no other order of the sentences was read."
        )
    return f"{a_unit} held '{word}' for {_words(held.words)}."


def _other(held: Held, known: int | None, first: int) -> str:
    name = f"{'plain ' if held.family == 'rnn' else ''}{held.name}"
    sure = held.words if known is None else min(known, held.words)
    if held.whole and sure == held.words:
        return f"The {name} held it as long." if sure == first else f"The {name} held it for {_words(sure)}."
    return f"The {name} lost it after {sure}." if sure else f"The {name} never held it."


def _words(count: int) -> str:
    return "no word" if not count else "1 word" if count == 1 else f"{count} words"
