"""What the units of a layer remember, and for how long: time constants of their gates, and what tells runs apart.

The runs compared here differ in one early word or value only; a unit that still tells them apart later holds it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from holdfast.errors import ConfigError, ShapeError
from holdfast.inside.claims import Keeping, keeping

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from holdfast.nn.trace import LayerTrace

    Array = NDArray[np.floating[Any]]


def time_constants(traced: LayerTrace) -> Array:
    """Return each unit's time constant in steps [H], from the gate that keeps its old state.

        tau = -1 / (mean over the steps that count of ln f)

    The memory of a unit whose gate goes on as over these steps falls to 1 / e in tau steps. f is an LSTM's forget gate
    (tied or absent ones as they act), of a GRU its z, as torch computes it: h = (1 - z) * n + z * h_prev. It is inf for
    a gate that is always 1, and 0 for one that closed fully once. With zoneout p + (1 - p) f stands for f; what layer
    norm of the state scales besides is left out.

    Raises:
        ConfigError: an RNN, which has no gate that keeps: what it holds lives in its recurrent weights alone.
        ShapeError: no step of the trace counts.

    Source: Tallec & Ollivier 2018, section 2, for gates as time constants.

    Example:
        >>> import torch, holdfast
        >>> from holdfast.inside import Clamp, clamp
        >>> lstm = holdfast.LSTM(3, 2)
        >>> with clamp(lstm, [Clamp("", 0, "forward", "f", units=None, steps=None, value=0.9)]):
        ...     trace = lstm.trace(torch.randn(7, 1, 3))
        >>> time_constants(trace["", 0, "forward"]).round(2)
        array([9.49, 9.49])
    """
    share = traced.kept_share
    if share is None:
        raise ConfigError(
            "An RNN has no gate that keeps its state, so its units have no time constant: what it holds lives in its "
            "recurrent weights. Measure it by gradient_flow or visibility."
        )
    from holdfast.nn.trace_export import as_array  # its package loads torch

    kept, lengths = as_array(share), traced.lengths
    steps = np.arange(kept.shape[0])[:, None]
    counts = np.ones(kept.shape[:2], dtype=bool) if lengths is None else steps < lengths.cpu().numpy()
    if not counts.any():
        raise ShapeError("No step of this trace counts: every row has length 0, so there is nothing to take a mean of.")
    with np.errstate(divide="ignore"):
        fading = -np.log(kept[counts].astype(np.float64)).mean(axis=0)
        return 1.0 / np.maximum(fading, 0.0)


def half_lives(traced: LayerTrace) -> Array:
    """Return over how many steps each unit's memory halves [H]: ln 2 times its time constant."""
    return math.log(2) * time_constants(traced)


def memory_of(traced: LayerTrace) -> Array:
    """Return the state that carries the memory as [T, B, H]: c, or h where there is no c."""
    arrays = traced.to_numpy()
    return arrays["c"] if "c" in arrays else arrays["h"]


def keeps(traced: LayerTrace, others: Sequence[LayerTrace], *, start: int = 0, row: int = 0) -> Keeping:
    """Measure for how many steps each unit keeps what stands at `start`, by its state in other runs.

    A unit keeps it while |c - c of another run| (h without c; the mean over the other runs) stays above 10 % of its
    peak.

    Args:
        traced: A run.
        others: The same layer in runs that differ from it at step `start` only.
        start: The step of what was replaced.
        row: Which row of each run.

    Returns:
        `steps` [H], and what else `holdfast.inside.claims.Keeping` lists.

    Raises:
        ShapeError: no other run, another number of steps, or no such step.
    """
    runs = [memory_of(one)[:, row] for one in (traced, *others)]
    if len({run.shape for run in runs}) != 1:
        raise ShapeError(f"The runs must have equally many steps, got {[len(run) for run in runs]}.")
    return keeping(np.stack(runs), start)


def carriers(states: Array) -> tuple[NDArray[np.int64], Array]:
    """Return the units in the order in which they carry a label across a gap, best first, and their scores [H].

    Args:
        states: [K, M, T, H]: K labels in M texts each, over the T steps of the gap. The score of a unit is the
            `unit_separation` of its means over the texts, as a share of its range in all of them: what merely differs
            from text to text is no sign of the label.

    Raises:
        ShapeError: `states` has not four axes, fewer than two labels, or no text or step.
    """
    states = np.asarray(states, dtype=np.float64)
    if states.ndim != 4 or states.shape[0] < 2 or not states.size:
        raise ShapeError(f"Expected states [labels, texts, steps, units] with two labels or more, got {states.shape}.")
    extent = states.max(axis=(0, 1, 2)) - states.min(axis=(0, 1, 2))
    scores = states.mean(axis=1).std(axis=0).min(axis=0) / np.where(extent > 0, extent, 1.0)
    return np.argsort(-scores, kind="stable"), scores


def unit_separation(states: Array) -> Array:
    """Return how well each unit tells K runs apart at its worst moment.

        score[j] = min over t of (std over runs of s[:, t, j]) / (range of s[:, :, j] over all runs and times)

    0 means that at some step the runs cannot be told apart by this unit; 0.5 is the most a unit can reach (two equal
    groups at the two ends of its range, all the time).

    Args:
        states: [K, T, H]: the state of H units in K runs over T steps.

    Returns:
        [H] scores.

    Raises:
        ShapeError: `states` has not three axes, fewer than two runs, or no step.
    """
    check_states(states)
    spread = states.std(axis=0).min(axis=0)
    extent = states.max(axis=(0, 1)) - states.min(axis=(0, 1))
    return spread / np.where(extent > 0, extent, 1.0)


def recognised_share(states: Array) -> Array:
    """Return how often the early word is recognised from the state alone, at each step.

    K words in M texts each: every run is given to the word whose mean state over the other texts is nearest, each unit
    measured in its own standard deviations. Guessing gives 1 / K. That runs merely differ is not enough (a plain RNN is
    often chaotic): other texts must give the same differences.

    Args:
        states: [K, M, T, H].

    Returns:
        [T] shares from 0 to 1.

    Raises:
        ShapeError: `states` has not four axes, or fewer than two words or texts.
    """
    if np.ndim(states) != 4 or min(states.shape[:2]) < 2:
        raise ShapeError(
            f"Expected states [words, texts, steps, units] with two words and texts or more, got {np.shape(states)}."
        )
    num_words, num_texts = states.shape[:2]
    shares = []
    for runs in np.moveaxis(np.asarray(states, dtype=np.float64), 2, 0):
        deviation = runs.std(axis=(0, 1))
        runs = (runs - runs.mean(axis=(0, 1))) / np.where(deviation > 0, deviation, 1.0)
        others = (runs.sum(axis=1, keepdims=True) - runs) / (num_texts - 1)  # [K, M, H]: word's mean without that text
        distance = ((runs[:, None] - others[None]) ** 2).sum(axis=-1)  # [K of the run, K guessed, M]
        guess = distance.argmin(axis=1)
        shares.append((guess == np.arange(num_words)[:, None]).mean())
    return np.array(shares)


def check_states(states: Array) -> None:
    """Refuse states that are not [runs, steps, units]."""
    if np.ndim(states) != 3 or states.shape[0] < 2 or states.shape[1] < 1:
        raise ShapeError(
            f"Expected states [runs, steps, units] with two runs or more and at least one step, got {np.shape(states)}."
        )
