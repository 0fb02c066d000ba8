"""Which examples make a batch: those of like length, because padding costs time. Needs no torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

POOL = 16  # batches whose examples are sorted by length together


class LengthBatches:
    """Indices of examples, a batch of them at a time, epoch after epoch without end.

    Each epoch is shuffled from the seed. Examples of like length are put together, within pools of 16 batches, so that
    the batches stay random.
    """

    def __init__(self, lengths: Sequence[int] | NDArray[Any], batch_size: int, seed: int = 0):
        self.lengths, self.batch_size, self.seed = np.asarray(lengths), batch_size, seed
        self._epoch = self._position = 0
        self._order = self._shuffle()

    @property
    def per_epoch(self) -> int:
        """Batches in an epoch."""
        return len(self._order)

    @property
    def epoch(self) -> float:
        return self._epoch + self._position / len(self._order)

    def __iter__(self) -> LengthBatches:
        return self

    def __next__(self) -> Any:
        """Return the next batch: indices here, and what a subclass makes of them there."""
        batch = self._order[self._position]
        self._position += 1
        if self._position == len(self._order):
            self._epoch, self._position = self._epoch + 1, 0
            self._order = self._shuffle()
        return batch

    def _shape(self) -> dict[str, int]:
        return {"examples": len(self.lengths), "batch_size": self.batch_size}

    def state_dict(self) -> dict[str, int]:
        return {"epoch": self._epoch, "position": self._position, **self._shape()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        check_same_shape(state, self._shape())
        self._epoch, self._position = int(state["epoch"]), int(state["position"])
        self._order = self._shuffle()

    def _shuffle(self) -> list[NDArray[np.int64]]:
        random = np.random.default_rng((self.seed, self._epoch))
        order = random.permutation(len(self.lengths))
        size = POOL * self.batch_size
        batches: list[NDArray[np.int64]] = []
        for pool in (order[n : n + size] for n in range(0, len(order), size)):
            pool = pool[np.argsort(self.lengths[pool], kind="stable")]
            batches += [pool[n : n + self.batch_size] for n in range(0, len(pool), self.batch_size)]
        return [batches[index] for index in random.permutation(len(batches))]


def check_same_shape(saved: dict[str, Any], here: dict[str, int]) -> None:
    """Refuse a position in data that was cut otherwise: there it would point somewhere else, or nowhere."""
    differ = [
        f"{name} was {saved.get(name)} and is {value}" for name, value in here.items() if saved.get(name) != value
    ]
    if differ:
        raise ValueError(f"the data is not cut as it was: {', '.join(differ)}; resume with the same, or elsewhere")
