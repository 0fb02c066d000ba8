"""What each memory problem is, and how its sequences are drawn: adding, copy, temporal order, latch. Needs no torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from holdfast.tasks.memory.reber import SYMBOLS, draw_string

NO_ANSWER = -1
COPIED, ALPHABET = 10, 8
"""How many symbols the copy problem shows, and of how many kinds."""
BLANK, CUE = 0, ALPHABET + 1
"""Symbols of the copy problem beside the 8 that are numbered from 1."""
SIGNAL_STEPS, NOISE_VARIANCE = 3, 0.2
"""Of the latch problem (Hochreiter & Schmidhuber 1997, experiment 3a)."""
START, END, DISTRACTORS = 2, 3, (4, 5, 6, 7)
"""Symbols of the temporal order problem beside X and Y, which are 0 and 1."""
ORDERED_AT = {2: ((10, 20), (50, 60)), 3: ((10, 20), (33, 43), (66, 76))}
"""Where its 2 or 3 symbols stand, between which steps of 100 (Hochreiter & Schmidhuber 1997, experiments 6a and 6b)."""


@dataclass(frozen=True)
class Drawn:
    """Sequences with their answers.

    Attributes:
        inputs: [T, B, I], zero after a sequence's end.
        answers: [B] numbers or classes, or [T, B] symbols with -1 where nothing is asked.
        lengths: [B] steps of each sequence.
        legal: [T, B, C] bool, of Reber strings: the symbols that may come next.
    """

    inputs: NDArray[np.float32]
    answers: NDArray[Any]
    lengths: NDArray[np.int64]
    legal: NDArray[np.bool_] | None = None

    def __len__(self) -> int:
        return len(self.lengths)

    def part(self, start: int, end: int) -> Drawn:
        """Return the sequences from number `start` to before `end`."""
        legal = None if self.legal is None else self.legal[:, start:end]
        return Drawn(self.inputs[:, start:end], self.answers[..., start:end], self.lengths[start:end], legal)


Draw = Callable[[int, int, np.random.Generator], Drawn]


@dataclass(frozen=True)
class Kind:
    """What a problem's network reads and answers.

    Attributes:
        features: Numbers a step.
        outputs: Classes or symbols to choose from, or 1 for a number.
        answer: Asked for at the end (a number, a class) or after every step (symbols).
        draw: Makes sequences of (length, count, random numbers). None for images, which are read.
    """

    features: int
    outputs: int
    answer: Literal["number", "class", "symbols"]
    draw: Draw | None


def draw_adding(length: int, count: int, random: np.random.Generator) -> Drawn:
    """Draw numbers of U(0, 1), two of them marked, one in each half; the answer is their sum.

    Source: Hochreiter & Schmidhuber 1997, experiment 4, as Le et al. 2015 and Bai et al. 2018 set it.
    """
    half, rows = length // 2, np.arange(count)
    inputs = np.zeros((length, count, 2), dtype=np.float32)
    inputs[..., 0] = random.random((length, count), dtype=np.float32)
    first, second = random.integers(0, half, count), random.integers(half, length, count)
    inputs[first, rows, 1] = inputs[second, rows, 1] = 1.0
    answers = inputs[first, rows, 0] + inputs[second, rows, 0]
    return Drawn(inputs, answers, np.full(count, length, dtype=np.int64))


def draw_copy(length: int, count: int, random: np.random.Generator) -> Drawn:
    """Draw 10 symbols of 8 kinds, length - 1 blanks and 11 cues; from the second cue on the symbols are to be told.

    Before that the answer is a blank, so sequences and answers have length + 20 steps.

    Source: Hochreiter & Schmidhuber 1997's long lags; in this form Bai et al. 2018, after Arjovsky et al. 2016.
    """
    steps = length + 2 * COPIED
    shown = random.integers(1, ALPHABET + 1, (COPIED, count))
    symbols = np.full((steps, count), BLANK, dtype=np.int64)
    symbols[:COPIED], symbols[-COPIED - 1 :] = shown, CUE
    answers = np.full((steps, count), BLANK, dtype=np.int64)
    answers[-COPIED:] = shown
    return Drawn(one_hot(symbols, ALPHABET + 2), answers, np.full(count, steps, dtype=np.int64))


def draw_temporal_order(length: int, count: int, random: np.random.Generator, symbols: int = 2) -> Drawn:
    """Draw distractors with 2 or 3 symbols X or Y far apart; the class says which they were, in their order.

    A sequence begins with a start symbol, has from length to 1.1 length steps and ends with another.

    Source: Hochreiter & Schmidhuber 1997, experiments 6a (2 symbols, 4 classes) and 6b (3 symbols, 8 classes).
    """
    lengths, rows = _lengths(length, count, random), np.arange(count)
    ids = random.choice(DISTRACTORS, (lengths.max(), count))
    ids[0], ids[lengths - 1, rows] = START, END
    answers = np.zeros(count, dtype=np.int64)
    for low, high in ORDERED_AT[symbols]:
        shown = random.integers(0, 2, count)
        ids[random.integers(low * length // 100, high * length // 100 + 1, count), rows] = shown
        answers = 2 * answers + shown
    inputs = one_hot(ids, len(DISTRACTORS) + 4)
    inputs[np.arange(len(ids))[:, None] >= lengths] = 0.0
    return Drawn(inputs, answers, lengths)


def draw_latch(length: int, count: int, random: np.random.Generator) -> Drawn:
    """Draw noise whose first three steps are +1 or -1, which is the class; length to 1.1 length steps.

    Source: Bengio et al. 1994, in the form of Hochreiter & Schmidhuber 1997, experiment 3a (variance 0.2).
    """
    lengths = _lengths(length, count, random)
    inputs = random.normal(0.0, NOISE_VARIANCE**0.5, (lengths.max(), count, 1)).astype(np.float32)
    answers = random.integers(0, 2, count)
    inputs[:SIGNAL_STEPS, :, 0] = np.where(answers, 1.0, -1.0)
    inputs[np.arange(len(inputs))[:, None] >= lengths] = 0.0
    return Drawn(inputs, answers, lengths)


def draw_reber(length: int, count: int, random: np.random.Generator) -> Drawn:
    """Draw strings of the embedded Reber grammar; after each symbol the next one is to be told.

    Source: Hochreiter & Schmidhuber 1997, experiment 1, after Reber 1967 and Smith & Zipser 1989.
    """
    del length  # the grammar's own
    strings, successors = zip(*(draw_string(random) for _ in range(count)), strict=True)
    lengths = np.array([len(string) - 1 for string in strings], dtype=np.int64)
    ids = np.full((lengths.max() + 1, count), NO_ANSWER, dtype=np.int64)
    legal = np.zeros((lengths.max(), count, len(SYMBOLS)), dtype=np.bool_)
    for row, string in enumerate(strings):
        ids[: len(string), row] = string
        legal[: len(string) - 1, row] = successors[row]
    inputs = one_hot(ids[:-1], len(SYMBOLS))
    inputs[np.arange(len(inputs))[:, None] >= lengths] = 0.0
    return Drawn(inputs, ids[1:], lengths, legal)


def one_hot(ids: NDArray[np.int64], kinds: int) -> NDArray[np.float32]:
    """Return symbols [T, B] as vectors [T, B, kinds] with a single one; a negative id is all zeros."""
    return (ids[..., None] == np.arange(kinds)).astype(np.float32)


def _lengths(length: int, count: int, random: np.random.Generator) -> NDArray[np.int64]:
    """Return lengths from `length` to a tenth more, so that counting steps does not tell where the end is."""
    return random.integers(length, length + length // 10 + 1, count)


def _draw_three(length: int, count: int, random: np.random.Generator) -> Drawn:
    return draw_temporal_order(length, count, random, symbols=3)


KINDS = {
    "adding": Kind(2, 1, "number", draw_adding),
    "copy": Kind(ALPHABET + 2, ALPHABET + 1, "symbols", draw_copy),
    "temporal_order": Kind(8, 4, "class", draw_temporal_order),
    "temporal_order3": Kind(8, 8, "class", _draw_three),
    "latch": Kind(1, 2, "class", draw_latch),
    "reber": Kind(len(SYMBOLS), len(SYMBOLS), "symbols", draw_reber),
    "smnist": Kind(1, 10, "class", None),
    "pmnist": Kind(1, 10, "class", None),
}
"""Every problem by name."""
