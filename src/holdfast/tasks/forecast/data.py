"""Read tables of time series into one form: long, sorted, on regular grids. Needs no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from numbers import Number
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from holdfast.errors import ConfigError, DataError
from holdfast.tasks.forecast.grid import (
    check_freq,
    continue_times,
    count_steps,
    default_season,
    infer_freq,
    natural_freq,
    step_containing,
    times_of,
    write_time,
)
from holdfast.tasks.tables import column, number_column, read_table, refuse, time_column
from holdfast.tasks.times import time_zone

if TYPE_CHECKING:
    import pandas

__all__ = ["SeriesTable", "continue_times", "default_season", "read_series"]

Duplicates = Literal["refuse", "mean", "last"]
Irregular = Literal["refuse", "resample"]
Overlap = Literal["refuse", "replace"]

LEAST_REGULAR = 0.1
"""Share of steps that must be the most common one for a frequency to be inferred."""

MOST_FILLED = 100
"""How many times as many rows a table may have after its gaps are filled, where that is more than `LEAST_LIMIT`."""

LEAST_LIMIT = 1_000_000


@dataclass(frozen=True)
class SeriesTable:
    """Series in long form.

    Attributes:
        frame: `unique_id`, `ds`, `y` (float64, NaN where missing) and the exogenous columns (float64), with a
            RangeIndex; series in order of first appearance, each in order of time, without duplicates, every step
            from its first row to its last present.
        freq: pandas' alias of the step, or the whole step where `ds` are whole numbers.
        zone: Where times were given with a zone, its name; `ds` are UTC instants then.
    """

    frame: pandas.DataFrame
    freq: str | int
    zone: str | None = None


@dataclass
class _Rows:
    """The rows of a table: number of the series [N], times [N], values by column [N], and the rows' names [N]."""

    where: str
    codes: NDArray[np.int64]
    names: Any
    times: NDArray[Any]
    values: dict[str, NDArray[np.float64]]
    rows: NDArray[np.int64]

    def take(self, order: NDArray[Any]) -> _Rows:
        values = {name: each[order] for name, each in self.values.items()}
        return _Rows(self.where, self.codes[order], self.names, self.times[order], values, self.rows[order])

    def inner(self) -> NDArray[np.bool_]:
        """Return whether a row follows another of its series."""
        return np.concatenate([[False], self.codes[1:] == self.codes[:-1]])

    def place(self, position: int) -> str:
        return f"{self.where}, row {self.rows[position]}: series {self.names[self.codes[position]]!r}"


def read_series(
    source: Any,
    *,
    id: str | None = "unique_id",
    time: str = "ds",
    target: str | Sequence[str] = "y",
    exogenous: Sequence[str] = (),
    freq: str | int | None = None,
    duplicates: Duplicates = "refuse",
    irregular: Irregular = "refuse",
    with_target: bool = True,
    zoned: bool = False,
    after: SeriesTable | None = None,
    overlap: Overlap = "refuse",
) -> SeriesTable:
    """Read series from a CSV or Parquet path or a frame; gaps become rows whose values are NaN.

    Times with a zone become UTC instants (see `time_column`), so a clock that changes in spring and autumn has neither
    a gap nor an hour twice; the table keeps the zone. Ids of a CSV are text. A constant series, a series of one row and
    one without any value are kept as they are.

    Args:
        source: What `read_table` reads.
        id: Column of the series' names; None: the table is one series (or, in wide form, one for each target).
        time: Column of times.
        target: Column of values; several, with `id=None`, are each a series named by its column (the wide form).
        exogenous: Columns of further numbers; in the wide form each series has them all.
        freq: The step; None: the most common of the data. Series of other steps are then refused.
        duplicates: Rows of one series and time: refused, averaged, or the last one of the table kept.
        irregular: Times off the regular grid: refused, or resampled: the rows of a step are averaged, and steps without
            any stay missing. The grid is then that of pandas' `resample`, and `freq`, where it is None, the most common
            step if half the rows have it, else the usual one (a second, 15min, an hour ...) nearest to the median.
        with_target: Whether to read the target; False is for future rows of the exogenous columns.
        zoned: Whether the rows go with instants: their times are never taken for dates, even where all are midnights.
        after: Series that the rows go on from; they come before the rows read, and new series behind them.
        overlap: Rows that are not after the end of their series in `after`: refused, or put in place of those there.

    Raises:
        DataError: a column is absent or holds what it may not, rows are duplicate or off the grid; names row and mend.
        ConfigError: the arguments contradict each other.
    """
    given = (("duplicates", duplicates, Duplicates), ("irregular", irregular, Irregular), ("overlap", overlap, Overlap))
    for name, value, choices in given:
        if value not in get_args(choices):
            raise ConfigError(f"{name} must be one of {', '.join(get_args(choices))}, got {value!r}.")
    targets = [target] if isinstance(target, str) else list(target)
    _check_names(id, time, targets, list(exogenous))
    frame, where = read_table(source)
    rows = _read_rows(frame, where, id, time, targets, list(exogenous), with_target, zoned)
    rows = _sorted(rows)
    rows = _without_duplicates(rows, duplicates)
    inferred = freq is None and irregular == "refuse"
    freq = _inferred(rows, irregular) if freq is None else check_freq(freq, rows.times)
    if irregular == "resample":
        rows = _resampled(rows, freq)
    zone = time_zone(frame, time, zoned)
    if after is not None:
        _check_alike(rows, zone, after)
        rows = _continued(rows, after, overlap)
    return SeriesTable(_filled(rows, freq, inferred), freq, zone)


