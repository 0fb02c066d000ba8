"""What `fit` says at its end: how windows are cut, what training gained, and measures on held-out steps."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from holdfast.errors import DataError, MissingDependencyError
from holdfast.tasks.forecast.data import SeriesTable
from holdfast.tasks.forecast.folds import Split
from holdfast.tasks.forecast.measure import cutoff_frame, held_out_windows, only_series, score_beside_baselines
from holdfast.tasks.forecast.windows import Doubles, Whole

if TYPE_CHECKING:
    from holdfast.tasks.forecast.task import Forecaster

BESIDE = ("SeasonalNaive", "Theta")
LEVEL = 80


def report_fit(
    forecaster: Forecaster, split: Split, table: SeriesTable, forecast: Callable[[Whole, Whole], Doubles]
) -> str:
    """Return the lines that `fit` prints.

    Args:
        split: The series, and what was held out of them.
        table: The same series as the frame shows them.
        forecast: From (series, origin) of `split.whole` to quantiles [W, H, Q].
    """
    shape = forecaster.shape
    rows, origins = held_out_windows(split, forecaster.config.horizon)
    if shape is None or not len(rows):
        return f"{_windows(forecaster)}\nthe series are too short to hold steps out, so nothing was measured"
    lines = [_windows(forecaster), _gain(forecaster)]
    times = table.frame["ds"].to_numpy()
    quantiles = forecast(rows, origins)
    frame = cutoff_frame(split.whole, times, rows, origins, quantiles, forecaster.name, [LEVEL])
    frame = frame.dropna(subset=["y"])
    if frame.empty:
        return "\n".join([*lines, "all held-out values are missing, so nothing was measured"])
    kept = only_series(table, split.whole, rows)
    try:
        scores = score_beside_baselines(frame, kept, shape.horizon, shape.season, [LEVEL], BESIDE)
    except (DataError, MissingDependencyError) as error:  # no reason to lose what was trained
        return "\n".join([*lines, f"nothing was measured: {error}"])
    measured, held = len(np.unique(rows)), int((split.held_out > 0).sum())
    sample = f"{measured} series" if measured == held else f"a sample of {measured} of the {held:,} series held out"
    ends = f"{len(rows)} forecast{'' if len(rows) == 1 else 's'} of {sample}"
    lines.append(f"on held-out steps, by which training also stopped ({ends}):")
    return "\n".join([*lines, scores.to_string(float_format=lambda value: f"{value:.4g}", na_rep="")])


def _windows(forecaster: Forecaster) -> str:
    shape = forecaster.shape
    if shape is None:
        return ""
    parts = [f"{shape.context} past steps", f"season {shape.season}", f"base {shape.base}"]
    if forecaster.config.decoder == "recursive":
        parts = [f"{shape.context} to {2 * shape.context} past steps, one by one", f"season {shape.season}"]
    return f"windows: {', '.join(parts)}{', logarithms' if shape.transform == 'log' else ''}"


def _gain(forecaster: Forecaster) -> str:
    """Say in words whether the recurrent network is of use."""
    start, best = forecaster.start_loss, forecaster.result and forecaster.result.best
    if start is None or math.isnan(start):
        return "no held-out value is known, so training could not be judged, and the network was kept as it started"
    alone = f"the linear forecast alone had a validation loss of {start:.4f}"
    if forecaster.linear_kept:
        return (
            f"{alone}; training found nothing better, so it was kept: "
            f"the column {forecaster.name} holds a linear forecast, which the recurrent network does not correct"
        )
    if best is None:
        return f"{alone}; the {forecaster.name} that corrects it was not measured"
    if best >= start:
        return f"the forecaster that training went on from had {start:.4f}; it found nothing better and was kept"
    return f"{alone}; the {forecaster.name} that corrects it came to {best:.4f}"
