"""How long the units of a layer remember: the share of units by half-life, for one layer or several."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from holdfast.errors import ShapeError
from holdfast.inside.figure import SMALL, new_figure, save_figure, style_of, tidy
from holdfast.inside.steps import Array


def plot_half_lives(
    half_lives: Mapping[str, Array],
    path: str | os.PathLike[str] | None = None,
    *,
    num_steps: int | None = None,
    title: str = "",
) -> Any:
    """Draw which share of the units has a half-life of at least so many steps; a mark on the strip below is one unit.

    Args:
        half_lives: Name of a layer or model to the half-lives of its units [H] in steps; inf never forgets.
        path: Where the picture goes, as .png, .pdf or .svg; None writes nothing.
        num_steps: Length of the text the gates were read from, drawn as a line: beyond it a half-life is a forecast.
        title: A line above the picture.

    Returns:
        The Matplotlib figure.

    Raises:
        ShapeError: no layer, or half-lives that are no list of numbers from 0 up.
        MissingDependencyError: Matplotlib is not installed.
    """
    values = {name: np.sort(np.asarray(array, dtype=np.float64)) for name, array in half_lives.items()}
    if not values or any(array.ndim != 1 or not array.size or not (array >= 0).all() for array in values.values()):
        raise ShapeError("Expected for each layer its units' half-lives [H], in steps, 0 or more (inf: never forgets).")
    finite = np.concatenate([array[np.isfinite(array) & (array > 0)] for array in values.values()] or [np.ones(1)])
    low, high = (min(0.5, finite.min()), 2 * max(finite.max(), num_steps or 2)) if finite.size else (0.5, 100.0)
    figure = new_figure(7.0, 3.6 + 0.22 * len(values))
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3.0, 0.3 * len(values) + 0.1))
    for number, (name, array) in enumerate(values.items()):
        colour, dash = style_of(name, number)
        placed = np.clip(array, low, high)
        share = np.arange(len(array), 0, -1) / len(array)
        label = f"{name}: median {_number(float(np.median(array)))} steps, {len(array)} units"
        across, up = np.concatenate([[low], placed, placed[-1:]]), np.concatenate([[1.0], share, [0.0]])
        upper.plot(across, up, color=colour, linestyle=dash, linewidth=1.7, drawstyle="steps-pre", label=label)
        lower.plot(placed, np.full(len(array), number), "|", color=colour, markersize=7, markeredgewidth=0.9)
    _axes(upper, lower, list(values), (low, high), num_steps)
    if title:
        figure.suptitle(title, fontsize=10.5)
    if path is not None:
        save_figure(figure, path)
    return figure


def _axes(upper: Any, lower: Any, names: list[str], span: tuple[float, float], num_steps: int | None) -> None:
    upper.set_xscale("log")
    upper.set_xlim(span[0], span[1] * 1.1)
    upper.set_ylim(0, 1.02)
    upper.set_ylabel("share of units that hold\nat least so long", fontsize=SMALL)
    if num_steps is not None:
        for axis in (upper, lower):
            axis.axvline(num_steps, color="0.6", linewidth=0.9, zorder=0)
        where = {"xycoords": ("data", "axes fraction"), "xytext": (3, -2), "textcoords": "offset points"}
        upper.annotate("the text's length", (num_steps, 1.0), fontsize=SMALL - 1, color="0.35", va="top", **where)
    upper.legend(frameon=False, fontsize=SMALL, loc="lower left")
    lower.set_yticks(range(len(names)), names)
    lower.set_ylim(-0.6, len(names) - 0.4)
    lower.set_xlabel("half-life in steps (log scale; the right end: longer, or never)", fontsize=SMALL)
    tidy(upper)
    tidy(lower)


def _number(value: float) -> str:
    return "∞" if np.isinf(value) else f"{value:.3g}"
