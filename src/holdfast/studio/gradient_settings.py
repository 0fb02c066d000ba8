"""What the Gradient view may ask to be trained, and its limits. Needs no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from holdfast.spec import GATES
from holdfast.studio.problem import Problem
from holdfast.studio.request import shown

TASKS = ("thirty", "latch", "adding")
LIMITS: dict[str, tuple[float, float]] = {
    "length": (4, 500), "bias": (-10, 10), "hidden": (1, 64), "rate": (1e-5, 1), "seeds": (1, 5), "steps": (1, 5000),
    "recurrent": (0, 4), "seed": (0, 1_000_000),
}  # fmt: skip
"""The least and the largest of each number."""
FRACTIONS = ("bias", "rate", "recurrent")


@dataclass(frozen=True)
class GradientSettings:
    """Small networks to train side by side.

    Attributes:
        task: What is to be remembered: thirty (one sign, through noise), latch (three steps of it), adding.
        cells: Families, each once.
        length: Steps of each sequence.
        bias: Bias of the gate that keeps: f of the LSTM, z of the GRU. An RNN has none.
        hidden: Units of the LSTM; the others have as many as give them its number of parameters.
        rate: Adam's learning rate.
        seeds: Networks of each cell, each from its own random numbers.
        steps: Updates.
        recurrent: Scale of the RNN's recurrent weights, made orthogonal; 0 leaves them as torch draws them.
        seed: The first seed.

    Raises:
        Problem: a value is out of range; it says which, and names the limit.
    """

    task: str = "latch"
    cells: tuple[str, ...] = ("lstm", "gru", "rnn")
    length: int = 100
    bias: float = 1.0
    hidden: int = 16
    rate: float = 0.003
    seeds: int = 3
    steps: int = 200
    recurrent: float = 0.0
    seed: int = 0

    def __post_init__(self):
        if self.task not in TASKS:
            raise Problem(422, f"There is no task {self.task!r}.", f"Choose one of {', '.join(TASKS)}.")
        if not self.cells or len(set(self.cells)) < len(self.cells) or set(self.cells) - set(GATES):
            raise Problem(422, f"cells are {list(self.cells)}.", f"Name each once, of {', '.join(GATES)}.")
        for name, (low, high) in LIMITS.items():
            value, whole = getattr(self, name), name not in FRACTIONS
            if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)):
                raise Problem(422, f"{name} is {value!r}.", f"Give a {'whole ' if whole else ''}number.")
            if not low <= value <= high:
                hint = f"The Gradient view takes a {name} from {low:g} to {high:g}."
                raise Problem(422, f"{name} is {shown(value)}.", hint, low if value < low else high)

    @staticmethod
    def from_dict(given: Any) -> GradientSettings:
        """Return the settings of a JSON object.

        Raises:
            Problem: it is no object, a name is unknown, or a value is out of range.
        """
        known = [field.name for field in fields(GradientSettings)]
        if not isinstance(given, Mapping):
            raise Problem(400, "The settings must be a JSON object.", f"Its names: {', '.join(known)}.")
        unknown = sorted(set(given) - set(known))
        if unknown:
            raise Problem(422, f"There is no setting {unknown[0]!r}.", f"Known: {', '.join(known)}.")
        cells = given.get("cells", GradientSettings.cells)
        if not isinstance(cells, (list, tuple)) or not all(isinstance(cell, str) for cell in cells):
            raise Problem(422, f"cells are {cells!r}.", f"Give a list of names, of {', '.join(GATES)}.")
        return GradientSettings(**{**given, "cells": tuple(cells)})

    def to_dict(self) -> dict[str, Any]:
        """Return what `from_dict` reads."""
        return {**asdict(self), "cells": list(self.cells)}
