"""Heat maps of gates and states over the text or series a layer read: units down, steps across."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from holdfast.errors import ConfigError
from holdfast.inside.figure import NAMES, SMALL, colour_map, label_steps, lines_of, new_figure, save_figure, tidy
from holdfast.inside.steps import Array, Steps, check_labels, check_units, steps_of

_WIDTH = 11.0  # inches, of every picture
_MAP = 8.8  # inches, about what is left of it for the maps beside the axes and the scales


def plot_gates(
    trace: Any,
    path: str | os.PathLike[str] | None = None,
    *,
    gates: str | None = None,
    labels: Sequence[str] | None = None,
    units: Sequence[int] | None = None,
    order: str = "tau",
    row: int = 0,
    backward: bool = False,
    steps_per_line: int = 160,
    c_scale: float | None = None,
    hatch: bool = False,
    title: str = "",
) -> Any:
    """Draw one heat map for each gate or state, over everything that was read; a long text goes on in further lines.

    Scales are fixed, so that two pictures can be compared: 0 to 1 for f, i, o, r and z; -1 to 1 for g, n and h; -m to m
    for c, m the largest |c| of the trace or `c_scale`. White is nothing, blue is much or positive, orange is negative.

    Args:
        trace: A LayerTrace, or a mapping from letters to arrays [T, H].
        path: Where the picture goes, as .png, .pdf or .svg; None writes nothing.
        gates: Letters, drawn in this order, such as "fc". None: all that the trace has.
        labels: What was read at each step, T texts. None: steps are numbered.
        units: The units to draw. None: all.
        order: "tau": the unit that remembers longest first, by the mean of its forget gate over this text (a GRU's z);
            "index": as given, or by number.
        row: Which row of the batch.
        backward: Whether the layer read from the last step to the first (for its time constants).
        steps_per_line: After so many steps the maps go on in a new line.
        c_scale: Where the scale of c ends, above 0: the same for pictures to be compared, or less than the largest |c|
            where a few units that count make all others pale. What lies beyond has the end's colour.
        hatch: Hatch what is clearly negative, so that signs survive a print without colour.
        title: A line above the picture.

    Returns:
        The Matplotlib figure.

    Raises:
        ShapeError: arrays or labels that do not fit each other.
        ConfigError: a letter, a unit or an order that does not exist.
        MissingDependencyError: Matplotlib is not installed.
    """
    steps = steps_of(trace, row=row, backward=backward)
    check_labels(labels, steps.num_steps)
    letters = _letters(steps, gates)
    lines = lines_of(steps.num_steps, steps_per_line)
    longest = lines[0][1]
    shown = {letter: _shown(steps, letter, units, order) for letter in letters}
    limits = {letter: scale_of(steps, letter, c_scale) for letter in letters}
    heights = [_height(len(shown[letter])) for _ in lines for letter in letters]
    figure = new_figure(_WIDTH, sum(heights) + 0.9 * len(lines) + (0.5 if title else 0.2))
    grid = figure.subplots(len(heights), 1, squeeze=False, height_ratios=heights)[:, 0]
    for number, axis in enumerate(grid):
        (first, last), letter = lines[number // len(letters)], letters[number % len(letters)]
        _draw(axis, steps, letter, shown[letter], (first, last), limits[letter], hatch)
        if number % len(letters) == len(letters) - 1:
            label_steps(axis, labels, first, last, _MAP * (last - first) / longest)
        else:
            axis.tick_params(bottom=False, labelbottom=False)
        axis.set_xlim(first - 0.5, first + longest - 0.5)
    if title:
        figure.suptitle(title, fontsize=11)
    if path is not None:
        save_figure(figure, path)
    return figure


def _letters(steps: Steps, gates: str | None) -> str:
    letters = "".join(steps.values) if gates is None else gates
    wrong = sorted(set(letters) - set(steps.values))
    if wrong or not letters or len(set(letters)) < len(letters):
        raise ConfigError(f"This trace has the letters {''.join(steps.values)}, each to be drawn once; got {gates!r}.")
    return letters


def _shown(steps: Steps, letter: str, units: Sequence[int] | None, order: str) -> list[int]:
    """Return the units of one map, from the top down."""
    count = steps.values[letter].shape[1]
    chosen = check_units(range(count) if units is None else units, count)
    if order not in ("tau", "index"):
        raise ConfigError(f'order is "tau" or "index", got {order!r}.')
    taus = steps.time_constants()
    if order == "index" or len(taus) != count:  # a projected h has no time constants of its own
        return chosen
    return sorted(chosen, key=lambda unit: -taus[unit])


def _height(units: int) -> float:
    return float(np.clip(units * 0.16, 0.5, 2.4))


def _draw(
    axis: Any, steps: Steps, letter: str, units: list[int], span: tuple[int, int], limit: float, hatch: bool
) -> None:
    first, last = span
    colours, signed = colour_map(letter)
    values = np.ascontiguousarray(steps.values[letter][first:last, units].T)
    extent = (first - 0.5, last - 0.5, len(units) - 0.5, -0.5)
    picture = axis.imshow(values, cmap=colours, vmin=-limit if signed else 0.0, vmax=limit, aspect="auto",
                          extent=extent, interpolation="nearest" if values.size < 40_000 else "auto")  # fmt: skip
    if hatch and signed and values.min() < -0.25 * limit and min(values.shape) > 1:
        across, down = np.arange(first, last), np.arange(len(units))
        axis.contourf(across, down, values, levels=[-2 * limit, -0.25 * limit], colors="none", hatches=["////"])
    every = -(-len(units) // 12)
    axis.set_yticks(range(0, len(units), every), [str(unit) for unit in units[::every]], fontsize=SMALL - 1.5)
    axis.set_ylabel(f"{NAMES[letter]}\nunit", fontsize=SMALL)
    tidy(axis)
    bar = axis.figure.colorbar(picture, ax=axis, pad=0.01, aspect=12, fraction=0.03)
    bar.set_ticks([-limit, 0, limit] if signed else [0, 0.5, 1])
    bar.ax.tick_params(labelsize=SMALL - 1)
    bar.ax.yaxis.set_major_formatter(lambda value, _: f"{value:.3g}".replace("-", "−"))


def scale_of(steps: Steps, letter: str, c_scale: float | None = None) -> float:
    """Return the end of a letter's scale: 1, or for c the largest |c| of the trace, or `c_scale`.

    Raises:
        ConfigError: `c_scale` is not above 0.
    """
    if letter != "c":
        return 1.0
    if c_scale is not None and not c_scale > 0:
        raise ConfigError(f"c_scale is where the scale of c ends, above 0; got {c_scale!r}.")
    values: Array = steps.values[letter]
    return c_scale or max(float(np.abs(values).max()), 1e-6)
