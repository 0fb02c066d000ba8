"""Sentences about a gradient by lag, made of its numbers. Needs no torch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from holdfast.tasks.cells import family_title

SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
HELD = 0.9
"""The share of the signal that must be left at every lag for it to be called held."""

Curve = Sequence[float | None]


def sentence(bias: float, curves: Mapping[str, Curve]) -> str:
    """Say how fast each cell's signal fades: the first in full, the others in short.

    Args:
        bias: The bias of the gate that keeps.
        curves: By cell, the norm of the gradient by lag, of c where there is one.
    """
    parts = []
    for cell, curve in curves.items():
        name = family_title(cell)
        start = "" if cell == "rnn" else f"With bias {number(bias)} "
        owner = f"{start}the {name}'s signal" if not parts else f"The {name}'s"
        said = fading(curve, owner)
        parts.append(said[0].upper() + said[1:])
    return " ".join(parts)


def fading(curve: Curve, owner: str) -> str:
    """Say of one curve what is left at its far end, and over how many steps it halves."""
    lag, first, last = len(curve) - 1, curve[0], curve[-1]
    if first is None or last is None or any(value is None for value in curve):
        return f"{owner} is no number any more: the gradient exploded."
    if first == 0:
        return f"{owner} is too small for a number already at the last step."
    if last == 0:
        gone = next(k for k, value in enumerate(curve) if not value)
        return f"{owner} vanishes altogether: {gone} steps back nothing is left that a 32-bit number could hold."
    share = last / first
    if share > 2:
        return f"{owner} grows: {lag} steps back it is {number(share)} times as large."
    if share >= HELD:
        low = min(range(len(curve)), key=lambda k: curve[k] or 0.0)
        least = (curve[low] or 0.0) / first
        if least >= HELD:
            return f"{owner} holds: {lag} steps back {percent(share)} is left."
        return f"{owner} dips: {low} steps back {percent(least)} is left, and {lag} steps back {percent(share)}."
    half_life = lag * math.log(2) / -math.log(share)
    return f"{owner} halves every {number(half_life)} steps; {lag} steps back {percent(share)} is left."


def percent(share: float) -> str:
    """Write a share as a percentage of two digits: 0.008 %, 3·10⁻¹⁸ %."""
    return f"{number(100 * share)} %"


def number(value: float) -> str:
    """Write two digits, large and tiny numbers with a power of ten, and a true minus sign."""
    if value == 0 or 1e-3 <= abs(value) < 1e5:
        digits = 2 if abs(value) < 100 else 3
        text = f"{float(f'{value:.{digits}g}'):.10f}".rstrip("0").rstrip(".")
        return text.replace("-", "\u2212")
    mantissa, exponent = f"{value:.1e}".split("e")
    return f"{mantissa.removesuffix('.0')}·10{str(int(exponent)).translate(SUPERSCRIPT)}".replace("-", "\u2212")
