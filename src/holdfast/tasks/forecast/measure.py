"""Measure a forecaster beside the simple forecasts that it must be worth more than."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from holdfast.errors import ConfigError, DataError
from holdfast.tasks.forecast.baselines import BASELINES, forecast_baselines
from holdfast.tasks.forecast.data import SeriesTable
from holdfast.tasks.forecast.decode import forecast_frame
from holdfast.tasks.forecast.folds import Split
from holdfast.tasks.forecast.score import score
from holdfast.tasks.forecast.windows import Doubles, Series, Whole

if TYPE_CHECKING:
    import pandas

MOST_SERIES, MOST_WINDOWS = 200, 3
"""Series that are measured after training, and windows of each."""


def cutoff_frame(
    series: Series, times: Any, rows: Whole, origins: Whole, quantiles: Doubles, name: str, levels: Sequence[float]
) -> pandas.DataFrame:
    """Return forecasts of known steps as a long frame: unique_id, ds, cutoff, y, and the columns of `forecast_frame`.

    Args:
        times: [N] of each step of `series`, as the frame shows them.
        rows, origins: [W] the series and the first step of each forecast; steps after a series' end are left out.
        quantiles: [W, H, Q].
    """
    ahead = np.arange(quantiles.shape[1])
    inside = origins[:, None] + ahead < series.lengths[rows][:, None]
    place = ((series.starts[rows] + origins)[:, None] + ahead)[inside]
    counts = inside.sum(axis=1)
    frame = forecast_frame(np.repeat(series.ids[rows], counts), times[place], quantiles[inside], name, levels)
    frame.insert(2, "cutoff", np.repeat(times[series.starts[rows] + origins - 1], counts))
    frame.insert(3, "y", series.values[place])
    return frame


def last_windows(series: Series, horizon: int, count: int, step: int | None) -> tuple[Whole, Whole]:
    """Return (series, origin) of `count` windows of each series, `step` apart (None: the horizon), up to its end.

    Raises:
        ConfigError: `count` or `step` is less than one.
        DataError: a series is too short.
    """
    step = horizon if step is None else step
    if count < 1 or step < 1:
        raise ConfigError(f"n_windows and step_size must be at least 1, got {count} and {step}.")
    needed = horizon + (count - 1) * step
    short = series.lengths <= needed
    if short.any():
        raise DataError(
            f"Series {series.ids[int(short.argmax())]!r} has {series.lengths[int(short.argmax())]} steps, too few "
            f"for {count} windows, which need {needed} and one more. Ask for fewer, or leave it out."
        )
    rows = np.repeat(np.arange(len(series)), count)
    return rows, series.lengths[rows] - needed + step * np.tile(np.arange(count), len(series))


def score_beside_baselines(
    forecasts: pandas.DataFrame,
    table: SeriesTable,
    horizon: int,
    season: int,
    levels: Sequence[float],
    names: Sequence[str] = tuple(BASELINES),
) -> pandas.DataFrame:
    """Return the scores of forecasts from several cutoffs, a column a model, the baselines among them.

    Args:
        forecasts: What `cutoff_frame` returns.
        table: The series that it forecast the ends of; MASE is measured by what lies before the first cutoff.
        names: The baselines.
    """
    import pandas as pd

    cutoffs = forecasts[["unique_id", "cutoff"]].drop_duplicates()
    number = cutoffs.groupby("unique_id", sort=False).cumcount()
    found = []
    for one in range(int(number.max()) + 1):
        ends: Any = cutoffs.loc[number == one].set_index("unique_id")["cutoff"]
        found.append(forecast_baselines(up_to(table, ends), horizon, season, names).assign(_number=one))
    own = forecasts.merge(cutoffs.assign(_number=number), on=["unique_id", "cutoff"], how="left")
    joined = own.merge(pd.concat(found), on=["unique_id", "ds", "_number"], how="left").drop(columns="_number")
    first: Any = cutoffs.groupby("unique_id", sort=False)["cutoff"].min()
    whole = [int(level) for level in levels if level == int(level)]
    return score(joined, up_to(table, first).frame, season, levels=whole)


def up_to(table: SeriesTable, ends: pandas.Series) -> SeriesTable:
    """Return the rows of each series until its end, by name."""
    frame = table.frame
    kept = frame["ds"].to_numpy() <= frame["unique_id"].map(ends).to_numpy()
    return replace(table, frame=frame[kept].reset_index(drop=True))


def held_out_windows(split: Split, horizon: int) -> tuple[Whole, Whole]:
    """Return (series, origin) of a few windows whose steps were held out, the last ones of each of a sample of series.

    Fewer steps than the horizon are held out of short series; then there is one window, of those.
    """
    picks = split.folds()[0].picks(horizon)
    held = np.flatnonzero(split.held_out > 0)
    count = min(len(held), MOST_SERIES)
    rows = held[(np.arange(count) * len(held)) // max(count, 1)]
    last = np.maximum(split.whole.lengths[rows] - horizon, picks.first[rows])
    origins = last[:, None] - horizon * np.arange(MOST_WINDOWS)[::-1]
    kept = origins >= picks.first[rows][:, None]
    return np.repeat(rows, kept.sum(axis=1)), origins[kept]


def only_series(table: SeriesTable, series: Series, rows: Whole) -> SeriesTable:
    """Return the table of some series."""
    kept = np.zeros(len(series), dtype=bool)
    kept[rows] = True
    return replace(table, frame=table.frame[np.repeat(kept, series.lengths)].reset_index(drop=True))
