"""Draw forecasts with their intervals beside what came before."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from holdfast.errors import ConfigError, DataError, MissingDependencyError

if TYPE_CHECKING:
    import pandas

MOST_SERIES = 6
HISTORY, LEAST_HISTORY = 4, 24  # horizons of the past that are drawn, and at least so many steps
COLOUR = "tab:blue"


def plot_forecast(
    history: pandas.DataFrame,
    forecast: pandas.DataFrame,
    path: str | os.PathLike[str],
    *,
    time: str = "ds",
    target: str | None = "y",
) -> None:
    """Write a picture of the first series' forecasts, a panel each, with as much of the past as is worth seeing.

    Args:
        history: unique_id, ds, y.
        forecast: What `Forecaster.predict` returns.
        path: Where to; the ending says which format.
        time, target: What the axes and the legend call times and values; None: each series has values of its own
            kind, and they go by its name.

    Raises:
        DataError: `forecast` is no such frame, or none of its series is in `history`.
        ConfigError: a picture cannot be written there.
    """
    figure_type = check_picture(path)
    models = [name for name in forecast.columns if name not in ("unique_id", "ds", "cutoff", "y")]
    if not {"unique_id", "ds"} <= set(forecast.columns) or not models or "cutoff" in forecast.columns:
        raise DataError("The forecast to draw has no unique_id, ds and forecast columns. Give what predict returned.")
    every, known = forecast["unique_id"].unique(), set(history["unique_id"].unique())
    names = [name for name in every if name in known][:MOST_SERIES]
    if not names:
        raise DataError("None of the forecast's series is in the data. Give the data that it goes on from.")
    columns = 1 if len(names) < 4 else 2
    rows = -(-len(names) // columns)
    figure = figure_type(figsize=(10 if columns == 1 else 14, 3.6 * rows), layout="constrained")
    panels = np.atleast_1d(figure.subplots(rows, columns)).reshape(-1)
    for panel, name in zip(panels, names, strict=False):
        _draw(panel, history, forecast, name, str(models[0]), target)
        panel.set_xlabel(time)
    for panel in panels[len(names) :]:
        panel.set_visible(False)
    lines, labels = panels[0].get_legend_handles_labels()
    figure.legend(lines, labels, loc="outside upper right", ncols=len(labels), frameon=False)
    if len(every) > len(names):
        figure.text(0.01, 0.99, f"the first {len(names)} of {len(every):,} series", verticalalignment="top")
    figure.savefig(path, dpi=120)


def check_picture(path: str | os.PathLike[str]) -> Any:
    """Return matplotlib's type of figure where a picture can be written under that name.

    Raises:
        ConfigError: the folder is not there, or the ending is of no format.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingDependencyError("matplotlib", "A plot", "plot") from error
    path, formats = Path(path), Figure().canvas.get_supported_filetypes()
    if path.suffix and path.suffix[1:].lower() not in formats:
        raise ConfigError(f"{path}: no picture has the ending {path.suffix!r}. Choose one of {', '.join(formats)}.")
    if path.is_dir() or not path.parent.is_dir():
        raise ConfigError(f"{path}: name a file in a folder that is there.")
    return Figure


def _draw(
    panel: Any, history: pandas.DataFrame, forecast: pandas.DataFrame, name: Any, model: str, target: str | None
) -> None:
    """Draw one series: its past, the intervals from the widest to the narrowest, and the forecast."""
    ahead = forecast[forecast["unique_id"] == name]
    past = history[history["unique_id"] == name].tail(max(HISTORY * len(ahead), LEAST_HISTORY))
    # A single value between gaps would be a line without length.
    lone = past["y"].notna() & past["y"].shift().isna() & past["y"].shift(-1).isna()
    panel.plot(past["ds"], past["y"], color="black", linewidth=1, label=target or "values")
    panel.plot(past["ds"][lone], past["y"][lone], color="black", marker=".", markersize=3, linestyle="none")
    levels = sorted(
        {str(column).rsplit("-", 1)[1] for column in forecast.columns if str(column).startswith(f"{model}-lo-")},
        key=float,
        reverse=True,
    )
    for number, level in enumerate(levels):
        low, high = (ahead[f"{model}-{side}-{level}"] for side in ("lo", "hi"))
        shade = {"color": COLOUR, "alpha": 0.15 + 0.15 * number, "linewidth": 0}
        panel.fill_between(ahead["ds"], low, high, label=f"{level} % interval", **shade)
    marker = "." if len(ahead) == 1 else None
    panel.plot(ahead["ds"], ahead[model], color=COLOUR, linewidth=1.5, marker=marker, label=f"{model} forecast")
    panel.set_title(str(name), loc="left", fontweight="bold")
    panel.set_ylabel(target or str(name))
    panel.margins(x=0.01)
    panel.grid(alpha=0.25)
    for side in ("top", "right"):
        panel.spines[side].set_visible(False)
