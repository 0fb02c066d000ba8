"""The learning rate at every moment of a run."""

from __future__ import annotations

import math

from holdfast.train.settings import TrainSettings


def learning_rate(settings: TrainSettings, step: int, seconds: float) -> float:
    """Return the learning rate of update number `step` (from 0), `seconds` into the run.

    Progress p is the larger share used of the two budgets, so without max_seconds the clock plays no part:
        warm = min(1, (step + 1) / warmup_steps)
        rate = learning_rate * warm * {constant: 1, linear: 1 - p, cosine: (1 + cos(pi p)) / 2}
    """
    warm = min(1.0, (step + 1) / settings.warmup_steps) if settings.warmup_steps else 1.0
    p = budget_share(settings, step, seconds)
    shape = {"constant": 1.0, "linear": 1.0 - p, "cosine": (1.0 + math.cos(math.pi * p)) / 2}[settings.schedule]
    return settings.learning_rate * warm * shape


def budget_share(settings: TrainSettings, step: int, seconds: float) -> float:
    """Return the share of the budget used, in [0, 1]: of steps or of seconds, whichever is nearer its end."""
    shares = [0.0]
    if settings.step_limit is not None:
        shares.append(step / settings.step_limit)
    if settings.max_seconds is not None:
        shares.append(seconds / settings.max_seconds)
    return min(1.0, max(shares))
