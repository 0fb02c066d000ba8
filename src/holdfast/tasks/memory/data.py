"""The sequences of a memory problem: endless ones to train on, and held-out ones of other seeds. Needs no torch."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from holdfast.errors import ConfigError
from holdfast.tasks.batches import LengthBatches, check_same_shape
from holdfast.tasks.memory.config import IMAGES, SHORTEST, MemoryConfig
from holdfast.tasks.memory.mnist import Images, read_mnist
from holdfast.tasks.memory.problems import KINDS, Drawn

TRAINING, VALIDATION, TEST, ASKED, MIXING = 1, 2, 3, 4, 5
"""First part of the seeds, so that no sequence to train on is one to measure by, whatever the run's seed."""
VALIDATED, TESTED = 512, 2560
"""Sequences that are held out; Hochreiter & Schmidhuber 1997 tested on as many."""


class FreshBatches:
    """Sequences that nobody has seen before, a batch at a time, without end: equal seeds draw equal batches."""

    def __init__(self, config: MemoryConfig):
        self._config, self._position = config, 0

    @property
    def epoch(self) -> float:
        """Nothing is ever read twice."""
        return 0.0

    def __next__(self) -> Drawn:
        config, key = self._config, (TRAINING, self._config.train.seed, self._position)
        self._position += 1
        if config.lengths == "mixed":
            low, high = np.log((SHORTEST[config.task], config.steps + 1))
            shorter = int(np.exp(np.random.default_rng((MIXING, *key)).uniform(low, high)))
            config = replace(config, length=min(shorter, config.steps))
        return draw_fresh(config, config.batch_size, *key)

    def _shape(self) -> dict[str, int]:
        config = self._config
        return {
            "length": config.steps,
            "mixed": int(config.lengths == "mixed"),
            "batch_size": config.batch_size,
            "seed": config.train.seed,
        }

    def state_dict(self) -> dict[str, int]:
        return {"position": self._position, **self._shape()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        check_same_shape(state, self._shape())
        self._position = int(state["position"])


class ImageBatches(LengthBatches):
    """Images in a new order each epoch, a batch at a time."""

    def __init__(self, images: Images, config: MemoryConfig):
        super().__init__(np.full(len(images), images.pixels.shape[1]), config.batch_size, config.train.seed)
        self._images, self._permuted = images, config.task == "pmnist"

    def __next__(self) -> Drawn:
        return self._images.drawn(super().__next__())

    def _shape(self) -> dict[str, int]:
        return {**super()._shape(), "permuted": int(self._permuted)}


def open_training(config: MemoryConfig) -> tuple[FreshBatches | ImageBatches, Drawn]:
    """Return what a network learns from, and the sequences that validate it.

    Raises:
        ConfigError, DataError: the images are not there or broken.
    """
    if config.task in IMAGES:
        train, held_out, _ = _images(config)
        return ImageBatches(train, config), held_out.drawn(slice(None))
    return FreshBatches(config), draw_fresh(config, VALIDATED, VALIDATION, 0)


def draw_test(config: MemoryConfig, count: int = TESTED) -> Drawn:
    """Return the first `count` of the sequences that test every run of a problem alike; all test images.

    Raises:
        ConfigError, DataError: the images are not there or broken.
    """
    return _images(config)[2].drawn(slice(None)) if config.task in IMAGES else draw_fresh(config, count, TEST, 0)


def draw_asked(config: MemoryConfig, count: int, seed: int) -> Drawn:
    """Return sequences to look at: freshly drawn ones, or some of the test images."""
    if config.task not in IMAGES:
        return draw_fresh(config, count, ASKED, seed)
    test = _images(config)[2]
    return test.drawn(np.random.default_rng((ASKED, seed)).permutation(len(test))[:count])


def draw_fresh(config: MemoryConfig, count: int, *key: int) -> Drawn:
    """Return sequences drawn from a seed of several numbers; the first is a purpose."""
    draw = KINDS[config.task].draw
    if draw is None:
        raise ConfigError(f"{config.task} reads its sequences from a folder and draws none.")
    return draw(config.steps, count, np.random.default_rng(key))


def _images(config: MemoryConfig) -> tuple[Images, Images, Images]:
    return read_mnist(config.data, permuted=config.task == "pmnist")
