"""How far the values of series lie apart, counted so that a series that grows gives the same bits as the whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]
Whole = NDArray[np.int64]


@dataclass(frozen=True)
class Sums:
    """What was seen of each series [S], added one value after the other.

    Attributes:
        anchor: The first known value, from which values are counted; NaN before there is one.
        count, total, squares: Of the known values.
    """

    anchor: Doubles
    count: Doubles
    total: Doubles
    squares: Doubles

    @classmethod
    def none(cls, count: int) -> Sums:
        """Return the sums of series of which nothing was seen."""
        return cls(np.full(count, np.nan), np.zeros(count), np.zeros(count), np.zeros(count))

    def add(self, values: Doubles, starts: Whole) -> Sums:
        """Return the sums with further values of each series, which lie one series after another."""
        size = len(self.anchor)
        series = np.repeat(np.arange(size), np.diff(starts))
        known = ~np.isnan(values)
        series, values = series[known], values[known]
        present, first = np.unique(series, return_index=True)
        anchor = self.anchor.copy()
        anchor[present] = np.where(np.isnan(anchor[present]), values[first], anchor[present])
        moved = values - anchor[series]
        # bincount adds in order, so what was summed before comes first.
        place = np.concatenate([np.arange(size), series])
        total: Any = np.bincount(place, np.concatenate([self.total, moved]), size)
        squares: Any = np.bincount(place, np.concatenate([self.squares, moved**2]), size)
        return Sums(anchor, self.count + np.bincount(series, minlength=size), total, squares)

    def grown(self, count: int) -> Sums:
        """Return the sums with `count` series in all, nothing seen of the new ones."""
        new = Sums.none(count - len(self.anchor))
        pairs = ((getattr(self, name), getattr(new, name)) for name in ("anchor", "count", "total", "squares"))
        return Sums(*(np.concatenate(pair) for pair in pairs))

    @property
    def deviation(self) -> Doubles:
        """The standard deviation of each series, 0 where nothing is known."""
        count = np.maximum(self.count, 1)
        return np.sqrt(np.maximum(self.squares - self.total**2 / count, 0) / count)


def spread_of(values: Doubles, starts: Whole) -> Doubles:
    """Return the standard deviation of each series, 0 where nothing is known."""
    return Sums.none(len(starts) - 1).add(values, starts).deviation
