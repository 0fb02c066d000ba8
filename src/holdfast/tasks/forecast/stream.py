"""Series that grow: what is kept of them is bounded, and forecasts are those of the whole series."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from holdfast.tasks.forecast.config import WindowSettings
from holdfast.tasks.forecast.data import SeriesTable
from holdfast.tasks.forecast.inputs import Reading, check_positive, make_series
from holdfast.tasks.forecast.spread import Sums
from holdfast.tasks.forecast.windows import Series, Whole, transformed


@dataclass(frozen=True)
class Stream:
    """The ends of series.

    Attributes:
        table: The last steps of each series.
        dropped: Sums of what came before them, transformed.
        before: [S] how many steps that were.
        transform: Of the values, as `WindowShape` has it.
        carried: What the decoder carries, None where it carries nothing.
    """

    table: SeriesTable
    dropped: Sums
    before: Whole
    transform: str
    carried: Any = None

    @classmethod
    def begin(cls, table: SeriesTable, series: Series, memory: int, transform: str) -> Stream:
        """Keep the last `memory` steps of whole series."""
        none = np.zeros(len(series), dtype=np.int64)
        return cls(table, Sums.none(len(series)), none, transform)._cut(series, memory)

    def grow(self, df: Any, reading: Reading, settings: WindowSettings, memory: int, overlap: str) -> Stream:
        """Return the stream with further rows, the last `memory` steps of each series kept.

        Raises:
            DataError: the rows are broken, or not after the end of their series.
        """
        table = reading.table(df, settings.columns, after=self.table, overlap=overlap)
        series = make_series(table, reading, settings)
        for name in settings.static:  # where only rows that are dropped say it
            known = np.fmax.reduceat(table.frame[name].to_numpy(), series.starts[:-1])
            table = replace(table, frame=table.frame.assign(**{name: np.repeat(known, series.lengths)}))
        new = np.zeros(len(series) - len(self.before), dtype=np.int64)
        before, dropped = np.concatenate([self.before, new]), self.dropped.grown(len(series))
        return replace(self, table=table, dropped=dropped, before=before)._cut(series, memory)

    def series(self, reading: Reading, settings: WindowSettings) -> Series:
        """Return the kept steps, with the spread of the whole."""
        series = make_series(self.table, reading, settings)
        seen = self.dropped.add(transformed(series.values, self.transform), series.starts)
        return replace(series, spread=seen.deviation, before=self.before)

    def _cut(self, series: Series, memory: int) -> Stream:
        check_positive(series, self.transform)
        old = np.maximum(series.lengths - memory, 0)
        gone = series.places < np.repeat(old, series.lengths)
        starts = np.concatenate([[0], np.cumsum(old)])
        dropped = self.dropped.add(transformed(series.values[gone], self.transform), starts)
        frame = self.table.frame[~gone].reset_index(drop=True)
        return replace(self, table=replace(self.table, frame=frame), dropped=dropped, before=self.before + old)
