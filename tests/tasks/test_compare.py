"""Comparisons: equal sizes, the search for a rate, what is kept and goes on, and the verdict's words."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from holdfast.errors import CheckpointError, ConfigError
from holdfast.tasks.compare import RECORD_FILE, compare, match_size, step_microseconds
from holdfast.tasks.comparison import CellResult, Comparison, Metric, Outcome, Score
from holdfast.tasks.intervals import Interval

GATES = {"lstm": 4, "gru": 3, "rnn": 1}


@dataclass
class ToyContest:
    """A task without a network: the metric is a cell's own figure, worse the further the rate is from the best."""

    quality: dict[str, float]
    simple: dict[str, float] = field(default_factory=dict)
    best_rate: float = 0.01
    metric: Metric = Metric("error")  # noqa: RUF009  # frozen
    task: str = "toy"
    hidden_size: int = 32
    learning_rate: float = 0.01
    fingerprint: dict[str, object] = field(default_factory=dict)
    ran: list[str] = field(default_factory=list)
    dies_at: int = 10**9
    itemised: bool = False

    def num_parameters(self, cell, hidden_size):
        return GATES[cell] * hidden_size * (hidden_size + 8) + hidden_size

    def run(self, trial, folder, *, test):
        if len(self.ran) >= self.dies_at:
            raise KeyboardInterrupt
        self.ran.append(trial.name)
        off = abs(math.log(trial.learning_rate / self.best_rate))
        noise = 0.001 * (trial.seed % 7)
        loss = self.quality[trial.cell] * (1 + off) + noise
        items = [loss - 0.1, loss + 0.1] if test and self.itemised else []
        return Outcome(loss, loss if test else None, 100, trial.seconds, 1.0, items)

    def baselines(self):
        for name, value in self.simple.items():
            yield name, lambda value=value: Score(value, [value, value]) if self.itemised else value


def result(cell, tests, microseconds=1.0):
    return CellResult(cell, 8, 1000, 0.01, [Outcome(1.0, test, 100, 5.0, microseconds) for test in tests])


def with_items(found, rows):
    return replace(found, outcomes=[replace(o, items=row) for o, row in zip(found.outcomes, rows, strict=True)])


def words(cells, baselines=None, metric=None):
    scores = {name: Score(value) for name, value in (baselines or {}).items()}
    return Comparison("toy", metric or Metric("error"), cells, scores).verdict


def test_sizes_have_the_nearest_number_of_parameters():
    contest = ToyContest({})
    wanted = contest.num_parameters("lstm", 32)
    for cell in GATES:
        size = match_size(contest, cell)
        distance = [abs(contest.num_parameters(cell, other) - wanted) for other in (size - 1, size, size + 1)]
        assert distance[1] == min(distance)
    assert match_size(contest, "lstm") == 32


@pytest.mark.parametrize(("best_rate", "tries"), [(0.01, 3), (0.03, 4), (0.001, 5), (1e-9, 5)])
def test_the_search_goes_on_where_the_best_rate_is_at_an_end(best_rate, tries):
    contest = ToyContest({"lstm": 1.0}, best_rate=best_rate)
    found = compare(contest, seconds=1.0, seeds=2, cells=("lstm",), quiet=True)
    searched = [name for name in contest.ran if "-0.25s-" in name]
    assert len(searched) == tries
    assert len(contest.ran) == tries + 2
    nearest = min((0.01 * 3.0**power for power in range(-3, 3)), key=lambda rate: abs(math.log(rate / best_rate)))
    if best_rate > 1e-4:
        assert found.cells[0].learning_rate == pytest.approx(nearest)


