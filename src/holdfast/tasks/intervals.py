"""A mean with its 95 % interval, over seeds, over test items, or over both. Needs NumPy alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

# Student's t for an interval of 95 %, by degrees of freedom from 1 on; beyond them 1.96 + 2.5 / df is near.
_T95 = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131)


@dataclass(frozen=True)
class Interval:
    """A mean with its 95 % interval, mean - half to mean + half; an interval that nothing is known of is NaN.

    Attributes:
        seeds: Over how many it was taken; of one alone, the interval says nothing of how others would do.
        items: Likewise of the test data.
    """

    mean: float
    half: float
    seeds: int
    items: int = 0

    @staticmethod
    def of(values: Sequence[float], rows: Sequence[Sequence[float]] = ()) -> Interval:
        """Return the mean of one value a seed, with its interval by Student's t.

        Two things vary: the seeds, and, where `rows` has what each test item gave [seeds, items], the items. The
        standard error of each is taken from the means over the other, and they add as squares:
            half^2 = (t_s sd_s / sqrt(S))^2 + (t_n sd_n / sqrt(N))^2
        Chance that belongs to one seed and item alone is in both terms, so the interval is rather too wide. To compare
        two methods, give their differences, seed by seed and item by item: what they share cancels.

        Args:
            rows: The items' values; a mean over them need not be exactly `values`. An item with a NaN is left out.
        """
        parts = [_half(np.asarray(values, dtype=np.float64))]
        count = 0
        if rows and len({len(row) for row in rows}) == 1 and len(rows[0]):
            items = np.asarray(rows, dtype=np.float64).mean(axis=0)
            items = items[np.isfinite(items)]
            count = len(items)
            parts.append(_half(items))
        known = [part for part in parts if not math.isnan(part)]
        half = math.hypot(*known) if known else math.nan
        return Interval(float(np.mean(values)), half, len(values), count if count > 1 else 0)

    @property
    def covers(self) -> str:
        """What the interval was taken over, in words."""
        parts = [f"{self.seeds} seeds"] if self.seeds > 1 else []
        parts += [f"{self.items:,} test items"] if self.items else []
        return " and ".join(parts) or "nothing"

    @property
    def excludes_zero(self) -> bool:
        return abs(self.mean) > self.half  # False where the interval is unknown


def _half(values: np.ndarray) -> float:
    """Return half the interval of the mean of independent values; NaN for fewer than two."""
    freedom = len(values) - 1
    if freedom < 1:
        return math.nan
    t = _T95[freedom - 1] if freedom <= len(_T95) else 1.96 + 2.5 / freedom
    return t * float(np.std(values, ddof=1)) / math.sqrt(len(values))
