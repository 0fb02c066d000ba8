"""The forecasting sets that results are recorded on, each read into one table with its usual split.

Sets of many series hold out the last steps of each. Sets of one long table are split by row and forecast from every
row of their test part, on values scaled by the mean and deviation of the training part, as their literature does.
"""

from __future__ import annotations

import csv
import gzip
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from holdfast.tasks.forecast.data import SeriesTable, read_series


@dataclass(frozen=True)
class ForecastSet:
    """A table, its horizons and season, and its split.

    Attributes:
        bounds: Rows of each series before which training, validation and test end; None: the last `horizons[0]` rows
            of each series are the test, and validation comes out of the rest.
    """

    name: str
    table: SeriesTable
    horizons: tuple[int, ...]
    season: int
    bounds: tuple[int, int, int] | None = None

    def split(self) -> tuple[SeriesTable, pd.DataFrame]:
        """Return the training series and the held-out last rows of each."""
        if self.bounds is not None:
            raise ValueError(f"{self.name} is split by rows: use bounds")
        held = self.table.frame.groupby("unique_id", sort=False).cumcount(ascending=False) < self.horizons[0]
        train, test = (self.table.frame[rows].reset_index(drop=True) for rows in (~held, held))
        return SeriesTable(train, self.table.freq), test

    def scaled(self) -> NDArray[np.float64]:
        """Return the values [T, V], scaled by the mean and deviation of the training rows."""
        if self.bounds is None:
            raise ValueError(f"{self.name} has no training rows of its own: use split()")
        frame = self.table.frame
        values = frame["y"].to_numpy().reshape(frame["unique_id"].nunique(), -1).T
        train = values[: self.bounds[0]]
        return (values - train.mean(axis=0)) / train.std(axis=0)


def _classic(folder: Path, file: str, columns: tuple[str, str], name: str, horizon: int, season: int) -> ForecastSet:
    time, target = columns
    table = read_series(folder / "classic_ts" / file, id=None, time=time, target=target)
    return ForecastSet(name, table, (horizon,), season)


def air_passengers(folder: Path) -> ForecastSet:
    """Months of airline passengers, 1949 to 1960; the last 24 are the test."""
    return _classic(folder, "airline-passengers.csv", ("Month", "Passengers"), "air_passengers", 24, 12)


def sunspots(folder: Path) -> ForecastSet:
    """Months of sunspot numbers, 1749 to 1983; the last 132, a solar cycle, are the test and the season."""
    return _classic(folder, "monthly-sunspots.csv", ("Month", "Sunspots"), "sunspots", 132, 132)


def temperatures(folder: Path) -> ForecastSet:
    """Days of least temperature in Melbourne, 1981 to 1990; the last 365 are the test and the season."""
    return _classic(folder, "daily-min-temperatures.csv", ("Date", "Temp"), "temperatures", 365, 365)


def pm25(folder: Path) -> ForecastSet:
    """Hours of fine dust in Beijing, 2010 to 2014, with the weather; 2010 trains, the next hour is forecast.

    Values that are missing stay so, and are not scored. The last 1,752 hours of the first year, a fifth, validate.
    """
    frame = pd.read_csv(folder / "classic_ts" / "pollution.csv.gz")
    frame["ds"] = pd.to_datetime(frame[["year", "month", "day", "hour"]])
    weather = ["DEWP", "TEMP", "PRES", "Iws", "Is", "Ir"]
    table = read_series(frame, id=None, target="pm2.5", exogenous=weather)
    return ForecastSet("pm25", table, (1,), 24, (7008, 8760, len(table.frame)))


def etth1(folder: Path) -> ForecastSet:
    """Seven readings of an electricity transformer, hourly: 12, 4 and 4 months."""
    targets = ["HUFL", "HULL", "MUFL", "MULL", "LUFL", "LULL", "OT"]
    table = read_series(folder / "etth1" / "ETTh1.csv.gz", id=None, time="date", target=targets)
    return ForecastSet("etth1", table, (24, 96, 336, 720), 24, (8640, 11520, 14400))


