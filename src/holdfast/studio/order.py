"""The order in which units are drawn: by how long they remember, by likeness, by what they keep."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.inside.claims import Keeping, keeping, words_between
from holdfast.studio.problem import Problem
from holdfast.studio.traces import Kept

MOST_COMPARED = 500
"""Steps, evenly over the text, or a few more, that the likeness of units is taken from."""
ORDERS = ("index", "tau", "cluster", "mean", "keeps")

Units = NDArray[np.floating]


def order_of(kept: Kept, by: str, layer: int, direction: str) -> dict[str, Any]:
    """Return a permutation of the units, each unit's score, what the score means, and a note; "words" beside "keeps".

    Raises:
        Problem: there is no such order, or the trace has no alternatives to compare with.
        ConfigError: there is no such layer or direction.
    """
    key = ("order", by, layer, direction)
    if key not in kept.computed:
        kept.computed[key] = _order(kept, by, layer, direction)
    return kept.computed[key]


def time_constants(kept: Kept, layer: int, direction: str) -> Units | None:
    """Return each unit's time constant in steps, as `holdfast.inside.memory` has it; None of an RNN, which has none."""
    from holdfast.inside import memory

    if kept.run.subject.description.spec.family == "rnn":
        return None
    return memory.time_constants(kept.run.layer(layer, direction))


def keeping_of(kept: Kept, layer: int, direction: str) -> Keeping | None:
    """Return how each unit kept the word that the alternatives replace, as `holdfast.inside.claims.keeping` measures.

    Of a layer that reads backwards the steps are counted from the end of the text. None: no alternative has as many
    steps and another word.
    """
    key = ("keeping", layer, direction)
    if key not in kept.computed:
        kept.computed[key] = _keeping(kept, layer, direction)
    return kept.computed[key]


def words_kept(kept: Kept, found: Keeping, direction: str) -> list[int]:
    """Return for how many words after it each unit kept the word, as the claim counts them: signs are none."""
    labels = kept.run.reading.labels if direction == "forward" else kept.run.reading.labels[::-1]
    return [words_between(labels, found.start, found.last(unit)) for unit in range(len(found.steps))]


def replaced_word(kept: Kept) -> int | None:
    """Return the step of the word that the alternatives replace, None without any."""
    labels = kept.run.reading.labels
    same = [other.reading.labels for other in kept.alternatives if len(other) == len(labels)]
    return next((t for t, label in enumerate(labels) if any(row[t] != label for row in same)), None)


def _keeping(kept: Kept, layer: int, direction: str) -> Keeping | None:
    start, letter = replaced_word(kept), kept.run.state_letter()
    if start is None:
        return None
    runs = [kept.run, *(other for other in kept.alternatives if len(other) == len(kept.run))]
    states = np.stack([run.lanes(layer, direction, letter) for run in runs])
    if direction == "backward":
        return keeping(states[:, ::-1], states.shape[1] - 1 - start)
    return keeping(states, start)


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
        word = kept.run.reading.labels[replaced_word(kept) or 0]
        note = f"Steps for which each unit keeps {word!r}: it differs from the texts with another word in its place."
        answer = _answer(found.order, found.steps, "steps", note)
        return {**answer, "words": words_kept(kept, found, direction)}
    raise Problem(422, f"There is no order {by!r}.", f"Choose one of {', '.join(ORDERS)}.")


def _answer(permutation: Any, score: Any, means: str, note: str) -> dict[str, Any]:
    scores = [None if not np.isfinite(one) else float(one) for one in score]
    return {"permutation": [int(unit) for unit in permutation], "score": scores, "means": means, "note": note}


def _by_likeness(states: Units) -> NDArray[np.int64]:
    """Return units in the order of a walk from each to the most alike one that is left.

    Alike is the correlation of two states over time; a unit and its mirror image count as alike.
    """
    series = states[:: max(1, len(states) // MOST_COMPARED)].astype(np.float32)
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
