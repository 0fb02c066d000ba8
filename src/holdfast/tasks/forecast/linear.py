"""A linear forecast fitted in closed form, and the choice of windows by how well it does on held-out windows.

A global ridge regression from a window to the steps after it takes a second, is hard to beat on smooth seasonal series,
and so is both where the network starts from and the yardstick by which context, transform and base are chosen.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from holdfast.tasks.forecast.config import WindowSettings
from holdfast.tasks.forecast.folds import Fold, Split, training_picks
from holdfast.tasks.forecast.inputs import check_positive
from holdfast.tasks.forecast.windows import (
    Doubles,
    Floats,
    Series,
    Whole,
    WindowReader,
    Windows,
    WindowShape,
    mase_scales,
    sums,
)

PENALTIES = (1e-4, 1e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0, 3.0, 10.0, 100.0, np.inf)
"""Strengths of the pull to the base, in units of the inputs' mean square. The last leaves the base alone."""
BLOCK, MOST_TRIED, MOST_FITTED, MOST_CHECKED = 1024, 6_000, 30_000, 2_000
LONGEST_MEMORY = 256  # steps that Theta may look back: it is slow, and meant for short series
LONGEST_CONTEXT, LONGEST_SEASON = 768, 1440  # steps; the products of a window's inputs grow with their square
LEAST_WINDOWS = 6  # that are fitted to; fewer say less of later steps than the base alone
LEAST_KNOWN = 0.8  # of the steps ahead of a window that is fitted to
NEAR_ZERO = 0.05  # of a series' mean
ALIKE = 0.01  # losses that differ by less are taken for equal
LARGEST_TARGET = 8.0  # scales; beyond, a window's target is cut off: squares would let a few windows decide


@dataclass(frozen=True)
class LinearForecast:
    """A forecast from a window's numbers, on the common scale.

    Attributes:
        weight: [H, L].
        bias: [H].
    """

    weight: Doubles
    bias: Doubles

    def __call__(self, windows: Windows) -> Doubles:
        return windows.values.astype(np.float64) @ self.weight.T + self.bias


@dataclass(frozen=True)
class LinearFit:
    """What fitting found, at the penalty that is best on the hidden parts of all folds.

    Attributes:
        start: Fitted without the held-out values, which training is watched by.
        whole: Fitted to all values.
        loss: Mean error on the hidden parts, in MASE's units.
        errors: [windows, H] what is left of hidden targets, on the common scale, NaN where unknown.
        independent: About how many of the windows share no target.
    """

    start: LinearForecast
    whole: LinearForecast
    loss: float
    errors: Doubles
    independent: int

    def without_weights(self) -> LinearFit:
        """Return the base alone."""
        nothing = LinearForecast(np.zeros_like(self.start.weight), np.zeros_like(self.start.bias))
        return replace(self, start=nothing, whole=nothing)


def choose_shape(split: Split, shape: WindowShape, settings: WindowSettings) -> tuple[WindowShape, LinearFit]:
    """Return the window shape that forecasts the held-out steps best, with its linear forecast.

    One thing is chosen after the other: context and transform together, then the base. Of contexts that are as good as
    alike the longest is taken: the recurrent network may make more of it.

    Raises:
        DataError: logarithms are asked for, and a value has none.
    """
    check_positive(split.whole, settings.transform)
    transforms = [settings.transform]
    if settings.transform == "auto":
        positive = not (split.whole.values <= 0).any()
        transforms = ["none", "log"] if positive and clear_of_zero(split.train) else ["none"]
    contexts = [settings.context] if settings.context else context_choices(split, shape, settings.patch)
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
        tried = {best: tried[best]}
        for base in ("level", "last", "naive", "theta"):
            candidate = replace(best, base=base)
            if base == "theta" and candidate.memory > LONGEST_MEMORY:
                continue
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


