"""The recursive decoder: sampled paths, a state that updates carry, saving and resuming."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
import torch

from holdfast.errors import CheckpointError, ConfigError
from holdfast.tasks.forecast import ForecastConfig, Forecaster
from holdfast.tasks.forecast.config import ForecastTraining, WindowSettings
from holdfast.tasks.forecast.paths import PATHS, even_chances
from holdfast.tasks.forecast.steps import StepReader
from holdfast.tasks.forecast.windows import WindowShape
from tests.tasks.forecast.forecast_samples import small_forecaster, small_frame
from tests.tasks.forecast.test_stream import FITTED, days, with_gaps
from tests.tasks.forecast.test_windows import series_of


def recursive(**fields) -> Forecaster:
    return small_forecaster(**{"decoder": "recursive", "seed": 0, **fields})


@pytest.fixture(scope="module")
def fitted() -> Forecaster:
    return recursive(steps=10).fit(FITTED, quiet=True)


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn+learned_state"])
@pytest.mark.parametrize("loss", ["quantile", "student"])
def test_every_cell_and_loss_forecasts_a_season(cell, loss):
    truth = small_frame(length=84)
    forecaster = recursive(cell=cell, loss=loss, num_layers=2, seeds=2).fit(small_frame(), quiet=True)
    forecast = forecaster.predict(level=[80, 95])
    merged = truth.merge(forecast, on=["unique_id", "ds"])
    name = forecaster.name
    assert len(merged) == 12
    assert (merged["y"] - merged[name]).abs().mean() < 0.25  # the season's amplitude is 1, the noise 0.1
    order = [f"{name}-lo-95", f"{name}-lo-80", name, f"{name}-hi-80", f"{name}-hi-95"]
    assert (np.diff(forecast[order].to_numpy(), axis=1) > 0).all()


def test_training_improves_on_the_linear_start_where_the_rule_is_not_linear():
    values = [0.3]
    for _ in range(1200):
        values.append(3.8 * values[-1] * (1 - values[-1]))  # the logistic map: no linear rule foresees it
    frame = pd.DataFrame({"unique_id": "chaos", "ds": np.arange(1201), "y": np.array(values) + 5})
    training = ForecastTraining(max_steps=200, evaluate_every=50, learning_rate=1e-2)
    forecaster = recursive(horizon=2, season=1, hidden_size=32, train=training).fit(frame[:1100], quiet=True)
    assert forecaster.result.best < 0.3 * forecaster.start_loss
    assert not forecaster.linear_kept
    found = forecaster.cross_validation(frame, 40, 2)
    apart = (found["LSTM"] - found["y"]).abs()
    assert apart[::2].mean() < 0.05  # one step
    assert apart[1::2].mean() < 0.12  # two: the error of the first grows by its rule


@pytest.mark.parametrize("fields", [{}, {"cell": "gru", "num_layers": 2, "seeds": 2}, {"cell": "lstm+learned_state"}])
def test_a_carried_state_is_that_of_reading_from_the_start(tmp_path, fields):
    whole = with_gaps()
    forecaster = recursive(windows=WindowSettings(context=16), **fields).fit(days(whole, 0, 70), quiet=True)
    forecaster.save_pretrained(tmp_path / "model")
    loaded = Forecaster.from_pretrained(tmp_path / "model")
    loaded.update(days(whole, 0, 20))
    ends = [*range(20, 60), 70, 71, 95, 140, 158, 159, 160]
    for first, last in pairwise(ends):
        if len(days(whole, first, last)):
            loaded.update(days(whole, first, last))
    carried = loaded._stream.carried
    fresh = loaded._decoder().carry(loaded._data[0])
    for one, other in zip(carried.states, fresh.states, strict=True):
        for mine, theirs in zip(*((one, other) if isinstance(one, tuple) else ((one,), (other,))), strict=True):
            assert torch.equal(mine, theirs)
    expected = loaded.predict(whole, level=[80])
    assert expected["unique_id"].nunique() == 3
    pd.testing.assert_frame_equal(loaded.predict(level=[80]), expected, check_exact=True)


def late_frame(kind: str) -> pd.DataFrame:
    """Return series whose first steps say nothing of the rest, beside an ordinary one."""
    random = np.random.default_rng(0)
    values = 500 + 10 * np.sin(np.arange(60) * np.pi / 4) + random.standard_normal(60)
    first = {
        "zeros": np.zeros(24),
        "missing": np.full(24, np.nan),
        "near flat": 10 + 0.01 * random.standard_normal(24),
        "stuck": np.full(24, 500.0),
    }[kind]
    late = pd.DataFrame({"unique_id": "late", "ds": np.arange(50), "y": np.concatenate([first, values[:26]])})
    return pd.concat([late, pd.DataFrame({"unique_id": "usual", "ds": np.arange(60), "y": values})])


@pytest.fixture(scope="module")
def high() -> Forecaster:
    values = 500 + 10 * np.sin(np.arange(160) * np.pi / 4) + np.random.default_rng(1).standard_normal(160)
    frame = pd.DataFrame({"unique_id": "a", "ds": np.arange(160), "y": values})
    return recursive(windows=WindowSettings(context=24, transform="none")).fit(frame, quiet=True)


@pytest.mark.parametrize("kind", ["zeros", "missing", "near flat", "stuck"])
def test_a_series_whose_first_steps_say_nothing_of_the_rest_is_forecast_on_its_scale(high, kind):
    frame = late_frame(kind).query("unique_id == 'late'")
    for length in (42, 50):
        forecast = high.predict(frame[frame["ds"] < length], level=80)
        assert (forecast["LSTM"].between(450, 550)).all()
    if kind in ("missing", "stuck"):
        assert ((forecast["LSTM-hi-80"] - forecast["LSTM-lo-80"]) < 20).all()


@pytest.mark.parametrize("kind", ["zeros", "missing", "near flat", "stuck"])
@pytest.mark.parametrize("context", [14, 24])
def test_a_scale_that_still_changes_is_not_carried(high, tmp_path, kind, context):
    windows = WindowSettings(context=context, transform="none")
    forecaster = high if context == 24 else recursive(windows=windows).fit(FITTED, quiet=True)
    whole = late_frame(kind)
    if context != 24:
        whole["ds"] = pd.Timestamp("2021-01-01") + pd.to_timedelta(whole["ds"], unit="D")
    step = whole.groupby("unique_id").cumcount()
    forecaster.save_pretrained(tmp_path / "model")
    loaded = Forecaster.from_pretrained(tmp_path / "model").update(whole[step < 16])
    for first, last in pairwise([16, 17, 23, 24, 25, 26, 27, 30, 31, 47, 48, 49, 50, 59, 60]):
        loaded.update(whole[(step >= first) & (step < last)])
        expected = loaded.predict(whole[step < last], level=80)
        pd.testing.assert_frame_equal(loaded.predict(level=80), expected, check_exact=True)


def test_a_scale_does_not_depend_on_longer_company():
    series = [np.random.default_rng(number).normal(7, 3, length) for number, length in enumerate([14, 15, 21, 300])]
    shape, starts, ends = WindowShape(14, 4, 7), np.zeros(4, int), np.array([14, 15, 21, 300])
    together = StepReader(series_of(*series), shape).read_until(np.arange(4), starts, ends, ends)
    for row in range(4):
        alone = StepReader(series_of(series[row]), shape).read_until(starts[:1], starts[:1], ends[[row]], ends[[row]])
        assert (alone.centre[0], alone.scale[0]) == (together.centre[row], together.scale[row])


@pytest.mark.parametrize("lengths", [[2], [2] * 60, [2 if number % 5 == 0 else 30 for number in range(60)]])
def test_series_of_which_nothing_can_be_held_out_are_fitted(lengths):
    parts = [
        pd.DataFrame({"unique_id": f"s{number:02}", "ds": np.arange(length), "y": 10.0 + np.arange(length)})
        for number, length in enumerate(lengths)
    ]
    forecaster = recursive(season=1).fit(pd.concat(parts), quiet=True)
    assert np.isfinite(forecaster.predict(level=80).iloc[:, 2:].to_numpy()).all()
    if max(lengths) == 2:
        assert forecaster.linear_kept
        with pytest.raises(ConfigError, match="not calibrated"):
            forecaster.predict(level=80, conformal=True)


def test_an_update_reads_only_new_steps(fitted, monkeypatch):
    forecaster = recursive(windows=WindowSettings(context=16)).fit(days(FITTED, 0, 67), quiet=True)
    forecaster.update(days(FITTED, 67, 68))
    read = []
    forecaster_type = type(forecaster._decoder())
    original = forecaster_type._read
    monkeypatch.setattr(
        forecaster_type,
        "_read",
        lambda self, readers, steps, begun, opened: (
            read.append((steps.lengths - 1 - begun).max()) or original(self, readers, steps, begun, opened)
        ),
    )
    for day in range(68, 80):
        forecaster.update(days(FITTED, day, day + 1))
        forecaster.predict(level=80)
    assert read == [1] * 11 + [15]  # from a multiple of the context on, nearly that many anew


def test_cross_validation_sees_only_what_lies_before_the_cutoff(fitted):
    found = fitted.cross_validation(FITTED, n_windows=3, step_size=5, level=80)
    assert len(found) == 3 * 3 * 4
    for cutoff, part in found.groupby("cutoff"):
        alone = fitted.predict(FITTED[FITTED["ds"] <= cutoff], level=80)
        np.testing.assert_allclose(part[alone.columns[2:]], alone.iloc[:, 2:], rtol=1e-5)
    table = fitted.evaluate(FITTED, n_windows=2)
    assert {"LSTM", "SeasonalNaive", "Theta"} <= set(table.columns)


def test_forecasts_do_not_depend_on_their_company(fitted):
    new = small_frame(count=5, length=30, seed=3)
    forecast = fitted.predict(new, level=80)
    alone = fitted.predict(new[new["unique_id"] == "series 4"], level=80)
    np.testing.assert_allclose(forecast.iloc[:, 2:].tail(4), alone.iloc[:, 2:], rtol=1e-5)
    short = fitted.predict(new.groupby("unique_id").head(1), level=80)
    assert np.isfinite(short.iloc[:, 2:].to_numpy()).all()


def test_saved_resumed_and_equal_seeds(tmp_path, fitted):
    fitted.save_pretrained(tmp_path / "model")
    again = Forecaster.from_pretrained(tmp_path / "model")
    assert again.config == fitted.config
    pd.testing.assert_frame_equal(again.predict(FITTED, level=80), fitted.predict(level=80))
    conformal = fitted.predict(level=80, conformal=True)
    assert not conformal.equals(fitted.predict(level=80))
    pd.testing.assert_frame_equal(again.predict(FITTED, level=80, conformal=True), conformal)
    text = (tmp_path / "model" / "config.json").read_text()
    (tmp_path / "model" / "config.json").write_text(text.replace('"recursive"', '"direct"'))
    with pytest.raises(CheckpointError, match="do not fit together"):
        Forecaster.from_pretrained(tmp_path / "model")
    training = ForecastTraining(max_steps=8, evaluate_every=4, checkpoint_every=4, schedule="constant")
    whole = recursive(train=training).fit(FITTED, folder=tmp_path / "whole", quiet=True)
    recursive(train=replace(training, max_steps=4)).fit(FITTED, folder=tmp_path / "parts", quiet=True)
    parts = recursive(train=training).fit(FITTED, folder=tmp_path / "parts", quiet=True)
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, parts.model.state_dict()[name]), name


def test_further_columns_are_used():
    random = np.random.default_rng(0)
    frame = small_frame(count=2, length=200, noise=0.01)
    frame["price"], frame["weather"] = random.standard_normal((2, len(frame)))
    frame["kind"] = frame["unique_id"].str[-1].astype(float)
    frame["y"] += 2 * frame["price"]
    known, future = frame[frame["ds"] < "2021-07-16"], frame[frame["ds"] >= "2021-07-16"][["unique_id", "ds", "price"]]
    windows = WindowSettings(context=8, historic=("weather",), future=("price",), static=("kind",))
    training = ForecastTraining(max_steps=200, evaluate_every=100, learning_rate=1e-2)
    forecaster = recursive(windows=windows, train=training).fit(known, quiet=True)
    assert forecaster.result.best < 0.5 * forecaster.start_loss
    forecast, other = forecaster.predict(X_df=future), forecaster.predict(X_df=future.assign(price=-2.0))
    assert (forecast["LSTM"] - other["LSTM"]).abs().groupby(forecast["unique_id"]).min().max() > 0.2


@pytest.mark.parametrize(
    "values", [[5.0] * 40, [0.0] * 40, [np.nan] * 20 + [1.0, 2.0] * 10, [1.0, 2.0, 3.0], [1e12] * 30]
)
def test_odd_series_give_finite_forecasts(values):
    frame = pd.DataFrame({"unique_id": "a", "ds": np.arange(len(values)), "y": values})
    forecast = recursive(season=2).fit(frame, quiet=True).predict(level=80)
    assert np.isfinite(forecast.iloc[:, 2:].to_numpy()).all()


def test_chances_are_even_and_settings_checked():
    chances = even_chances(0, 5)
    np.testing.assert_allclose(
        np.sort(chances, axis=0), np.repeat((np.arange(PATHS) + 0.5)[:, None] / PATHS, 5, axis=1)
    )
    assert (even_chances(0, 3) == chances[:, :3]).all()
    assert not np.array_equal(chances[:, 0], chances[:, 1])
    with pytest.raises(ConfigError, match="leave patch and base out"):
        ForecastConfig(decoder="recursive", windows=WindowSettings(base="last"))
    with pytest.raises(ConfigError, match="decoder must be one of"):
        Forecaster(decoder="both")
