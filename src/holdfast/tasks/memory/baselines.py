"""What can be had on each problem without a memory: exactly where a formula says so, else measured."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from holdfast.tasks.comparison import Score
from holdfast.tasks.memory.config import IMAGES, MemoryConfig
from holdfast.tasks.memory.data import ASKED, draw_fresh
from holdfast.tasks.memory.mnist import CLASSES, read_mnist
from holdfast.tasks.memory.problems import ALPHABET, COPIED, NO_ANSWER, Drawn
from holdfast.tasks.memory.reber import SYMBOLS
from holdfast.tasks.memory.score import measure_outputs

COUNTED = 2000
"""Reber strings that the frequencies of neighbours are counted over."""
RIDGE = 1.0
"""Added to the diagonal of the least squares, for pixels that are always black."""

Baseline = tuple[str, Callable[[], Score]]


def copy_floor(length: int) -> float:
    """Return the least nats an answer of a copy without a memory: ten symbols of eight guessed, the blanks known."""
    return COPIED * math.log(ALPHABET) / (length + 2 * COPIED)


def baselines(config: MemoryConfig, test: Drawn) -> Iterator[Baseline]:
    """Yield the simple methods of a problem, each with what measures it on the test sequences, the simplest first."""
    if config.task == "adding":
        yield "always 1", lambda: _mean((1.0 - test.answers.astype(np.float64)) ** 2)
    elif config.task == "copy":
        yield "guessing without a memory", lambda: _mean(np.full(len(test), copy_floor(config.steps)))
    elif config.task == "reber":
        yield "the symbol before alone", lambda: _neighbours(config, test)
        yield "the grammar without the kept symbol", lambda: _forgetful(test)
    else:
        yield "always one class", lambda: _majority(test)
        if config.task in IMAGES:
            yield "least squares on all pixels at once", lambda: _least_squares(config, test)


def _mean(items: NDArray[np.float64]) -> Score:
    return Score(float(items.mean()), items.tolist())


def _majority(test: Drawn) -> Score:
    """Return the accuracy of the test's most frequent class: no answer that does not look can be better."""
    return _mean((test.answers == np.bincount(test.answers).argmax()).astype(np.float64))


def _neighbours(config: MemoryConfig, test: Drawn) -> Score:
    """Return the share of Reber strings that the frequencies of pairs of neighbours foresee without an error."""
    seen = draw_fresh(config, COUNTED, ASKED, 0)
    counts = np.zeros((len(SYMBOLS), len(SYMBOLS)))
    asked = seen.answers != NO_ANSWER
    np.add.at(counts, (seen.inputs.argmax(-1)[asked], seen.answers[asked]), 1.0)
    return _mean(measure_outputs(counts[test.inputs.argmax(-1)], test).right.astype(np.float64))


def _forgetful(test: Drawn) -> Score:
    """Return what knowing all but the symbol to keep gives: one that is always guessed to be T."""
    return _mean(test.inputs[1, :, SYMBOLS.index("T")].astype(np.float64))


def _least_squares(config: MemoryConfig, test: Drawn) -> Score:
    """Return the accuracy of the linear map from pixels to classes with the least squared error."""
    images, _, _ = read_mnist(config.data, permuted=config.task == "pmnist")
    x, wanted = _with_one(images.drawn(slice(None))), np.eye(CLASSES)[images.labels]
    weights = np.linalg.solve(x.T @ x + RIDGE * np.eye(x.shape[1]), x.T @ wanted)
    return _mean(((_with_one(test) @ weights).argmax(1) == test.answers).astype(np.float64))


def _with_one(drawn: Drawn) -> NDArray[np.float64]:
    return np.concatenate([drawn.inputs[..., 0].T.astype(np.float64), np.ones((len(drawn), 1))], axis=1)
