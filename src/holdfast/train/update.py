"""One update of the weights: chunks in, gradients out, one optimizer step."""

from __future__ import annotations

import gc
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from holdfast.errors import TrainingError
from holdfast.train.carried import detach
from holdfast.train.metrics import RunningMean
from holdfast.train.settings import TrainSettings
from holdfast.train.task import Task
from holdfast.train.workers import Workers

SGD_MOMENTUM = 0.9
ADVICE = "Lower learning_rate, set clip_norm (1.0 is usual), lengthen warmup_steps, or look for bad values in the data"


@dataclass(frozen=True)
class UpdateResult:
    """What an update found: mean loss and count over all processes, the gradient's length, the task's own figures."""

    loss: float
    count: float
    grad_norm: float
    metrics: dict[str, float]


class NotFiniteError(TrainingError):
    """The loss or the gradient of an update is not a number; the weights are as they were before it."""


def make_optimizer(model: nn.Module, settings: TrainSettings) -> torch.optim.Optimizer:
    """Return the optimizer that the settings name, over the parameters that want gradients."""
    params = [param for param in model.parameters() if param.requires_grad]
    if not params:
        raise TrainingError("The model has no parameters to train: every one has requires_grad=False.")
    common: dict[str, Any] = {"lr": settings.learning_rate, "weight_decay": settings.weight_decay, "fused": True}
    if settings.optimizer == "sgd":
        return torch.optim.SGD(params, momentum=SGD_MOMENTUM, **common)
    return {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[settings.optimizer](params, **common)


class Updater:
    """Turns chunks into one optimizer step; gradients flow through all chunks of an update."""

    def __init__(self, task: Task, settings: TrainSettings, workers: Workers, device: torch.device):
        self._settings, self._workers = settings, workers
        self.optimizer = make_optimizer(task.model, settings)
        self._params = [param for group in self.optimizer.param_groups for param in group["params"]]
        self._chunks: nn.Module = _Chunks(task, settings.precision, device)
        if workers.size > 1:
            # DistributedDataParallel shares gradients of a module's forward, so an update's whole loss is one forward.
            self._chunks = DistributedDataParallel(self._chunks)

    def __call__(self, batches: Sequence[Any], state: Any, learning_rate: float) -> tuple[UpdateResult, Any]:
        """Update the weights and return what was found, and the state to carry on, cut off its graph.

        Raises:
            NotFiniteError: the loss or the gradient is not finite; no weight was changed.
        """
        self.optimizer.zero_grad(set_to_none=True)
        total, count, state, metrics = self._chunks(batches, state)
        loss_sum, count_sum = self._workers.add(total.item(), count)
        loss = loss_sum / count_sum if count_sum else 0.0
        if not math.isfinite(loss):
            raise NotFiniteError(f"the loss is {loss}")
        # DistributedDataParallel takes the mean over processes, hence the factor.
        (total * (self._workers.size / count_sum if count_sum else 0.0)).backward()
        norm = self._clip()
        if not math.isfinite(norm):
            raise NotFiniteError(f"the gradient's length is {norm} (the loss is {loss:.4g})")
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        self.optimizer.step()
        return UpdateResult(loss, count_sum, norm, metrics), detach(state)

    def leave_workers(self) -> None:
        """Let go of DistributedDataParallel while its process group still stands.

        It would be the last to hold the group otherwise, and a group that ends with it waits for its threads, which
        wait for the interpreter: some runs would hang there.
        """
        if self._workers.size > 1:
            self._chunks = nn.Identity()
            gc.collect()  # it holds itself in a circle

    def _clip(self) -> float:
        """Shorten the gradient to clip_norm, and return the length it had."""
        if self._settings.clip_norm is not None:
            return float(nn.utils.clip_grad_norm_(self._params, self._settings.clip_norm))
        return float(nn.utils.get_total_norm([param.grad for param in self._params if param.grad is not None]))


class _Chunks(nn.Module):
    """The loss of an update as one forward: sum(count * loss) over its chunks, and sum(count)."""

    def __init__(self, task: Task, precision: str, device: torch.device):
        super().__init__()
        self.model = task.model
        self._task_loss = task.loss
        self._half, self._device = precision == "bfloat16", device.type

    def forward(self, batches: Sequence[Any], state: Any) -> tuple[Tensor, float, Any, dict[str, float]]:
        terms, count_sum = [], 0.0
        means: dict[str, RunningMean] = {}
        with torch.autocast(self._device, torch.bfloat16, enabled=self._half):
            for batch in batches:
                loss, state, metrics = self._task_loss(batch, state)
                count = float(metrics.get("count", 1.0))
                terms.append(loss * count)
                count_sum += count
                for name, value in metrics.items():
                    means.setdefault(name, RunningMean()).add(float(value), 1.0 if name == "count" else count)
        # A pairwise sum of few terms; the first is not added to a zero, so that one chunk is exact.
        total = sum(terms[1:], start=terms[0])
        return total, count_sum, state, {name: mean.mean for name, mean in means.items() if name != "count"}
