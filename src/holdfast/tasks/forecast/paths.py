"""Paths that a recursive network goes on from its state: each step reads what the path drew before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from holdfast.tasks.forecast.decode import quantiles_from
from holdfast.tasks.forecast.model import QUANTILES
from holdfast.tasks.forecast.steps import LARGEST, Steps
from holdfast.tasks.forecast.windows import Doubles, Floats

if TYPE_CHECKING:
    from holdfast.tasks.forecast.recursive_model import RecursiveNetwork

PATHS = 200

States = list[Any]
"""Of each network, what its recurrent layer returns: one tensor [L, S, H], or a tuple of them."""


def even_chances(seed: int, horizon: int) -> Doubles:
    """Return chances [PATHS, H]: those of each step spread evenly between 0 and 1, in an order of their own.

    All series share them, so a forecast does not depend on its company.
    """
    random = np.random.default_rng(seed)
    even = (np.arange(PATHS) + 0.5) / PATHS
    return np.stack([random.permutation(even) for _ in range(horizon)], axis=1)


def roll(
    network: RecursiveNetwork,
    readers: list[Any],
    states: States,
    steps: Steps,
    rest: Floats,
    lag: int,
    chances: Doubles,
) -> Doubles:
    """Return QUANTILES [B, H, Q] over paths that go on from the states: each step reads what it drew itself.

    Args:
        steps: What was read; its last step is read here.
        rest: [B, H, F] what is read beside values at each step.
        chances: [PATHS, H] that each path draws by.
    """
    count, horizon, loss = len(steps.lengths), rest.shape[1], network.config.loss
    rows, last = np.arange(count), steps.lengths - 1
    past = last[:, None] - lag + 1 + np.arange(lag)
    season = np.where(past >= 0, steps.linear[rows[:, None], np.maximum(past, 0), 0], np.nan)
    values = np.empty((count, PATHS, horizon), np.float32)
    outputs, states = _next(network, readers, steps.x[rows, last], steps.linear[rows, last], states)
    numbers = np.empty((count, horizon, len(QUANTILES)))
    numbers[:, 0] = quantiles_from(outputs, loss)
    values[..., 0] = _draw(outputs[:, None], loss, chances[:, 0])
    states = [each(state, lambda one: one.repeat_interleave(PATHS, dim=1)) for state in states]

    def before(step: int, otherwise: Floats) -> Floats:
        """Return what the season before had at a step ahead [B, PATHS]."""
        if not lag:
            return otherwise
        found = values[..., step - lag] if step >= lag else season[:, step, None]
        return np.where(np.isnan(found), otherwise, found)

    for step in range(1, horizon):
        value = values[..., step - 1]
        next_season = before(step, value)
        has_season = np.full_like(value, bool(lag)) * (~np.isnan(season[:, step, None]) if step < lag else 1)
        seen = np.stack([value, np.ones_like(value), next_season, has_season], axis=-1)
        beside = np.repeat(rest[:, None, step], PATHS, axis=1)
        x = np.concatenate([seen, beside], axis=-1, dtype=np.float32)
        this_season = np.where(has_season > 0, before(step - 1, value), value)
        linear = np.stack([value, next_season, this_season], axis=-1).astype(np.float32)
        outputs, states = _next(network, readers, x.reshape(count * PATHS, -1), linear.reshape(-1, 3), states)
        values[..., step] = _draw(outputs.reshape(count, PATHS, -1), loss, chances[:, step])
    numbers[:, 1:] = np.moveaxis(np.quantile(values[..., 1:], QUANTILES, axis=1), 0, -1)
    return numbers


def _next(network: RecursiveNetwork, readers: list[Any], x: Floats, linear: Floats, states: States) -> Any:
    """Read one step [B, I] and return the next one's outputs [B, Q] as numbers, and the states."""
    read = [reader(network.tensor(x)[None], state) for reader, state in zip(readers, states, strict=True)]
    outputs = network.outputs([hidden[0] for hidden, _ in read], network.tensor(linear))
    return outputs.double().cpu().numpy(), [state for _, state in read]


def _draw(outputs: Doubles, loss: str, chances: Doubles) -> Doubles:
    """Return the values [B, PATHS] below which `chances` of the distributions [B, PATHS or 1, Q] lie."""
    from scipy.stats import norm, t

    if loss == "student":
        place, width, tails = np.moveaxis(outputs, -1, 0)
        return np.clip(place + width * t.ppf(chances, tails), -LARGEST, LARGEST)
    scores, wanted = norm.ppf(QUANTILES), norm.ppf(chances)
    right = np.clip(np.searchsorted(scores, wanted), 1, len(scores) - 1)
    part = (wanted - scores[right - 1]) / (scores[right] - scores[right - 1])
    low, high = (np.take_along_axis(outputs, side[None, :, None], axis=2)[..., 0] for side in (right - 1, right))
    return np.clip(low * (1 - part) + high * part, -LARGEST, LARGEST)


def each(state: Any, change: Any) -> Any:
    """Return a state with each of its tensors changed."""
    return tuple(change(one) for one in state) if isinstance(state, tuple) else change(state)
