"""What can be said of one unit over a text: how long it remembers, what wrote and wiped it, which units are alike."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.errors import ConfigError
from holdfast.inside.claims import Keeping
from holdfast.studio.order import keeping_of, time_constants, words_kept
from holdfast.studio.run import Run
from holdfast.studio.traces import Kept

SHOWN = 5
EXPLAINS = 0.6
"""Share of a unit's variance that a simple pattern must explain before it is named."""
FEWEST_STEPS = 12
"""Of a text, for a pattern to be looked for."""
NOTHING = "no simple pattern found"

Lane = NDArray[np.floating]


def facts_of(kept: Kept, layer: int, direction: str, unit: int) -> dict[str, Any]:
    """Return the facts of one unit.

    Returns:
        "tau" and "half_life" in steps (None where no gate keeps, or where it never lets go), "rank" of the mean of that
        gate among the units (1 keeps longest), "keeps" in steps and "keeps_words" in words after the word (None without
        alternatives), "tau_kept", the time constant over the steps of that alone, the steps that "written" and "wiped"
        it most as [token, t, change of the state], "similar" units, and its "pattern".

    Raises:
        ConfigError: there is no such layer, direction or unit.
    """
    key = ("facts", layer, direction, unit)
    if key in kept.computed:
        return kept.computed[key]
    run = kept.run
    states = run.lanes(layer, direction, run.state_letter())
    if not 0 <= unit < states.shape[1]:
        raise ConfigError(f"There is no unit {unit}. This layer has {states.shape[1]}, counted from 0.")
    tau = time_constants(kept, layer, direction)
    keeps = keeping_of(kept, layer, direction)
    written, wiped = _changes(run, layer, direction, unit)
    facts = {
        "tau": _finite(None if tau is None else float(tau[unit])),
        "half_life": _finite(None if tau is None else float(tau[unit]) * math.log(2)),
        "rank": None if tau is None else 1 + int((tau > tau[unit]).sum()),
        "keeps": None if keeps is None else int(keeps.steps[unit]),
        "keeps_words": None if keeps is None else words_kept(kept, keeps, direction)[unit],
        "tau_kept": None if keeps is None else _tau_while_kept(run, keeps, layer, direction, unit),
        "written": _strongest(run, written),
        "wiped": _strongest(run, wiped),
        "similar": _similar(states, unit),
        "pattern": pattern_of(run.reading.labels, states[:, unit]),
    }
    kept.computed[key] = facts
    return facts


def _tau_while_kept(run: Run, keeps: Keeping, layer: int, direction: str, unit: int) -> float | None:
    """Return a unit's time constant over the steps after it took the word in and while it keeps it; None of no such."""
    share = run.layer(layer, direction).kept_share
    if share is None or keeps.steps[unit] < 2:
        return None
    lane = share[: len(run), 0, unit].double().cpu().numpy()
    lane = lane if direction == "forward" else lane[::-1]
    with np.errstate(divide="ignore"):
        fading = -float(np.log(lane[keeps.written[unit] + 1 : keeps.last(unit) + 1]).mean())
    return 1 / fading if fading > 0 else None


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _changes(run: Run, layer: int, direction: str, unit: int) -> tuple[Lane, Lane]:
    """Return for each step by how much it wrote the unit's state and by how much it wiped it [T] each.

    An LSTM writes i * g and wipes (1 - f) * c of the step before; a GRU (1 - z) * n and (1 - z) * h. An RNN keeps
    nothing: it writes its new state and wipes the old one whole. Zoneout p takes 1 - p of each.
    """
    trace, family = run.layer(layer, direction), run.subject.description.spec.family

    def lane(letter: str) -> Lane:
        return trace.values[letter][: len(run), 0, unit].float().cpu().numpy()

    first = trace.c0 if trace.c0 is not None else trace.h0
    start = float(first[0, unit])
    state = lane(run.state_letter())
    before = np.concatenate([[start], state[:-1]] if direction == "forward" else [state[1:], [start]])
    share = 1 - trace.zoneout
    if family == "lstm":
        return share * lane("i") * lane("g"), -share * (1 - lane("f")) * before
    if family == "gru":
        return share * (1 - lane("z")) * lane("n"), -share * (1 - lane("z")) * before
    return state - trace.zoneout * before, -share * before


def _strongest(run: Run, changes: Lane) -> list[list[Any]]:
    order = np.argsort(-np.abs(changes), kind="stable")[:SHOWN]
    return [[run.reading.labels[t], int(t), float(changes[t])] for t in order if changes[t]]


def _similar(states: NDArray[np.floating], unit: int) -> list[int]:
    """Return the units whose state goes with this one's, or against it, the most alike first."""
    if len(states) < 3:
        return []
    series = states - states.mean(axis=0)
    norms = np.sqrt((series**2).sum(axis=0))
    alike = np.abs(series.T @ series[:, unit]) / np.where(norms > 0, norms * max(norms[unit], 1e-30), 1.0)
    alike[unit] = -1.0
    return [int(other) for other in np.argsort(-alike, kind="stable")[:SHOWN] if alike[other] > 0]


def pattern_of(labels: list[str], state: Lane) -> str:
    """Return in a sentence what a unit's state follows, or that nothing simple was found.

    Looked for, each with the share of the state's variance that it explains: the place in the text, the steps since
    the last full stop, whether a token begins with a capital, whether it is a sign, and which token it is.
    """
    if len(state) < FEWEST_STEPS or float(np.ptp(state)) < 1e-3:
        return NOTHING
    places = np.arange(len(labels), dtype=np.float64)
    stops = np.array([label in (".", "!", "?", "\n") for label in labels])
    since = places - np.maximum.accumulate(np.where(np.concatenate([[True], stops[:-1]]), places, 0))
    found = {
        "It {way} along the text": _along(places, state),
        "It {way} with the words since the last full stop": _along(since, state) if stops.sum() > 1 else (0.0, ""),
        "It is {way} at words with a capital": _apart(np.array([label[:1].isupper() for label in labels]), state),
        "It is {way} at full stops": _apart(stops, state),
    }
    words, counts = np.unique(labels, return_counts=True)
    for word in words[counts > 1]:
        found[f"It is {{way}} at {str(word)!r}"] = _apart(np.array(labels) == word, state)
    sentence, (share, way) = max(found.items(), key=lambda one: one[1][0])
    if share < EXPLAINS:
        return NOTHING
    return f"{sentence.format(way=way)}: that explains {100 * share:.0f} % of its changes in this text."


def _along(places: Lane, state: Lane) -> tuple[float, str]:
    if not np.ptp(places) or not np.ptp(state):
        return 0.0, ""
    r = float(np.corrcoef(places, state)[0, 1])
    return r * r, "rises" if r > 0 else "falls"


def _apart(group: NDArray[np.bool_], state: Lane) -> tuple[float, str]:
    """Return the share of the variance that lies between a group of steps and the others."""
    if group.sum() < 2 or (~group).sum() < 2:
        return 0.0, ""
    inside, outside, total = state[group], state[~group], float(state.var())
    if not total:
        return 0.0, ""
    share = float(group.mean() * (~group).mean() * (inside.mean() - outside.mean()) ** 2) / total
    return share, "high" if inside.mean() > outside.mean() else "low"
