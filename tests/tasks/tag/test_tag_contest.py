"""Tagging as a contest: what is held out, what is trained and measured, what the simple methods reach."""

from __future__ import annotations

import math

import numpy as np
import pytest

import holdfast
from holdfast.errors import ConfigError, DataError
from holdfast.tasks.comparison import Score, Trial
from holdfast.tasks.tag import Reading, TagConfig
from holdfast.tasks.tag.contest import TagContest
from holdfast.tasks.tag.score import chunk_scores
from tests.tasks.tag_samples import small_sentences

SMALL = TagConfig(hidden_size=24, word_size=48, character_size=16, character_hidden_size=8, batch_size=8)


def test_sentences_are_cut_in_three():
    contest = TagContest(small_sentences(100), config=SMALL)
    assert [len(part) for part in (contest.train, contest.held, contest.test)] == [64, 16, 20]
    given = TagContest(small_sentences(100), config=SMALL, test=small_sentences(30, seed=1))
    assert [len(part) for part in (given.train, given.held, given.test)] == [80, 20, 30]
    assert contest.fingerprint != given.fingerprint
    assert contest.fingerprint == TagContest(small_sentences(100), config=SMALL).fingerprint


def test_a_run_trains_and_measures_f1_of_chunks(tmp_path):
    pytest.importorskip("sklearn", reason="logistic regression needs scikit-learn")
    contest = TagContest(small_sentences(), config=SMALL)
    outcome = contest.run(Trial("gru", 12, 3e-2, 8.0, 0), tmp_path / "run", test=True)
    assert np.mean(outcome.items) == pytest.approx(outcome.test)
    assert len(outcome.items) == len(contest.test)
    simple = {name: measure().value for name, measure in contest.baselines()}
    assert contest.metric.name == "F1 of chunks"
    assert outcome.steps > 0
    assert math.isfinite(outcome.validation)
    # A city's kind depends on the word before it, which the most frequent tag of a word cannot tell.
    assert simple["most frequent tag of a word"] < 0.85
    assert outcome.test > 0.9
    assert simple["logistic regression"] > 0.95


def test_plain_tags_are_compared_by_accuracy():
    contest = TagContest([(["she", "walks"], ["PRON", "VERB"]), (["he", "ran"], ["PRON", "VERB"])] * 10, config=SMALL)
    assert contest.metric.name == "accuracy"
    assert dict(contest.baselines())["most frequent tag of a word"]() == Score(1.0, [1.0] * 4)
    assert contest.run(Trial("rnn", 8, 1e-2, 0.1, 0), None, test=False).test is None


def test_f1_is_that_of_conlleval():
    contest = TagContest(small_sentences(100), config=SMALL)
    expected = [list(sentence.tags) for sentence in contest.test]
    found = [["O", *tags[1:]] if n % 3 else tags for n, tags in enumerate(expected)]
    found[0] = ["B-X"] * len(found[0])
    score = contest._score(found)
    assert score.value == pytest.approx(chunk_scores(expected, found)["f1"])
    assert 0.3 < score.value < 1.0
    assert np.mean(score.items) == pytest.approx(score.value)


def test_test_tags_are_read_in_the_scheme_of_the_training_tags():
    words, tags = [["in", "New", "York"]] * 4, [["O", "B-LOC", "I-LOC"]] * 4
    broken = (words, [["O", "I-LOC", "I-LOC"]] * 4)
    with pytest.raises(DataError, match="test, sentence 1, row 2: I-LOC without its B-LOC"):
        TagContest((words, tags), config=SMALL, test=broken)
    mended = TagContest((words, tags), config=SMALL, test=broken, reading=Reading(mend=True))
    assert mended.test[0].tags == ("O", "B-LOC", "I-LOC")


def test_cells_take_as_many_parameters():
    words, tags, _ = small_sentences(40)
    found = holdfast.compare("tag", (words, tags), seconds=0.1, seeds=1, quiet=True, hidden_size=24, word_size=8)
    sizes = [cell.num_parameters for cell in found.cells]
    assert max(sizes) < 1.03 * min(sizes)
    assert found.cells[2].hidden_size > found.cells[0].hidden_size


def test_compare_says_what_is_missing():
    with pytest.raises(ConfigError, match="to compare on"):
        holdfast.compare("tag")
    with pytest.raises(ConfigError, match="colour"):
        holdfast.compare("tag", small_sentences(10), colour="blue")
