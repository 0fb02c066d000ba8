"""Pictures of what a recurrent network holds on to, by the measures of `inside.memory`. Takes plain NumPy arrays.

The question is always the same: run one text K times, different in one early word only, and see which units still tell
the K runs apart many words later.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from holdfast.errors import ShapeError
from holdfast.inside.figure import COLOURS, STYLES, new_figure, save_figure
from holdfast.inside.memory import check_states, recognised_share, unit_separation

__all__ = ["Marks", "plot_carriers", "recognised_share", "unit_separation"]

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Marks:
    """Steps to point out along the text: step number to label."""

    start: tuple[int, str]
    end: tuple[int, str]
    between: tuple[tuple[int, str], ...] = ()


def plot_carriers(
    states: Array,
    labels: Sequence[str],
    marks: Marks,
    path: str | os.PathLike[str],
    *,
    curves: Mapping[str, Array] | None = None,
    guessing: float | None = None,
    units: int = 3,
    title: str = "",
) -> list[int]:
    """Draw the units that carry an early word across a text, and write the picture as PNG.

    The upper panels show the `units` cell units with the best `unit_separation` between the start and the end mark, one
    line per run. With `curves`, a last panel compares models.

    Args:
        states: [K, T, H] cell states of K runs that differ in the word at the start mark only.
        labels: K names of the runs.
        marks: The word that differs, the place where it is asked for, and words of interest in between.
        path: Where the picture goes; replaced whole or not at all.
        curves: Model name to one value for each step from the start mark on, such as `recognised_share` gives.
        guessing: What guessing would reach in `curves`, drawn as a line.
        units: How many units to draw.
        title: A line above the picture. What it claims should be computed by the caller.

    Returns:
        The numbers of the units drawn, best first.

    Raises:
        ShapeError: the arrays do not fit each other.
        MissingDependencyError: Matplotlib is not installed.
    """
    check_states(states)
    if len(labels) != states.shape[0]:
        raise ShapeError(f"Expected {states.shape[0]} labels, one for each run, got {len(labels)}.")
    stretch = slice(marks.start[0], marks.end[0])
    scores = unit_separation(states[:, stretch])
    chosen = [int(unit) for unit in np.argsort(-scores)[:units]]
    rows = len(chosen) + bool(curves)
    figure = new_figure(9.0, 1.55 * rows + 1.0)
    axes = figure.subplots(rows, 1, sharex=True, squeeze=False)[:, 0]
    for axis, unit in zip(axes, chosen, strict=False):
        _draw_unit(axis, states[:, :, unit], labels, f"unit {unit}\ncell state c")
    if curves:
        _draw_curves(axes[-1], curves, stretch)
        if guessing is not None:
            axes[-1].axhline(guessing, color="0.6", linewidth=0.9, zorder=0)
            where = {"xycoords": ("axes fraction", "data"), "ha": "right", "va": "top"}
            axes[-1].annotate("guessing", (0.995, guessing), fontsize=7.5, color="0.4", **where)
    for row, axis in enumerate(axes):
        _draw_marks(axis, marks, named=row == 0)
    axes[-1].set_xlabel("words and full stops read")
    axes[-1].set_xlim(0, states.shape[1] - 1)
    axes[0].legend(*axes[0].get_legend_handles_labels(), ncols=len(labels), loc="lower center", frameon=False,
                   bbox_to_anchor=(0.5, 1.16), fontsize=8, handlelength=1.4, columnspacing=1.2)  # fmt: skip
    if title:
        figure.suptitle(title, fontsize=10.5)
    save_figure(figure, path)
    return chosen


def _draw_unit(axis: Any, lines: Array, labels: Sequence[str], name: str) -> None:
    for k, (line, label) in enumerate(zip(lines, labels, strict=True)):
        axis.plot(line, color=COLOURS[k % len(COLOURS)], linewidth=1.4, label=label)
    axis.set_ylabel(name, fontsize=8.5)
    axis.tick_params(labelsize=8)
    axis.spines[["top", "right"]].set_visible(False)


def _draw_curves(axis: Any, curves: Mapping[str, Array], stretch: slice) -> None:
    for k, (name, values) in enumerate(curves.items()):
        values = values[: stretch.stop - stretch.start]
        colour, style = STYLES.get(name, (COLOURS[k % len(COLOURS)], "-"))
        steps = np.arange(stretch.start, stretch.start + len(values))
        axis.plot(steps, values, color=colour, linestyle=style, linewidth=1.6, label=name)
    axis.set_ylim(0, 1.25)  # room for the legend above shares of 1 at most
    axis.set_yticks([0, 0.5, 1])
    axis.set_ylabel("country told from\nthe state (share)", fontsize=8.5)
    axis.legend(frameon=False, fontsize=8, ncols=len(curves), loc="upper right")
    axis.tick_params(labelsize=8)
    axis.spines[["top", "right"]].set_visible(False)


def _draw_marks(axis: Any, marks: Marks, *, named: bool) -> None:
    places = [(*marks.start, "0.2", "-"), (*marks.end, "0.2", "-")]
    places += [(step, label, "0.6", (0, (2, 2))) for step, label in marks.between]
    for step, label, colour, style in places:
        axis.axvline(step, color=colour, linestyle=style, linewidth=0.9, zorder=0)
        if named:
            side = "right" if step == marks.end[0] else "center"
            axis.annotate(label, (step, 1.02), xycoords=("data", "axes fraction"), fontsize=7.5, color=colour, ha=side)
