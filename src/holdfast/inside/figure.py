"""What every picture shares: a Matplotlib figure without a window, the page's colours, labels of steps, and saving."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from holdfast.errors import ConfigError, MissingDependencyError

# Okabe and Ito 2008: told apart by all eyes.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
STYLES: dict[str, tuple[str, Any]] = {"LSTM": (COLOURS[0], "-"), "GRU": (COLOURS[2], "--"), "RNN": (COLOURS[1], ":")}
_DASHES = ("-", "--", ":", "-.", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 3)), (0, (8, 3)))

# How much, from 0 to 1: darker is more, in grey as well. Signed: orange is negative, blue is positive.
SEQUENTIAL = ("#EBFFFE", "#5FD6EF", "#159CD1", "#27629C", "#273151")
SIGNED = ("#A24102", "#CC7953", "#E9B6A0", "#F7F7F7", "#A3C7ED", "#5796D6", "#0465AF")

NAMES = {
    "i": "input gate i",
    "f": "forget gate f",
    "g": "candidate g",
    "o": "output gate o",
    "c": "cell state c",
    "h": "hidden state h",
    "r": "reset gate r",
    "z": "update gate z (share kept)",
    "n": "candidate n",
}
FORMATS = ("png", "pdf", "svg")
SMALL = 8.0


def new_figure(width: float, height: float, dpi: int = 160) -> Any:
    """Return an empty figure of so many inches, drawn without a window.

    Raises:
        MissingDependencyError: Matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingDependencyError("matplotlib", "Drawing a picture", "plot") from error
    figure = Figure(figsize=(width, height), dpi=dpi, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save_figure(figure: Any, path: str | os.PathLike[str]) -> None:
    """Write the picture as PNG, PDF or SVG, as the file's ending says; whole or not at all.

    Raises:
        ConfigError: the ending names none of them.
    """
    path = Path(path)
    kind = path.suffix.lower().removeprefix(".")
    if kind not in FORMATS:
        raise ConfigError(f"{path.name!r}: pictures are written as .png, .pdf or .svg; end the name with one of them.")
    from holdfast.nn.whole_file import whole_file  # its package loads torch, which a page of pictures does without

    with whole_file(path) as file:
        figure.savefig(file, format=kind)


def colour_map(letter: str) -> tuple[Any, bool]:
    """Return Matplotlib's colour map of a gate or state, and whether its values have a sign."""
    from matplotlib.colors import LinearSegmentedColormap

    signed = letter in "gnhc"
    name, colours = ("holdfast signed", SIGNED) if signed else ("holdfast share", SEQUENTIAL)
    return LinearSegmentedColormap.from_list(name, list(colours), N=256), signed


def style_of(name: str, number: int) -> tuple[str, Any]:
    """Return the colour and the dash of a model's line: its cell's own, or the next ones; told apart in grey too."""
    return STYLES.get(name.upper(), (COLOURS[number % len(COLOURS)], _DASHES[number % len(_DASHES)]))


def tidy(axis: Any) -> None:
    """Leave the axis only the two spines that carry numbers, with small ones."""
    axis.tick_params(labelsize=SMALL)
    axis.spines[["top", "right"]].set_visible(False)


def label_steps(axis: Any, labels: Sequence[str] | None, first: int, last: int, inches: float) -> None:
    """Write the tokens read under their steps, upright, as many as have room; without labels, the steps' numbers.

    Where there is no room for all, every k-th is written, so that the distance between two is always the same.
    """
    if labels is None:
        axis.set_xlabel("step", fontsize=SMALL)
        return
    room = max(1, int(inches * 72 / (SMALL + 1)))
    every = -(-(last - first) // room)
    steps = list(range(first, last, every))
    axis.set_xticks(steps, [readable(labels[t]) for t in steps], rotation=90, fontsize=SMALL - 0.5)
    axis.set_xlabel("token read" + (f" (one in {every} is named)" if every > 1 else ""), fontsize=SMALL)


def lines_of(num_steps: int, most: int) -> list[tuple[int, int]]:
    """Return the lines a long text is cut into, as (first step, step after the last), about equally long.

    Raises:
        ConfigError: `most`, the steps a line may have, is not above 0.
    """
    if most < 1:
        raise ConfigError(f"steps_per_line must be 1 or more, got {most!r}.")
    length = -(-num_steps // -(-num_steps // most))
    return [(t, min(t + length, num_steps)) for t in range(0, num_steps, length)]


def readable(token: str, longest: int = 16) -> str:
    """Return a token as a label: line breaks and spaces visible, no formula, cut where it is long."""
    text = token.replace("\n", "⏎").replace("\t", "⇥").replace("$", r"\$")
    text = "␣" if text == " " else text.strip() or "␣"
    return text if len(text) <= longest else text[: longest - 1] + "…"
