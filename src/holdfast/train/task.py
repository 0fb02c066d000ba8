"""What the loop needs of a task."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor


class Batches(Protocol):
    """The training data: an iterator that knows where it stands."""

    @property
    def epoch(self) -> float:
        """How often the data was read, with a fraction."""
        ...

    def __next__(self) -> Any:
        """Return the next batch, or chunk of a stream; StopIteration ends the run."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """Return the position as JSON."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go to a position."""
        ...


class Task(Protocol):
    """A model with its data and its loss.

    Attributes:
        model: Every parameter to train.
        batches: The training data. Under torchrun each process reads its own share, as many batches as the others.
    """

    @property
    def model(self) -> torch.nn.Module: ...

    @property
    def batches(self) -> Batches: ...

    def loss(self, batch: Any, state: Any) -> tuple[Tensor, Any, dict[str, float]]:
        """Return the mean loss of a batch, the state to carry on, and figures for the log.

        The figure "count", 1 when absent, says how much the mean counts beside the other chunks and the other processes
        of the same update: usually the number of tokens, or the sum of their weights. The update minimises
        sum(count * loss) / sum(count), so cutting a text into other chunks does not change it.

        Args:
            batch: What `batches` returned.
            state: What the last call returned, None at first: tensors, in tuples, lists or dicts. The loop cuts it off
                its graph after every update.
        """
        ...

    def evaluate(self) -> dict[str, float]:
        """Measure the model on validation data; "loss" is there, and lower is better. The model is in eval mode."""
        ...
