"""The class users hold: a forecaster that is fitted to series, asked for what comes next, and measured."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from holdfast.errors import CheckpointError, ConfigError
from holdfast.layers import Layer
from holdfast.tasks.cells import family_title
from holdfast.tasks.estimator import AbstractEstimator, Folder, evaluating, read_facts
from holdfast.tasks.forecast.config import Base, ForecastConfig, Transform
from holdfast.tasks.forecast.data import SeriesTable, default_season
from holdfast.tasks.forecast.decode import check_calibrated, check_levels, forecast_frame
from holdfast.tasks.forecast.direct import DirectDecoder
from holdfast.tasks.forecast.folds import Split, seen_before, split_series
from holdfast.tasks.forecast.inputs import Reading, check_positive, learn_scales, make_series, with_future
from holdfast.tasks.forecast.measure import cutoff_frame, last_windows, score_beside_baselines
from holdfast.tasks.forecast.model import ForecastNetwork
from holdfast.tasks.forecast.plot import plot_forecast
from holdfast.tasks.forecast.recursive import RecursiveDecoder
from holdfast.tasks.forecast.recursive_model import RecursiveNetwork
from holdfast.tasks.forecast.report import report_fit
from holdfast.tasks.forecast.stream import Stream
from holdfast.tasks.forecast.windows import CYCLES, Doubles, Series, Whole, WindowShape
from holdfast.tasks.settings import read_record
from holdfast.tasks.times import in_zone
from holdfast.train.workers import check_one_process

if TYPE_CHECKING:
    import pandas

DECODERS: dict[str, Any] = {"direct": DirectDecoder, "recursive": RecursiveDecoder}
WINDOWS_FILE = "windows.json"


class Forecaster(AbstractEstimator[ForecastConfig, ForecastNetwork | RecursiveNetwork]):
    """A recurrent forecaster for one series or many at once, with intervals.

    Data is long: a row for each series and time, in the columns `unique_id`, `ds` and `y` unless named otherwise; a CSV
    or Parquet path, or a pandas or polars frame. Missing steps and values are allowed. Forecasts of times with a zone
    come back in the zone of the data that was fitted to.

    The network is a linear forecast, fitted in closed form, that a recurrent network corrects. Where the correction
    does not pay on held-out steps it is dropped, and `linear_kept` says so; the forecast's column is named by the cell
    all the same. With `decoder="recursive"` the start is a linear forecast of the next step, and several steps are
    quantiles over sampled paths.

    Args:
        config: All settings; horizon, and the season where the frequency does not tell it, are the ones to set.
        seed: Short for the seed of `config.train`.
        device: Where the weights live, as torch names it.
        fields: Settings by name, over those of `config`.

    Attributes:
        model: The network (torch.nn.Module), None before the first fit. `holdfast.record(forecaster.model)` traces it.
        result: What the last `fit` reported, None before.
        shape: How windows are cut and scaled, as `fit` chose it, None before.
        start_loss: The validation loss that the linear forecast alone had.

    Example:
        >>> import numpy as np, pandas as pd
        >>> ds = pd.date_range("2020-01-01", periods=120, freq="MS")
        >>> df = pd.DataFrame({"unique_id": "a", "ds": ds, "y": 10 + np.sin(np.arange(120) * np.pi / 6)})
        >>> from holdfast.tasks.forecast.config import ForecastTraining
        >>> forecaster = Forecaster(horizon=2, seed=0, train=ForecastTraining(max_steps=2))
        >>> forecaster.fit(df, quiet=True).predict(level=[80]).columns.tolist()
        ['unique_id', 'ds', 'LSTM', 'LSTM-lo-80', 'LSTM-hi-80']
    """

    kind, noun, config_type = "forecast", "forecaster", ForecastConfig

    def __init__(
        self, config: ForecastConfig | None = None, *, seed: int | None = None, device: Any = "cpu", **fields: Any
    ):
        super().__init__(config, device=device, **fields)
        if seed is not None:
            self.config = replace(self.config, train=replace(self.config.train, seed=seed))
        self.shape: WindowShape | None = None
        self.start_loss: float | None = None
        self._reading = Reading()
        self._data: tuple[Series, SeriesTable] | None = None
        self._stream: Stream | None = None

    @property
    def name(self) -> str:
        """What the forecast's column is called: the cell."""
        return family_title(self.config.cell)

    @property
    def linear_kept(self) -> bool:
        """Whether forecasts are the linear start's alone: training found no correction that paid on held-out steps.

        It is read off the weights, so a saved model says the same.

        Raises:
            ConfigError: the forecaster is not trained yet.
        """
        modules: Any = self._network().modules_by_name
        outputs = [modules[f"output{number}"] for number in range(self.config.seeds)]
        return not any(bool(weight.any()) for output in outputs for weight in output.parameters())

    def fit(
        self,
        df: Any,
        *,
        id: str | None = "unique_id",
        time: str = "ds",
        target: str | list[str] = "y",
        freq: str | int | None = None,
        duplicates: str = "refuse",
        irregular: str = "refuse",
        folder: Folder | None = None,
        quiet: bool = False,
    ) -> Forecaster:
        """Train on series; a second fit goes on from the present weights, with windows as they were chosen.

        The last steps (of every fifth series, where there are 50 or more) are held out: context, transform and base are
        chosen by a linear forecast of them, and training stops by them. The network starts as that linear forecast,
        and stays it where training finds nothing better.

        Args:
            df: A CSV or Parquet path, a pandas or polars frame.
            id: The column of the series' names; None: the table is one series, or one for each of several targets.
            time, target: The columns of times and of values.
            freq: The step, as pandas names it or a whole number; None: the most common of the data.
            duplicates: Rows of one series and time: "refuse", "mean" or "last".
            irregular: Times off the regular grid: "refuse", or "resample" to average the rows of each step as pandas'
                `resample` does; steps without any stay missing. Later data is read the same way.
            folder: Where the model, checkpoints and log go; a run found there goes on. None: nothing is written.
            quiet: Print nothing. Otherwise the end of training prints what the windows are, whether the recurrent
                network improved on the linear forecast, and measures on held-out steps beside seasonal naive and Theta
                (of a sample of the series, where there are many).

        Returns:
            This forecaster, with the weights of the best evaluation. Ctrl-C ends training early and keeps what was
            learnt; `result.stopped` says so.

        Raises:
            DataError: the data is broken or too short.
            ConfigError: the arguments contradict each other; or `folder` holds a different model.
        """
        check_one_process("the forecast task")
        columns = target if isinstance(target, str) else tuple(target)
        reading = Reading(id, time, columns, freq, duplicates, irregular=irregular)
        table = reading.table(df, self.config.windows.columns)
        scales = learn_scales(table, self.config.windows)
        reading = replace(reading, freq=table.freq, scales=scales, zone=table.zone)
        if self.model is not None:
            reading = replace(reading, scales=self._reading.scales)
        series = make_series(table, reading, self.config.windows)
        season = self.config.season or default_season(table.freq)
        split = split_series(series, self.config.horizon, season, self.config.windows.validation_size)
        before = self._reading, self.model, self.shape, self.start_loss, self.result
        self._reading = reading
        try:
            decoder = self._fit_split(split, season, folder, quiet)
        except BaseException:
            self._reading, self.model, self.shape, self.start_loss, self.result = before
            raise
        self._data, self._stream = (series, table), None
        try:
            decoder.calibrate(split)
            forecast = partial(decoder.forecast, split.whole, seen=split.train)
            report = "" if quiet else report_fit(self, split, table, forecast)
        finally:
            decoder.finish()
            if folder is not None:
                self.save_pretrained(folder)
        if report:
            print(report)
        return self

    def predict(
        self, df: Any = None, X_df: Any = None, *, level: Any = (), conformal: bool = False
    ) -> pandas.DataFrame:
        """Forecast the steps after the end of each series.

        Args:
            df: Series to go on from, new ones too, in the columns that `fit` was told; None: those of `fit`, `update`.
            X_df: Future-known columns of the steps to forecast, with the columns of names and times.
            level: Intervals in percent, such as [80, 95].
            conformal: Move the intervals' bounds to where held-out values say they belong.

        Returns:
            A long frame: unique_id, ds, the median in a column named by the cell, and for each level lo and hi.

        Raises:
            DataError: the data is broken.
            ConfigError: no data, a level out of range, no future-known columns, or no calibration for `conformal`.
        """
        shape, levels = self._ready()[1], check_levels(level)
        series, table = self._series_of(df)
        check_positive(series, shape.transform)
        extended, times = with_future(series, table, shape.horizon, self._reading, self.config.windows, X_df)
        rows = np.arange(len(series))
        carried = self._stream.carried if df is None and self._stream is not None else None
        quantiles = self._quantiles(extended, rows, series.lengths, conformal, carried=carried)
        ids = np.repeat(series.ids, shape.horizon)
        return forecast_frame(ids, in_zone(times, table.zone), quantiles, self.name, levels)

    def update(self, df: Any, *, overlap: str = "refuse") -> Forecaster:
        """Add new rows to the series that `predict` goes on from, without fitting again.

        What is kept of a series is bounded, and forecasts are, to the bit, those of `predict` on the whole series. The
        recursive decoder carries its state and reads only the new steps; the direct one reads its window anew. The
        first update goes on from the series of `fit`; a loaded forecaster has none, so its first update is given them.
        From then on `cross_validation` and `evaluate` ask for their data.

        Args:
            df: Rows after the end of their series, or of new series, in the columns that `fit` was told. Steps left out
                are missing. With `irregular="resample"` they begin with a new step.
            overlap: Rows at times that a series has already: "refuse", or "replace" what is kept there.

        Returns:
            This forecaster.

        Raises:
            DataError: the rows are broken, or not after the end of their series; names the row.
        """
        shape, decoder = self._ready()[1], self._decoder()
        stream, settings = self._stream, self.config.windows
        if stream is None:
            series, table = self._series_of(df if self._data is None else None)
            stream = Stream.begin(table, series, decoder.memory, shape.transform)
        if self._data is not None:
            stream = stream.grow(df, self._reading, settings, decoder.memory, overlap)
        series = stream.series(self._reading, settings)
        carried = decoder.carry(series, None if overlap == "replace" else stream.carried)
        self._stream, self._data = replace(stream, carried=carried), (series, stream.table)
        return self

    def cross_validation(
        self,
        df: Any = None,
        n_windows: int = 1,
        step_size: int | None = None,
        *,
        level: Any = (),
        conformal: bool = False,
    ) -> pandas.DataFrame:
        """Forecast the last steps of each series from points before them, without fitting again.

        Args:
            df: Series whose ends are forecast; None: those of `fit`, which training has then seen.
            n_windows: Points to forecast from, the last one `horizon` steps before the end.
            step_size: Steps between two points; None: the horizon.
            level, conformal: As `predict` takes them.

        Returns:
            A long frame: unique_id, ds, cutoff (the last time that was seen), y, and the columns of `predict`.

        Raises:
            DataError: a series is too short.
        """
        series, table = self._whole_series_of(df)
        frame = self._cross_validated(series, table, n_windows, step_size, check_levels(level), conformal)
        for name in ("ds", "cutoff"):
            frame[name] = in_zone(frame[name].to_numpy(), table.zone)
        return frame

    def _quantiles(self, series: Series, rows: Whole, origins: Whole, conformal: bool, **rest: Any) -> Doubles:
        if conformal:
            check_calibrated(self._network())
        return self._decoder().forecast(series, rows, origins, calibrated=conformal, **rest)

    def _cross_validated(
        self,
        series: Series,
        table: SeriesTable,
        n_windows: int,
        step_size: int | None,
        levels: list[float],
        conformal: bool,
    ) -> pandas.DataFrame:
        """Return what `cross_validation` does, times as the table has them."""
        shape = self._ready()[1]
        check_positive(series, shape.transform)
        rows, origins = last_windows(series, shape.horizon, n_windows, step_size)
        seen = seen_before(series, int((series.lengths[rows] - origins).max()))
        quantiles = self._quantiles(series, rows, origins, conformal, seen=seen)
        times = table.frame["ds"].to_numpy()
        return cutoff_frame(series, times, rows, origins, quantiles, self.name, levels)

    def evaluate(
        self,
        df: Any,
        n_windows: int = 1,
        step_size: int | None = None,
        *,
        level: Any = (80, 95),
        conformal: bool = False,
    ) -> pandas.DataFrame:
        """Measure forecasts of the last steps of each series, beside simple ones.

        Args:
            df, n_windows, step_size, level, conformal: As `cross_validation` takes them. Only what lies before a point
                is shown to the forecaster; give series whose ends it was not fitted to.

        Returns:
            A row a metric (MASE, sMAPE, OWA, MSE, MAE, RMSE, pinball, coverage), a column a model: this one, seasonal
            naive, the last value, Naive2 and Theta.
        """
        series, table = self._whole_series_of(df)
        levels = check_levels(level)
        forecasts = self._cross_validated(series, table, n_windows, step_size, levels, conformal)
        shape = self._ready()[1]
        return score_beside_baselines(forecasts, table, shape.horizon, shape.season, levels)

    def losses_of(self, batch: Any = None) -> tuple[torch.Tensor, None]:
        """Return the loss of forecasting the end of each series [S] of a frame; None: of those of `fit`."""
        return self._decoder().last_losses(self._whole_series_of(batch)[0]), None

    def plot(self, df: Any, forecast: pandas.DataFrame, path: Folder) -> None:
        """Write a picture of a forecast beside the series it goes on from, up to six of them, a panel each.

        Axes and legend carry the names of your columns.

        Args:
            df: The series that the forecast goes on from; None: those of `fit`.
            forecast: What `predict` returned.
            path: Where to; the ending says which format.

        Raises:
            DataError: the forecast is of other series, or no forecast.
        """
        table, target = self._series_of(df)[1], self._reading.target
        history = table.frame.assign(ds=in_zone(table.frame["ds"].to_numpy(), table.zone))
        own = target if isinstance(target, str) else None
        plot_forecast(history, forecast, path, time=self._reading.time, target=own)

    def _fit_split(self, split: Split, season: int, folder: Folder | None, quiet: bool) -> Any:
        """Train, and return the decoder, which is to be calibrated and finished yet."""
        config = self.config
        if self.model is None:
            network = DECODERS[config.decoder].start(config, split, season).network
            self.model, self.shape = network.to(self.device), network.shape
        decoder = self._decoder()
        network = decoder.network
        check_positive(split.whole, network.shape.transform)
        kept = deepcopy(network.state_dict())
        try:
            task = decoder.task(split)
            before = deepcopy(network.state_dict())
            with evaluating(network):
                self.start_loss = start = float(task.evaluate()["loss"])
            self._train(task, folder, quiet)
        except BaseException:
            network.load_state_dict(kept)
            raise
        best = None if self.result is None else self.result.best
        if best is None or not best < start:
            network.load_state_dict(before)
        return decoder

    def _series_of(self, df: Any) -> tuple[Series, SeriesTable]:
        if df is not None:
            table = self._reading.table(df, self.config.windows.columns)
            return make_series(table, self._reading, self.config.windows), table
        if self._data is None:
            raise ConfigError("A loaded forecaster holds no data. Give the series to go on from as df.")
        return self._data

    def _whole_series_of(self, df: Any) -> tuple[Series, SeriesTable]:
        if df is None and self._stream is not None:
            raise ConfigError("After update only the ends of the series are kept. Give the whole series as df.")
        return self._series_of(df)

    def _facts(self) -> dict[str, Any]:
        return {WINDOWS_FILE: {"shape": asdict(self._ready()[1]), "reading": self._reading.to_dict()}}

    def _restore(self, folder: Path, layers: list[Layer], modules: torch.nn.ModuleDict) -> None:
        path = folder / WINDOWS_FILE
        fields = read_facts(path, self.noun)
        try:
            shape = read_record(WindowShape, fields["shape"], transform=Transform, base=Base, cycles=CYCLES)
            self._reading = Reading.from_dict(fields["reading"])
            decoder = DECODERS[self.config.decoder].load(self.config, shape, layers, modules)
        except (TypeError, KeyError, ValueError, AttributeError) as error:
            raise CheckpointError(f"{path} does not say how windows are cut: {error!r}.") from error
        if decoder is None:
            raise CheckpointError(f"{folder}: settings, layers and windows do not fit together. Save the model again.")
        self.shape, self.model = shape, decoder.network

    def _decoder(self) -> Any:
        return DECODERS[self.config.decoder](self._network())

    def _ready(self) -> tuple[Any, WindowShape]:
        network = self._network()
        if self.shape is None:
            raise ConfigError("This forecaster has no windows. Call fit first.")
        return network, self.shape
