"""The memory highway: the cell state of a unit over time, with what each step added to it and took from it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from holdfast.inside.figure import SMALL, label_steps, lines_of, new_figure, save_figure, tidy
from holdfast.inside.steps import Array, Steps, check_labels, check_units, steps_of

_WIDTH, _MAP = 11.0, 10.0
_ADDED, _FORGOTTEN, _OTHER = "#5796D6", "#E9B6A0", "#BBBBBB"
_MINUS = {"lstm": ("added  i·g", "forgotten  (f − 1)·c of before"),
          "gru": ("added  (1 − z)·n", "forgotten  (z − 1)·h of before"),
          "rnn": ("written  h", "lost  −h of before")}  # fmt: skip


def highway(steps: Steps) -> tuple[Array, Array, Array]:
    """Return what each step added to the memory, what it forgot of it, and the rest of its change, each [T, H].

        c - c_prev = i g + (f - 1) c_prev          h - h_prev = (1 - z) n + (z - 1) h_prev   (GRU)

    A plain RNN writes its state anew at every step: h is added and all of the old one lost. The rest is zero but for
    rounding and zoneout, which keeps part of the old value beside the gates.

    Source: Hochreiter & Schmidhuber 1997 (the constant error carousel).
    """
    values, previous = steps.values, steps.previous()
    if steps.family == "lstm":
        added, forgotten = values["i"] * values["g"], (values["f"] - 1) * previous
    elif steps.family == "gru":
        added, forgotten = (1 - values["z"]) * values["n"], (values["z"] - 1) * previous
    else:
        added, forgotten = values["h"], -previous
    return added, forgotten, values[steps.memory] - previous - added - forgotten


def plot_highway(
    trace: Any,
    units: Sequence[int],
    path: str | os.PathLike[str] | None = None,
    *,
    labels: Sequence[str] | None = None,
    row: int = 0,
    backward: bool = False,
    steps_per_line: int = 160,
    title: str = "",
) -> Any:
    """Draw the memory of each unit as a line, and as bars what each step added and what it forgot.

    Added is plain, forgotten hatched, so that a print without colour tells them apart.

    Args:
        trace: A LayerTrace, or a mapping from letters to arrays [T, H].
        units: The units to draw, one panel each.
        path: Where the picture goes, as .png, .pdf or .svg; None writes nothing.
        labels: What was read at each step, T texts. None: steps are numbered.
        row: Which row of the batch.
        backward: Whether the layer read from the last step to the first.
        steps_per_line: After so many steps the panels go on in a new line.
        title: A line above the picture.

    Returns:
        The Matplotlib figure.

    Raises:
        ShapeError: arrays or labels that do not fit each other.
        ConfigError: a unit that does not exist.
        MissingDependencyError: Matplotlib is not installed.
    """
    steps = steps_of(trace, row=row, backward=backward)
    check_labels(labels, steps.num_steps)
    chosen = check_units(units, steps.values[steps.memory].shape[1])
    parts = highway(steps)
    lines = lines_of(steps.num_steps, steps_per_line)
    longest = lines[0][1]
    figure = new_figure(_WIDTH, len(lines) * (1.5 * len(chosen) + 0.9) + (0.8 if title else 0.4))
    grid = figure.subplots(len(lines) * len(chosen), 1, squeeze=False)[:, 0]
    for number, axis in enumerate(grid):
        (first, last), unit = lines[number // len(chosen)], chosen[number % len(chosen)]
        _draw(axis, steps, parts, unit, slice(first, last))
        axis.set_xlim(first - 0.5, first + longest - 0.5)
        if number % len(chosen) == len(chosen) - 1:
            label_steps(axis, labels, first, last, _MAP * (last - first) / longest)
        else:
            axis.tick_params(bottom=False, labelbottom=False)
    _legend(figure, grid[0])
    if title:
        figure.suptitle(title, fontsize=11)
    if path is not None:
        save_figure(figure, path)
    return figure


def _draw(axis: Any, steps: Steps, parts: tuple[Array, Array, Array], unit: int, span: slice) -> None:
    state = steps.values[steps.memory][:, unit]
    added, forgotten, rest = (part[span, unit] for part in parts)
    at = np.arange(len(state))[span]
    plus, minus = _MINUS[steps.family]
    axis.axhline(0, color="0.75", linewidth=0.7, zorder=0)
    axis.bar(at, added, width=0.42, align="edge", color=_ADDED, edgecolor="0.25", linewidth=0.3, label=plus)
    axis.bar(at, forgotten, width=-0.42, align="edge", color=_FORGOTTEN, edgecolor="0.25", linewidth=0.3,
             hatch="/////", label=minus)  # fmt: skip
    if np.abs(rest).max() > 1e-3 * max(1.0, float(np.abs(state).max())):
        bottom = np.where(np.sign(rest) == np.sign(added), added, 0.0)
        axis.bar(at, rest, width=0.42, align="edge", bottom=bottom, color=_OTHER, label="the rest (zoneout)")
    axis.plot(at, state[span], color="black", linewidth=1.6, drawstyle="steps-mid", label=f"memory {steps.memory}")
    drawn = np.concatenate([state, parts[0][:, unit], parts[1][:, unit], [-1e-6, 1e-6]])
    margin = 0.06 * (drawn.max() - drawn.min())
    axis.set_ylim(drawn.min() - margin, drawn.max() + margin)  # of the whole text, the same in every line
    axis.set_ylabel(f"unit {unit}\n{steps.memory} (no unit)", fontsize=SMALL)
    tidy(axis)


def _legend(figure: Any, axis: Any) -> None:
    drawn, names = axis.get_legend_handles_labels()
    figure.legend(drawn, names, loc="outside upper right", ncols=len(names), frameon=False, fontsize=SMALL)
