"""Small series with a season, and a forecaster that trains on them in a second."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from holdfast.tasks.forecast import Forecaster
from holdfast.tasks.forecast.config import ForecastTraining
from holdfast.tasks.forecast.windows import DAY, Series


def small_frame(count: int = 3, length: int = 80, season: int = 8, seed: int = 0, noise: float = 0.1) -> pd.DataFrame:
    """Return daily series of different heights, each a season and noise."""
    random = np.random.default_rng(seed)
    steps = np.arange(length)
    frames = []
    for number in range(count):
        wave = np.sin(2 * np.pi * steps / season + number) + noise * random.standard_normal(length)
        times = pd.date_range("2021-01-01", periods=length, freq="D")
        frames.append(pd.DataFrame({"unique_id": f"series {number}", "ds": times, "y": 10.0 * (number + 1) + wave}))
    return pd.concat(frames, ignore_index=True)


def small_forecaster(steps: int = 3, **fields: Any) -> Forecaster:
    """Return a forecaster of few units and steps."""
    train = fields.pop("train", ForecastTraining(max_steps=steps, evaluate_every=max(steps // 2, 1)))
    return Forecaster(**{"horizon": 4, "season": 8, "hidden_size": 8, "batch_size": 16, "train": train, **fields})


def series_of(*values: list[float] | np.ndarray, dated: bool = False) -> Series:
    """Return series of the values, each daily if `dated`, else numbered."""
    starts = np.concatenate([[0], np.cumsum([len(each) for each in values])]).astype(np.int64)
    flat = np.concatenate([np.asarray(each, dtype=float) for each in values])
    times = np.concatenate([np.arange(len(each)) for each in values]).astype(np.int64) * (DAY if dated else 1)
    ids = np.array([f"s{number}" for number in range(len(values))], dtype=object)
    nothing = np.zeros((len(flat), 0), np.float32)
    return Series(ids, starts, flat, times, nothing, np.zeros((len(values), 0), np.float32), dated)
