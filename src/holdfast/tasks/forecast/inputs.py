"""From tables to flat arrays: how columns are read and scaled, what is held out, and what is known of the future."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from holdfast.errors import ConfigError, DataError
from holdfast.tasks.forecast.config import WindowSettings
from holdfast.tasks.forecast.data import Duplicates, Irregular, SeriesTable, check_ids, continue_times, read_series
from holdfast.tasks.forecast.grid import MOST_STEP
from holdfast.tasks.forecast.windows import Series, Whole
from holdfast.tasks.settings import read_record
from holdfast.tasks.times import in_zone

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True)
class Reading:
    """How tables are read; a saved model keeps it, so that new data is read as the old was.

    Attributes:
        id, time, target, freq, duplicates, irregular: As `read_series` takes them; freq None until data was seen.
        scales: Mean and deviation of each further column by name.
        zone: That of the training data's times; times in another are shown in it. None: that of each table.
    """

    id: str | None = "unique_id"
    time: str = "ds"
    target: str | tuple[str, ...] = "y"
    freq: str | int | None = None
    duplicates: str = "refuse"
    scales: dict[str, tuple[float, float]] = field(default_factory=dict)
    zone: str | None = None
    irregular: str = "refuse"

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, fields: Any) -> Reading:
        """Read what `to_dict` gave; TypeError or ValueError where it is none."""
        freq = fields["freq"]
        if not (freq is None or isinstance(freq, str) or (type(freq) is int and 1 <= freq < MOST_STEP)):
            raise ValueError(f"freq cannot be {freq!r}")
        scales = {str(name): (float(mean), float(deviation)) for name, (mean, deviation) in fields["scales"].items()}
        rest = {name: value for name, value in fields.items() if name not in ("scales", "freq")}
        read = read_record(cls, rest, duplicates=Duplicates, irregular=Irregular)
        reading = replace(read, scales=scales, freq=freq)
        try:
            in_zone(np.zeros(1, "M8[us]"), reading.zone)
        except (LookupError, OSError, ValueError) as error:  # of a zone that there is not, or that names no file
            raise ValueError(f"zone cannot be {reading.zone!r}") from error
        return reading

    def table(self, source: Any, exogenous: tuple[str, ...], with_target: bool = True, **after: Any) -> SeriesTable:
        """Read a table; `after` and `overlap` are those of `read_series`."""
        duplicates: Any = self.duplicates
        irregular: Any = self.irregular
        table = read_series(
            source,
            id=self.id,
            time=self.time,
            target=self.target if isinstance(self.target, str) else list(self.target),
            exogenous=exogenous,
            freq=self.freq,
            duplicates=duplicates,
            irregular=irregular,
            with_target=with_target,
            zoned=self.zone is not None,
            **after,
        )
        return table if table.zone is None else replace(table, zone=self.zone or table.zone)


def learn_scales(table: SeriesTable, settings: WindowSettings) -> dict[str, tuple[float, float]]:
    """Return mean and deviation of each further column.

    Raises:
        DataError: a column has no value at all, or one that is not finite.
    """
    scales = {}
    for name in settings.columns:
        known = table.frame[name].to_numpy()
        known = known[~np.isnan(known)]
        if not len(known) or not np.isfinite(known).all():
            raise DataError(f"Column {name!r} has no values, or infinite ones. Mend it or leave it out.")
        deviation = float(known.std())
        scales[name] = (float(known.mean()), deviation if deviation > 0 else 1.0)
    return scales


def make_series(table: SeriesTable, reading: Reading, settings: WindowSettings) -> Series:
    """Lay a table out as flat arrays."""
    frame = table.frame
    ids = frame["unique_id"].to_numpy()
    starts = np.concatenate([np.flatnonzero(np.concatenate([[True], ids[1:] != ids[:-1]])), [len(ids)]]).astype(
        np.int64
    )
    if not len(ids):
        raise DataError("There is no series: the table has no rows.")
    times = frame["ds"].to_numpy()
    static = np.zeros((len(starts) - 1, 0), np.float32)
    if settings.static:
        static = np.stack([_static(frame, name, starts, reading) for name in settings.static], axis=1)
    return Series(
        ids[starts[:-1]],
        starts,
        frame["y"].to_numpy() if "y" in frame else np.full(len(frame), np.nan),
        _local_clock(times, table.zone),
        scaled_columns(frame, (*settings.historic, *settings.future), reading),
        static,
        times.dtype.kind == "M",
    )


def scaled_columns(frame: pandas.DataFrame, names: tuple[str, ...], reading: Reading) -> Any:
    """Return columns [N, F], standardised; what is missing becomes zero, the mean."""
    found = np.zeros((len(frame), len(names)), np.float32)
    for place, name in enumerate(names):
        mean, deviation = reading.scales[name]
        found[:, place] = np.nan_to_num((frame[name].to_numpy() - mean) / deviation)
    return found


def _static(frame: pandas.DataFrame, name: str, starts: Whole, reading: Reading) -> Any:
    values = frame[name].to_numpy()
    mean, deviation = reading.scales[name]
    high = np.fmax.reduceat(values, starts[:-1])
    low = np.fmin.reduceat(values, starts[:-1])
    changes = (high != low) & ~np.isnan(high)
    if changes.any():
        row = int(changes.argmax())
        raise DataError(
            f"Column {name!r} changes within series {frame['unique_id'].iloc[int(starts[row])]!r}, "
            f"from {low[row]:g} to {high[row]:g}, so it is not static. Name it among historic or future."
        )
    return np.nan_to_num((high - mean) / deviation).astype(np.float32)


def _local_clock(times: Any, zone: str | None) -> Whole:
    """Return times as `Series.times` has them: a day's rhythm is that of the clock on the wall."""
    if zone is not None:
        times = in_zone(times, zone).tz_localize(None).to_numpy()
    return times.astype("M8[us]").astype(np.int64) if times.dtype.kind == "M" else times.astype(np.int64)


