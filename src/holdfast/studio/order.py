"""The order in which units are drawn: by how long they remember, by likeness, by what they keep."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.studio.problem import Problem
from holdfast.studio.traces import Kept

ORDERS = ("index", "tau", "cluster", "mean", "keeps")
SEPARATES = 0.1
"""Share of a unit's whole range that the state must differ by for a word to be kept."""

Units = NDArray[np.floating]


def order_of(kept: Kept, by: str, layer: int, direction: str) -> dict[str, Any]:
    """Return a permutation of the units, each unit's score, what the score means, and a note.

    Raises:
        Problem: there is no such order, or the trace has no alternatives to compare with.
        ConfigError: there is no such layer or direction.
    """
    key = ("order", by, layer, direction)
    if key not in kept.computed:
        kept.computed[key] = _order(kept, by, layer, direction)
    return kept.computed[key]


def time_constants(kept: Kept, layer: int, direction: str) -> Units | None:
    """Return each unit's time constant in steps, -1 / mean(ln f); a GRU's z stands for f, an RNN has none.

    A gate that never leaves 1 gives infinity.
    """
    family = kept.run.subject.description.spec.family
    letter = {"lstm": "f", "gru": "z"}.get(family)
    if letter is None:
        return None
    gate = kept.run.lanes(layer, direction, letter).astype(np.float64)
    rate = -np.log(np.maximum(gate, 1e-30)).mean(axis=0)
    with np.errstate(divide="ignore"):
        return 1.0 / rate


@dataclass(frozen=True)
class Keeping:
    """How long each unit keeps the word that the alternatives replace.

    A unit keeps it while its state still differs from the alternatives' (the mean of the absolute differences) by more
    than a tenth of the unit's whole range over all of the runs. That runs differ is less than that the word can be
    told: a probe says more.

    Attributes:
        steps: For each unit, from the word on, until it falls below for the first time; 0 where it never rises above.
        strength: The mean share of the range that it differs by over all steps from the word on.
        start: Where the word stands.
    """

    steps: NDArray[np.int64]
    strength: Units
    start: int


def keeping_of(kept: Kept, layer: int, direction: str) -> Keeping | None:
    """Return how long each unit keeps the replaced word; None where no alternative has as many steps."""
    key = ("keeping", layer, direction)
    if key not in kept.computed:
        kept.computed[key] = _keeping(kept, layer, direction)
    return kept.computed[key]


def _keeping(kept: Kept, layer: int, direction: str) -> Keeping | None:
    run, letter = kept.run, kept.run.state_letter()
    same = [other for other in kept.alternatives if len(other) == len(run)]
    places = [_first_difference(run.reading.labels, other.reading.labels) for other in same]
    pairs = [(other, place) for other, place in zip(same, places, strict=True) if place is not None]
    if not pairs:
        return None
    start = min(place for _, place in pairs)
    own = run.lanes(layer, direction, letter)
    others = [other.lanes(layer, direction, letter) for other, _ in pairs]
    extent = np.max([one.max(axis=0) for one in (own, *others)], axis=0)
    extent = extent - np.min([one.min(axis=0) for one in (own, *others)], axis=0)
    gaps = np.mean([np.abs(own - other) for other in others], axis=0) / np.where(extent > 0, extent, 1.0)
    gaps = gaps[start:] if direction == "forward" else gaps[: start + 1][::-1]
    above = gaps > SEPARATES
    begun = np.logical_or.accumulate(above, axis=0)
    lost = begun & ~above
    ends = np.where(lost.any(axis=0), lost.argmax(axis=0), len(gaps))
    return Keeping(np.where(above.any(axis=0), ends, 0), gaps.mean(axis=0), start)


def _order(kept: Kept, by: str, layer: int, direction: str) -> dict[str, Any]:
    states = kept.run.lanes(layer, direction, kept.run.state_letter())
    units = states.shape[1]
    if by == "index":
        return _answer(np.arange(units), np.arange(units), "number", "")
    if by == "mean":
        mean = states.mean(axis=0)
        return _answer(np.argsort(-mean, kind="stable"), mean, f"mean of {kept.run.state_letter()}", "")
    if by == "tau":
        tau = time_constants(kept, layer, direction)
        if tau is None:
            note = "A plain RNN has no gate that keeps: the units stand by number."
            return _answer(np.arange(units), np.zeros(units), "steps", note)
        return _answer(np.argsort(-tau, kind="stable"), tau, "steps", "")
    if by == "cluster":
        return _answer(_by_likeness(states), np.zeros(units), "", "Units whose states rise and fall together.")
    if by == "keeps":
        found = keeping_of(kept, layer, direction)
        if found is None:
            hint = "Give texts with another word in its place as alternatives."
            raise Problem(422, "To see what a unit keeps, the text is run with other words too.", hint)
        word = kept.run.reading.labels[found.start]
        permutation = np.lexsort((-found.strength, -found.steps))
        note = f"Steps for which each unit keeps {word!r}: it differs from the texts with another word in its place."
        return _answer(permutation, found.steps, "steps", note)
    raise Problem(422, f"There is no order {by!r}.", f"Choose one of {', '.join(ORDERS)}.")


def _answer(permutation: Any, score: Any, means: str, note: str) -> dict[str, Any]:
    scores = [None if not np.isfinite(one) else float(one) for one in score]
    return {"permutation": [int(unit) for unit in permutation], "score": scores, "means": means, "note": note}


def _by_likeness(states: Units) -> NDArray[np.int64]:
    """Return units in the order of a walk from each to the most alike one that is left.

    Alike is the correlation of two states over time; a unit and its mirror image count as alike.
    """
    series = states[:: max(1, len(states) // 2000)].astype(np.float64)
    series = series - series.mean(axis=0)
    norms = np.sqrt((series**2).sum(axis=0))
    series = series / np.where(norms > 0, norms, 1.0)
    alike = np.abs(series.T @ series)
    np.fill_diagonal(alike, -1.0)
    at = int(norms.argmax())
    walk, left = [at], np.ones(len(norms), dtype=bool)
    left[at] = False
    while left.any():
        at = int(np.where(left, alike[at], -2.0).argmax())
        walk.append(at)
        left[at] = False
    return np.array(walk)


def _first_difference(left: list[str], right: list[str]) -> int | None:
    return next((t for t, (a, b) in enumerate(zip(left, right, strict=True)) if a != b), None)
