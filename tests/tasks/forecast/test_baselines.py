"""Simple forecasts: worked by hand, and robust where series are short, constant or missing."""

from __future__ import annotations

import numpy as np
import pytest

from holdfast.errors import ConfigError
from holdfast.tasks.forecast.baselines import (
    BASELINES,
    LONGEST,
    deseasonalize,
    forecast_baselines,
    histories,
    naive2,
    seasonal_naive,
    theta,
)
from holdfast.tasks.forecast.data import SeriesTable, read_series

pandas = pytest.importorskip("pandas", reason="long frames are pandas frames")

NAN = np.nan
FACTORS = np.array([0.5, 1.0, 1.5, 1.0])


def random_walk(count, length, seed=0):
    return 100 + np.random.default_rng(seed).normal(size=(count, length)).cumsum(axis=1)


def test_seasonal_naive_repeats_the_last_season():
    history = np.array([[1.0, 2, 3, 4, 5], [NAN, NAN, NAN, 8, 9], [1, 2, NAN, 4, NAN]])
    expected = [[3, 4, 5, 3], [9, 8, 9, 9], [2, 4, 2, 2]]
    found = seasonal_naive(history, 4, 3)
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_array_equal(found[1], [9, 8, 9, 9])  # no value a season before: the last value
    np.testing.assert_array_equal(found[2], [4, 4, 2, 4])


def test_season_is_found_and_taken_out():
    trend = np.linspace(100, 147, 48)
    history = (trend * np.tile(FACTORS, 12))[None]
    adjusted, factors, added = deseasonalize(history, 4)
    assert not added[0]
    np.testing.assert_allclose(factors[0], FACTORS, rtol=0.02)
    np.testing.assert_allclose(adjusted[0], trend, rtol=0.02)
    np.testing.assert_allclose(naive2(history, 6, 4)[0], adjusted[0, -1] * factors[0, [0, 1, 2, 3, 0, 1]])


def test_season_is_added_where_values_are_not_positive():
    history = np.tile([-10.0, 0, 10, 0], 12)[None] + np.linspace(0, 1, 48)
    adjusted, factors, added = deseasonalize(history, 4)
    assert added[0]
    np.testing.assert_allclose(factors[0], [-10, 0, 10, 0], atol=0.1)
    assert np.ptp(adjusted) < 1.5


def test_no_season_is_seen_in_noise():
    history = 100 + np.random.default_rng(0).normal(size=(200, 60))
    _, factors, _ = deseasonalize(history, 4)
    assert 0.85 < (factors == 1).all(axis=1).mean() < 1


def test_theta_follows_half_the_trend_of_a_line():
    history = np.arange(50.0)[None]
    # The line goes on by 1 a step; smoothing at alpha near 1 stays at the last value: the mean of both.
    np.testing.assert_allclose(theta(history, 3, 1)[0], [49.5, 50, 50.5], atol=0.02)
    np.testing.assert_allclose(theta(-history, 3, 1)[0], [-49.5, -50, -50.5], atol=0.02)
    falling = np.arange(10.0, 0, -1)[None]
    assert (theta(falling, 40, 1) >= 0).all()


@pytest.mark.parametrize("name", BASELINES)
@pytest.mark.parametrize("season", [1, 4, 7])
def test_a_constant_stays_and_few_values_do(name, season):
    method = BASELINES[name]
    np.testing.assert_allclose(method(np.full((2, 40), 3.0), 5, season), 3.0)
    np.testing.assert_allclose(method(np.zeros((1, 40)), 5, season), 0.0)
    np.testing.assert_allclose(method(np.array([[2.0]]), 5, season), 2.0)
    assert np.isfinite(method(np.array([[NAN, 2.0, 3.0]]), 5, season)).all()
    assert np.isnan(method(np.full((1, 10), NAN), 5, season)).all()


@pytest.mark.parametrize("name", BASELINES)
def test_padding_and_company_change_nothing(name):
    method = BASELINES[name]
    history = random_walk(5, 60) * np.tile(FACTORS, 15)
    alone = np.concatenate([method(row[None], 9, 4) for row in history])
    np.testing.assert_allclose(method(history, 9, 4), alone)
    padded = np.concatenate([np.full((5, 13), NAN), history], axis=1)
    np.testing.assert_allclose(method(padded, 9, 4), alone)


@pytest.mark.parametrize("name", BASELINES)
def test_missing_values_are_bridged(name):
    history = random_walk(20, 60) * np.tile(FACTORS, 15)
    holes = np.where(np.random.default_rng(1).random(history.shape) < 0.1, NAN, history)
    found, whole = BASELINES[name](holes, 8, 4), BASELINES[name](history, 8, 4)
    assert np.isfinite(found).all()
    assert np.abs(found / whole - 1).mean() < 0.1


def test_blocks_hold_every_series_once_and_no_more_than_the_longest():
    lengths = np.random.default_rng(0).integers(1, 40, size=300)
    lengths[7] = LONGEST + 1000
    starts = np.cumsum(lengths) - lengths
    values = np.arange(lengths.sum(), dtype=np.float64)
    seen = []
    for series, history in histories(values, starts, lengths):
        seen += series.tolist()
        for number, row in zip(series, history, strict=True):
            kept = min(lengths[number], LONGEST)
            end = starts[number] + lengths[number]
            np.testing.assert_array_equal(row[~np.isnan(row)], values[end - kept : end])
            np.testing.assert_array_equal(row[len(row) - kept :], values[end - kept : end])
    assert sorted(seen) == list(range(300))


def test_long_frame_has_the_steps_that_follow_each_series():
    frame = pandas.DataFrame(
        {"unique_id": ["b"] * 3 + ["a"] * 2, "ds": [1, 2, 3, 5, 6], "y": [1.0, 2.0, 3.0, 7.0, np.nan]}
    )
    found = forecast_baselines(SeriesTable(frame, 1), 2, 2, ["SeasonalNaive", "Naive"])
    assert found["unique_id"].tolist() == ["b", "b", "a", "a"]
    assert found["ds"].tolist() == [4, 5, 7, 8]
    assert found["SeasonalNaive"].tolist() == [2, 3, 7, 7]
    assert found["Naive"].tolist() == [3, 3, 7, 7]
    with pytest.raises(ConfigError, match="Unknown baselines Oracle"):
        forecast_baselines(SeriesTable(frame, 1), 2, 2, ["Oracle"])


def test_air_passengers_are_forecast_as_others_do(data_folder):
    table = read_series(
        data_folder / "classic_ts" / "airline-passengers.csv", id=None, time="Month", target="Passengers"
    )
    values = table.frame["y"].to_numpy()
    found = theta(values[None, :-24], 24, 12)[0]
    # statsmodels 0.15: ThetaModel(values[:-24], period=12, use_test=True).fit().forecast(24, theta=2)
    np.testing.assert_allclose(found[:3], [341.6, 335.6, 385.4], rtol=0.005)
    assert np.abs(found / values[-24:] - 1).mean() < 0.14


def test_histories_that_begin_together_are_smoothed_as_among_others():
    history = np.random.default_rng(0).standard_normal((6, 40)).cumsum(axis=1)
    late = np.full((1, 40), np.nan)
    late[0, 25:] = history[0, 25:]
    among = theta(np.concatenate([history, late]), 5, 4)
    np.testing.assert_array_equal(theta(history, 5, 4), among[:-1])
