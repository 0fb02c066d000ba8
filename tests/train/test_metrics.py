from __future__ import annotations

import itertools
import math

import pytest

from holdfast.train.metrics import RunningMean, bits_per_unit, perplexity
from holdfast.train.schedule import budget_share, learning_rate
from holdfast.train.settings import TrainSettings


def test_running_mean_weighs_by_count():
    mean = RunningMean()
    assert math.isnan(mean.mean)
    mean.add(1.0, 3)
    mean.add(5.0, 1)
    assert mean.mean == 2.0
    assert RunningMean(mean.total, mean.count).mean == 2.0
    mean.reset()
    assert math.isnan(mean.mean)


def test_perplexity_and_bits():
    assert perplexity(math.log(50)) == pytest.approx(50)
    assert perplexity(1e4) == math.inf
    assert bits_per_unit(math.log(2) * 12, 4) == pytest.approx(3)


def test_cosine_falls_from_the_full_rate_to_zero_after_a_warm_up():
    settings = TrainSettings(learning_rate=2.0, max_steps=100, warmup_steps=10)
    rates = [learning_rate(settings, step, 1e9) for step in range(101)]
    assert rates[0] == pytest.approx(0.2)
    assert max(rates) < 2.0
    assert rates[50] == pytest.approx(1.0)
    assert rates[100] == 0
    assert all(a >= b for a, b in itertools.pairwise(rates[10:]))


def test_linear_and_constant():
    assert learning_rate(TrainSettings(learning_rate=1.0, max_steps=4, schedule="linear"), 1, 0.0) == 0.75
    assert learning_rate(TrainSettings(learning_rate=1.0, max_steps=4, schedule="constant"), 3, 0.0) == 1.0


def test_the_nearer_budget_drives_the_schedule():
    settings = TrainSettings(max_steps=100, max_seconds=10.0)
    assert budget_share(settings, 50, 1.0) == 0.5
    assert budget_share(settings, 50, 9.0) == 0.9
    assert budget_share(settings, 50, 11.0) == 1.0
