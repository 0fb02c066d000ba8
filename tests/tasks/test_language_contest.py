"""N-grams against counting by hand, and the language task as a contest."""

from __future__ import annotations

import json
import math
from collections import Counter

import numpy as np
import pytest

import holdfast
from holdfast.errors import ConfigError, DataError
from holdfast.tasks.compare import EVALUATIONS, compare
from holdfast.tasks.comparison import Trial
from holdfast.tasks.language.config import LanguageConfig
from holdfast.tasks.language.contest import LanguageContest
from holdfast.tasks.language.ngram import NgramModel

SIZE = 5
TEXT = "the cat sat on the mat. the dog sat on the cat! " * 60


def by_counting(train: list[int], history: list[int], token: int) -> float:
    """Return Witten-Bell's P(token | history) from its definition."""
    p = 1.0 / SIZE
    for length in range(len(history) + 1):
        before = tuple(history[len(history) - length :])
        grams = Counter(tuple(train[n : n + length + 1]) for n in range(len(train) - length))
        following = {gram[-1]: count for gram, count in grams.items() if gram[:-1] == before}
        total = sum(following.values())
        if not total:
            break
        p = (following.get(token, 0) + len(following) * p) / (total + len(following))
    return p


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_ngrams_equal_their_definition(order):
    random = np.random.default_rng(order)
    train, test = random.integers(0, SIZE - 1, 60), random.integers(0, SIZE, 30)  # the last token is new to the model
    found = NgramModel(train, SIZE, order).nats(test)
    expected = [
        -math.log(by_counting(train.tolist(), test[max(0, n - order + 1) : n].tolist(), int(test[n])))
        for n in range(1, len(test))
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_ngrams_probabilities_sum_to_one():
    train = np.random.default_rng(0).integers(0, SIZE, 80)
    model = NgramModel(train, SIZE, 3)
    for history in ([0, 1], [3, 3], [4, 0]):
        total = sum(math.exp(-model.nats(np.array([*history, token]))[-1]) for token in range(SIZE))
        assert total == pytest.approx(1.0)


def test_a_text_is_cut_in_three():
    contest = LanguageContest(TEXT)
    assert contest.training + contest.validation + contest.test == TEXT
    assert len(contest.validation) == len(contest.test) == len(TEXT) // 10


def test_a_short_text_is_refused():
    with pytest.raises(DataError, match="1000 at least"):
        LanguageContest("too short")


def test_a_run_trains_and_measures(tmp_path):
    config = LanguageConfig(hidden_size=8, num_layers=1, dropout=0.0, batch_size=4, chunk_size=20)
    contest = LanguageContest(TEXT, config=config)
    outcome = contest.run(Trial("gru", 9, 0.01, 0.3, 0), tmp_path / "run", test=True)
    assert outcome.steps > 0
    assert 0 < outcome.test < math.log2(30)
    assert math.isfinite(outcome.validation)
    assert outcome.step_microseconds > 0
    assert contest.run(Trial("rnn", 9, 0.01, 0.1, 0), None, test=False).test is None
    assert len(outcome.items) == len(contest.test) // 100
    assert np.mean(outcome.items) == pytest.approx(outcome.test)
    for _, measure in contest.baselines():
        assert len(measure().items) == len(outcome.items)
        assert np.mean(measure().items) == pytest.approx(measure().value)


@pytest.mark.parametrize("seconds", [0.4, 1.2])
def test_a_run_is_evaluated_as_often_whatever_its_budget(tmp_path, seconds):
    config = LanguageConfig(hidden_size=8, num_layers=1, dropout=0.0, batch_size=4, chunk_size=20)
    LanguageContest(TEXT, config=config).run(Trial("rnn", 9, 0.01, seconds, 0), tmp_path, test=False)
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    times = [line["seconds"] for line in lines if "validation" in line]
    assert EVALUATIONS // 2 <= len(times) <= EVALUATIONS + 1  # fewer where an update takes a tenth of the time
    assert times[0] < 0.5 * seconds
    assert times[-1] >= seconds


def test_parameters_are_those_of_the_network():
    config = LanguageConfig(hidden_size=8, num_layers=2)
    contest = LanguageContest(TEXT, config=config)
    from holdfast.tasks.language.model import build_network

    network = build_network(config, contest._tokenizer.size)
    assert contest.num_parameters("lstm", 8) == sum(parameter.numel() for parameter in network.parameters())


def test_a_comparison_of_a_repeated_text_calls_the_network_overkill(tmp_path):
    config = LanguageConfig(hidden_size=4, num_layers=1, dropout=0.0, batch_size=4, chunk_size=20)
    found = compare(
        LanguageContest(TEXT, config=config), seconds=0.2, seeds=2, cells=("lstm",), folder=tmp_path, quiet=True
    )
    assert found.baselines["n-grams"].value < 0.1
    assert found.verdict.startswith("Use n-grams: a recurrent network is overkill here")


def test_compare_opens_a_task_by_its_name(tmp_path):
    path = tmp_path / "input.txt"
    path.write_text(TEXT)
    found = holdfast.compare(
        "language", path, seconds=0.1, seeds=1, cells=("rnn",), quiet=True, hidden_size=4, batch_size=4, chunk_size=20
    )
    assert found.task == "language"
    assert [cell.cell for cell in found.cells] == ["rnn"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("cooking", "a.txt"), "no comparison of 'cooking'"),
        (("language", None), "Name the text"),
    ],
)
def test_compare_says_what_is_missing(arguments, words):
    with pytest.raises(ConfigError, match=words):
        holdfast.compare(*arguments)


def test_compare_refuses_unknown_settings(tmp_path):
    (tmp_path / "a.txt").write_text(TEXT)
    with pytest.raises(ConfigError, match="colour"):
        holdfast.compare("language", tmp_path / "a.txt", colour="blue")
    with pytest.raises(ConfigError, match="a contest has its own"):
        holdfast.compare(LanguageContest(TEXT), colour="blue")
