"""The picture of a claim: the text coloured by what a unit still holds of one word, for one model and another."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from holdfast.errors import ConfigError
from holdfast.inside.claims import Keeping
from holdfast.inside.figure import SMALL, new_figure, readable, save_figure, style_of, tidy
from holdfast.inside.steps import Array, check_labels

_WIDTH, _LEFT, _RIGHT = 11.0, 0.75, 0.25  # inches
_LINE = 0.205  # inches from one line of text to the next
_TEXT = 8.5  # points
_LOWEST, _HIGHEST = (0.98, 0.98, 0.98), (0.486, 0.741, 1.0)  # text stays readable on the whole way between


@dataclass(frozen=True)
class Strip:
    """What is drawn of one model.

    Attributes:
        name: The model's name.
        kept: How its units kept the word.
        states: [1 + K, T, H] what `kept` was measured on.
        names: The word, and its K replacements.
        known: [T - start] share of other texts in which the word is told from the whole state, or None.
        caption: A line above the strip.
    """

    name: str
    kept: Keeping
    states: Array
    names: Sequence[str]
    known: Array | None = None
    caption: str = ""


def plot_kept(
    strips: Sequence[Strip],
    labels: Sequence[str],
    path: str | os.PathLike[str] | None = None,
    *,
    guessing: float | None = None,
    title: str = "",
    note: str = "",
    dpi: int = 160,
) -> Any:
    """Draw one strip of text a model, then the best unit of each with the word and with its replacements.

    A word of the strip is the bluer the surer the model's state still tells there what was replaced: `known`, from
    guessing (white) to always (blue). Without `known` it is the share of its greatest difference that the best unit
    still shows. A last panel shows `known` as curves.

    Args:
        strips: The models, one or two, the first in the claim first.
        labels: The text, T tokens.
        path: Where the picture goes, as .png, .pdf or .svg; None writes nothing.
        guessing: What guessing would reach in the last panel.
        title: The claim, above the picture.
        note: A line in small print below it, such as the command.
        dpi: Dots per inch.

    Returns:
        The Matplotlib figure.

    Raises:
        ConfigError: no strip.
        ShapeError: the labels do not fit the states.
        MissingDependencyError: Matplotlib is not installed.
    """
    if not strips:
        raise ConfigError("There is no model to draw: give one strip or more.")
    for strip in strips:
        check_labels(labels, strip.states.shape[1])
    figure = new_figure(_WIDTH, 3.0, dpi)
    figure.set_layout_engine("none")
    lines = _broken(figure, labels)
    with_curve = any(strip.known is not None for strip in strips)
    heights = [0.32 + _LINE * len(lines) for _ in strips] + [1.25 for _ in strips] + [1.25] * with_curve
    gaps = [0.14] * len(strips) + [0.24] * (len(heights) - len(strips))
    top, bottom = (0.58 if title else 0.15), (0.68 if note else 0.5)
    total = top + sum(heights) + sum(gaps) + bottom
    figure.set_size_inches(_WIDTH, total)
    axes, y = [], total - top
    for height, gap in zip(heights, gaps, strict=True):
        y -= height
        box = (_LEFT / _WIDTH, y / total, (_WIDTH - _LEFT - _RIGHT) / _WIDTH, height / total)
        axes.append(figure.add_axes(box))
        y -= gap
    for axis, strip in zip(axes, strips, strict=False):
        _draw_text(axis, strip, labels, lines, guessing or 0.0)
    panels = axes[len(strips) :]
    for axis, strip in zip(panels, strips, strict=False):
        _draw_unit(axis, strip)
    if with_curve:
        _draw_known(panels[-1], strips, guessing)
    _finish(figure, panels, strips[0].kept.start, labels, title, note, total)
    if path is not None:
        save_figure(figure, path)
    return figure


def word_colour(share: float) -> tuple[float, float, float]:
    """Return the ground of a word, from nearly white (0) to blue (1)."""
    amount = float(np.clip(share, 0.0, 1.0))
    red, green, blue = (low + amount * (high - low) for low, high in zip(_LOWEST, _HIGHEST, strict=True))
    return red, green, blue


def _broken(figure: Any, labels: Sequence[str]) -> list[list[tuple[int, float, float]]]:
    """Return the lines of the text, each of (step, from, to) in inches."""
    from matplotlib.font_manager import FontProperties

    renderer, font = figure.canvas.get_renderer(), FontProperties(size=_TEXT)
    room, pad = _WIDTH - _LEFT - _RIGHT, 0.045
    lines: list[list[tuple[int, float, float]]] = [[]]
    at = 0.0
    for step, label in enumerate(labels):
        width = renderer.get_text_width_height_descent(readable(label, 24), font, False)[0] / figure.dpi + 2 * pad
        if at + width > room and lines[-1]:
            lines.append([])
            at = 0.0
        lines[-1].append((step, at, at + width))
        at += width
    return lines


def blueness(strip: Strip, guessing: float) -> Array:
    """Return how blue each word of a strip is [T], 0 to 1; 0 before the word."""
    shares, start = np.zeros(strip.states.shape[1]), strip.kept.start
    if strip.known is not None:
        shares[start : start + len(strip.known)] = (strip.known - guessing) / max(1 - guessing, 1e-9)
        return np.clip(shares, 0.0, 1.0)
    end = strip.kept.last(strip.kept.best) + 1
    shares[start:end] = strip.kept.share(strip.kept.best)[start:end]
    return shares


def _draw_text(
    axis: Any, strip: Strip, labels: Sequence[str], lines: list[list[tuple[int, float, float]]], guessing: float
) -> None:
    from matplotlib.patches import Rectangle

    shares = blueness(strip, guessing)
    axis.set_xlim(0, _WIDTH - _LEFT - _RIGHT)
    axis.set_ylim(len(lines) * _LINE, -0.3)
    axis.axis("off")
    axis.text(0, -0.13, strip.caption or strip.name, fontsize=SMALL + 1.5, fontweight="bold", va="center")
    for row, line in enumerate(lines):
        for step, left, right in line:
            here = step == strip.kept.start
            ground = word_colour(shares[step])
            edge = "black" if here else "none"
            axis.add_patch(Rectangle((left, row * _LINE), right - left, _LINE * 0.9, facecolor=ground, edgecolor=edge,
                                     linewidth=1.1, zorder=2 if here else 1, gid=f"word {step}"))  # fmt: skip
            axis.text((left + right) / 2, (row + 0.46) * _LINE, readable(labels[step], 24), fontsize=_TEXT, ha="center",
                      va="center", zorder=3, fontweight="bold" if here else "normal")  # fmt: skip


def _draw_unit(axis: Any, strip: Strip) -> None:
    unit = strip.kept.best
    letter = "c" if strip.name.upper().startswith("LSTM") else "h"
    lines = strip.states[:, :, unit]
    for line, name in zip(lines[1:], strip.names[1:], strict=True):
        axis.plot(line, color="0.62", linewidth=0.8, label=name)
    axis.plot(lines[0], color=style_of("LSTM", 0)[0], linewidth=2.0, label=strip.names[0], zorder=3)
    axis.set_ylabel(f"{strip.name}\nunit {unit}, {letter}", fontsize=SMALL)
    drawn, _ = axis.get_legend_handles_labels()
    others = f"{len(lines) - 1} other words in its place" if len(lines) > 2 else strip.names[1]
    axis.legend([drawn[-1], drawn[0]], [strip.names[0], others], frameon=False, fontsize=SMALL - 0.5, ncols=2,
                loc="lower right", bbox_to_anchor=(1.0, 0.97), borderaxespad=0.0)  # fmt: skip
    tidy(axis)


def _draw_known(axis: Any, strips: Sequence[Strip], guessing: float | None) -> None:
    for number, strip in enumerate(strips):
        if strip.known is not None:
            colour, dash = style_of(strip.name, number)
            steps = np.arange(strip.kept.start, strip.kept.start + len(strip.known))
            axis.plot(steps, strip.known, color=colour, linestyle=dash, linewidth=1.8, label=strip.name)
    if guessing is not None:
        axis.axhline(guessing, color="0.6", linewidth=0.9, zorder=0)
        where = {"xycoords": ("axes fraction", "data"), "ha": "right", "va": "bottom"}
        axis.annotate("guessing", (0.995, guessing), fontsize=SMALL - 0.5, color="0.35", **where)
    axis.set_ylim(0, 1.12)
    axis.set_yticks([0, 0.5, 1])
    axis.set_ylabel("word told from the\nstate (share of texts)", fontsize=SMALL)
    axis.legend(frameon=False, fontsize=SMALL - 0.5, loc="center right")
    tidy(axis)


def _finish(
    figure: Any, panels: list[Any], start: int, labels: Sequence[str], title: str, note: str, total: float
) -> None:
    for axis in panels:
        axis.axvline(start, color="0.25", linewidth=0.9, zorder=0)
        axis.set_xlim(0, max(1, len(labels) - 1))
        axis.tick_params(labelbottom=axis is panels[-1])
    ticks = [round(tick) for tick in panels[-1].get_xticks() if tick.is_integer() and 0 <= tick < len(labels)]
    for axis in panels:  # counted from 1, as the Studio counts words
        axis.set_xticks([max(0, tick - 1) for tick in ticks], [str(max(1, tick)) for tick in ticks])
    panels[-1].set_xlabel("tokens read (words and signs), the first is 1; the line marks the word", fontsize=SMALL)
    if title:
        figure.text(0.5, 1 - 0.2 / total, title, ha="center", va="top", fontsize=13, fontweight="bold", wrap=True)
    if note:
        figure.text(_LEFT / _WIDTH, 0.08 / total, note, ha="left", va="bottom", fontsize=SMALL - 0.5, color="0.35")
