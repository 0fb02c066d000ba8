"""Draw forecasts with their intervals beside what came before."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np

from holdfast.errors import MissingDependencyError

if TYPE_CHECKING:
    import pandas

MOST_SERIES = 6
HISTORY = 4  # horizons of the past that are drawn


def plot_forecast(
    history: pandas.DataFrame, forecast: pandas.DataFrame, path: str | os.PathLike[str], title: str = "Forecast"
) -> None:
    """Write a picture of the first series' forecasts, a panel each.

    Args:
        history: unique_id, ds, y.
        forecast: What `Forecaster.predict` returns.
        path: Where to; the ending says which format.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingDependencyError("matplotlib", "A plot", "plot") from error
    names = forecast["unique_id"].unique()[:MOST_SERIES]
    model = forecast.columns[2]
    levels = sorted({float(str(column).rsplit("-", 1)[1]) for column in forecast.columns[3:]}, reverse=True)
    figure = Figure(figsize=(10, 3.2 * len(names)), layout="constrained")
    for panel, name in zip(np.atleast_1d(figure.subplots(len(names), 1)), names, strict=True):
        ahead = forecast[forecast["unique_id"] == name]
        past = history[history["unique_id"] == name].tail(max(HISTORY * len(ahead), 24))
        panel.plot(past["ds"], past["y"], color="black", linewidth=1, label="y")
        for number, level in enumerate(levels):
            low, high = (ahead[f"{model}-{side}-{level:g}"] for side in ("lo", "hi"))
            shade = 0.15 + 0.2 * number
            panel.fill_between(ahead["ds"], low, high, color="tab:blue", alpha=shade, linewidth=0, label=f"{level:g} %")
        panel.plot(ahead["ds"], ahead[model], color="tab:blue", linewidth=1.5, label=str(model))
        panel.set_title(f"{title}: {name}", loc="left")
        panel.set_xlabel("ds")
        panel.set_ylabel("y")
        panel.legend(loc="upper left", frameon=False)
    figure.savefig(path, dpi=120)
