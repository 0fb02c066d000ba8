"""What both decoders give to fitting: windows as settings and data shape them, and the training loop's task."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch

from holdfast.tasks.forecast.config import ForecastConfig
from holdfast.tasks.forecast.decode import BLOCK
from holdfast.tasks.forecast.folds import Split
from holdfast.tasks.forecast.windows import WindowBatches, WindowShape, cycles_of


@dataclass
class FitTask:
    """What the training loop needs of a decoder: a network whose loss takes what the batches are."""

    model: Any
    batches: WindowBatches
    held_out: Any

    def loss(self, batch: Any, state: Any) -> tuple[torch.Tensor, Any, dict[str, float]]:
        loss, count = self.model.loss(batch)
        return loss, None, {"count": count}

    def evaluate(self) -> dict[str, float]:
        """Return the mean loss over known held-out values, NaN where there is none."""
        total = known = 0.0
        for windows in self.held_out.blocks(BLOCK):
            loss, count = self.model.loss(windows)
            total, known = total + float(loss) * count, known + count
        return {"loss": total / known if known else math.nan}


def first_shape(config: ForecastConfig, split: Split, season: int) -> WindowShape:
    """Return what settings and data say of the windows before anything is chosen."""
    settings = config.windows
    return WindowShape(
        settings.context,
        config.horizon,
        season,
        cycles=cycles_of(split.train) if settings.calendar else (),
        num_historic=len(settings.historic),
        num_future=len(settings.future),
        num_static=len(settings.static),
    )
