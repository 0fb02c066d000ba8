"""Averages that are weighted as they should be, and what a loss in nats means."""

from __future__ import annotations

import math


class RunningMean:
    """The mean of values that count differently: sum(count * value) / sum(count)."""

    def __init__(self, total: float = 0.0, count: float = 0.0):
        self.total, self.count = total, count

    def add(self, value: float, count: float = 1.0) -> None:
        self.total += value * count
        self.count += count

    @property
    def mean(self) -> float:
        """The mean so far; nan when nothing was counted."""
        return self.total / self.count if self.count else math.nan

    def reset(self) -> None:
        self.total = self.count = 0.0


def perplexity(nats: float) -> float:
    """Return exp of a mean loss in nats: among how many equally likely choices the model hesitates.

    Example:
        >>> perplexity(0.0)
        1.0
    """
    return math.exp(nats) if nats < 700 else math.inf


def bits_per_unit(nats: float, units: float = 1.0) -> float:
    """Return a total of nats as bits for each of `units` characters, words or whatever was counted.

    Example:
        >>> bits_per_unit(math.log(8), 3)
        1.0
    """
    return nats / math.log(2) / units
