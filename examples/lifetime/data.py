"""2. The data: read what people have, refuse what is broken, cut batches that know where they stand."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.errors import DataError
from holdfast.tasks.batches import LengthBatches


@dataclass(frozen=True)
class Batch:
    """Readings [T, B, I], padded with zeros, of `lengths` [B] steps, and the steps left [B]."""

    readings: NDArray[np.float32]
    lengths: NDArray[np.int64]
    left: NDArray[np.float32]


class MachineBatches(LengthBatches):
    """Batches of machines of like length, epoch after epoch; its position is saved with a checkpoint."""

    def __init__(self, machines: Sequence[NDArray[np.float32]], left: NDArray[np.float32], batch_size: int, seed: int):
        super().__init__([len(machine) for machine in machines], batch_size, seed)
        self.machines, self.left = machines, left

    def __next__(self) -> Any:
        chosen = super().__next__()
        return pad([self.machines[n] for n in chosen], self.left[chosen])


def pad(machines: Sequence[NDArray[np.float32]], left: NDArray[np.float32] | None = None) -> Batch:
    """Put machines side by side."""
    lengths = np.array([len(machine) for machine in machines])
    readings = np.zeros((lengths.max(), len(machines), machines[0].shape[1]), dtype=np.float32)
    for row, machine in enumerate(machines):
        readings[: len(machine), row] = machine
    return Batch(readings, lengths, np.zeros(len(machines), np.float32) if left is None else left)


def read_machines(machines: Iterable[Any], features: int | None = None) -> list[NDArray[np.float32]]:
    """Return each machine's readings as [T, I].

    Raises:
        DataError: there is none, or one is empty, not finite, or of another number of sensors than the first.
    """
    found = [np.asarray(machine, dtype=np.float32) for machine in machines]
    if not found:
        raise DataError("There is no machine. Give one or more, each as an array [steps, sensors].")
    wanted = features or found[0].shape[-1]
    for number, machine in enumerate(found):
        if machine.ndim != 2 or not len(machine) or machine.shape[1] != wanted or not np.isfinite(machine).all():
            raise DataError(
                f"Machine {number} must be an array [steps, {wanted}] of finite numbers with a step or more, "
                f"got shape {machine.shape}."
            )
    return found


def make_machines(count: int, seed: int = 0) -> tuple[list[NDArray[np.float32]], NDArray[np.float32]]:
    """Draw machines that wear out at a pace of their own, stopped at some time before they fail, and the steps left."""
    random = np.random.default_rng(seed)
    machines, left = [], []
    for _ in range(count):
        life = random.integers(40, 120)
        seen = random.integers(20, life)
        wear = (np.arange(seen) / life) ** 2
        heat, noise = np.cumsum(wear) / 10, random.normal(0, 0.05, (seen, 2))
        machines.append((np.stack([wear, heat], axis=1) + noise).astype(np.float32))
        left.append(life - seen)
    return machines, np.array(left, dtype=np.float32)
