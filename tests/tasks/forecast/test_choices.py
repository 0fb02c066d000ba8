"""What is chosen for series that are short, have gaps or leave little choice: no refusal, and no wild forecast."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from holdfast.errors import DataError
from holdfast.tasks.forecast.config import WindowSettings
from holdfast.tasks.forecast.decode import conformal_moves, conformal_rank
from holdfast.tasks.forecast.direct import choose_patch
from holdfast.tasks.forecast.folds import Split, split_series
from holdfast.tasks.forecast.linear import LONGEST_CONTEXT, choose_shape, context_choices, fit_linear, without_gaps
from holdfast.tasks.forecast.model import MEDIAN, QUANTILES
from holdfast.tasks.forecast.windows import WindowShape
from tests.tasks.forecast.forecast_samples import series_of, small_forecaster


def test_logarithms_are_not_chosen_where_a_held_out_value_has_none():
    values = 20 + np.random.default_rng(0).standard_normal(120)
    values[-3:] = -1.0
    split = split_series(series_of(values), 4, 4, 0)
    assert choose_shape(split, WindowShape(0, 4, 4), WindowSettings())[0].transform == "none"
    with pytest.raises(DataError, match="logarithms"):
        choose_shape(split, WindowShape(0, 4, 4), WindowSettings(transform="log"))


def test_a_few_missing_values_keep_the_linear_forecast():
    random, steps = np.random.default_rng(0), np.arange(1500)
    slow = 3 * np.sin(2 * np.pi * steps / 400)
    whole = slow + np.sin(2 * np.pi * steps / 24) + 0.2 * random.standard_normal(1500)
    gaps = np.where(random.random(1500) < 0.02, np.nan, whole)
    shape = WindowShape(48, 200, 24, base="season")
    full, thin = (fit_linear(split_series(series_of(each), 200, 24, 0), shape, 2000) for each in (whole, gaps))
    assert thin.start.weight.any()
    assert thin.loss < 1.1 * full.loss


def test_gaps_among_targets_lie_on_a_straight_line():
    target = np.array([[1, 0, 3, 0, 0, 9], [0, 2, 0, 4, 5, 0], [1, 2, 3, 4, 5, 6], [0, 0, 7, 0, 0, 0]], np.float32)
    known = np.array([[1, 0, 1, 0, 0, 1], [0, 1, 0, 1, 1, 0], [1] * 6, [0, 0, 1, 0, 0, 0]], np.float32)
    found = without_gaps(target, known)
    assert found.tolist() == [[1, 2, 3, 5, 7, 9], [2, 2, 3, 4, 5, 5], [1, 2, 3, 4, 5, 6], [7] * 6]
    assert found.dtype == np.float32
    assert np.isfinite(without_gaps(target, np.zeros_like(known))).all()


@pytest.mark.parametrize("patch", [5, 7])
def test_chosen_contexts_are_multiples_of_the_patch_asked_for(patch):
    values = 10 + np.sin(np.arange(300) * 2 * np.pi / 12)
    split = split_series(series_of(values), 6, 12, 0)
    choices = context_choices(split, WindowShape(0, 6, 12), patch)
    assert choices == sorted(set(choices))
    assert all(length % patch == 0 for length in choices)
    forecaster = small_forecaster(season=12, windows=WindowSettings(patch=patch))
    frame = pd.DataFrame({"unique_id": "a", "ds": np.arange(300), "y": values})
    assert np.isfinite(forecaster.fit(frame, quiet=True).predict()["LSTM"]).all()


def test_a_very_long_season_does_not_make_the_context_as_long():
    split = split_series(series_of(np.random.default_rng(0).standard_normal(20_000)), 24, 8760, 0)
    assert max(context_choices(split, WindowShape(0, 24, 8760))) <= LONGEST_CONTEXT
    assert max(context_choices(split, WindowShape(0, 24, 168))) == 672


@pytest.mark.parametrize("length", [3, 5, 8, 11, 14, 17, 20, 24])
def test_the_forecast_of_a_short_ramp_goes_on_between_level_and_trend(length):
    ramp = 100 + 3.0 * np.arange(length)
    frame = pd.DataFrame({"unique_id": "a", "ds": np.arange(length), "y": ramp})
    forecaster = small_forecaster(horizon=8, season=1, steps=2).fit(frame, quiet=True)
    found = forecaster.predict()["LSTM"].to_numpy()
    assert (found > ramp[-1] - 3).all()
    assert (found < ramp[-1] + 3.0 * np.arange(1, 9) + 3).all()


def test_a_fold_without_known_values_leaves_its_weight_to_the_others():
    series = series_of(np.arange(40.0))
    split = Split(series, series, np.array([8]), np.array([8]))
    costs = [np.full((2, 3), np.nan), np.full((2, 3), 1.0), np.full((2, 3), 2.0), np.full((4, 3), 6.0)]
    assert split.mean_loss(costs) == 3.0
    assert split.mean_loss([np.full((1, 3), 5.0), *costs[1:]]) == 4.0
    assert split.mean_loss(costs[:1]) == 0.0


def test_a_context_without_parts_is_not_read_in_one_step():
    assert choose_patch(97, 1) == 1
    assert choose_patch(194, 24) == 2
    for context, season, patch in ((64, 1, 1), (96, 12, 2), (336, 24, 8), (730, 365, 73), (132, 132, 3)):
        assert choose_patch(context, season) == patch


def test_steps_with_few_held_out_values_share_one_calibration():
    gaps = np.random.default_rng(0).standard_normal((120, 40, len(QUANTILES)))
    gaps[:30, ::2] = np.nan  # leaves 90 of every other step
    moves = conformal_moves(gaps)
    for place, quantile in enumerate(QUANTILES):
        if place == MEDIAN:
            assert not moves[:, place].any()
            continue
        known = gaps[..., place][~np.isnan(gaps[..., place])]
        assert (moves[::2, place] == np.quantile(known, conformal_rank(quantile, len(known)))).all()
        own = [np.quantile(gaps[:, step, place], conformal_rank(quantile, 120)) for step in range(1, 40, 2)]
        assert moves[1::2, place].tolist() == own
    assert not conformal_moves(np.full((3, 4, len(QUANTILES)), np.nan)).any()


def test_calibration_of_a_long_horizon_sorts_what_steps_share_once(monkeypatch):
    taken = []
    quantile = np.quantile
    monkeypatch.setattr(np, "quantile", lambda *given: taken.append(1) or quantile(*given))
    conformal_moves(np.random.default_rng(0).standard_normal((20, 50, len(QUANTILES))))
    assert len(taken) == len(QUANTILES)