def exchange_rate(folder: Path) -> ForecastSet:
    """Eight currencies, each trading day from 1990 to 2016 (no dates are given): 70, 10 and 20 %."""
    values = np.loadtxt(folder / "exchange_rate" / "exchange_rate.txt.gz", delimiter=",")
    names = [f"currency {number}" for number in range(1, values.shape[1] + 1)]
    frame = pd.DataFrame(values, columns=names).assign(ds=np.arange(1, len(values) + 1))
    rows = len(values)
    train, test = int(rows * 0.7), int(rows * 0.2)
    table = read_series(frame, id=None, target=names)
    return ForecastSet("exchange_rate", table, (96, 192, 336, 720), 1, (train, rows - test, rows))


def m4_hourly(folder: Path) -> ForecastSet:
    """The 414 hourly series of the M4 competition; the last 48 hours are the test. No dates are given."""
    series: dict[str, list[str]] = {}
    for part in ("train", "test"):
        with gzip.open(folder / "m4_hourly" / f"Hourly-{part}.csv.gz", "rt", encoding="utf-8") as file:
            for name, *values in list(csv.reader(file))[1:]:
                series.setdefault(name, []).extend(value for value in values if value)
    lengths = [len(values) for values in series.values()]
    frame = pd.DataFrame(
        {
            "unique_id": np.repeat(list(series), lengths),
            "ds": np.concatenate([np.arange(1, length + 1) for length in lengths]),
            "y": np.concatenate([np.array(values, dtype=float) for values in series.values()]),
        }
    )
    return ForecastSet("m4_hourly", read_series(frame), (48,), 24)


def m3(folder: Path, group: str) -> ForecastSet:
    """The yearly, quarterly, monthly or other series of the M3 competition; the last 6, 8, 18 or 8 are the test."""
    months, season, horizon = {
        "yearly": (12, 1, 6),
        "quarterly": (3, 4, 8),
        "monthly": (1, 12, 18),
        "other": (0, 1, 8),
    }[group]
    with gzip.open(folder / "m3" / f"m3_{group}.csv.gz", "rt", encoding="utf-8") as file:
        rows = list(csv.reader(file))[1:]
    frames = []
    for name, _, _, _, _, start, *values in rows:
        steps = np.arange(len(values))
        # Where the year is not known it stands as 1.
        begin = round(float((Fraction(start) - 1970) * 12)) if float(Fraction(start)) > 1 else 0
        times = (begin + steps * months).astype("datetime64[M]").astype("datetime64[us]") if months else steps + 1
        frames.append(pd.DataFrame({"unique_id": name, "ds": times, "y": np.array(values, dtype=float)}))
    freq = {12: "12MS", 3: "3MS", 1: "MS", 0: 1}[months]
    return ForecastSet(f"m3_{group}", read_series(pd.concat(frames), freq=freq), (horizon,), season)


SETS: dict[str, Callable[[Path], ForecastSet]] = {
    "air_passengers": air_passengers,
    "sunspots": sunspots,
    "temperatures": temperatures,
    "pm25": pm25,
    "etth1": etth1,
    "exchange_rate": exchange_rate,
    "m4_hourly": m4_hourly,
    "m3_yearly": lambda folder: m3(folder, "yearly"),
    "m3_quarterly": lambda folder: m3(folder, "quarterly"),
    "m3_monthly": lambda folder: m3(folder, "monthly"),
    "m3_other": lambda folder: m3(folder, "other"),
}


def rolling_windows(
    values: NDArray[np.float64], start: int, stop: int, context: int, horizon: int, block: int = 256
) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Yield histories [S, context] and what followed [S, horizon], from every origin of `values` [T, V].

    The first value forecast is row `start` and later; the last is before row `stop`.
    """
    windows = np.lib.stride_tricks.sliding_window_view(values, context + horizon, axis=0)
    origins = np.arange(start - context, stop - horizon - context + 1)
    for first in range(0, len(origins), block):
        part = windows[origins[first : first + block]].reshape(-1, context + horizon)
        yield part[:, :context], part[:, context:]