def _check_names(id: str | None, time: str, targets: list[str], exogenous: list[str]) -> None:
    if not targets:
        raise ConfigError("target names no column. Give one or more.")
    if id is not None and len(targets) > 1:
        raise ConfigError(f"Several targets ({', '.join(targets)}) are series by themselves: give id=None with them.")
    names = [*([] if id is None else [id]), time, *targets, *exogenous]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise ConfigError(f"Columns named for two things: {', '.join(sorted(map(str, twice)))}. Name each once.")
    taken = {"unique_id", "ds", "y"} & set(exogenous)
    if taken:
        raise ConfigError(f"Exogenous columns cannot be named {', '.join(sorted(taken))}. Rename them.")


def _read_rows(
    frame: pandas.DataFrame,
    where: str,
    id: str | None,
    time: str,
    targets: list[str],
    exogenous: list[str],
    with_target: bool,
    zoned: bool,
) -> _Rows:
    import pandas as pd

    times = time_column(frame, time, where, zoned)
    values = {name: number_column(frame, name, where) for name in exogenous}
    rows = frame.index.to_numpy()
    if id is not None:
        codes, names = _series_of(frame, id, where)
    else:
        codes, names = np.repeat(np.arange(len(targets)), len(frame)), pd.Index(targets)
        times, rows = np.tile(times, len(targets)), np.tile(rows, len(targets))
        values = {name: np.tile(each, len(targets)) for name, each in values.items()}
    if with_target:
        values = {"y": np.concatenate([number_column(frame, name, where) for name in targets]), **values}
    return _Rows(where, codes, names, times, values, rows)


def _series_of(frame: pandas.DataFrame, id: str, where: str) -> tuple[NDArray[np.int64], Any]:
    import pandas as pd

    ids = column(frame, id, where)
    try:
        codes, names = pd.factorize(ids)
    except TypeError as error:
        raise DataError(f"{where}: column {id!r} holds what cannot name a series: {error}. Use text.") from error
    names = pd.Index(names)
    absent = codes < 0
    empty = np.flatnonzero([isinstance(name, str) and not name.strip() for name in names])
    absent |= np.isin(codes, empty)
    if absent.any():
        refuse(ids, absent, id, where, "names no series", "Fill it in, or leave the row out")
    return codes.astype(np.int64), names


def _sorted(rows: _Rows) -> _Rows:
    inner = rows.inner()[1:]
    later = rows.times[1:] >= rows.times[:-1]
    in_order = (np.diff(rows.codes) >= 0).all() and (later | ~inner).all()
    return rows if in_order else rows.take(np.lexsort((rows.times, rows.codes)))  # stable: ties stay in file order


