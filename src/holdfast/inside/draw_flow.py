"""The gradient by lag, of one model or several: does it vanish, hold or explode?"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from holdfast.errors import ConfigError
from holdfast.inside.figure import SMALL, new_figure, save_figure, style_of, tidy

if TYPE_CHECKING:
    from holdfast.inside.gradients import GradientFlow, LayerFlow

_DECADES = 12  # below so many powers of ten under the largest, the axis ends


def plot_flow(
    flows: Mapping[str, GradientFlow | LayerFlow],
    path: str | os.PathLike[str] | None = None,
    *,
    state: str = "",
    relative: bool = True,
    title: str = "",
) -> Any:
    """Draw the norm of the gradient by lag on a logarithmic axis, one line a model, with its half-life.

    Args:
        flows: Name to what `gradient_flow` returned, of which the last layer is drawn, or to one layer of it.
        path: Where the picture goes, as .png, .pdf or .svg; None writes nothing.
        state: "h" or "c"; "" takes what carries the memory: c of an LSTM, h of the others.
        relative: Draw each as a share of its own at lag 0, so that models are compared by how it fades alone.
        title: A line above the picture.

    Returns:
        The Matplotlib figure.

    Raises:
        ConfigError: nothing to draw, or a model has no such state.
        MissingDependencyError: Matplotlib is not installed.
    """
    if not flows:
        raise ConfigError("There is no gradient flow to draw: give at least one.")
    layers: dict[str, Any] = {name: getattr(flow, "top", flow) for name, flow in flows.items()}
    figure = new_figure(7.0, 4.2)
    axis = figure.subplots()
    highest, lowest = 0.0, math.inf
    for number, (name, layer) in enumerate(layers.items()):
        values = np.asarray(layer.curve(state), dtype=np.float64)
        if relative and values[0] > 0:
            values = values / values[0]
        colour, dash = style_of(name, number)
        label = f"{name}: {half_life_words(layer.half_life(state))}"
        axis.plot(np.arange(len(values)), np.where(values > 0, values, np.nan), color=colour, linestyle=dash,
                  linewidth=1.8, label=label)  # fmt: skip
        there = values[values > 0]
        highest, lowest = max(highest, there.max(initial=0.0)), min(lowest, there.min(initial=math.inf))
    _axes(axis, max(map(lambda layer: len(layer.curve(state)), layers.values())), highest, lowest, relative)
    if title:
        figure.suptitle(title, fontsize=10.5)
    if path is not None:
        save_figure(figure, path)
    return figure


def half_life_words(steps: float) -> str:
    """Return in words what a half-life says; see `LayerFlow.half_life`."""
    if math.isnan(steps):
        return "no gradient"
    if math.isinf(steps):
        return "does not change"
    size = abs(steps)
    number = f"{size:.3g}" if size < 1000 else f"{float(f'{size:.2g}'):,.0f}"
    return f"{'halves' if steps > 0 else 'doubles'} every {number} steps"


def _axes(axis: Any, lags: int, highest: float, lowest: float, relative: bool) -> None:
    axis.set_yscale("log")
    if highest > 0:
        axis.set_ylim(max(lowest, highest * 10.0**-_DECADES) / 2, highest * 3)
    axis.set_xlim(0, max(1, lags - 1))
    axis.grid(axis="y", color="0.9", linewidth=0.7)
    axis.set_axisbelow(True)
    axis.set_xlabel("lag: steps back from the last step", fontsize=SMALL + 0.5)
    measure = "gradient that is left,\nas a share of that at lag 0" if relative else "norm of the loss's gradient"
    axis.set_ylabel(f"{measure} (log scale)", fontsize=SMALL + 0.5)
    axis.legend(frameon=False, fontsize=SMALL + 0.5)
    tidy(axis)
