"""Forecasting as `compare` needs it: the last steps of every series are the test, simple forecasts to beat."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from holdfast.errors import ConfigError, DataError
from holdfast.tasks.compare import ConfigContest, config_with, num_parameters
from holdfast.tasks.comparison import Metric, Outcome, Score, Trial
from holdfast.tasks.forecast.baselines import BASELINES, forecast_baselines
from holdfast.tasks.forecast.config import ForecastConfig
from holdfast.tasks.forecast.data import SeriesTable, default_season, read_series
from holdfast.tasks.forecast.measure import up_to
from holdfast.tasks.forecast.score import series_mase
from holdfast.tasks.forecast.task import DECODERS, Forecaster
from holdfast.tasks.forecast.windows import WindowShape
from holdfast.tasks.times import in_zone

if TYPE_CHECKING:
    import pandas

SIMPLEST_BASELINES = ("Naive", "SeasonalNaive", "Theta")


class ForecastContest(ConfigContest):
    """Series, and the settings that all runs share but for cell, size, learning rate, time and seed.

    The last `horizon` steps of each series are the test, and nothing else looks at them.

    Args:
        df: What `Forecaster.fit` takes.
        config: The LSTM's settings.
        columns: How the table is read, as `Forecaster.fit` takes it: id, time, target, freq, duplicates, irregular.

    Raises:
        DataError: the data is broken, or a series has no more steps than the horizon.
    """

    task = "forecast"
    metric = Metric("MASE", items="series")

    def __init__(self, df: Any, config: ForecastConfig | None = None, **columns: Any):
        self.config = config or ForecastConfig()
        self.table = read_series(df, exogenous=self.config.windows.columns, **columns)
        self.training = self._without_test()

    @staticmethod
    def from_data(data: Any, *, columns: dict[str, Any] | None = None, **settings: Any) -> ForecastContest:
        """Return the contest over a table.

        Args:
            columns: How the table is read: id, time, target, freq, duplicates, irregular.

        Raises:
            ConfigError: a setting is unknown or out of range, or there is no data.
        """
        if data is None:
            raise ConfigError("Name the series to compare on: a CSV or Parquet path, or a frame.")
        config = config_with(ForecastConfig(), settings)
        return ForecastContest(data, config, **(columns or {}))

    @property
    def season(self) -> int:
        return self.config.season or default_season(self.table.freq)

    @property
    def fingerprint(self) -> dict[str, Any]:
        return self._fingerprint

    @cached_property
    def _fingerprint(self) -> dict[str, Any]:
        frame = self.table.frame
        times = frame["ds"].to_numpy()
        kind = f"{times.dtype} {self.table.freq} {self.table.zone}"
        parts = [frame["unique_id"].astype(str).str.cat(sep="\n").encode(), kind.encode(), times.tobytes()]
        parts += [np.ascontiguousarray(frame[name].to_numpy()).tobytes() for name in frame.columns[2:]]
        return {"table": hashlib.sha256(b"\0".join(parts)).hexdigest(), "config": self.config.to_dict()}

    def num_parameters(self, cell: str, hidden_size: int) -> int:
        return num_parameters(DECODERS[self.config.decoder].layers(self._settings(cell, hidden_size), self._shape))

    def run(self, trial: Trial, folder: Path | None, *, test: bool) -> Outcome:
        forecaster = Forecaster(self._trial_settings(trial))
        forecaster.fit(_shown(self.training), freq=self.table.freq, folder=folder, quiet=True)
        if forecaster.result is None or forecaster.start_loss is None or forecaster.model is None:
            raise DataError("The run was not trained.")
        losses = [loss for loss in (forecaster.start_loss, forecaster.result.best) if loss is not None]
        score = self._score(forecaster.cross_validation(_shown(self.table)), forecaster.name) if test else None
        return self._outcome(forecaster, score, min(losses))

    def baselines(self) -> Iterator[tuple[str, Callable[[], Score]]]:
        for name in SIMPLEST_BASELINES:
            yield name, lambda name=name: self._baseline(name)
        yield "the linear forecast that the network starts from", self._linear

    @cached_property
    def _untrained(self) -> Forecaster:
        """A forecaster that has chosen its windows, from the data alone, and learnt nothing beside its linear part."""
        config = self._settings("rnn", 1)
        train = replace(
            config.train, max_steps=1, max_seconds=None, learning_rate=1e-12, evaluate_every=1, patience=None
        )
        return Forecaster(replace(config, train=train)).fit(_shown(self.training), freq=self.table.freq, quiet=True)

    @property
    def _shape(self) -> WindowShape:
        shape = self._untrained.shape
        if shape is None:
            raise DataError("The series give no windows.")
        return shape

    def _linear(self) -> Score:
        return self._score(self._untrained.cross_validation(_shown(self.table)), self._untrained.name)

    def _without_test(self) -> SeriesTable:
        frame, horizon = self.table.frame, self.config.horizon
        rank = frame.groupby("unique_id", sort=False).cumcount(ascending=False).to_numpy()
        kept = replace(self.table, frame=frame[rank >= horizon].reset_index(drop=True))
        short = frame["unique_id"].nunique() - kept.frame["unique_id"].nunique()
        if short:
            raise DataError(
                f"{short} series have no more than {horizon} steps, the horizon, so nothing is left to learn from. "
                "Leave them out, or ask for a shorter horizon."
            )
        return kept

    def _baseline(self, name: str) -> Score:
        if name not in BASELINES:
            raise ConfigError(f"There is no baseline {name!r}.")
        found = forecast_baselines(self.training, self.config.horizon, self.season, [name])
        truth = self.table.frame[["unique_id", "ds", "y"]]
        return self._score(found.merge(truth, on=["unique_id", "ds"], how="left"), name)

    def _score(self, forecasts: Any, name: str) -> Score:
        """Return the mean MASE, whose items are the series; one without a MASE is NaN."""
        ends: Any = self.training.frame.groupby("unique_id", sort=False)["ds"].max()
        each = series_mase(forecasts, up_to(self.table, ends).frame, self.season, name)
        return Score(float(each.mean()), each.reindex(self.table.frame["unique_id"].unique()).tolist())


def _shown(table: SeriesTable) -> pandas.DataFrame:
    """Return the series with their times in the zone they came in, whose clock calendars follow."""
    return table.frame.assign(ds=in_zone(table.frame["ds"].to_numpy(), table.zone))