def _without_duplicates(rows: _Rows, duplicates: Duplicates) -> _Rows:
    again = rows.inner()
    again[1:] &= rows.times[1:] == rows.times[:-1]
    if not again.any():
        return rows
    if duplicates == "refuse":
        position = int(np.argmax(again))
        raise DataError(
            f"{rows.place(position)} has {write_time(rows.times[position])} a second time, first in row "
            f"{rows.rows[position - 1]} ({int(again.sum()):,} such rows). Leave one out, or choose duplicates='mean' "
            "or 'last'; where clocks go back in autumn, write times in UTC."
        )
    if duplicates == "last":
        return rows.take(np.append(np.flatnonzero(~again)[1:], len(again)) - 1)
    return _averaged(rows, again)


def _averaged(rows: _Rows, again: NDArray[np.bool_]) -> _Rows:
    """Return the mean of each row and those that follow it in `again`."""
    starts = np.flatnonzero(~again)
    group = np.cumsum(~again) - 1
    kept = rows.take(starts)
    for name, values in rows.values.items():
        present = ~np.isnan(values)
        counts = np.bincount(group[present], minlength=len(starts))
        sums = np.bincount(group[present], values[present], minlength=len(starts))
        kept.values[name] = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
    return kept


def _resampled(rows: _Rows, freq: str | int) -> _Rows:
    rows = replace(rows, times=step_containing(rows.times, freq))
    again = rows.inner()
    again[1:] &= rows.times[1:] == rows.times[:-1]
    return _averaged(rows, again)


def _check_alike(rows: _Rows, zone: str | None, after: SeriesTable) -> None:
    """Refuse times and names of another kind than those they go on from."""
    check_ids(rows.names, after.frame["unique_id"].unique(), rows.where)
    before = after.frame["ds"].to_numpy()
    kinds = [
        "whole numbers" if times.dtype.kind != "M" else "dates without a zone" if zone is None else "dates with a zone"
        for times, zone in ((before, after.zone), (rows.times, zone))
    ]
    if kinds[0] != kinds[1]:
        raise DataError(
            f"{rows.where}: its times are {kinds[1]}, and those it goes on from are {kinds[0]}. Write them alike."
        )


def check_ids(names: Any, known: Any, where: str) -> None:
    """Refuse names of series of another type than those known, such as the number 7 beside the text "7"."""
    kinds = {_kind(name) for name in known}
    other = next((name for name in names if _kind(name) not in kinds), None)
    if kinds and other is not None:
        raise DataError(
            f"{where}: the name of series {other!r} is {_kind(other)}, and the names known so far are "
            f"{' and '.join(sorted(kinds))}. Write them alike: those of a CSV are text."
        )


def _kind(name: Any) -> str:
    return "text" if isinstance(name, str) else "a number" if isinstance(name, Number) else type(name).__name__


def _continued(rows: _Rows, after: SeriesTable, overlap: Overlap) -> _Rows:
    """Put the rows behind those of `after`, whose series come first."""
    import pandas as pd

    frame = after.frame
    codes, known = pd.factorize(frame["unique_id"])
    names = pd.Index(known).append(rows.names[~rows.names.isin(known)])
    own = names.get_indexer(rows.names)[rows.codes]
    times = frame["ds"].to_numpy()
    ends = np.flatnonzero(np.diff(codes, append=-1))
    begins = np.concatenate([[0], ends[:-1] + 1])
    old = own < len(known)
    place = np.where(old, own, 0)
    early = old & (rows.times <= times[ends][place])
    if overlap == "replace":
        early &= rows.times < times[begins][place]
    if early.any():
        position = int(np.argmax(early))
        time = write_time(rows.times[position])
        count = f"({int(early.sum()):,} such rows)"
        if overlap == "replace":
            first = write_time(times[begins][own[position]])
            raise DataError(
                f"{rows.place(position)} has {time}, and what is kept of that series begins at {first} {count}. "
                "Leave such rows out, or begin anew with the whole series."
            )
        last = write_time(times[ends][own[position]])
        raise DataError(
            f"{rows.place(position)} has {time}, and that series goes to {last} already {count}. Give only rows after "
            "that, in any order, or choose overlap='replace'."
        )
    values = {name: np.concatenate([frame[name].to_numpy(), each]) for name, each in rows.values.items()}
    none = np.zeros(len(codes), dtype=np.int64)  # rows that no message names
    joined = _Rows(
        rows.where,
        np.concatenate([codes, own]).astype(np.int64),
        names,
        np.concatenate([times, rows.times]),
        values,
        np.concatenate([none, rows.rows]),
    )
    return _without_duplicates(_sorted(joined), "last")


