"""What the Studio asks of each kind of model: how it reads an input, runs, and what it answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import nn

from holdfast.studio.run import Reading, Run


class AbstractKind:
    """A loaded model of one task.

    Attributes:
        estimator: The task's own object; of a bare layer the module.
    """

    def __init__(self, estimator: Any):
        self.estimator = estimator

    @classmethod
    def load(cls, folder: Path) -> AbstractKind:
        """Load a saved folder.

        Raises:
            CheckpointError: it is broken.
        """
        raise NotImplementedError

    @property
    def network(self) -> nn.Module:
        """The torch module that is recorded."""
        return self.estimator.model

    def read(self, text: str | None, table: Any) -> Reading:
        """Return a text, the text of a CSV, or a frame as the network reads it.

        Raises:
            DataError: it does not fit the model.
        """
        raise NotImplementedError

    def forward(self, reading: Reading) -> Any:
        """Call the network once, in evaluation mode, and return what answers are made from."""
        raise NotImplementedError

    def top(self, run: Run, t: int, k: int) -> list[tuple[str, float]]:
        """Return what the model holds likeliest after step t, the best first; empty where it has no such answer."""
        return []

    def answer(self, run: Run) -> dict[str, Any]:
        """Return what the model says of the whole input."""
        return {}
