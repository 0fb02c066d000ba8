"""Pictures of what a recurrent network holds on to, and the measures behind them. Takes plain NumPy arrays.

The question is always the same: run one text K times, different in one early word only, and see which units still tell
the K runs apart many words later.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from holdfast.errors import MissingDependencyError, ShapeError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.floating[Any]]

# Okabe and Ito 2008: told apart by all eyes.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
_STYLES = {"LSTM": ("#0072b2", "-"), "GRU": ("#009e73", "--"), "RNN": ("#d55e00", ":")}


def unit_separation(states: Array) -> Array:
    """Return how well each unit tells K runs apart at its worst moment.

        score[j] = min over t of (std over runs of s[:, t, j]) / (range of s[:, :, j] over all runs and times)

    0 means that at some step the runs cannot be told apart by this unit; 0.5 is the most a unit can reach (two equal
    groups at the two ends of its range, all the time).

    Args:
        states: [K, T, H]: the state of H units in K runs over T steps.

    Returns:
        [H] scores.

    Raises:
        ShapeError: `states` has not three axes, fewer than two runs, or no step.
    """
    _check_states(states)
    spread = states.std(axis=0).min(axis=0)
    extent = states.max(axis=(0, 1)) - states.min(axis=(0, 1))
    return spread / np.where(extent > 0, extent, 1.0)


def run_separation(states: Array) -> Array:
    """Return how far apart K runs are at each step, beside how far the state moves on the whole; units count equally.

        s[t] = sqrt( mean over units j of (var over runs of s[:, t, j]) / (var over runs and times of s[:, :, j]) )

    Args:
        states: [K, T, H], as for `unit_separation`.

    Returns:
        [T] values: 0 when nothing in the state depends on the run any more, above 1 when the runs differ more at this
        step than the state does over the whole stretch.

    Raises:
        ShapeError: as for `unit_separation`.
    """
    _check_states(states)
    between, total = states.var(axis=0), states.var(axis=(0, 1))
    return np.sqrt((between / np.where(total > 0, total, 1.0)).mean(axis=1))


def _check_states(states: Array) -> None:
    if np.ndim(states) != 3 or states.shape[0] < 2 or states.shape[1] < 1:
        raise ShapeError(
            f"Expected states [runs, steps, units] with two runs or more and at least one step, got {np.shape(states)}."
        )


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
    others: Mapping[str, Array] | None = None,
    units: int = 3,
    title: str = "",
) -> list[int]:
    """Draw the units that carry an early word across a text, and write the picture as PNG.

    The upper panels show the `units` cell units with the best `unit_separation` between the start and the end mark, one
    line per run. With `others`, a last panel compares models by `run_separation`.

    Args:
        states: [K, T, H] cell states of K runs that differ in the word at the start mark only.
        labels: K names of the runs.
        marks: The word that differs, the place where it is asked for, and words of interest in between.
        path: Where the picture goes; replaced whole or not at all.
        others: Model name to its states [K, T, H], for the last panel (the first model's own included).
        units: How many units to draw.
        title: A line above the picture. What it claims should be computed by the caller.

    Returns:
        The numbers of the units drawn, best first.

    Raises:
        ShapeError: the arrays do not fit each other.
        MissingDependencyError: Matplotlib is not installed.
    """
    _check_states(states)
    if len(labels) != states.shape[0]:
        raise ShapeError(f"Expected {states.shape[0]} labels, one for each run, got {len(labels)}.")
    stretch = slice(marks.start[0], marks.end[0])
    scores = unit_separation(states[:, stretch])
    chosen = [int(unit) for unit in np.argsort(-scores)[:units]]
    figure_class, canvas_class = _matplotlib()
    rows = len(chosen) + bool(others)
    figure = figure_class(figsize=(9.0, 1.55 * rows + 1.0), dpi=160, layout="constrained")
    canvas_class(figure)
    axes = figure.subplots(rows, 1, sharex=True, squeeze=False)[:, 0]
    for axis, unit in zip(axes, chosen, strict=False):
        _draw_unit(axis, states[:, :, unit], labels, f"unit {unit}\ncell state c")
    if others:
        _draw_models(axes[-1], {name: run_separation(values[:, stretch]) for name, values in others.items()}, stretch)
    for row, axis in enumerate(axes):
        _draw_marks(axis, marks, named=row == 0)
    axes[-1].set_xlabel("words and full stops read")
    axes[-1].set_xlim(0, states.shape[1] - 1)
    axes[0].legend(*axes[0].get_legend_handles_labels(), ncols=len(labels), loc="lower center", frameon=False,
                   bbox_to_anchor=(0.5, 1.16), fontsize=8, handlelength=1.4, columnspacing=1.2)  # fmt: skip
    if title:
        figure.suptitle(title, fontsize=10.5)
    _save(figure, Path(path))
    return chosen


def _draw_unit(axis: Any, lines: Array, labels: Sequence[str], name: str) -> None:
    for k, (line, label) in enumerate(zip(lines, labels, strict=True)):
        axis.plot(line, color=_COLOURS[k % len(_COLOURS)], linewidth=1.4, label=label)
    axis.set_ylabel(name, fontsize=8.5)
    axis.tick_params(labelsize=8)
    axis.spines[["top", "right"]].set_visible(False)


def _draw_models(axis: Any, separations: Mapping[str, Array], stretch: slice) -> None:
    for k, (name, values) in enumerate(separations.items()):
        colour, style = _STYLES.get(name, (_COLOURS[k % len(_COLOURS)], "-"))
        axis.plot(
            np.arange(stretch.start, stretch.stop), values, color=colour, linestyle=style, linewidth=1.6, label=name
        )
    axis.set_ylim(0, 1.35 * max(float(values.max()) for values in separations.values()) or 1.0)  # room for the legend
    axis.set_ylabel("countries apart\n(whole state)", fontsize=8.5)
    axis.legend(frameon=False, fontsize=8, ncols=len(separations), loc="upper right")
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


def _matplotlib() -> tuple[Any, Any]:
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingDependencyError("matplotlib", "Drawing a picture", "plot") from error
    return Figure, FigureCanvasAgg


def _save(figure: Any, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, suffix=".png")
    os.close(handle)
    try:
        figure.savefig(name, format="png")
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
