"""Memory problems as contests: what is trained and measured, and the floors that formulas give."""

from __future__ import annotations

import math
import os
import signal
from dataclasses import replace

import numpy as np
import pytest

import holdfast
from holdfast.errors import ConfigError, DataError
from holdfast.tasks.comparison import Trial
from holdfast.tasks.memory.baselines import copy_floor
from holdfast.tasks.memory.config import MemoryConfig
from holdfast.tasks.memory.contest import MemoryContest
from holdfast.tasks.memory.data import draw_test
from holdfast.tasks.memory.model import MemoryNetwork
from holdfast.tasks.memory.problems import KINDS
from holdfast.tasks.memory.score import measure_outputs
from tests.tasks.memory.samples import SMALLEST, write_images


def contest_of(task, **fields):
    return MemoryContest(MemoryConfig(**{"task": task, "length": SMALLEST.get(task, 0), "hidden_size": 6} | fields))


def floors(contest):
    return {name: measure() for name, measure in contest.baselines()}


@pytest.mark.parametrize("task", list(SMALLEST))
def test_a_run_trains_and_measures(tmp_path, task):
    contest = contest_of(task)
    outcome = contest.run(Trial("gru", 6, 1e-2, 0.2, 0), tmp_path / "run", test=True)
    assert outcome.steps > 0
    assert math.isfinite(outcome.validation)
    assert len(outcome.items) == 2560
    assert np.mean(outcome.items) == pytest.approx(outcome.test)
    for score in floors(contest).values():
        assert len(score.items) == 2560
        assert np.mean(score.items) == pytest.approx(score.value)
    assert contest.run(Trial("rnn", 6, 1e-2, 0.1, 0), None, test=False).test is None


def test_always_one_misses_a_sum_by_a_sixth():
    (score,) = floors(contest_of("adding", length=40)).values()
    assert score.value == pytest.approx(1 / 6, abs=0.01)  # the variance of a sum of two of U(0, 1)


def test_the_copy_without_a_memory_costs_what_the_formula_says():
    (score,) = floors(contest_of("copy", length=30)).values()
    assert score.value == pytest.approx(copy_floor(30))
    assert copy_floor(30) == 10 * math.log(8) / 50
    drawn = draw_test(MemoryConfig(task="copy", length=30), 200)
    logits = np.full((50, 200, 9), -1e3)
    logits[:40, :, 0] = 0.0  # knows the blanks
    logits[40:, :, 1:] = 0.0  # and guesses among the symbols
    assert measure_outputs(logits, drawn).loss == pytest.approx(score.value)


@pytest.mark.parametrize(("task", "chance"), [("temporal_order", 1 / 4), ("temporal_order3", 1 / 8), ("latch", 1 / 2)])
def test_one_class_is_right_as_often_as_chance(task, chance):
    (score,) = floors(contest_of(task)).values()
    assert score.value == pytest.approx(chance, abs=0.03)


def test_reber_without_the_kept_symbol_is_right_half_of_the_time():
    neighbours, forgetful = floors(contest_of("reber")).values()
    assert neighbours.value < 0.05
    assert forgetful.value == pytest.approx(0.5, abs=0.03)


def test_images_have_a_linear_classifier_to_beat(tmp_path):
    write_images(tmp_path, train=200)
    scores = floors(contest_of("smnist", data=str(tmp_path)))
    assert scores["always one class"].value < 0.4
    assert scores["least squares on all pixels at once"].value > 0.9
    outcome = contest_of("pmnist", data=str(tmp_path)).run(Trial("lstm", 4, 1e-3, 0.1, 0), None, test=True)
    assert len(outcome.items) == 20


def test_a_run_stopped_by_ctrl_c_is_no_outcome_and_goes_on(tmp_path, monkeypatch):
    calls, loss = [], MemoryNetwork.loss

    def pressed(self, drawn):
        calls.append(1)
        if len(calls) == 5:
            os.kill(os.getpid(), signal.SIGINT)
        return loss(self, drawn)

    contest, trial = contest_of("adding"), Trial("rnn", 6, 1e-2, 1.0, 0)
    with monkeypatch.context() as patch:
        patch.setattr(MemoryNetwork, "loss", pressed)
        with pytest.raises(KeyboardInterrupt):
            contest.run(trial, tmp_path, test=True)
    assert len(calls) == 5
    outcome = contest.run(trial, tmp_path, test=True)
    assert outcome.steps > 5
    assert outcome.seconds == pytest.approx(1.0, abs=0.5)


def test_all_cells_have_as_many_parameters_and_weights_that_suit_them():
    contest = contest_of("adding", hidden_size=32, init="chrono")
    counts = [contest.num_parameters(cell, size) for cell, size in (("lstm", 32), ("gru", 37), ("rnn", 65))]
    assert max(counts) < 1.1 * min(counts)
    assert contest._settings("rnn", 5).scheme == "orthogonal"
    assert contest._settings("gru", 5).scheme == "chrono"


def test_the_fingerprint_tells_problems_apart():
    one = contest_of("latch", length=10)
    assert one.fingerprint == contest_of("latch", length=10).fingerprint
    assert one.fingerprint != contest_of("latch", length=11).fingerprint
    assert one.metric.name == "accuracy"
    assert {contest_of(task).metric.lower_is_better for task in ("adding", "copy")} == {True}
    assert KINDS.keys() >= SMALLEST.keys()


def test_compare_knows_the_task():
    found = holdfast.compare(
        "memory", task="latch", length=12, hidden_size=6, seconds=0.4, seeds=2, cells=("gru", "rnn"), quiet=True
    )
    assert list(found.baselines) == ["always one class"]
    assert found.verdict
    with pytest.raises(ConfigError, match="colour"):
        holdfast.compare("memory", colour="blue")
    with pytest.raises(DataError, match="no such file"):
        holdfast.compare("memory", "nowhere", task="smnist", seconds=1, quiet=True)
    with pytest.raises(ConfigError, match="nothing is downloaded"):
        MemoryContest(replace(MemoryConfig(), task="pmnist")).run(Trial("rnn", 4, 1e-3, 0.1, 0), None, test=False)
