"""What a model was given and what it did with it: a reading, and the run over it with every gate and state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from holdfast.errors import ConfigError

if TYPE_CHECKING:
    from torch import Tensor

    from holdfast.nn.trace import LayerTrace, Trace
    from holdfast.studio.subject import Subject

DIRECTIONS = ("forward", "backward")


@dataclass(frozen=True)
class Reading:
    """An input as a model reads it.

    Attributes:
        labels: One a step: the token, or the time of a series.
        spans: From which character of the text to before which each token stands; empty for a series.
        unknown: The steps whose token the model does not know.
        batch: What the network is called with.
        text: The text, None for a series.
        values: A series' numbers [T, columns] as they were given, and the columns' names; None for a text.
    """

    labels: list[str]
    spans: list[tuple[int, int]]
    unknown: list[int]
    batch: Any
    text: str | None = None
    values: tuple[list[str], NDArray[np.float64]] | None = None

    def __len__(self) -> int:
        return len(self.labels)


@dataclass
class Run:
    """One pass of a model over a reading, recorded.

    Attributes:
        trace: Every gate and state; row 0 is the reading.
        outputs: What the subject keeps to answer from, such as features of each step.
        inputs: What each recurrent module read, [T, B, I] by its name.
        clamps: What was forced.
    """

    subject: Subject
    reading: Reading
    trace: Trace
    outputs: Any
    inputs: dict[str, Tensor] = field(default_factory=dict)
    clamps: Sequence[Any] = ()

    def __len__(self) -> int:
        return len(self.reading)

    def layer(self, layer: int, direction: str) -> LayerTrace:
        """Return one layer and direction as the page numbers them.

        Raises:
            ConfigError: there is no such layer or direction.
        """
        places = self.subject.description.places
        if not 0 <= layer < len(places):
            raise ConfigError(f"There is no layer {layer}. This model has {len(places)}, counted from 0.")
        known = DIRECTIONS[: places[layer].directions]
        if direction not in known:
            raise ConfigError(f"Layer {layer} has no direction {direction!r}. It reads {' and '.join(known)}.")
        return self.trace[places[layer].module, places[layer].layer, direction]

    def lanes(self, layer: int, direction: str, letter: str) -> NDArray[np.floating]:
        """Return one gate or state [T, H].

        Raises:
            ConfigError: there is no such layer, direction or letter.
        """
        values = self.layer(layer, direction).values
        if letter not in values:
            raise ConfigError(f"This layer has {', '.join(values)}, not {letter!r}. Ask for one of these.")
        return values[letter][: len(self), 0].float().cpu().numpy()

    def state_letter(self) -> str:
        """Return the letter of what the cell remembers by: c, or h where there is no c."""
        return "c" if self.subject.description.spec.family == "lstm" else "h"

    def frame(self, layer: int, direction: str, t: int, unit: int) -> dict[str, Any]:
        """Return everything about one unit at one step, in full precision.

        Raises:
            ConfigError: there is no such layer, direction, step or unit.
        """
        from holdfast.studio.frames import frame_of

        return frame_of(self, layer, direction, t, unit)

    def top(self, t: int, k: int = 8) -> list[tuple[str, float]]:
        """Return what the model holds likeliest after step t: next words, or the step's tags, or classes."""
        return self.subject.kind.top(self, t, k)

    @property
    def answer(self) -> dict[str, Any]:
        """What the model says of the whole reading."""
        return self.subject.kind.answer(self)

    def count(self) -> int:
        """Return how many values the trace holds."""
        return sum(value.numel() for place in self.trace for value in self.trace[place].values.values())
