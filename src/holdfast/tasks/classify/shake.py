"""Series as they might as well have been: other sizes, other speeds and some noise, so that few examples go further."""

from __future__ import annotations

import torch
from torch import Tensor

from holdfast.tasks.classify.config import SeriesSettings

KNOTS = 6  # places of a series between which its speed changes evenly


def shake_series(x: Tensor, lengths: Tensor, mean: Tensor, scale: Tensor, settings: SeriesSettings) -> Tensor:
    """Return series [T, B, I] of `lengths` [B] warped in time, scaled around the mean [I], with noise of scale [I].

    Source: Um et al. 2017 (jitter, scaling and time warping).
    """
    if settings.warp:
        x = warp_series(x, lengths, (torch.randn(KNOTS, x.shape[1], device=x.device) * settings.warp).exp())
    if settings.scale:
        x = mean + (x - mean) * (1 + settings.scale * torch.randn(x.shape[1:], device=x.device))
    return x + torch.randn_like(x) * (settings.noise * scale)


def warp_series(x: Tensor, lengths: Tensor, speeds: Tensor) -> Tensor:
    """Return series [T, B, I] read at uneven speed; their first and last steps stay, and so do their `lengths` [B].

    Args:
        speeds: Relative speed at evenly spaced places from the first to the last step [K >= 2, B], each above 0.
    """
    last = (lengths - 1).clamp(min=1)
    place = torch.arange(len(x), device=x.device)[:, None] / last * (len(speeds) - 1)
    knot = place.long().clamp(max=len(speeds) - 2)
    speed = torch.lerp(speeds.gather(0, knot), speeds.gather(0, knot + 1), (place - knot).clamp(max=1))
    path = speed.cumsum(0) - speed[0]
    end = last.clamp(max=len(x) - 1)[None]
    path = (path * (last / path.gather(0, end).clamp(min=1e-6))).minimum(last)
    left = path.long()
    right = (left + 1).minimum(end)
    left = left.minimum(end)
    before, after = (x.gather(0, place[:, :, None].expand_as(x)) for place in (left, right))
    return torch.lerp(before, after, (path - left)[:, :, None].to(x.dtype))
