"""What a window is measured by: the centre and the scale of its numbers, and what is forecast without learning."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from holdfast.tasks.forecast.baselines import theta_parts

if TYPE_CHECKING:
    from holdfast.tasks.forecast.windows import WindowShape

Doubles = NDArray[np.float64]
LEAST_FOR_THETA = 5  # values; a straight line through fewer leads far off


@dataclass(frozen=True)
class Measured:
    """What windows look like to the network: value = base + scale * number.

    Attributes:
        centre: [B] what is taken off past values.
        scale: [B].
        filled: [B, L] past values, without gaps; without their season where the base is Theta's forecast.
        base: [B, H].
    """

    centre: Doubles
    scale: Doubles
    filled: Doubles
    base: Doubles


def measure(past: Doubles, floor: Doubles, shape: WindowShape) -> Measured:
    """Measure windows [B, M], of which the last L are shown.

    The scale is the standard deviation of what is shown, and not below `floor`, so that a flat stretch of a lively
    series does not blow up what follows.
    """
    shown = past[:, past.shape[1] - shape.context :]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # windows without any value
        mean = np.nan_to_num(np.nanmean(shown, axis=1))
        scale = np.nan_to_num(np.nanstd(shown, axis=1))
    scale = np.maximum(scale, floor)
    flat = scale <= 1e-9 * np.maximum(np.abs(mean), 1e-300)
    scale = np.where(flat, np.maximum(np.abs(mean), 1.0), scale)
    centre, filled, base = _theta(past, mean, shape) if shape.base == "theta" else _seasonal(shown, mean, shape)
    return Measured(centre, scale, filled, base)


def last_observed(past: Doubles, otherwise: Doubles) -> Doubles:
    """Return the last known value of each window [B, L]."""
    known = ~np.isnan(past)
    place = past.shape[1] - 1 - known[:, ::-1].argmax(axis=1)
    return np.where(known.any(axis=1), past[np.arange(len(past)), place], otherwise)


def _seasonal(shown: Doubles, mean: Doubles, shape: WindowShape) -> tuple[Doubles, Doubles, Doubles]:
    """Return centre, filled and base where the base is the level, the last value, or something of the season."""
    context, horizon, season = shape.context, shape.horizon, shape.season
    cycles = min(context // season, 52) if season > 1 else 0
    phases = np.repeat(mean[:, None], max(season, 1), axis=1)
    last_season = phases
    if cycles:
        block = shown[:, context - cycles * season :].reshape(len(shown), cycles, season)
        count = (~np.isnan(block)).sum(axis=1)
        phases = np.where(count > 0, np.nansum(block, axis=1) / np.maximum(count, 1), mean[:, None])
        last_season = np.where(np.isnan(block[:, -1]), phases, block[:, -1])
    ahead, behind = np.arange(horizon) % max(season, 1), np.arange(-context, 0) % max(season, 1)
    centre, base = mean, np.repeat(mean[:, None], horizon, axis=1)
    if shape.base == "last":
        centre = last_observed(shown, mean)
        base = np.repeat(centre[:, None], horizon, axis=1)
    elif shape.base == "season":
        base = phases[:, ahead]
    elif shape.base == "naive":
        base = last_season[:, ahead] if cycles else np.repeat(last_observed(shown, mean)[:, None], horizon, axis=1)
    return centre, np.where(np.isnan(shown), phases[:, behind], shown), base


def _theta(past: Doubles, mean: Doubles, shape: WindowShape) -> tuple[Doubles, Doubles, Doubles]:
    """Return centre, filled and base where the base is Theta's forecast; what is shown has no season any more."""
    base, adjusted = theta_parts(past, shape.horizon, max(shape.season, 1))
    shown = adjusted[:, past.shape[1] - shape.context :]
    centre = last_observed(shown, mean)
    first = last_observed(shown[:, ::-1], mean)
    few = (~np.isnan(past)).sum(axis=1) < LEAST_FOR_THETA
    base = np.where(few[:, None] | ~np.isfinite(base), centre[:, None], base)
    return centre, np.where(np.isnan(shown), first[:, None], shown), base