def test_a_comparison_that_was_stopped_goes_on(tmp_path):
    quality = {"lstm": 1.0, "gru": 1.1, "rnn": 1.2}
    whole = ToyContest(quality, {"simple": 2.0}, itemised=True)
    expected = compare(whole, seeds=2, quiet=True)
    for dies_at in (0, 1, 5, 13):
        stopped, folder = ToyContest(quality, {"simple": 2.0}, dies_at=dies_at, itemised=True), tmp_path / str(dies_at)
        with pytest.raises(KeyboardInterrupt):
            compare(stopped, seeds=2, folder=folder, quiet=True)
        again = ToyContest(quality, {"simple": 2.0}, itemised=True)
        assert compare(again, seeds=2, folder=folder, quiet=True) == expected
        assert stopped.ran + again.ran == whole.ran


def test_a_folder_of_another_comparison_is_refused(tmp_path):
    compare(ToyContest({"lstm": 1.0}), seeds=1, cells=("lstm",), folder=tmp_path, quiet=True)
    other = ToyContest({"lstm": 1.0}, fingerprint={"text": "another"})
    with pytest.raises(ConfigError, match="other data"):
        compare(other, seeds=1, cells=("lstm",), folder=tmp_path, quiet=True)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"of": {"task": "toy"}}',
        '{"of": {"task": "toy"}, "runs": {"a": 3}}',
        '{"of": {}, "runs": {}, "baselines": {"a": 3}}',
    ],
)
def test_a_broken_record_is_refused(tmp_path, text):
    (tmp_path / RECORD_FILE).write_text(text)
    with pytest.raises(CheckpointError, match="is no comparison"):
        compare(ToyContest({"lstm": 1.0}), seeds=1, cells=("lstm",), folder=tmp_path, quiet=True)


@pytest.mark.parametrize("wrong", [{"seeds": 0}, {"seconds": 0.0}, {"seconds": math.nan}, {"cells": ()}])
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(ConfigError, match="at least"):
        compare(ToyContest({"lstm": 1.0}), quiet=True, **wrong)


@pytest.mark.parametrize(
    ("cells", "says"), [(("lstm", "lstm"), "named twice"), (("lstm", "lstm+holes"), "Known: .*lstm\\+peephole")]
)
def test_cells_unknown_or_named_twice_are_refused_before_any_run(cells, says):
    contest = ToyContest({"lstm": 1.0})
    with pytest.raises(ConfigError, match=says):
        compare(contest, cells=cells, quiet=True)
    assert contest.ran == []


def test_a_run_without_a_finite_loss_is_never_the_best_rate():
    contest = ToyContest({"lstm": 1.0})
    run = contest.run
    lost = Outcome(math.nan, None, 0, 1.0, 1.0)
    contest.run = lambda trial, folder, *, test: lost if trial.learning_rate < 0.02 else run(trial, folder, test=test)
    assert compare(contest, seeds=1, cells=("lstm",), quiet=True).cells[0].learning_rate == pytest.approx(0.03)


def test_the_best_cell_is_advised_where_it_is_clear():
    cells = [result("lstm", [1.0, 1.01, 0.99]), result("gru", [1.2, 1.21, 1.2]), result("rnn", [2.0, 2.0, 2.1])]
    found = words(cells, {"simple": 3.0})
    assert found.startswith("Use the LSTM: in 5 s of training each it reaches the best error, 1.000.\n")
    assert (
        "LSTM or GRU, with as many parameters: the LSTM is better by 16.9 % (error 1.000 and 1.203), which is clear. "
        "A step of one sequence costs the LSTM 1.0 µs and the GRU 1.0 µs. "
        "An update of training costs 50.0 ms and 50.0 ms.\n"
    ) in found
    assert (
        "LSTM or simple, the best of the simple methods: the LSTM is better by 66.7 % (error 1.000 and 3.000)" in found
    )
    assert found.endswith("over 3 seeds of this one test set, leaves zero out.")