def context_choices(split: Split, shape: WindowShape, patch: int = 0) -> list[int]:
    """Return lengths of context worth trying: some seasons, and not more than most series have.

    Args:
        patch: What the lengths are to be multiples of; 0: of nothing.
    """
    unit = shape.season if 1 < shape.season <= LONGEST_SEASON else 2
    longest = int(np.quantile((split.train.lengths - split.held_out), 0.75)) - shape.horizon
    least = max(unit, 4)
    most = max(least, min(longest * 2 // 3, LONGEST_CONTEXT))
    choices = {unit * number for number in (1, 2, 3, 4, 7, 14, 21, 28, 48, 96, 192)}
    kept = sorted(length for length in choices if least <= length <= most and 3 * length >= min(shape.horizon, most))
    return sorted({-(-length // max(patch, 1)) * max(patch, 1) for length in kept[-5:] or [least]})


def fit_linear(split: Split, shape: WindowShape, most: int) -> LinearFit:
    """Fit a ridge regression to all windows but those of each fold in turn, and choose the penalty by what it hides."""
    reader = WindowReader(split.whole, shape, split.train)
    folds = split.folds()
    solvers = _solvers(reader, folds, *training_picks(split.whole.lengths, shape.context, shape.horizon).spread(most))
    parts = [fold.picks(shape.horizon).spread(MOST_CHECKED // len(folds)) for fold in folds]
    hidden = [_read_hidden(reader, fold, *part) for fold, part in zip(folds, parts, strict=True)]
    scale = mase_scales(split.train, shape.season)
    losses = []
    for penalty in PENALTIES:
        costs = [
            _costs(solve(penalty), reader, windows, truth, scale[rows])
            for solve, (windows, truth), (rows, _) in zip(solvers[1:], hidden, parts, strict=True)
        ]
        losses.append(split.mean_loss(costs))
    # Of equal losses the strongest pull: where too few windows are left to fit to, no penalty has been tried.
    best = len(losses) - 1 - int(np.argmin(losses[::-1]))
    forecasts = [solve(PENALTIES[best]) for solve in solvers]
    errors = [
        np.where(np.isnan(truth), np.nan, windows.target - forecast(windows))
        for forecast, (windows, truth) in zip(forecasts[1:], hidden, strict=True)
    ]
    independent = sum(fold.independent(shape.horizon) for fold in folds)
    return LinearFit(forecasts[1], forecasts[0], losses[best], np.concatenate(errors), independent)


def _read_hidden(reader: WindowReader, fold: Fold, rows: Whole, origins: Whole) -> tuple[Windows, Doubles]:
    """Return windows, and the true values of what the fold hides of their steps ahead, NaN elsewhere."""
    windows = reader.read(rows, origins)
    inside = origins[:, None] + np.arange(reader.shape.horizon) < fold.end[rows][:, None]
    truth = reader.restore(windows.target.astype(np.float64), windows)
    return windows, np.where(inside & (windows.known > 0), truth, np.nan)


def _costs(forecast: LinearForecast, reader: WindowReader, windows: Windows, truth: Doubles, scale: Doubles) -> Doubles:
    """Return absolute errors [windows, H], each divided by what repeating the season costs its series."""
    return np.abs(reader.restore(forecast(windows), windows) - truth) / scale[:, None]


def _solvers(
    reader: WindowReader, folds: list[Fold], rows: Whole, origins: Whole
) -> list[Callable[[float], LinearForecast]]:
    """Return the ridge regression as a function of its penalty: of all windows, and of those that meet no fold."""
    horizon = reader.shape.horizon
    total = _Products.zero(reader.shape)
    met = [_Products.zero(reader.shape) for _ in folds]
    for begin in range(0, len(rows), BLOCK):
        part = slice(begin, begin + BLOCK)
        windows = reader.read(rows[part], origins[part])
        within = origins[part] + horizon <= reader.series.lengths[rows[part]]
        whole = within & (windows.known.mean(axis=1) >= LEAST_KNOWN)
        inputs = np.concatenate([windows.values, np.ones((len(rows[part]), 1), np.float32)], axis=1)
        targets = np.clip(without_gaps(windows.target, windows.known), -LARGEST_TARGET, LARGEST_TARGET)
        total.add(inputs[whole], targets[whole])
        for fold, hidden in zip(folds, met, strict=True):
            inside = whole & fold.meets(rows[part], origins[part], horizon)
            hidden.add(inputs[inside], targets[inside])
    return [_solver(total), *(_solver(total.without(hidden)) for hidden in met)]


def without_gaps(target: Floats, known: Floats) -> Floats:
    """Return targets [B, H] with what is unknown on a straight line between its known neighbours."""
    gaps = known == 0
    if not gaps.any():
        return target
    steps = np.arange(target.shape[1])
    before = np.maximum.accumulate(np.where(gaps, -1, steps), axis=1)
    after = np.minimum.accumulate(np.where(gaps, len(steps), steps)[:, ::-1], axis=1)[:, ::-1]
    left = np.clip(np.where(before < 0, after, before), 0, len(steps) - 1)
    right = np.clip(np.where(after == len(steps), before, after), 0, len(steps) - 1)
    share = ((steps - left) / np.maximum(right - left, 1)).astype(np.float32)
    low, high = np.take_along_axis(target, left, axis=1), np.take_along_axis(target, right, axis=1)
    return np.where(gaps, low + share * (high - low), target)


@dataclass
class _Products:
    """Inputs' products [L+1, L+1], inputs by targets [L+1, H], and how many windows they are of."""

    gram: Doubles
    cross: Doubles
    count: int = 0

    @staticmethod
    def zero(shape: WindowShape) -> _Products:
        return _Products(np.zeros((shape.context + 1, shape.context + 1)), np.zeros((shape.context + 1, shape.horizon)))

    def add(self, inputs: np.ndarray, targets: np.ndarray) -> None:
        self.gram += inputs.T @ inputs
        self.cross += inputs.T @ targets
        self.count += len(inputs)

    def without(self, other: _Products) -> _Products:
        return _Products(self.gram - other.gram, self.cross - other.cross, self.count - other.count)


def _solver(products: _Products) -> Callable[[float], LinearForecast]:
    values, vectors = np.linalg.eigh(products.gram)
    projected = vectors.T @ products.cross
    unit = max(np.trace(products.gram) / len(products.gram), 1e-12)

    def solve(penalty: float) -> LinearForecast:
        if products.count < LEAST_WINDOWS or np.isinf(penalty):
            return LinearForecast(
                np.zeros((products.cross.shape[1], len(products.gram) - 1)), np.zeros(products.cross.shape[1])
            )
        weights = (vectors @ (projected / (np.maximum(values, 0) + penalty * unit)[:, None])).T
        return LinearForecast(weights[:, :-1], weights[:, -1])

    return solve
