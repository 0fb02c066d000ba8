"""Convolution over time with its norm, for series of any lengths: what a recurrent stack may read first."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from holdfast.errors import SpecError

EPS, MOMENTUM = 1e-5, 0.1  # torch's of batch normalisation


class ConvolutionBlock(nn.Module):
    """Patterns of `kernel` neighbouring steps: relu(norm(W * x)), where * is convolution over time.

    The norm shifts and scales each feature by its mean and deviation over the steps of the batch, padding left out, and
    after training by their running means. Beyond its ends a sequence counts as zero.

    Args:
        in_features: Features of a step.
        out_features: Features of a step that come out.
        kernel: Steps that one output sees: around it, or up to it if `causal`.
        causal: An output sees no later step, as `step` needs.

    Source: Wang, Yan & Oates 2017, one block of their FCN; Ioffe & Szegedy 2015 for the norm.
    """

    mean: Tensor
    variance: Tensor

    def __init__(self, in_features: int, out_features: int, kernel: int, causal: bool = False):
        super().__init__()
        if min(in_features, out_features, kernel) < 1:
            raise SpecError(f"No convolution of {in_features} to {out_features} features over {kernel} steps.")
        self.kernel, self.causal = kernel, causal
        self.convolution = nn.Conv1d(in_features, out_features, kernel, bias=False)
        self.scale, self.shift = nn.Parameter(torch.ones(out_features)), nn.Parameter(torch.zeros(out_features))
        self.register_buffer("mean", torch.zeros(out_features))
        self.register_buffer("variance", torch.ones(out_features))

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """Return [T, B, O] of sequences [T, B, I] of `lengths` [B] steps; what stands in padding is of no meaning."""
        inside = (torch.arange(len(x), device=x.device)[:, None] < lengths)[:, :, None]
        before = self.kernel - 1 if self.causal else (self.kernel - 1) // 2
        rows = nn.functional.pad((x * inside).permute(1, 2, 0), (before, self.kernel - 1 - before))
        y = self.convolution(rows).permute(2, 0, 1)
        return self._norm(y, inside).relu()

    def step(self, x: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """Return [B, O] after one more step [B, I], and the state to carry on; of a causal block only."""
        if not self.causal:
            raise SpecError(
                "This convolution sees later steps, so it cannot go step by step. Build it with causal=True."
            )
        before = x.new_zeros(len(x), x.shape[1], self.kernel - 1) if state is None else state
        recent = torch.cat((before, x[:, :, None]), dim=2)
        y = self.convolution(recent)[:, :, 0]
        return self._norm(y, None).relu(), recent[:, :, 1:]

    def _norm(self, y: Tensor, inside: Tensor | None) -> Tensor:
        y, mean, variance = y.to(self.mean.dtype), self.mean, self.variance  # under autocast y comes in half precision
        if self.training and inside is not None:
            count = inside.sum()
            mean = (y * inside).sum((0, 1)) / count
            variance = ((y - mean).square() * inside).sum((0, 1)) / count
            with torch.no_grad():
                self.mean.lerp_(mean, MOMENTUM)
                self.variance.lerp_(variance, MOMENTUM)
        return (y - mean) * (self.scale * (variance + EPS).rsqrt()) + self.shift
