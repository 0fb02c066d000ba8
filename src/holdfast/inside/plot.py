"""Pictures of what a recurrent network holds on to, and the measures behind them. Takes plain NumPy arrays.

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

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.floating[Any]]


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


def recognised_share(states: Array) -> Array:
    """Return how often the early word is recognised from the state alone, at each step.

    K words in M texts each: every run is given to the word whose mean state over the other texts is nearest, each unit
    measured in its own standard deviations. Guessing gives 1 / K. That runs merely differ is not enough (a plain RNN is
    often chaotic): other texts must give the same differences.

    Args:
        states: [K, M, T, H].

    Returns:
        [T] shares from 0 to 1.

    Raises:
        ShapeError: `states` has not four axes, or fewer than two words or texts.
    """
    if np.ndim(states) != 4 or min(states.shape[:2]) < 2:
        raise ShapeError(
            f"Expected states [words, texts, steps, units] with two words and texts or more, got {np.shape(states)}."
        )
    num_words, num_texts = states.shape[:2]
    shares = []
    for runs in np.moveaxis(np.asarray(states, dtype=np.float64), 2, 0):
        deviation = runs.std(axis=(0, 1))
        runs = (runs - runs.mean(axis=(0, 1))) / np.where(deviation > 0, deviation, 1.0)
        others = (runs.sum(axis=1, keepdims=True) - runs) / (num_texts - 1)  # [K, M, H]: word's mean without that text
        distance = ((runs[:, None] - others[None]) ** 2).sum(axis=-1)  # [K of the run, K guessed, M]
        guess = distance.argmin(axis=1)
        shares.append((guess == np.arange(num_words)[:, None]).mean())
    return np.array(shares)


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
    _check_states(states)
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
