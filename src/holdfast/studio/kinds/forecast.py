"""A forecaster that is looked at: the end of a series in, what comes next out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from holdfast.errors import DataError
from holdfast.studio.kind import AbstractKind
from holdfast.studio.run import Reading, Run
from holdfast.studio.series import table_of
from holdfast.tasks.estimator import evaluating
from holdfast.tasks.forecast.recursive import RecursiveDecoder
from holdfast.tasks.forecast.steps import StepReader
from holdfast.tasks.forecast.task import Forecaster

LEVEL = 80


class ForecastKind(AbstractKind):
    """Reads the last steps of one series, in the columns that the forecaster was fitted to, or values alone."""

    @classmethod
    def load(cls, folder: Path) -> ForecastKind:
        return cls(Forecaster.from_pretrained(folder))

    def read(self, text: str | None, table: Any) -> Reading:
        frame = self._completed(table_of(text) if text is not None else table)
        target = self._target()
        values = np.asarray(frame[target].tolist(), dtype=object)
        times = frame[self.estimator._reading.time].astype(str).tolist()
        shape, recursive = self.estimator.shape, self.estimator.config.decoder == "recursive"
        if recursive:
            steps = self._steps(frame)
            count = int(np.minimum(steps.lengths, steps.x.shape[1])[0])
            starts = len(frame) - count + np.arange(count)
        else:
            steps = None
            count = -(-min(len(frame), shape.context) // shape.patch)
            starts = np.maximum(len(frame) - shape.patch * np.arange(count, 0, -1), 0)
        shown = np.array([[_number(values[start])] for start in starts])
        return Reading([times[start] for start in starts], [], [], (frame, steps), None, ([target], shown))

    def forward(self, reading: Reading) -> Any:
        frame, steps = reading.batch
        if steps is None:
            return self.estimator.predict(frame, level=[LEVEL])
        with evaluating(self.network):
            self.network(steps)
        return None  # the forecast itself reads frozen layers, which are not recorded

    def answer(self, run: Run) -> dict[str, Any]:
        if run.outputs is None and run.clamps:
            return {}  # the forecast would be made without the forced gates
        if run.outputs is None:
            with torch.no_grad():
                run.outputs = self.estimator.predict(run.reading.batch[0], level=[LEVEL])
        found, name = run.outputs, self.estimator.name
        columns = {"median": name, "low": f"{name}-lo-{LEVEL}", "high": f"{name}-hi-{LEVEL}"}
        times = found[self.estimator._reading.time if self.estimator._reading.time in found.columns else "ds"]
        return {"times": times.astype(str).tolist(), **{key: found[own].tolist() for key, own in columns.items()}}

    def _target(self) -> str:
        target = self.estimator._reading.target
        return target if isinstance(target, str) else target[0]

    def _completed(self, frame: Any) -> Any:
        """Return one series in the columns of the forecaster; times and names that are missing are made up."""
        import pandas as pd

        reading, target = self.estimator._reading, self._target()
        if reading.id is not None and reading.id in frame.columns:
            frame = frame[frame[reading.id] == frame[reading.id].iloc[0]]
        frame = frame.reset_index(drop=True)
        if target not in frame.columns:
            left = [name for name in frame.columns if name not in (reading.id, reading.time)]
            if len(left) != 1:
                raise DataError(f"There is no column {target!r}. The columns are {', '.join(frame.columns[:20])}.")
            frame = frame.rename(columns={left[0]: target})
        if reading.id is not None and reading.id not in frame.columns:
            frame = frame.assign(**{reading.id: "series"})
        if reading.time not in frame.columns:
            freq = reading.freq
            times = (
                pd.date_range("2000-01-01", periods=len(frame), freq=freq)
                if isinstance(freq, str)
                else np.arange(len(frame)) * int(freq or 1)
            )
            frame = frame.assign(**{reading.time: times})
        return frame

    def _steps(self, frame: Any) -> Any:
        series = self.estimator._series_of(frame)[0]
        reader, rows = StepReader(series, self.estimator.model.shape), np.arange(1)
        starts = RecursiveDecoder(self.estimator.model).starts(reader, rows, series.lengths)
        return reader.read_until(rows, starts, series.lengths, series.lengths)


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return float("nan")
