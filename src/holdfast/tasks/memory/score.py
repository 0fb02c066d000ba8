"""From a network's outputs to answers, and how many of them are right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from holdfast.tasks.memory.model import MemoryNetwork
from holdfast.tasks.memory.problems import NO_ANSWER, Drawn

STEPS = 100_000
"""Of all sequences of a batch together, so that memory stays small."""
NEAR = 0.04
"""A sum is right when it is off by less (Hochreiter & Schmidhuber 1997, experiment 4)."""


@dataclass(frozen=True)
class Measured:
    """What a network gave on drawn sequences.

    Attributes:
        losses: [B] of each sequence: squared error, or the mean nats of its answers.
        answers: [B] of those that each sequence has.
        right: [B] whether it counts as solved: a sum off by less than 0.04, the class, every symbol that was shown,
            or no illegal symbol foreseen at any step.
    """

    losses: NDArray[np.float64]
    answers: NDArray[np.int64]
    right: NDArray[np.bool_]

    @property
    def loss(self) -> float:
        """The mean over all answers, as training minimises it."""
        return float(np.average(self.losses, weights=self.answers))


def outputs_of(network: MemoryNetwork, drawn: Drawn) -> torch.Tensor:
    """Return a network's outputs, [B, C] or [T, B, C], computed in batches."""
    size = max(1, STEPS // len(drawn.inputs))
    parts = [network.read(drawn.part(start, start + size)) for start in range(0, len(drawn), size)]
    return torch.cat(parts, dim=-2).float().cpu()


def measure(network: MemoryNetwork, drawn: Drawn) -> Measured:
    """Measure a network on sequences with their answers."""
    return measure_outputs(outputs_of(network, drawn).numpy(), drawn)


def measure_outputs(outputs: NDArray[Any], drawn: Drawn) -> Measured:
    """Measure outputs, [B, 1] numbers or logits [B, C] or [T, B, C]."""
    if drawn.answers.dtype.kind == "f":
        errors = outputs[:, 0].astype(np.float64) - drawn.answers
        return Measured(errors**2, np.ones(len(drawn), dtype=np.int64), np.abs(errors) < NEAR)
    asked = drawn.answers != NO_ANSWER
    logits = torch.as_tensor(outputs).double()
    nats = torch.nn.functional.cross_entropy(
        logits.flatten(0, -2), torch.as_tensor(drawn.answers).flatten(), ignore_index=NO_ANSWER, reduction="none"
    )
    # One row a step, a single one where a class is asked for.
    steps = nats.numpy().reshape(-1, len(drawn))
    counts = asked.reshape(-1, len(drawn)).sum(0)
    return Measured(steps.sum(0) / counts, counts, _all_right(outputs, drawn, asked))


def _all_right(outputs: NDArray[Any], drawn: Drawn, asked: NDArray[np.bool_]) -> NDArray[np.bool_]:
    if drawn.legal is None:
        found = outputs.argmax(-1)
        return ((found == drawn.answers) | ~asked).reshape(-1, len(drawn)).all(0)
    # As many symbols as are legal have the highest outputs: the weakest legal one is above the strongest other.
    weakest = np.where(drawn.legal, outputs, np.inf).min(-1)
    strongest = np.where(drawn.legal, -np.inf, outputs).max(-1)
    return ((weakest > strongest) | ~asked).all(0)
