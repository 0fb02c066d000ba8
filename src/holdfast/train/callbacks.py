"""What may watch a run: a progress bar, TensorBoard, or anything with the same methods."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from holdfast.errors import MissingDependencyError

if TYPE_CHECKING:
    from holdfast.train.loop import TrainResult


class Callback:
    """Watches a run; override what you need. Only the first process of several calls it."""

    def on_step(self, record: dict[str, Any]) -> None:
        """Called after every update with step, epoch, loss, lr, grad_norm, seconds and the task's own metrics."""

    def on_evaluate(self, record: dict[str, Any]) -> None:
        """Called after every evaluation with step, seconds, best (the lowest loss of the run so far, before a resume
        too) and validation, the task's figures by name.
        """

    def on_end(self, result: TrainResult | None) -> None:
        """Called once when the run ends; None when it ended with an error."""


class TensorBoard(Callback):
    """Writes a run's figures where TensorBoard reads them.

    Raises:
        MissingDependencyError: the package tensorboard is not installed.
    """

    def __init__(self, folder: Path | str):
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise MissingDependencyError("tensorboard", "The TensorBoard log", "tensorboard") from error
        self._writer = SummaryWriter(str(folder))

    def on_step(self, record: dict[str, Any]) -> None:
        for name, value in record.items():
            if name != "step":
                self._writer.add_scalar(f"train/{name}", value, record["step"])

    def on_evaluate(self, record: dict[str, Any]) -> None:
        for name, value in record["validation"].items():
            self._writer.add_scalar(f"validation/{name}", value, record["step"])

    def on_end(self, result: TrainResult | None) -> None:
        self._writer.close()


class ProgressBar(Callback):
    """A bar on a terminal: steps, or seconds where only they are limited."""

    def __init__(self, max_steps: int | None, max_seconds: float | None):
        from tqdm import tqdm

        self._steps = max_steps is not None
        self._bar: Any = tqdm(
            total=max_steps if self._steps else max_seconds, unit="step" if self._steps else "s", file=sys.stderr,
            bar_format=None if self._steps else "{percentage:3.0f}%|{bar}| {n:.0f}/{total:.0f} s{postfix}",
        )  # fmt: skip
        self._validation = ""

    def on_step(self, record: dict[str, Any]) -> None:
        self._bar.n = record["step"] if self._steps else min(record["seconds"], self._bar.total)
        self._bar.set_postfix_str(f"loss {record['loss']:.4f}{self._validation}", refresh=False)
        self._bar.update(0)

    def on_evaluate(self, record: dict[str, Any]) -> None:
        self._validation = f", validation {record['validation']['loss']:.4f}"

    def on_end(self, result: TrainResult | None) -> None:
        self._bar.close()


def on_terminal() -> bool:
    """Whether progress would be seen by a person."""
    return bool(sys.stderr is not None and sys.stderr.isatty())
