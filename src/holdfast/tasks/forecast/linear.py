"""A linear forecast fitted in closed form, and the choice of windows by how well it does on held-out windows.

A global ridge regression from a window to the steps after it takes a second, is hard to beat on smooth seasonal series,
and so is both where the network starts from and the yardstick by which context, transform and base are chosen.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from holdfast.tasks.forecast.config import WindowSettings
from holdfast.tasks.forecast.windows import (
    Doubles,
    Picks,
    Series,
    Whole,
    WindowReader,
    Windows,
    WindowShape,
    season_errors,
    sums,
)

PENALTIES = (1e-4, 1e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0, 3.0, 10.0, 100.0, np.inf)
"""Strengths of the pull to the base, in units of the inputs' mean square. The last leaves the base alone."""
BLOCK, MOST_TRIED, MOST_FITTED, MOST_CHECKED = 1024, 6_000, 30_000, 1_000
NEAR_ZERO = 0.05  # of a series' mean
ALIKE = 0.005  # losses that differ by less are taken for equal
LARGEST_TARGET = 8.0  # scales; beyond, a window's target is cut off: squares would let a few windows decide


@dataclass(frozen=True)
class LinearForecast:
    """A forecast from a window's numbers, on the common scale.

    Attributes:
        weight: [H, L].
        bias: [H].
        loss: Its error on held-out windows, in MASE's units.
    """

    weight: Doubles
    bias: Doubles
    loss: float = np.inf

    def __call__(self, windows: Windows) -> Doubles:
        return windows.values.astype(np.float64) @ self.weight.T + self.bias


@dataclass(frozen=True)
class Split:
    """Series with the held-out values removed, the whole series, and how many last steps of each are held out."""

    train: Series
    whole: Series
    held_out: np.ndarray


