"""Measure a forecaster beside the simple forecasts that it must be worth more than."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from holdfast.tasks.forecast.baselines import forecast_baselines
from holdfast.tasks.forecast.data import SeriesTable
from holdfast.tasks.forecast.score import score

if TYPE_CHECKING:
    import pandas


def score_beside_baselines(
    forecasts: pandas.DataFrame, table: SeriesTable, season: int, levels: Sequence[float]
) -> pandas.DataFrame:
    """Return the scores of forecasts from several cutoffs, a column a model, the baselines among them.

    Args:
        forecasts: What `Forecaster.cross_validation` returns.
        table: The series that it forecast the ends of; MASE is measured by what lies before the first cutoff.
    """
    import pandas as pd

    first: Any = forecasts.groupby("unique_id", sort=False)["cutoff"].min()
    counts = forecasts.groupby("unique_id", sort=False)["cutoff"].transform("size").to_numpy()
    cutoffs = forecasts.drop_duplicates(["unique_id", "cutoff"])
    number = cutoffs.groupby("unique_id", sort=False).cumcount()
    horizon = int(counts[0]) // int(number.max() + 1)
    found = []
    for one in range(int(number.max()) + 1):
        ends: Any = cutoffs.loc[number == one].set_index("unique_id")["cutoff"]
        found.append(forecast_baselines(up_to(table, ends), horizon, season).assign(_number=one))
    own = forecasts.assign(_number=np.repeat(number.to_numpy(), horizon))
    joined = own.merge(pd.concat(found), on=["unique_id", "ds", "_number"], how="left").drop(columns="_number")
    whole = [int(level) for level in levels if level == int(level)]
    return score(joined, up_to(table, first).frame, season, levels=whole)


def up_to(table: SeriesTable, ends: pandas.Series) -> SeriesTable:
    """Return the rows of each series until its end, by name."""
    frame = table.frame
    kept = frame["ds"].to_numpy() <= frame["unique_id"].map(ends).to_numpy()
    return replace(table, frame=frame[kept].reset_index(drop=True))
