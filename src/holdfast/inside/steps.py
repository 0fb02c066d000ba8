"""One row of a trace as plain arrays: gates and states by letter, in the order of the steps as they were read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.errors import ConfigError, ShapeError

Array = NDArray[np.floating[Any]]

LETTERS = "figozrnch"  # the order of drawing


@dataclass(frozen=True)
class Steps:
    """What one layer computed over one text or series, in one direction.

    Attributes:
        values: letter to [T, H]; h is [T, P] when projected. Steps stand as in the input, whichever way it was read.
        before: the states before the first step read: "h" and, for an LSTM, "c".
        backward: the layer read from the last step to the first.
        zoneout: chance that a unit keeps its old memory whatever its gates say.
    """

    values: dict[str, Array]
    before: dict[str, Array]
    backward: bool = False
    zoneout: float = 0.0

    @property
    def num_steps(self) -> int:
        return len(next(iter(self.values.values())))

    @property
    def family(self) -> str:
        """The cell, as the letters say: "lstm", "gru" or "rnn"."""
        return "lstm" if "c" in self.values else "gru" if "z" in self.values else "rnn"

    @property
    def memory(self) -> str:
        """The letter of the state that carries the memory: "c" for an LSTM, "h" for the others."""
        return "c" if "c" in self.values else "h"

    @property
    def keep(self) -> Array | None:
        """The share of the old memory kept at each step [T, H]: f, a GRU's z, or None where no gate says.

        With zoneout p it is p + (1 - p) f.
        """
        gate = self.values.get("f", self.values.get("z"))
        return gate if gate is None or not self.zoneout else self.zoneout + (1 - self.zoneout) * gate

    def previous(self) -> Array:
        """Return the memory each step started from [T, H]."""
        state, start = self.values[self.memory], self.before[self.memory][None]
        return np.concatenate([state[1:], start] if self.backward else [start, state[:-1]])

    def time_constants(self) -> Array:
        """Return each unit's time constant in steps [H]: -1 / (mean over steps of ln keep); inf where nothing fades.

        A memory of a unit falls to 1 / e in so many steps, if its gate stays as it was over this text. Without a gate
        that keeps (an RNN), 0: nothing is kept by itself.
        """
        if self.keep is None:
            return np.zeros(self.values["h"].shape[1])
        with np.errstate(divide="ignore"):
            fading = -np.log(self.keep.astype(np.float64)).mean(axis=0)
            return 1.0 / np.maximum(fading, 0.0)


def steps_of(trace: Any, *, row: int = 0, backward: bool = False) -> Steps:
    """Return one row of a LayerTrace, or of a mapping from letters to arrays [T, H], as plain arrays.

    Args:
        trace: `trace[name, layer, direction]` of `holdfast.record`, or {"f": [T, H], ..., "c0": [H], "h0": [H]}; states
            before the first step that are not given are zero.
        row: Which row of the batch of a LayerTrace. Padding is cut off.
        backward: Whether the layer read backward, from the last step to the first.

    Raises:
        ShapeError: arrays that do not fit each other, or no such row.
        ConfigError: a letter that no cell has.
    """
    if isinstance(trace, Mapping):
        values = {name: _plain(array) for name, array in trace.items() if name not in ("c0", "h0")}
        starts = {name[0]: _plain(array) for name, array in trace.items() if name in ("c0", "h0")}
    else:
        values, starts = _row(trace, row)
    wrong = sorted(set(values) - set(LETTERS))
    if wrong or not values:
        raise ConfigError(f"A trace has letters of {', '.join(LETTERS)}; got {', '.join(map(repr, wrong)) or 'none'}.")
    values = {letter: values[letter] for letter in LETTERS if letter in values}
    lengths = {np.shape(array)[:1] for array in values.values()}
    if len(lengths) != 1 or any(np.ndim(array) != 2 or not array.size for array in values.values()):
        shapes = ", ".join(f"{letter} {np.shape(array)}" for letter, array in values.items())
        raise ShapeError(f"Expected every letter as [steps, units] with equally many steps, got {shapes}.")
    before = {s: starts.get(s, np.zeros(values[s].shape[1], values[s].dtype)) for s in "ch" if s in values}
    return Steps(values, before, backward, getattr(trace, "zoneout", 0.0))


def check_labels(labels: Sequence[str] | None, steps: int) -> None:
    """Refuse labels that are not one a step.

    Raises:
        ShapeError: too many or too few.
    """
    if labels is not None and len(labels) != steps:
        raise ShapeError(f"Expected {steps} labels, one for each step of the trace, got {len(labels)}.")


def check_units(units: Sequence[int], count: int) -> list[int]:
    """Return the units as a list.

    Raises:
        ConfigError: none, or one that the layer does not have.
    """
    chosen = [int(unit) for unit in units]
    wrong = [unit for unit in chosen if not 0 <= unit < count]
    if wrong or not chosen:
        raise ConfigError(f"Units are numbered 0 to {count - 1}; got {', '.join(map(str, wrong)) or 'none'}.")
    return chosen


def _row(trace: Any, row: int) -> tuple[dict[str, Array], dict[str, Array]]:
    count = trace.h0.shape[0]
    if not 0 <= row < count:
        raise ShapeError(f"This trace has rows 0 to {count - 1}, not {row}.")
    first = next(iter(trace.values.values()))
    length = first.shape[0] if trace.lengths is None else int(trace.lengths[row])
    values = {letter: _plain(array[:length, row]) for letter, array in trace.values.items()}
    starts = {"h": _plain(trace.h0[row])} | ({} if trace.c0 is None else {"c": _plain(trace.c0[row])})
    return values, starts


def _plain(array: Any) -> Array:
    if hasattr(array, "detach"):
        array = array.detach().cpu()
        array = array if array.dtype.itemsize > 2 else array.float()  # NumPy knows no bfloat16
        return array.numpy()
    return np.asarray(array)
