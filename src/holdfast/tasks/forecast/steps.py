"""Stretches of series for a network that reads one step at a time, on a scale that does not change as they grow."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from holdfast.tasks.forecast.windows import (
    Doubles,
    Floats,
    Rows,
    Series,
    Whole,
    WindowShape,
    calendar,
    least_scale,
    transformed,
)

LARGEST = 20.0  # scales from the centre; what lies beyond is cut off
BLOCK = 4_096  # stretches whose scales are looked at together

Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Steps(Rows):
    """Stretches of series on the scale of their first steps.

    Attributes:
        x: [B, T, I] what is read at each step.
        linear: [B, T, 3] the value, that of the season before the next step, and that of the season before this one.
        target: [B, T] the next step's value, 0 where unknown.
        known: [B, T] 1 where it counts.
        lengths: [B] steps of each stretch.
        centre, scale: [B].
    """

    x: Floats
    linear: Floats
    target: Floats
    known: Floats
    lengths: Whole
    centre: Doubles
    scale: Doubles


class StepReader:
    """Reads stretches of series, as `WindowReader` reads windows, whose arguments it takes.

    A stretch is scaled by its first steps. Where fewer than two of them are known, they are all equal though the series
    is not, or a later value lies beyond LARGEST, they say nothing of the rest: all that is read gives the scale, and
    the scale of what is flat even so is a tenth of the series' spread.
    """

    def __init__(self, series: Series, shape: WindowShape, seen: Series | None = None):
        self.series, self.shape = series, shape
        self._floor = least_scale(seen or series, shape.transform)

    @property
    def lag(self) -> int:
        """Steps back to the season before; 0 where it lies beyond the context."""
        return self.shape.season if 1 < self.shape.season <= self.shape.context else 0

    def read(self, rows: Whole, starts: Whole) -> Steps:
        """Read stretches for training, of twice the context and the horizon: all their steps count.

        Historic columns end somewhere, as they do where a forecast begins.
        """
        context, horizon = self.shape.context, self.shape.horizon
        ends = np.minimum(starts + 2 * context + horizon, self.series.lengths[rows])
        scaled_until = starts + np.clip((ends - starts) // 2, 1, context)
        known_until = starts + context + (31 * rows + 17 * starts) % (context + horizon)
        return self._read(rows, starts, ends, (scaled_until, ends), known_until, counted=starts + 1)

    def read_until(self, rows: Whole, starts: Whole, origins: Whole, ends: Whole) -> Steps:
        """Read stretches whose steps from `origins` to `ends` count, as a forecast from there sees what lies before."""
        scaled_until = np.minimum(origins, starts + self.shape.context), origins
        return self._read(rows, starts, ends, scaled_until, known_until=origins, counted=origins)

    def settled(self, rows: Whole, starts: Whole, origins: Whole) -> Flags:
        """Return whether the first steps of stretches up to `origins` give their scale: more steps may not change it.

        A stretch that is settled was so at each origin before, from its first context on.
        """
        found = np.zeros(len(rows), dtype=bool)
        for begin in range(0, len(rows), BLOCK):
            part = slice(begin, begin + BLOCK)
            steps, values = self._values(rows[part], starts[part], origins[part])
            until = np.minimum(origins[part], starts[part] + self.shape.context)
            found[part] = self._first_scale(rows[part], values, steps < until[:, None])[2]
        return found

    def _values(self, rows: Whole, starts: Whole, ends: Whole) -> tuple[Whole, Doubles]:
        """Return the steps of stretches and one more [B, T+1], and their values, transformed, NaN from `ends` on."""
        series = self.series
        steps = starts[:, None] + np.arange((ends - starts).max(initial=0) + 1)
        flat = series.starts[rows][:, None] + np.minimum(steps, series.lengths[rows][:, None] - 1)
        return steps, np.where(steps < ends[:, None], transformed(series.values[flat], self.shape.transform), np.nan)

    def _first_scale(self, rows: Whole, values: Doubles, first: Flags) -> tuple[Doubles, Doubles, Flags]:
        """Return centre and scale [B] by the `first` steps, and whether they fit the others that were read."""
        centre, scale, flat = _centre_and_scale(np.where(first, values, np.nan))
        with np.errstate(over="ignore"):
            beyond = (np.abs(values - centre[:, None]) > LARGEST * scale[:, None]).any(axis=1)
        few = (first & ~np.isnan(values)).sum(axis=1) < 2
        return centre, scale, ~(few | beyond | (flat & (self._floor[rows] > 0)))

    def _scales(self, rows: Whole, values: Doubles, first: Flags) -> tuple[Doubles, Doubles]:
        """Return centre and scale [B] of the values [B, T] that were read."""
        centre, scale, settled = self._first_scale(rows, values, first)
        others = np.flatnonzero(~settled)
        if len(others):
            centre[others], wide, flat = _centre_and_scale(values[others])
            floor = self._floor[rows[others]]
            scale[others] = np.where(flat & (floor > 0), floor, wide)
        return centre, scale

    def _read(
        self,
        rows: Whole,
        starts: Whole,
        ends: Whole,
        scaled_until: tuple[Whole, Whole],
        known_until: Whole,
        counted: Whole,
    ) -> Steps:
        lengths = ends - starts
        steps, values = self._values(rows, starts, ends)
        first, read = (steps < until[:, None] for until in scaled_until)
        centre, scale = self._scales(rows, np.where(read, values, np.nan), first)
        with np.errstate(over="ignore"):
            scaled = np.clip((values - centre[:, None]) / scale[:, None], -LARGEST, LARGEST)
        filled = _filled(scaled, self.lag or 1)
        next_season, season = _before(filled, self.lag, 1), _before(filled, self.lag, 0)
        observed = ~np.isnan(scaled)
        seen = np.stack([filled, observed, np.where(np.isnan(next_season), filled, next_season)], axis=-1)
        x = np.concatenate([seen, ~np.isnan(next_season)[..., None], self.rest(rows, steps, known_until)], axis=-1)
        season = np.where(np.isnan(next_season), filled, np.where(np.isnan(season), filled, season))
        linear = np.stack([filled, seen[..., 2], season], axis=-1)
        known = observed[:, 1:] & (steps[:, 1:] >= counted[:, None])
        return Steps(
            x[:, :-1].astype(np.float32),
            linear[:, :-1].astype(np.float32),
            np.where(known, scaled[:, 1:], 0).astype(np.float32),
            known.astype(np.float32),
            lengths,
            centre,
            scale,
        )

    def rest(self, rows: Whole, steps: Whole, known_until: Whole) -> Floats:
        """Return what is read beside values [B, T, F]: columns, those and the calendar of the next step, static ones.

        Historic columns are shown before `known_until` [B], and a number says so.
        """
        shape, series = self.shape, self.series
        last, begin = series.lengths[rows][:, None] - 1, series.starts[rows][:, None]
        now, after = begin + np.minimum(steps, last), begin + np.minimum(steps + 1, last)
        historic = (steps < known_until[:, None])[..., None]
        columns, count = series.columns[now], shape.num_historic
        parts = [historic, np.where(historic, columns[..., :count], 0), columns[..., count:]]
        parts.append(series.columns[after][..., count:])
        if shape.cycles:
            parts.append(calendar(series.times[after], shape.cycles))
        parts.append(np.repeat(series.static[rows][:, None], steps.shape[1], axis=1))
        return np.concatenate(parts, axis=-1, dtype=np.float32)

    def restore(self, numbers: Doubles, centre: Doubles, scale: Doubles) -> Doubles:
        """Return numbers [B, H, Q] on the common scale as values."""
        values = centre[:, None, None] + scale[:, None, None] * numbers
        return np.exp(np.minimum(values, 700.0)) if self.shape.transform == "log" else values


def _centre_and_scale(values: Doubles) -> tuple[Doubles, Doubles, Flags]:
    """Return mean and standard deviation of each row's known values; for rows that are flat it is their size."""
    known = ~np.isnan(values)
    count = np.maximum(known.sum(axis=1), 1)
    mean = _summed(np.where(known, values, 0)) / count
    deviation = np.sqrt(_summed(np.where(known, values - mean[:, None], 0) ** 2) / count)
    flat = deviation <= 1e-9 * np.maximum(np.abs(mean), 1e-300)
    return mean, np.where(flat, np.maximum(np.abs(mean), 1.0), deviation), flat


def _summed(values: Doubles) -> Doubles:
    """Return the sum of each row, added from left to right: zeros at its end do not change a bit of it."""
    return np.cumsum(values, axis=1)[:, -1]


def _filled(values: Doubles, lag: int) -> Doubles:
    """Return rows [B, T] whose missing values are those `lag` steps before, or 0 where there is none."""
    filled = values.copy()
    for begin in range(0, values.shape[1], lag):
        part = filled[:, begin : begin + lag]
        before = filled[:, begin - lag : begin][:, : part.shape[1]] if begin else np.zeros_like(part)
        part[...] = np.where(np.isnan(part), before, part)
    return filled


def _before(filled: Doubles, lag: int, ahead: int) -> Doubles:
    """Return at each step the value `lag` steps before the one `ahead` of it, NaN where the row has none."""
    found = np.full(filled.shape, np.nan)
    shift = lag - ahead
    if lag and shift < filled.shape[1]:
        found[:, shift:] = filled[:, : filled.shape[1] - shift]
    return found
