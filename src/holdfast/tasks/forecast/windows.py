"""Series as flat arrays, and windows drawn from them by index: nothing is laid out beforehand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.tasks.forecast.bases import measure
from holdfast.tasks.forecast.spread import spread_of

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Whole = NDArray[np.int64]

DAY = 86_400 * 10**6  # microseconds
CYCLES = ("day", "week", "year")
SHORTEST_MEMORY = 64  # steps


@dataclass(frozen=True)
class Series:
    """Many series, one after another.

    Attributes:
        ids: [S] the name of each.
        starts: [S+1] where each begins; the last is the number of steps of all.
        values: [N] NaN where missing.
        times: [N] microseconds since 1970 on the local clock, or step numbers.
        columns: [N, F] historic, then future-known columns, standardised, zero where missing.
        static: [S, K] standardised, zero where missing.
        dated: Whether `times` are dates.
        spread: [S] standard deviation of all that was seen of each, transformed, where `values` are but its end.
        before: [S] steps that came before `values`; None: there were none.
    """

    ids: NDArray[Any]
    starts: Whole
    values: Doubles
    times: Whole
    columns: Floats
    static: Floats
    dated: bool
    spread: Doubles | None = None
    before: Whole | None = None

    @property
    def lengths(self) -> Whole:
        return np.diff(self.starts)

    @property
    def places(self) -> Whole:
        """How many steps of its series come before each value [N]."""
        return np.arange(len(self.values)) - np.repeat(self.starts[:-1], self.lengths)

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class WindowShape:
    """How windows are cut and made comparable; what `fit` settled on, and a saved model keeps.

    Attributes:
        cycles: The calendar's cycles that are shown, some of CYCLES.
        num_historic, num_future, num_static: Counts of further columns.
    """

    context: int
    horizon: int
    season: int
    patch: int = 1
    transform: str = "none"
    base: str = "level"
    cycles: tuple[str, ...] = ()
    num_historic: int = 0
    num_future: int = 0
    num_static: int = 0

    @property
    def memory(self) -> int:
        """Past steps that are read: Theta's forecast looks further back than the network."""
        return max(self.context, SHORTEST_MEMORY, 10 * self.season) if self.base == "theta" else self.context

    @property
    def past_features(self) -> int:
        """Numbers shown of a past step beside its value and whether it was observed."""
        return 2 * len(self.cycles) + self.num_historic + self.num_future

    @property
    def future_features(self) -> int:
        """Numbers shown of a future step."""
        return 2 * len(self.cycles) + self.num_future


class Rows:
    """The base of what is read of series: a dataclass of arrays whose first axis counts the rows."""

    lengths: Whole

    def blocks(self, size: int) -> Iterator[Any]:
        """Yield the rows in order, at most `size` at a time."""
        for begin in range(0, len(self.lengths), size):
            yield type(self)(*(part[begin : begin + size] for part in vars(self).values()))


@dataclass(frozen=True)
class Windows(Rows):
    """A batch of windows on a common scale: value = base + scale * number, then the transform is undone.

    Attributes:
        values: [B, L] past values; where missing, what the season suggests.
        observed: [B, L] 1 where a past value is known.
        past: [B, L, F] features of past steps.
        future: [B, H, F'] features of future steps.
        static: [B, K].
        target: [B, H] future values, 0 where unknown.
        known: [B, H] 1 where a future value is known.
        base: [B, H].
        scale: [B].
        lengths: [B] past steps since the series began, at most L, at least 1.
    """

    values: Floats
    observed: Floats
    past: Floats
    future: Floats
    static: Floats
    target: Floats
    known: Floats
    base: Doubles
    scale: Doubles
    lengths: Whole


class WindowReader:
    """Reads windows of series by (series, origin), the origin being the first step to forecast.

    Args:
        series: Where windows are cut from.
        shape: How.
        seen: The part of each series whose spread is the measure of a flat window; None: all of it.
    """

    def __init__(self, series: Series, shape: WindowShape, seen: Series | None = None):
        self.series, self.shape = series, shape
        self._floor = least_scale(seen or series, shape.transform)

    def read(self, rows: Whole, origins: Whole) -> Windows:
        shape, series = self.shape, self.series
        past, memory = shape.context, shape.memory
        steps = origins[:, None] + np.arange(-memory, shape.horizon)
        inside = (steps >= 0) & (steps < series.lengths[rows][:, None])
        flat = series.starts[rows][:, None] + np.clip(steps, 0, series.lengths[rows][:, None] - 1)
        values = np.where(inside, transformed(series.values[flat], shape.transform), np.nan)
        measured = measure(values[:, :memory], self._floor[rows], shape)
        centre, scale = measured.centre[:, None], measured.scale[:, None]
        observed = ~np.isnan(values[:, memory - past :])
        with np.errstate(over="ignore"):
            target = np.clip((values[:, memory:] - measured.base) / scale, -1e4, 1e4)
        features = self._features(flat[:, memory - past :])
        return Windows(
            ((measured.filled - centre) / scale).astype(np.float32),
            observed[:, :past].astype(np.float32),
            features[:, :past],
            features[:, past:, features.shape[2] - shape.future_features :],
            series.static[rows],
            np.where(observed[:, past:], target, 0).astype(np.float32),
            observed[:, past:].astype(np.float32),
            measured.base,
            measured.scale,
            np.clip(origins, 1, past),
        )

    def restore(self, numbers: Doubles, windows: Windows) -> Doubles:
        """Return numbers [B, H, ...] on the common scale as values."""
        extra = (slice(None), slice(None)) + (None,) * (numbers.ndim - 2)
        values = windows.base[extra] + windows.scale[extra[:1] + (None,) * (numbers.ndim - 1)] * numbers
        return np.exp(np.minimum(values, 700.0)) if self.shape.transform == "log" else values

    def _features(self, flat: Whole) -> Floats:
        """Return [B, L+H, F]: historic columns first, then what is known of the future too."""
        shape = self.shape
        parts = [self.series.columns[flat]]
        if shape.cycles:
            parts.append(calendar(self.series.times[flat], shape.cycles))
        return np.concatenate(parts, axis=-1)


