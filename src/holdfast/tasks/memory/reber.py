"""The embedded Reber grammar: strings with a symbol near the beginning that must come again near the end."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SYMBOLS = "BTPSXVE"
_INNER = {
    0: {"B": 1},
    1: {"T": 2, "P": 3},
    2: {"S": 2, "X": 4},
    3: {"T": 3, "V": 5},
    4: {"X": 3, "S": 6},
    5: {"P": 4, "V": 6},
    6: {"E": 7},
    7: {},
}
"""Reber's grammar: state -> symbol -> next state (Reber 1967; the figure in Hochreiter & Schmidhuber 1997)."""


def draw_string(random: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Draw a string and, for each of its symbols but the last, which may come next.

    Returns:
        Symbols [S] as numbers into SYMBOLS, and bool [S-1, 7].
    """
    inner, choices = _draw_inner(random)
    kept = "TP"[random.integers(2)]
    string = f"B{kept}{inner}{kept}E"
    # After B both may come, after the kept symbol the inner B; after the inner E the kept symbol alone, and then E.
    legal = ["TP", "B", *choices, kept, "E"]
    return (
        np.array([SYMBOLS.index(symbol) for symbol in string], dtype=np.int64),
        np.array([[symbol in next_ones for symbol in SYMBOLS] for next_ones in legal]),
    )


def _draw_inner(random: np.random.Generator) -> tuple[str, list[str]]:
    """Return a string of Reber's own grammar, and what may come after each of its symbols but the last."""
    string, choices, state = "B", [], _INNER[0]["B"]
    while _INNER[state]:
        ways = _INNER[state]
        choices.append("".join(ways))
        symbol = choices[-1][random.integers(len(ways))]
        string, state = string + symbol, ways[symbol]
    return string, choices
