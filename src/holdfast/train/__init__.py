"""Training: a short loop of our own on plain torch. Torch is loaded on first use only."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from holdfast.train.settings import TrainSettings

if TYPE_CHECKING:
    from holdfast.train.callbacks import Callback, TensorBoard
    from holdfast.train.loop import TrainResult, train
    from holdfast.train.task import Batches, Task

__all__ = ["Batches", "Callback", "Task", "TensorBoard", "TrainResult", "TrainSettings", "train"]

_HOMES = {
    "Batches": "task", "Callback": "callbacks", "Task": "task", "TensorBoard": "callbacks", "TrainResult": "loop",
    "train": "loop",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"holdfast.train.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
