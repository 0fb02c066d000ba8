"""Windows: what is drawn lies where it should, is undone exactly, and shows nothing of the future."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest

from holdfast.errors import DataError
from holdfast.tasks.forecast.baselines import theta
from holdfast.tasks.forecast.config import WindowSettings
from holdfast.tasks.forecast.folds import split_series, training_picks
from holdfast.tasks.forecast.linear import choose_shape, fit_linear
from holdfast.tasks.forecast.windows import (
    Picks,
    WindowBatches,
    WindowReader,
    WindowShape,
    calendar,
    cycles_of,
    mase_scales,
)
from tests.tasks.forecast.forecast_samples import series_of

BASES = ("level", "last", "season", "naive", "theta")


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("transform", ["none", "log"])
@pytest.mark.parametrize("height", [0.01, 1.0, 1e9])
def test_restoring_a_target_gives_the_values(base, transform, height):
    values = height * (2 + np.sin(np.arange(40)))
    reader = WindowReader(series_of(values), WindowShape(12, 5, 4, transform=transform, base=base))
    rows, origins = np.zeros(3, int), np.array([12, 20, 35])
    windows = reader.read(rows, origins)
    restored = reader.restore(windows.target.astype(float), windows)
    np.testing.assert_allclose(restored, values[origins[:, None] + np.arange(5)], rtol=1e-6)
    assert windows.known.all()
    assert np.abs(windows.values).max() < 10


@pytest.mark.parametrize("base", BASES)
def test_a_window_shows_nothing_of_what_follows(base):
    values = np.random.default_rng(0).standard_normal(30)
    changed = np.concatenate([values[:20], values[20:] * 100 + 7])
    shape = WindowShape(8, 4, 4, base=base)
    first, second = (
        WindowReader(series_of(each), shape, series_of(values)).read(np.array([0]), np.array([20]))
        for each in (values, changed)
    )
    for name in ("values", "observed", "past", "base", "scale"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))
    assert (first.target != second.target).any()


@pytest.mark.parametrize("base", BASES)
def test_missing_and_absent_steps_are_masked_and_finite(base):
    values = np.arange(20.0)
    values[[3, 17, 19]] = np.nan
    reader = WindowReader(series_of(values, [5.0, 5.0], [np.nan] * 4), WindowShape(8, 4, 4, base=base))
    windows = reader.read(np.array([0, 0, 1, 2]), np.array([6, 16, 2, 4]))
    assert windows.observed[0].tolist() == [0, 0, 1, 1, 1, 0, 1, 1]
    assert windows.known[1].tolist() == [1, 0, 1, 0]
    assert windows.known[2].tolist() == [0, 0, 0, 0]
    assert windows.lengths.tolist() == [6, 8, 2, 4]
    assert all(np.isfinite(part).all() for part in vars(windows).values())
    assert windows.base[2].tolist() == [5.0] * 4


def test_bases_repeat_level_last_and_season():
    values = np.array([1.0, 2, 3, 4, 5, 6, 7, 8])
    found = {}
    for base in ("level", "last", "season", "naive"):
        reader = WindowReader(series_of(values), WindowShape(8, 5, 4, base=base))
        found[base] = reader.read(np.array([0]), np.array([8])).base[0].tolist()
    assert found == {
        "level": [4.5] * 5, "last": [8.0] * 5, "season": [3, 4, 5, 6, 3], "naive": [5, 6, 7, 8, 5],
    }  # fmt: skip


def test_picks_number_every_origin_once():
    picks = Picks(np.array([2, 5, 1]), np.array([4, 4, 1]))
    rows, origins = picks[np.arange(len(picks))]
    assert list(zip(rows.tolist(), origins.tolist(), strict=True)) == [(0, 2), (0, 3), (0, 4), (2, 1)]
    assert len(picks.spread(2)[0]) == 2


def test_training_and_validation_do_not_meet():
    series = series_of(np.random.default_rng(0).standard_normal(100), np.ones(30), np.ones(5))
    split = split_series(series, horizon=6, season=4, validation_size=0)
    picks = training_picks(series.lengths - split.held_out, 8, 6)
    rows, origins = picks[np.arange(len(picks))]
    windows = WindowReader(split.train, WindowShape(8, 6, 4)).read(rows, origins)
    last = origins[:, None] + np.arange(6)
    assert (
        last[windows.known > 0] < (series.lengths - split.held_out)[rows][:, None].repeat(6, 1)[windows.known > 0]
    ).all()
    held_out = split.folds()[0]
    rows, origins = held_out.picks(6).spread(10_000)
    assert (origins >= (series.lengths - split.held_out)[rows]).all()
    assert held_out.meets(rows, origins, 6).all()


def test_further_folds_lie_before_what_is_held_out():
    series = series_of(np.arange(100.0), np.arange(40.0))
    split = split_series(series, horizon=6, season=4, validation_size=20)
    found = [(fold.begin.tolist(), fold.end.tolist()) for fold in split.folds()]
    assert found == [([80, 20], [100, 40]), ([60, 0], [80, 20]), ([40, 0], [60, 0]), ([20, 0], [40, 0])]


def test_of_many_series_the_ends_of_others_are_hidden_in_turn():
    series = series_of(*(np.arange(30.0) for _ in range(60)))
    folds = split_series(series, horizon=6, season=1, validation_size=0).folds()
    hidden = np.stack([fold.size for fold in folds])
    assert hidden.shape == (5, 60)
    assert (hidden.sum(axis=0) == 7).all()
    assert (hidden[0, ::5] == 7).all()


def test_the_turn_goes_round_among_series_that_can_spare_something():
    short = [np.arange(2.0) if number % 5 == 0 else np.arange(30.0) for number in range(60)]
    split = split_series(series_of(*short), horizon=6, season=1, validation_size=0)
    assert (np.flatnonzero(split.held_out) == [1, 7, 13, 19, 26, 32, 38, 44, 51, 57]).all()
    hidden = np.stack([fold.size for fold in split.folds()])
    assert (hidden.sum(axis=0) == split.size).all()
    assert ((hidden > 0).sum(axis=1) == [10, 10, 10, 9, 9]).all()


def test_training_is_refused_where_only_held_out_values_are_known():
    values = np.where(np.arange(40) < 34, np.nan, 1.0)
    with pytest.raises(DataError, match="two known values"):
        split_series(series_of(values), horizon=6, season=1, validation_size=0)


def test_the_linear_forecast_finds_a_linear_rule():
    values = np.zeros(400)
    random = np.random.default_rng(0)
    values[:2] = 1.0, 0.5
    for step in range(2, 400):
        values[step] = 1.6 * values[step - 1] - 0.95 * values[step - 2] + 0.01 * random.standard_normal()
    split = split_series(series_of(values), 3, 1, 0)
    fitted = fit_linear(split, WindowShape(12, 3, 1, base="level"), 1000)
    assert fitted.loss < 0.5  # repeating the last value costs more than 1 on average over three steps
    assert 0.5 < np.nanstd(fitted.errors[:, 2]) / np.nanstd(fitted.errors[:, 0]) < 5.0
    assert fitted.independent == 5 * (60 // 3)


def test_what_a_fold_hides_does_not_reach_the_start(monkeypatch):
    monkeypatch.setattr("holdfast.tasks.forecast.linear.PENALTIES", (0.1,))
    values = np.sin(np.arange(200) * 0.7) + 0.1 * np.random.default_rng(0).standard_normal(200)
    changed = np.where(np.arange(200) >= 170, 50.0, values)
    shape = WindowShape(8, 4, 1, base="level")
    first, second = (fit_linear(split_series(series_of(each), 4, 1, 30), shape, 1000) for each in (values, changed))
    np.testing.assert_allclose(first.start.weight, second.start.weight, atol=1e-4)
    assert np.abs(first.whole.weight - second.whole.weight).max() > 0.1


def test_short_series_with_a_trend_and_a_season_start_from_theta():
    random = np.random.default_rng(0)
    steps = np.arange(60)
    season = np.array([1.0, 1.4, 0.7, 0.9])[steps % 4]
    many = [(100 + rate * steps) * season + random.normal(size=60).cumsum() for rate in random.uniform(1, 5, 60)]
    split = split_series(series_of(*many), 8, 4, 0)
    shape = WindowShape(16, 8, 4, base="theta")
    windows = WindowReader(split.whole, shape).read(np.arange(60), np.full(60, 52))
    expected = theta(np.stack(many)[:, :52], 8, 4)
    np.testing.assert_allclose(windows.base, expected, rtol=1e-6)
    by_season = windows.values.reshape(60, 4, 4).mean(axis=(0, 1))
    assert np.ptp(by_season - np.linspace(by_season[0], by_season[-1], 4)) < 0.1  # a trend is left, and no season


def test_logarithms_are_tried_for_values_clear_of_zero_only():
    steps = np.arange(160)
    growing = np.exp(0.02 * steps) * (3 + np.sin(steps * np.pi / 4))
    near_zero = np.where(steps % 9 == 0, 0.01, growing)
    for values, expected in ((growing, {"log"}), (growing - 10, {"none"}), (near_zero, {"none"})):
        shape, _ = choose_shape(split_series(series_of(values), 4, 8, 0), WindowShape(0, 4, 8), WindowSettings())
        assert shape.transform in expected
    assert shape.context >= 8


def test_batches_go_on_where_they_were():
    series = series_of(np.random.default_rng(0).standard_normal(60))
    reader, picks = WindowReader(series, WindowShape(8, 4, 4)), Picks(np.array([8]), np.array([50]))
    first, second = WindowBatches(reader, picks, 4, seed=1), WindowBatches(reader, picks, 4, seed=1)
    skipped = [next(first) for _ in range(3)]
    second.load_state_dict(first.state_dict())
    np.testing.assert_array_equal(next(first).target, next(second).target)
    assert not np.array_equal(skipped[0].target, skipped[1].target)
    with pytest.raises(ValueError, match="batch_size"):
        WindowBatches(reader, picks, 5).load_state_dict(first.state_dict())


def test_blocks_are_the_batch_in_order():
    values = np.random.default_rng(0).standard_normal(30)
    reader = WindowReader(series_of(values, dated=True), WindowShape(8, 4, 4, cycles=("day",)))
    whole = reader.read(np.zeros(5, int), np.array([10, 12, 14, 20, 3]))
    blocks = list(whole.blocks(2))
    assert [len(block.values) for block in blocks] == [2, 2, 1]
    for field in fields(whole):
        joined = np.concatenate([getattr(block, field.name) for block in blocks])
        np.testing.assert_array_equal(joined, getattr(whole, field.name))


def test_calendar_tells_the_weekday_and_the_season_of_the_year():
    times = np.array(["2024-01-01", "2024-01-08", "2024-01-04", "2024-07-01"], "M8[us]").astype(np.int64)
    week = calendar(times, ("week",))
    np.testing.assert_allclose(week[0], week[1], atol=1e-6)
    assert np.abs(week[0] - week[2]).max() > 0.5
    year = calendar(times, ("year",))
    assert year[0, 1] > 0.99
    assert year[3, 1] < -0.99


def test_cycles_need_dates_that_were_seen_twice():
    assert cycles_of(series_of(np.ones(20), dated=True)) == ("week",)
    assert cycles_of(series_of(np.ones(800), dated=True)) == ("week", "year")
    assert cycles_of(series_of(np.ones(800))) == ()


def test_mase_scales_are_those_of_repeating_the_season():
    errors = mase_scales(series_of([1.0, 2, 3, 5], [4.0, 4, 4, 4]), 2)
    assert errors.tolist() == [2.5, 1.0]
    assert mase_scales(series_of([1.0, 3.0], [np.nan] * 3), 2).tolist() == [1.0, 1.0]


def test_places_count_from_the_beginning_of_each_series():
    assert series_of([5.0, 6, 7], [], [8.0, 9]).places.tolist() == [0, 1, 2, 0, 1]
