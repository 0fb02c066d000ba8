"""One vector from a sequence of vectors, and fixed scaling of features: what stands around a recurrent stack."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from holdfast.errors import SpecError

POOLINGS = ("attention", "last", "mean", "max")


class Pooling(nn.Module):
    """Sums up the outputs of a recurrent stack over time, whose padding does not count.

        mean, max:   over the steps of each row
        last:        the output of each direction after its last step (of the backward one: at the first)
        attention:   sum_t a_t y_t with a = softmax(v · tanh(W y_t + b)) (Yang et al. 2016)

    Args:
        method: One of `POOLINGS`.
        features: Length of an output.
        directions: 2 where the second half of an output was read backwards.
    """

    def __init__(self, method: str, features: int, directions: int = 1):
        super().__init__()
        if method not in POOLINGS or directions not in (1, 2) or features % directions:
            raise SpecError(f"There is no pooling {method!r} over {features} features of {directions} directions.")
        self.method, self.features, self.directions = method, features, directions
        if method == "attention":
            self.project, self.score = nn.Linear(features, features), nn.Linear(features, 1, bias=False)

    def forward(self, y: Tensor, lengths: Tensor) -> Tensor:
        """Pool outputs [T, B, F] over the first `lengths` [B >= 1] steps of each row to [B, F]."""
        if self.method == "last":
            ends = y.gather(0, (lengths - 1).view(1, -1, 1).expand(1, -1, y.shape[2]))[0]
            half = self.features // self.directions
            return ends if self.directions == 1 else torch.cat((ends[:, :half], y[0, :, half:]), dim=1)
        inside = (torch.arange(len(y), device=y.device)[:, None] < lengths)[:, :, None]
        if self.method == "max":
            return y.masked_fill(~inside, -torch.inf).amax(0)
        if self.method == "mean":
            return (y * inside).sum(0) / lengths[:, None].to(y.dtype)
        weights = self._scores(y).masked_fill(~inside, -torch.inf).softmax(0)
        return (weights * y).sum(0)

    def step(self, y: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """Pool all outputs so far, given those before as `state` and one more, [B, F]; one direction only."""
        if self.method == "last":
            return y, None
        if self.method == "max":
            state = y if state is None else torch.maximum(state, y)
            return state, state
        # A mean is an attention with equal scores. The highest score so far is kept, so that exp never overflows.
        score = self._scores(y) if self.method == "attention" else y.new_zeros(len(y), 1)
        if state is None:
            return y, (y, torch.ones_like(score), score)
        total, weight, highest = state
        top = torch.maximum(highest, score)
        total = total * (highest - top).exp() + y * (score - top).exp()
        weight = weight * (highest - top).exp() + (score - top).exp()
        return total / weight, (total, weight, top)

    def _scores(self, y: Tensor) -> Tensor:
        return self.score(self.project(y).tanh())


class Scaler(nn.Module):
    """Shifts and scales each feature by what `fit` found: (x - mean) / scale. Nothing in it is trained."""

    mean: Tensor
    scale: Tensor

    def __init__(self, features: int):
        super().__init__()
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("scale", torch.ones(features))

    def fit(self, mean: Tensor, scale: Tensor) -> None:
        """Set mean and scale [F]; a feature that never changes is only shifted."""
        self.mean.copy_(mean)
        self.scale.copy_(torch.where(scale > 0, scale, torch.ones_like(scale)))

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.mean) / self.scale