def test_the_simpler_cell_is_advised_where_no_difference_is_clear():
    cells = [result("lstm", [1.0, 1.05, 0.95]), result("gru", [1.01, 1.0, 1.02]), result("rnn", [2.0, 2.0, 2.1])]
    found = words(cells)
    assert found.startswith("Use the GRU: it is the simplest cell that is not clearly worse than the best. In 5 s of ")
    assert "it reaches error 1.010, and the best, the LSTM, 1.000." in found
    far = [result("lstm", [1.0, 1.3, 0.7]), result("gru", [1.1, 1.4, 0.8])]  # unclear, but a tenth behind
    assert words(far).startswith("Use the LSTM")
    variants = [result("lstm+peephole", [1.0, 1.05, 0.95]), result("lstm", [1.01, 1.0, 1.02])]
    assert words(variants).startswith("Use the LSTM: it is the simplest")
    assert words([variants[0], result("lstm+coupled", [1.01, 1.0, 1.02])]).startswith("Use the LSTM+coupled: it is")


def test_a_recurrent_network_may_be_overkill():
    cells = [result("lstm", [1.0, 1.05, 0.95]), result("rnn", [1.1, 1.1, 1.1])]
    found = words(cells, {"majority": 5.0, "last value": 0.99})
    assert found.startswith("Use last value: a recurrent network is overkill here. It reaches error 0.990. The best")
    accuracy = Metric("accuracy", lower_is_better=False)
    assert words([result("lstm", [0.9, 0.91, 0.9])], {"regression": 0.95}, accuracy).startswith("Use regression: a rec")
    assert words([result("lstm", [0.9, 0.91, 0.9])], {"majority": 0.5}, accuracy).startswith("Use the LSTM")


def test_a_cell_that_may_be_better_by_chance_is_advised_with_a_doubt():
    found = words([result("lstm", [1.0, 0.5, 0.6])], {"last value": 1.1})
    assert found.startswith(
        "Use the LSTM: in 5 s of training each it reaches the best error, 0.700. But it is not clear "
    )
    assert "better than last value (error 1.100)" in found
    assert "But" not in words([result("lstm", [0.5, 0.51, 0.5])], {"last value": 1.1})
    assert "But" not in words([result("lstm", [1.0, 0.5, 0.6])])


def test_a_difference_that_no_digit_shows_is_not_clear():
    found = words([result("lstm", [1.0 - 1e-9] * 3), result("gru", [1.0] * 3)], {"last value": 1.0})
    assert found.startswith("Use last value: a recurrent network is overkill here.")
    assert "the LSTM is equal (error 1.000)." in found
    assert "is clear" not in found


def test_too_few_updates_are_spoken_of():
    hasty = result("lstm", [5.0, 5.1, 5.0])
    hasty = replace(hasty, outcomes=[replace(outcome, steps=34) for outcome in hasty.outcomes])
    found = words([hasty, result("rnn", [6.0, 6.1, 6.0])], {"last value": 0.99})
    assert "The best cell, the LSTM, reaches 5.033 in 5 s of training each, which is clearly worse.\n" in found
    assert "In 5 s the LSTM made 34 updates only, too few to have learnt much: compare again with more seconds" in found
    assert "too few" not in words([result("lstm", [1.0, 1.1])])


def test_one_seed_calls_nothing_clear():
    found = words([result("lstm", [1.0]), result("gru", [5.0])], {"simple": 9.0})
    assert "is clear" not in found
    assert "not clear" not in found
    assert "In this one run the best cell is better than simple (error 9.000), but one run gives no spread" in found
    assert "the LSTM is better by 88.9 % (error 1.000 and 9.000), in one run, which gives no spread." in found
    assert found.endswith("one seed was run, and another may turn it round. Run more.")
    rows = [[[1.0, 1.1, 0.9, 1.0]], [[5.0, 5.1, 4.9, 5.0]]]
    cells = [with_items(result(cell, [row[0][0]]), row) for cell, row in zip(("lstm", "gru"), rows, strict=True)]
    found = words(cells)
    assert "is clear" not in found
    assert "The intervals cover the 4 test items only." in found
    assert cells[0].interval.covers == "4 test items"