def training_picks(split: Split, context: int, horizon: int) -> Picks:
    """Return the origins to train on: with the whole context in long series, with down to half of it in short ones."""
    lengths = split.train.lengths - split.held_out
    room = np.maximum(lengths - horizon, 0)
    first = np.maximum(np.minimum(context, room // 2), 1)
    last = np.where(room >= 1, np.maximum(room, first), np.where(lengths >= 2, first, 0))
    return Picks(first, last)


def validation_picks(split: Split, horizon: int) -> Picks:
    """Return the origins whose steps ahead are all held out."""
    lengths = split.whole.lengths
    first = np.maximum(lengths - split.held_out, 1)
    return Picks(first, np.where(split.held_out >= 1, np.maximum(lengths - horizon, first), first - 1))


def choose_shape(split: Split, shape: WindowShape, settings: WindowSettings) -> tuple[WindowShape, LinearForecast]:
    """Return the window shape that forecasts the held-out steps best, with its linear forecast.

    One thing is chosen after the other: context and transform together, then the base. Of contexts that are as good as
    alike the longest is taken: the recurrent network may make more of it.
    """
    transforms = [settings.transform]
    if settings.transform == "auto":
        transforms = ["none", "log"] if clear_of_zero(split.train) else ["none"]
    contexts = [settings.context] if settings.context else context_choices(split, shape)
    start = "season" if settings.base == "auto" else settings.base
    tried = {}
    for transform in transforms:
        for context in contexts:
            candidate = replace(shape, context=context, transform=transform, base=start)
            tried[candidate] = fit_linear(split, candidate, MOST_TRIED)
    best = min(tried, key=lambda candidate: tried[candidate].loss)
    enough = (1 + ALIKE) * tried[best].loss
    alike = [shape for shape in tried if shape.transform == best.transform and tried[shape].loss <= enough]
    best = max(alike, key=lambda candidate: candidate.context)
    if settings.base == "auto":
        for base in ("level", "last", "naive"):
            candidate = replace(best, base=base)
            tried[candidate] = fit_linear(split, candidate, MOST_TRIED)
        best = min(tried, key=lambda candidate: tried[candidate].loss)
    return best, fit_linear(split, best, MOST_FITTED)


def clear_of_zero(series: Series) -> bool:
    """Return whether all values are positive, and the least of a series mostly no small part of its mean.

    Where they come near zero, later values may well be zero, and have no logarithm.
    """
    filled = series.lengths > 0
    least = np.fmin.reduceat(series.values, series.starts[:-1][filled])
    known = ~np.isnan(series.values)
    count = sums(known.astype(np.float64), series.starts)[filled]
    mean = sums(np.where(known, series.values, 0), series.starts)[filled] / np.maximum(count, 1)
    present = ~np.isnan(least)
    if not present.any() or least[present].min() <= 0:
        return False
    return float(np.median(least[present] / mean[present])) > NEAR_ZERO


def context_choices(split: Split, shape: WindowShape) -> list[int]:
    """Return lengths of context worth trying: some seasons, and not more than most series have."""
    unit = shape.season if shape.season > 1 else 2
    longest = int(np.quantile((split.train.lengths - split.held_out), 0.75)) - shape.horizon
    least = max(unit, 4)
    most = max(least, min(longest * 2 // 3, 768))
    choices = {unit * number for number in (1, 2, 3, 4, 7, 14, 21, 28, 48, 96, 192)}
    kept = sorted(length for length in choices if least <= length <= most and 3 * length >= min(shape.horizon, most))
    return kept[-5:] or [least]


def fit_linear(split: Split, shape: WindowShape, most: int) -> LinearForecast:
    """Fit a ridge regression to training windows, its penalty chosen on the held-out ones."""
    picks = training_picks(split, shape.context, shape.horizon)
    solve = _solver(WindowReader(split.train, shape), *picks.spread(most))
    checked = _held_out(split, shape)
    tried = [solve(penalty) for penalty in PENALTIES]
    losses = [_loss(forecast, *checked) for forecast in tried]
    best = int(np.argmin(losses))
    return replace(tried[best], loss=losses[best])


def residuals(split: Split, shape: WindowShape, forecast: LinearForecast) -> Doubles:
    """Return what the forecast leaves of the training windows' targets [windows, H], NaN where unknown.

    They are stretched to the size of what it leaves of the held-out ones.
    """
    picks = training_picks(split, shape.context, shape.horizon).spread(MOST_CHECKED)
    fitted = _left(WindowReader(split.train, shape), *picks, forecast)
    held_out = validation_picks(split, shape.horizon).spread(MOST_CHECKED)
    unseen = _left(WindowReader(split.whole, shape, split.train), *held_out, forecast)
    if np.isnan(unseen).all() or not np.nansum(np.abs(fitted)):
        return fitted
    return fitted * max(1.0, float(np.nanmean(np.abs(unseen)) / np.nanmean(np.abs(fitted))))


def _left(reader: WindowReader, rows: Whole, origins: Whole, forecast: LinearForecast) -> Doubles:
    windows = reader.read(rows, origins)
    return np.where(windows.known > 0, windows.target - forecast(windows), np.nan)


def _solver(reader: WindowReader, rows: Whole, origins: Whole) -> Callable[[float], LinearForecast]:
    """Return the ridge regression of some windows as a function of its penalty."""
    shape = reader.shape
    gram, cross, count = _normal_equations(reader, rows, origins)
    values, vectors = np.linalg.eigh(gram)
    projected = vectors.T @ cross
    unit = max(np.trace(gram) / len(gram), 1e-12)

    def solve(penalty: float) -> LinearForecast:
        if not count or np.isinf(penalty):
            return LinearForecast(np.zeros((shape.horizon, shape.context)), np.zeros(shape.horizon))
        weights = (vectors @ (projected / (np.maximum(values, 0) + penalty * unit)[:, None])).T
        return LinearForecast(weights[:, :-1], weights[:, -1])

    return solve


def _normal_equations(reader: WindowReader, rows: Whole, origins: Whole) -> tuple[Doubles, Doubles, int]:
    """Return inputs' products [L+1, L+1], inputs by targets [L+1, H], and how many windows were whole."""
    shape = reader.shape
    gram = np.zeros((shape.context + 1, shape.context + 1))
    cross = np.zeros((shape.context + 1, shape.horizon))
    count = 0
    for begin in range(0, len(rows), BLOCK):
        windows = reader.read(rows[begin : begin + BLOCK], origins[begin : begin + BLOCK])
        whole = windows.known.all(axis=1)
        inputs = np.concatenate([windows.values[whole], np.ones((int(whole.sum()), 1), np.float32)], axis=1)
        targets = np.clip(windows.target[whole], -LARGEST_TARGET, LARGEST_TARGET)
        gram += inputs.T @ inputs
        cross += inputs.T @ targets
        count += len(inputs)
    return gram, cross, count


def _held_out(split: Split, shape: WindowShape) -> tuple[WindowReader, Windows, Doubles, Doubles]:
    reader = WindowReader(split.whole, shape, split.train)
    rows, origins = validation_picks(split, shape.horizon).spread(MOST_CHECKED)
    windows = reader.read(rows, origins)
    truth = np.where(windows.known > 0, reader.restore(windows.target.astype(np.float64), windows), np.nan)
    return reader, windows, truth, season_errors(split.train, shape.season)[rows]


def _loss(forecast: LinearForecast, reader: WindowReader, windows: Windows, truth: Doubles, scale: Doubles) -> float:
    """Return the mean absolute error of the windows, each divided by what repeating its season costs."""
    errors = np.abs(reader.restore(forecast(windows), windows) - truth) / scale[:, None]
    known = ~np.isnan(errors)
    return float(np.where(known, errors, 0).sum() / max(int(known.sum()), 1))
