"""Forecasting: train on series, forecast with intervals, measure beside baselines. Torch is loaded on first use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from holdfast.tasks.forecast.config import ForecastConfig

if TYPE_CHECKING:
    from holdfast.tasks.forecast.task import Forecaster

__all__ = ["ForecastConfig", "Forecaster"]


def __getattr__(name: str) -> Any:
    if name == "Forecaster":
        from holdfast.tasks.forecast.task import Forecaster

        return Forecaster
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
