"""What is held out of series to choose and to stop by, and further parts that are hidden in turn to choose a start."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from holdfast.errors import DataError
from holdfast.tasks.forecast.windows import Picks, Series, Whole, sums

MOST_FOLDS = 5
FEW_SERIES = 50
"""Below this many, the last steps of every series are held out; from there on, of every fifth series."""


@dataclass(frozen=True)
class Fold:
    """A stretch of each series that is hidden.

    Attributes:
        begin, end: [S] its first step, and the one after its last.
    """

    begin: Whole
    end: Whole

    @property
    def size(self) -> Whole:
        return self.end - self.begin

    def picks(self, horizon: int) -> Picks:
        """Return the origins whose steps ahead are hidden; one that reaches beyond, where the stretch is shorter."""
        first = np.maximum(self.begin, 1)
        return Picks(first, np.where(self.size >= 1, np.maximum(self.end - horizon, first), first - 1))

    def independent(self, horizon: int) -> int:
        """Return about how many windows there are that share no hidden value."""
        return int(np.maximum(self.size // horizon, self.size > 0).sum())

    def meets(self, rows: Whole, origins: Whole, horizon: int) -> np.ndarray:
        """Return whether some step ahead of each (series, origin) is hidden."""
        return (origins < self.end[rows]) & (origins + horizon > self.begin[rows])


@dataclass(frozen=True)
class Split:
    """Series with the held-out values removed, the whole series, and how many last steps of each are held out.

    Attributes:
        size: [S] how many last steps each could spare; zero of a series in `held_out` means that it is not its turn.
    """

    train: Series
    whole: Series
    held_out: Whole
    size: Whole

    @property
    def by_series(self) -> bool:
        """Whether only some of the series that could hold something out do so."""
        return bool(((self.held_out == 0) & (self.size > 0)).any())

    def mean_loss(self, costs: list[np.ndarray]) -> float:
        """Return the mean of the costs of each fold's windows.

        Of folds in time, what is held out counts as much as all others together: it alone is forecast from its past
        only, as the future will be. Folds without a known value count nothing.
        """
        known = [not np.isnan(each).all() for each in costs]
        means = [float(np.nanmean(each)) for each, any_known in zip(costs, known, strict=True) if any_known]
        if not means:
            return 0.0
        if self.by_series or len(means) < 2:
            return float(np.nanmean(np.concatenate(costs)))
        if not known[0]:
            return float(np.mean(means))
        return (means[0] + float(np.mean(means[1:]))) / 2

    def folds(self) -> list[Fold]:
        """Return what is hidden in turn; what is held out comes first.

        Where all series hold something out, stretches as long before it follow, but for the first of the longest
        series. Where only some do, the ends of the others follow.
        """
        lengths = self.whole.lengths
        if self.by_series:
            turns = (np.cumsum(self.size > 0) - 1) % MOST_FOLDS
            return [Fold(lengths - np.where(turns == turn, self.size, 0), lengths) for turn in range(MOST_FOLDS)]
        longest = int(lengths.argmax())
        number = lengths[longest] // max(self.held_out[longest], 1) - 1
        ends = [lengths - turn * self.held_out for turn in range(int(np.clip(number, 1, MOST_FOLDS)))]
        return [Fold(np.maximum(end - self.held_out, 0), np.maximum(end, 0)) for end in ends]


def split_series(series: Series, horizon: int, season: int, validation_size: int) -> Split:
    """Hold out the last steps, of every series or of every fifth.

    Raises:
        DataError: no series is long enough to train on.
    """
    lengths = series.lengths
    if validation_size:
        held_out = size = np.minimum(validation_size, lengths // 2)
    elif len(series) >= FEW_SERIES:
        size = np.minimum(horizon + season, lengths // 3)
        held_out = np.where(np.cumsum(size > 0) % MOST_FOLDS == 1, size, 0)  # of those that can spare something
    else:
        wanted = np.maximum(horizon + min(season, horizon), (0.15 * lengths).astype(np.int64))
        held_out = size = np.minimum(wanted, lengths // 3)
    hidden = series.places >= np.repeat(lengths - held_out, lengths)
    train = replace(series, values=np.where(hidden, np.nan, series.values))
    if sums((~np.isnan(train.values)).astype(np.float64), series.starts).max() < 2:
        raise DataError(
            "No series has the two known values that are the least to learn from, beside the last steps, which are "
            "held out. Give longer series, or hold fewer out (validation_size)."
        )
    return Split(train, series, held_out, size)


def training_picks(lengths: Whole, context: int, horizon: int) -> Picks:
    """Return the origins to train on: with the whole context in long series, with down to half of it in short ones.

    Args:
        lengths: [S] how many first steps of each series there are to train on.
    """
    room = np.maximum(lengths - horizon, 0)
    first = np.maximum(np.minimum(context, room // 2), 1)
    last = np.where(room >= 1, np.maximum(room, first), np.where(lengths >= 2, first, 0))
    return Picks(first, last)


def seen_before(series: Series, steps: int) -> Series:
    """Return the series with their last `steps` values unknown."""
    hidden = series.places >= np.repeat(series.lengths - steps, series.lengths)
    return replace(series, values=np.where(hidden, np.nan, series.values))