def least_scale(series: Series, transform: str) -> Doubles:
    """Return the scale [S] that a flat window of each series gets: a tenth of the series' spread."""
    spread = series.spread
    if spread is None:
        spread = spread_of(transformed(series.values, transform), series.starts)
    return 0.1 * spread


def transformed(values: Doubles, transform: str) -> Doubles:
    """Return the values, or their logarithms."""
    return np.log(values) if transform == "log" else values


def sums(values: Doubles, starts: Whole) -> Doubles:
    """Return the sum over each series."""
    total = np.zeros(len(starts) - 1)
    filled = np.diff(starts) > 0
    if filled.any():
        total[filled] = np.add.reduceat(values, starts[:-1][filled])
    return total


def mase_scales(series: Series, season: int) -> Doubles:
    """Return what repeating the last season costs on average within each series: the scale of MASE, never 0.

    Where it is 0 or unknown, the spread of the series takes its place, else 1.
    """
    season = max(season, 1)
    gaps = np.full(len(series.values), np.nan)
    gaps[season:] = np.abs(series.values[season:] - series.values[:-season])
    known = ~np.isnan(gaps) & (series.places >= season)
    count = sums(known.astype(np.float64), series.starts)
    cost = sums(np.where(known, gaps, 0), series.starts) / np.maximum(count, 1)
    cost = np.where(cost > 0, cost, spread_of(series.values, series.starts))
    return np.where(cost > 0, cost, 1.0)


def calendar(times: Whole, cycles: tuple[str, ...]) -> Floats:
    """Return where in each cycle the times are, as sine and cosine [..., 2 * cycles]."""
    phases = []
    for cycle in cycles:
        if cycle == "year":
            dates = times.astype("M8[us]")
            phases.append((dates - dates.astype("M8[Y]").astype("M8[us]")).astype(np.int64) / (365.25 * DAY))
        else:
            length = DAY if cycle == "day" else 7 * DAY
            phases.append((times % length) / length)
    turns = 2 * np.pi * np.stack(phases, axis=-1)
    return np.concatenate([np.sin(turns), np.cos(turns)], axis=-1).astype(np.float32)


def cycles_of(series: Series) -> tuple[str, ...]:
    """Return the cycles that the steps can tell apart and that were seen twice."""
    longest = int(series.lengths.argmax())
    times = series.times[series.starts[longest] : series.starts[longest + 1]]
    if not series.dated or len(times) < 2:
        return ()
    step, span = int(np.median(np.diff(times))), int(times[-1] - times[0])
    lengths = {"day": DAY, "week": 7 * DAY, "year": 365 * DAY}
    return tuple(cycle for cycle in CYCLES if step < lengths[cycle] and span >= 2 * lengths[cycle])


class WindowBatches:
    """Training windows, drawn at random from the seed and the number of the batch, without end.

    Args:
        reader: Where windows are read.
        picks: Which (series, origin) there are to draw from.
    """

    def __init__(self, reader: WindowReader, picks: Picks, batch_size: int, seed: int = 0):
        self.reader, self.picks, self.batch_size, self.seed = reader, picks, batch_size, seed
        self._number = 0

    @property
    def epoch(self) -> float:
        return self._number * self.batch_size / len(self.picks)

    def __iter__(self) -> WindowBatches:
        return self

    def __next__(self) -> Windows:
        random = np.random.default_rng((self.seed, self._number))
        self._number += 1
        return self.reader.read(*self.picks[random.integers(len(self.picks), size=self.batch_size)])

    def _shape(self) -> dict[str, int]:
        return {"windows": len(self.picks), "batch_size": self.batch_size}

    def state_dict(self) -> dict[str, int]:
        return {"number": self._number, **self._shape()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        differ = [name for name, value in self._shape().items() if state.get(name) != value]
        if differ:
            raise ValueError(f"the data is not cut as it was: {', '.join(differ)} differ; resume with the same data")
        self._number = int(state["number"])


class Picks:
    """Numbered (series, origin): in series r all origins from first[r] to last[r]; none where last < first."""

    def __init__(self, first: Whole, last: Whole):
        self.first = first
        self._ends = np.cumsum(np.maximum(last - first + 1, 0))

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    def __getitem__(self, numbers: Whole) -> tuple[Whole, Whole]:
        rows = np.searchsorted(self._ends, numbers, side="right")
        return rows, self.first[rows] + numbers - np.where(rows > 0, self._ends[rows - 1], 0)

    def spread(self, most: int) -> tuple[Whole, Whole]:
        """Return at most `most` of them, evenly."""
        count = min(len(self), most)
        return self[(np.arange(count) * len(self)) // max(count, 1)]