def check_positive(series: Series, transform: str) -> None:
    """Refuse values that have no logarithm, where the model takes them."""
    wrong = series.values <= 0
    if transform == "log" and wrong.any():
        place = int(wrong.argmax())
        row = int(np.searchsorted(series.starts, place, side="right")) - 1
        raise DataError(
            f"Series {series.ids[row]!r} has the value {series.values[place]:g}, and this model takes logarithms, "
            "since all values it was fitted to were positive. Mend the value, or fit with transform='none'."
        )


def with_future(
    series: Series, table: SeriesTable, horizon: int, reading: Reading, settings: WindowSettings, future: Any
) -> tuple[Series, Any]:
    """Return the series with `horizon` empty steps added to each, and the times of those steps [S * H].

    Raises:
        DataError: future-known columns are absent for some of those steps.
        ConfigError: there are future-known columns and no `future`, or the other way round.
    """
    last = table.frame["ds"].to_numpy()[series.starts[1:] - 1]
    times = continue_times(last, table.freq, horizon)
    added = np.zeros((len(times), series.columns.shape[1]), np.float32)
    if settings.future:
        added[:, len(settings.historic) :] = _future_columns(series, times, horizon, reading, settings, future)
    elif future is not None:
        raise ConfigError("X_df holds future-known columns, and this model has none. Leave it out.")
    count = len(series)
    order = np.argsort(
        np.concatenate([np.repeat(np.arange(count), series.lengths), np.repeat(np.arange(count), horizon)]),
        kind="stable",
    )
    extended = Series(
        series.ids,
        series.starts + horizon * np.arange(count + 1),
        np.concatenate([series.values, np.full(len(times), np.nan)])[order],
        np.concatenate([series.times, _local_clock(times, table.zone)])[order],
        np.concatenate([series.columns, added])[order],
        series.static,
        series.dated,
        series.spread,
        series.before,
    )
    return extended, times


def _future_columns(
    series: Series, times: Any, horizon: int, reading: Reading, settings: WindowSettings, future: Any
) -> Any:
    import pandas as pd

    names = ", ".join(settings.future)
    if future is None:
        raise ConfigError(f"This model needs {names} of the {horizon} steps to forecast. Give them as X_df.")
    rows = reading.table(future, settings.future, with_target=False).frame
    check_ids(pd.Index(rows["unique_id"].unique()), series.ids, "X_df")
    wanted = pd.DataFrame({"unique_id": np.repeat(series.ids, horizon), "ds": times})
    joined = wanted.merge(rows, on=["unique_id", "ds"], how="left", indicator=True)
    absent = joined["_merge"].ne("both").to_numpy() | np.isnan(joined[list(settings.future)].to_numpy()).any(axis=1)
    if absent.any():
        row = joined[absent].iloc[0]
        raise DataError(
            f"X_df has no {names} for series {row['unique_id']!r} at {row['ds']} ({int(absent.sum())} such steps). "
            f"Give all {horizon} steps after the end of each series."
        )
    return scaled_columns(joined, settings.future, reading)
