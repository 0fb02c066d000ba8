"""Forecasting and classification as contests: what is held out, what is trained, what the simple methods reach."""

from __future__ import annotations

import math

import numpy as np
import pytest

import holdfast
from holdfast.errors import ConfigError, DataError
from holdfast.tasks.compare import compare
from holdfast.tasks.comparison import Trial

pandas = pytest.importorskip("pandas", reason="tables need pandas")
pytest.importorskip("sklearn", reason="logistic regression needs scikit-learn")

from holdfast.tasks.classify.config import ClassifyConfig  # noqa: E402
from holdfast.tasks.classify.contest import ClassifyContest  # noqa: E402
from holdfast.tasks.forecast.config import ForecastConfig  # noqa: E402
from holdfast.tasks.forecast.contest import ForecastContest  # noqa: E402

SMALL = ForecastConfig(horizon=6, hidden_size=8)


def months(count=96, series=2):
    """Return series with a trend and a season, in long form."""
    ds, t = pandas.date_range("2012-01-01", periods=count, freq="MS"), np.arange(count)
    random = np.random.default_rng(0)
    frames = [
        pandas.DataFrame(
            {"unique_id": name, "ds": ds, "y": 50 + t + 10 * np.sin(t * np.pi / 6) + random.normal(0, 1, count)}
        )
        for name in "abcdef"[:series]
    ]
    return pandas.concat(frames, ignore_index=True)


def walks(count=120):
    """Return walks that drift up or down, and which way each does."""
    random = np.random.default_rng(0)
    ways = np.arange(count) % 2
    x = [np.cumsum(random.normal(0.5 * way - 0.25, 1, (random.integers(10, 30), 2)), axis=0) for way in ways]
    return x, np.where(ways, "up", "down")


def test_nothing_but_the_test_reads_the_last_steps():
    whole = months()
    contest = ForecastContest(whole, SMALL)
    assert contest.training.frame.groupby("unique_id").size().tolist() == [90, 90]
    spoilt = whole.copy()
    last = spoilt.groupby("unique_id").cumcount(ascending=False) < 6
    spoilt.loc[last, "y"] = 1e6
    other = ForecastContest(spoilt, SMALL)
    trial = Trial("gru", 8, 1e-3, 0.3, 0)
    assert contest.num_parameters("gru", 8) == other.num_parameters("gru", 8)
    assert other.run(trial, None, test=True).test > 100 * contest.run(trial, None, test=True).test
    assert contest.fingerprint != other.fingerprint


def test_a_forecasting_run_trains_and_measures(tmp_path):
    contest = ForecastContest(months(), SMALL)
    outcome = contest.run(Trial("lstm", 8, 1e-3, 0.5, 1), tmp_path / "run", test=True)
    assert outcome.steps > 0
    assert 0 < outcome.test < 2
    assert math.isfinite(outcome.validation)
    assert len(outcome.items) == 2
    assert np.mean(outcome.items) == pytest.approx(outcome.test)
    scores = {name: measure() for name, measure in contest.baselines()}
    assert all(np.mean(score.items) == pytest.approx(score.value) for score in scores.values())
    simple = {name: score.value for name, score in scores.items()}
    assert list(simple)[:3] == ["Naive", "SeasonalNaive", "Theta"]
    assert simple["SeasonalNaive"] == pytest.approx(1.0, abs=0.15)  # MASE counts in its errors
    assert simple["the linear forecast that the network starts from"] < 0.5 * simple["SeasonalNaive"]


def test_a_linear_series_needs_no_network():
    t = np.arange(100.0)
    line = pandas.DataFrame({"unique_id": "a", "ds": pandas.date_range("2020", periods=100, freq="D"), "y": 5 + 2 * t})
    found = compare("forecast", line, seconds=0.3, seeds=2, cells=("rnn",), quiet=True, horizon=5, hidden_size=4)
    assert found.verdict.startswith("Use the linear forecast that the network starts from: a recurrent network is")


def test_series_keep_their_zone_in_a_contest():
    hours = pandas.date_range("2024-03-28 05:00", periods=100, freq="h", tz="Europe/Paris")
    frame = pandas.DataFrame({"unique_id": "a", "ds": hours, "y": np.random.default_rng(0).normal(10, 1, 100)})
    contest = ForecastContest(frame, SMALL)
    assert contest._untrained.predict()["ds"].tolist() == hours[-6:].tolist()
    assert contest._untrained._reading.zone == "Europe/Paris"
    assert all(math.isfinite(measure().value) for _, measure in contest.baselines())
    naive = ForecastContest(frame.assign(ds=hours.tz_convert("UTC").tz_localize(None)), SMALL)
    assert contest.fingerprint != naive.fingerprint
    assert contest.fingerprint is contest.fingerprint
    later = ForecastContest(frame.assign(ds=hours + pandas.Timedelta(hours=1)), SMALL)
    assert contest.fingerprint != later.fingerprint
    assert contest.fingerprint == ForecastContest(frame, SMALL).fingerprint


def test_series_shorter_than_the_horizon_are_refused():
    with pytest.raises(DataError, match="no more than 6 steps"):
        ForecastContest(pandas.concat([months(), months(5, 1).assign(unique_id="short")]), SMALL)


def test_examples_are_cut_in_three_of_each_class_alike():
    x, y = walks()
    contest = ClassifyContest(x, y, config=ClassifyConfig(hidden_size=4))
    sizes = [len(contest.y_train), len(contest.y_held), len(contest.y_test)]
    assert sum(sizes) == 120
    assert sizes[2] == 24
    assert all((part == "up").mean() == pytest.approx(0.5, abs=0.1) for part in (contest.y_held, contest.y_test))
    given = ClassifyContest(x, y, config=ClassifyConfig(hidden_size=4), test=(x[:10], y[:10]))
    assert len(given.y_test) == 10
    assert len(given.y_train) + len(given.y_held) == 120


def test_a_classifying_run_trains_and_measures(tmp_path):
    x, y = walks()
    contest = ClassifyContest(x, y, config=ClassifyConfig(hidden_size=8))
    outcome = contest.run(Trial("lstm", 8, 3e-3, 1.0, 0), tmp_path / "run", test=True)
    assert len(outcome.items) == len(contest.y_test)
    assert np.mean(outcome.items) == pytest.approx(outcome.test)
    simple = {name: measure().value for name, measure in contest.baselines()}
    assert simple["majority"] == pytest.approx(0.5, abs=0.05)
    assert outcome.test > simple["majority"]
    assert simple["logistic regression"] > simple["majority"]


@pytest.mark.parametrize("task", ["forecast", "classify"])
def test_compare_says_what_is_missing(task):
    with pytest.raises(ConfigError, match="to compare on"):
        holdfast.compare(task)
    with pytest.raises(ConfigError, match="colour"):
        holdfast.compare(task, months(), colour="blue")