def _inferred(rows: _Rows, irregular: Irregular) -> str | int:
    inner = rows.inner()
    freq = (natural_freq if irregular == "resample" else infer_freq)(rows.times, inner)
    if freq is None:
        if rows.times.dtype.kind != "M":
            return 1
        raise DataError(f"{rows.where}: no series has two rows, so the step of time cannot be seen. Give freq.")
    return freq


def _check_inferred(rows: _Rows, steps: NDArray[np.int64], off: NDArray[np.bool_], freq: str | int) -> None:
    """Refuse a frequency that few rows have, or that is not that of each series."""
    inner = rows.inner()
    passed = np.diff(steps, prepend=0)
    regular = inner & (passed == 1) & ~off
    if regular.sum() < LEAST_REGULAR * inner.sum():
        raise DataError(
            f"{rows.where}: the times are irregular: their most common step, {freq!r}, follows only "
            f"{int(regular.sum()):,} of {int(inner.sum()):,} rows. Choose irregular='resample' to average the rows of "
            "each step, or give freq."
        )
    followed = np.bincount(rows.codes[inner], minlength=len(rows.names))
    other = (followed >= 3) & (np.bincount(rows.codes[regular], minlength=len(rows.names)) == 0)
    if other.any():
        series = int(np.argmax(other))
        position = int(np.flatnonzero(rows.codes == series)[1])
        raise DataError(
            f"{rows.place(position)} comes at {write_time(rows.times[position])}, after "
            f"{write_time(rows.times[position - 1])}, where most series have the step {freq!r} ({int(other.sum()):,} "
            "such series). Read series of different steps one by one, or give freq to fill their gaps."
        )


def _filled(rows: _Rows, freq: str | int, inferred: bool) -> pandas.DataFrame:
    """Put the rows on their grids and fill the gaps with NaN."""
    import pandas as pd

    starts = np.flatnonzero(~rows.inner())
    lengths = np.diff(np.append(starts, len(rows.codes)))
    first = np.repeat(rows.times[starts], lengths)
    steps, off, grid = count_steps(rows.times, first, freq)
    if inferred:
        _check_inferred(rows, steps, off, freq)
    if off.any():
        position = int(np.argmax(off))
        raise DataError(
            f"{rows.place(position)} has {write_time(rows.times[position])}, which is no whole number of steps of "
            f"{freq!r} from its first time, {write_time(first[position])} ({int(off.sum()):,} such rows). Choose "
            "irregular='resample' to average the rows of each step, or give another freq."
        )
    begins = steps[starts]
    sizes = steps[starts + lengths - 1] - begins + 1
    total = int(sizes.sum())
    if total > max(MOST_FILLED * len(rows.codes), LEAST_LIMIT):
        raise DataError(
            f"{rows.where}: on a grid of {freq!r} the {len(rows.codes):,} rows would become {total:,}. Look for a "
            "wrong date, or give a longer freq."
        )
    codes, times, values = rows.codes, rows.times, rows.values
    if total > len(codes):
        offsets = np.cumsum(sizes) - sizes
        target = steps + np.repeat(offsets - begins, lengths)
        codes = np.repeat(rows.codes[starts], sizes)
        all_steps = np.arange(total) + np.repeat(begins - offsets, sizes)
        times = times_of(all_steps, np.repeat(rows.times[starts], sizes), freq, grid)
        values = {name: _spread(each, target, total) for name, each in rows.values.items()}
    return pd.DataFrame({"unique_id": rows.names.take(codes), "ds": times, **values})


def _spread(values: NDArray[np.float64], target: NDArray[np.int64], total: int) -> NDArray[np.float64]:
    spread = np.full(total, np.nan)
    spread[target] = values
    return spread
