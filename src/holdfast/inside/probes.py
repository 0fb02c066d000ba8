"""Which direction in the state carries a label: linear probes with held-out scores, beside the best single unit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from holdfast.errors import ConfigError, ShapeError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    Array = NDArray[np.floating[Any]]
    Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Probe:
    """How well a label is read off the state at each step, by directions and by single units, on runs held out.

    Attributes:
        score: [T] share of held-out runs whose label a linear probe gives, which is fitted anew at each step.
        fixed_score: [T] the same of one probe for all steps: directions that carry the label across the whole gap.
        unit_score: [T] the same of the single unit that tells the labels apart best at each step, by the nearest mean.
        units: [T] that unit, chosen on all runs.
        fixed_unit_score: [T] the same of one unit for all steps.
        fixed_unit: That unit, chosen on all runs.
        classes: The labels.
        directions: [H, C] the directions of the fixed probe, fitted to all runs, in units of the state: the larger
            state @ directions[:, k] + offsets[k], the likelier label k.
        offsets: [C].
        guessing: What guessing the most frequent label would score.
    """

    score: Array
    fixed_score: Array
    unit_score: Array
    units: Integers
    fixed_unit_score: Array
    fixed_unit: int
    classes: tuple[Any, ...]
    directions: Array
    offsets: Array
    guessing: float

    def summary(self) -> str:
        """Return one sentence made from the numbers of the last step."""
        best = f"unit {self.fixed_unit} alone in {_percent(self.fixed_unit_score[-1])}"
        return (
            f"At the last of {len(self.score)} steps a linear probe reads the label off the state in "
            f"{_percent(self.score[-1])} of the runs held out, one direction for all steps in "
            f"{_percent(self.fixed_score[-1])}, {best}; guessing gives {_percent(self.guessing)}."
        )


def probe(
    states: Array,
    labels: Sequence[Any],
    *,
    groups: Sequence[Any] | None = None,
    folds: int = 5,
    ridge: float = 1.0,
    seed: int = 0,
) -> Probe:
    """Fit linear probes for a label of each run to the state at each step, and score them on runs held out.

    The probe is ridge regression on one-hot labels, of states whose units are centred and scaled; the likeliest label
    is the answer. Every run is held out once.

    Args:
        states: [N, T, H]: N runs, T steps after what the label says, H units.
        labels: N labels, two different ones or more.
        groups: What each run was made from (its text without the labelled word): runs of one group are held out
            together, so that a probe cannot know the text. None: each run is its own.
        folds: In how many parts the groups are held out.
        ridge: The penalty on the squared weights, in the scale of one run.
        seed: Of the order in which groups are dealt to the parts.

    Raises:
        ShapeError: the states are not [N, T, H] with a label each.
        ConfigError: fewer than two labels or groups, or no fold to speak of.

    Source: Alain & Bengio 2017 (linear probes).
    """
    states = np.asarray(states, dtype=np.float64)
    if states.ndim != 3 or not states.size or len(labels) != len(states):
        raise ShapeError(f"Expected states [runs, steps, units] and a label each, got {states.shape}, {len(labels)}.")
    classes, numbers = np.unique(np.asarray(labels), return_inverse=True)
    group_numbers = np.unique(np.arange(len(states)) if groups is None else np.asarray(groups), return_inverse=True)[1]
    if len(group_numbers) != len(states):
        raise ShapeError(f"Expected {len(states)} groups, one for each run, got {len(group_numbers)}.")
    count = int(group_numbers.max()) + 1
    if len(classes) < 2 or count < 2 or folds < 2 or ridge <= 0:
        raise ConfigError(
            f"A probe needs two labels, two groups, two folds and a ridge above zero, got {len(classes)}, {count}, "
            f"{folds} and {ridge}."
        )
    hits = np.zeros((4, states.shape[1]))
    for train, held in _parts(group_numbers, min(folds, count), seed):
        for row, found in enumerate(_answers(states, numbers, len(classes), train, held, ridge)):
            hits[row] += (found == numbers[held][:, None]).sum(axis=0)
    scores = hits / len(states)
    weights, offsets = _fit(states.reshape(-1, states.shape[2]), _repeat(numbers, states.shape[1]), len(classes), ridge)
    apart = _apart(states, numbers, len(classes))
    return Probe(
        scores[0], scores[1], scores[2], apart.argmax(axis=1), scores[3], int(_apart_always(apart).argmax()),
        tuple(classes.tolist()), weights, offsets, float(np.bincount(numbers).max() / len(numbers)),
    )  # fmt: skip


def _parts(groups: Integers, folds: int, seed: int) -> Iterator[tuple[Integers, Integers]]:
    """Yield (train, held out) so that each group is held out once."""
    dealt = np.random.default_rng(seed).permutation(int(groups.max()) + 1) % folds
    for fold in range(folds):
        held = dealt[groups] == fold
        yield np.flatnonzero(~held), np.flatnonzero(held)


def _answers(
    states: Array, numbers: Integers, classes: int, train: Integers, held: Integers, ridge: float
) -> tuple[Integers, Integers, Integers, Integers]:
    """Return the answers [held, T] of the probe at each step, the fixed one, the best unit at each, and the fixed."""
    known, asked = states[train], states[held]
    steps = states.shape[1]
    each = np.empty((len(held), steps), dtype=np.int64)
    for t in range(steps):
        weights, offsets = _fit(known[:, t], numbers[train], classes, ridge)
        each[:, t] = (asked[:, t] @ weights + offsets).argmax(axis=1)
    weights, offsets = _fit(known.reshape(-1, states.shape[2]), _repeat(numbers[train], steps), classes, ridge)
    fixed = (asked @ weights + offsets).argmax(axis=2)
    means = _class_means(known, numbers[train], classes)
    apart = _apart(known, numbers[train], classes)
    units = apart.argmax(axis=1)
    best = _nearest(asked, means, units)
    return each, fixed, best, _nearest(asked, means, np.full(steps, _apart_always(apart).argmax()))


def _fit(x: Array, numbers: Integers, classes: int, ridge: float) -> tuple[Array, Array]:
    """Return weights [H, C] and offsets [C] of ridge regression on one-hot labels, in the units of x."""
    centre, scale = x.mean(axis=0), x.std(axis=0)
    scale = np.where(scale > 1e-12 * (np.abs(centre) + 1), scale, np.inf)  # a constant unit tells nothing
    z, target = (x - centre) / scale, np.eye(classes)[numbers]
    mean = target.mean(axis=0)
    if len(z) < z.shape[1]:
        weights = z.T @ np.linalg.solve(z @ z.T + ridge * np.eye(len(z)), target - mean)
    else:
        weights = np.linalg.solve(z.T @ z + ridge * np.eye(z.shape[1]), z.T @ (target - mean))
    weights = weights / scale[:, None]
    return weights, mean - centre @ weights


def _repeat(numbers: Integers, steps: int) -> Integers:
    return np.repeat(numbers, steps)


def _class_means(states: Array, numbers: Integers, classes: int) -> Array:
    """Return the mean state [C, T, H] of each class; inf for one that has no run."""
    rows = [states[numbers == one] for one in range(classes)]
    return np.stack([row.mean(axis=0) if len(row) else np.full(states.shape[1:], np.inf) for row in rows])


def _apart(states: Array, numbers: Integers, classes: int) -> Array:
    """Return how far apart the classes stand in each unit at each step [T, H]: variance between them over within."""
    means = _class_means(states, numbers, classes)
    own = means[numbers]
    between, within = own.var(axis=0), ((states - own) ** 2).mean(axis=0)
    total = between + within
    return np.where(total > 0, between / np.where(total > 0, total, 1.0), 0.0)


def _apart_always(apart: Array) -> Array:
    """Return for each unit its mean over the steps [H]."""
    return apart.mean(axis=0)


def _nearest(states: Array, means: Array, units: Integers) -> Integers:
    """Return the class [N, T] whose mean is nearest in the unit of each step."""
    steps = np.arange(states.shape[1])
    gaps = np.abs(states[:, steps, units][:, None] - means[:, steps, units][None])  # [N, C, T]
    return gaps.argmin(axis=1)


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