def test_a_difference_that_the_test_items_do_not_bear_out_is_not_clear():
    seeds = [[0.9, 0.9, 0.9], [0.8, 0.8, 0.8]]  # of ten items, one decides
    right = [[1.0] * 9 + [0.0], [1.0] * 8 + [0.0] * 2]
    metric = Metric("accuracy", lower_is_better=False, items="examples")
    alone = [result(cell, tests) for cell, tests in zip(("lstm", "gru"), seeds, strict=True)]
    assert "(accuracy 0.900 and 0.800), which is clear" in words(alone, metric=metric)
    cells = [with_items(cell, [row] * 3) for cell, row in zip(alone, right, strict=True)]
    found = words(cells, metric=metric)
    assert "(accuracy 0.900 and 0.800), which is not clear" in found
    assert found.endswith("over 3 seeds and 10 examples, leaves zero out.")
    many = [with_items(cell, [row * 100] * 3) for cell, row in zip(alone, right, strict=True)]
    assert "(accuracy 0.900 and 0.800), which is clear" in words(many, metric=metric)


def test_a_metric_that_cannot_be_taken_wins_nothing():
    nan = math.nan
    found = words([result("lstm", [nan, nan]), result("gru", [1.2, 1.21]), result("rnn", [2.0, 2.1])], {"Naive": nan})
    assert found.startswith("Use the GRU")
    assert "LSTM or" not in found
    assert "The error of the LSTM, Naive cannot be taken: its value is not a number on this test data." in found
    found = words([result("lstm", [1.0, 1.01])], {"Naive": nan, "other": 5.0})
    assert found.startswith("Use the LSTM")
    assert "LSTM or other, the best of the simple methods" in found
    found = words([result("lstm", [nan, nan]), result("gru", [nan, nan])], {"Naive": nan})
    assert found.startswith("No advice can be given.\nThe error of the LSTM, the GRU, Naive cannot be taken")
    assert "nan" not in found


def test_table_and_json_have_every_contender():
    cells = [result("lstm", [1.0, 1.1]), with_items(result("lstm+peephole", [2.0, 2.1]), [[2.0, 2.0], [2.0, 2.2]])]
    found = Comparison("toy", Metric("error"), cells, {"simple": Score(3.0), "other": Score(4.0, [3.0, 5.0])})
    lines = found.to_markdown().splitlines()
    assert [line.split("|")[1].strip() for line in lines[2:]] == ["LSTM", "LSTM+peephole", "simple", "other"]
    assert "| 1.050 | 0.415 to 1.685 |" in lines[2]
    assert "| 3.000 |  |" in lines[4]
    assert "| 4.000 | 0.000 to 16.706 |" in lines[5]
    assert {line.count("|") for line in lines} == {9}
    record = json.loads(json.dumps(found.to_dict()))
    assert record["baselines"] == {"simple": 3.0, "other": 4.0}
    assert record["cells"][1]["interval"]["items"] == 2
    assert "items" not in record["cells"][1]["outcomes"][0]


def test_a_ratio_varies_as_its_items_do():
    random = np.random.default_rng(0)
    words = random.integers(1, 30, 200)
    right = random.binomial(words, 0.9)
    found = Score.of_ratio(right.tolist(), words.tolist())
    assert found.value == pytest.approx(right.sum() / words.sum())
    assert np.mean(found.items) == pytest.approx(found.value)
    again = random.integers(0, 200, (4000, 200))  # a bootstrap
    drawn = right[again].sum(1) / words[again].sum(1)
    assert Interval.of([found.value], [found.items]).half / 1.97 == pytest.approx(drawn.std(), rel=0.05)
    assert Score.of_ratio([0, 0], [0, 0]) == Score(0.0, [0.0, 0.0])


def test_step_time_counts_recurrent_layers_only():
    import torch

    import holdfast

    assert step_microseconds(torch.nn.Linear(3, 3)) == 0.0
    model = torch.nn.ModuleList([holdfast.LSTM(3, 5, batch_first=True), holdfast.GRU(2, 4)])
    assert 0 < step_microseconds(model, steps=20, repeats=3) < 1e5
