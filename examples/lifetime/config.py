"""1. The settings: a frozen dataclass, all with defaults, checked at once. Needs no torch."""

from __future__ import annotations

from dataclasses import dataclass, field

from holdfast.tasks.cells import check_cell
from holdfast.tasks.settings import TaskConfig, check_whole
from holdfast.train.settings import TrainSettings


@dataclass(frozen=True)
class LifetimeConfig(TaskConfig):
    """What the model is made of and how it is trained."""

    cell: str = "lstm"
    """The recurrent cell."""
    hidden_size: int = 32
    """Units of the recurrent layer."""
    batch_size: int = 32
    """Machines that are trained on side by side."""
    train: TrainSettings = field(
        default_factory=lambda: TrainSettings(learning_rate=1e-2, max_steps=400, evaluate_every=50)
    )
    """How long and how fast to train."""

    def __post_init__(self):
        check_cell(self)
        check_whole(self, ("hidden_size", "batch_size"))
