"""The forecaster: frames in and out, quality on a known rule, equal seeds, saving, resuming, refusals."""

from __future__ import annotations

import shutil
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from holdfast.errors import CheckpointError, ConfigError, DataError
from holdfast.tasks.forecast import ForecastConfig, Forecaster
from holdfast.tasks.forecast.config import ForecastTraining, WindowSettings
from holdfast.tasks.forecast.decode import at_level, conformal_moves, conformal_rank
from holdfast.tasks.forecast.model import QUANTILES, outputs_around
from tests.tasks.forecast.forecast_samples import small_forecaster, small_frame

FRAME = small_frame()


@pytest.fixture(scope="module")
def fitted() -> Forecaster:
    return small_forecaster(steps=10, seed=0).fit(FRAME, quiet=True)


def test_forecast_is_a_long_frame_with_ordered_intervals(fitted):
    forecast = fitted.predict(level=[80, 95])
    assert forecast.columns.tolist() == [
        "unique_id", "ds", "LSTM", "LSTM-lo-80", "LSTM-hi-80", "LSTM-lo-95", "LSTM-hi-95",
    ]  # fmt: skip
    assert len(forecast) == 12
    assert forecast["ds"].iloc[0] == pd.Timestamp("2021-01-01") + pd.Timedelta(days=80)
    order = ["LSTM-lo-95", "LSTM-lo-80", "LSTM", "LSTM-hi-80", "LSTM-hi-95"]
    assert (np.diff(forecast[order].to_numpy(), axis=1) > 0).all()


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
@pytest.mark.parametrize("loss", ["quantile", "student"])
def test_every_cell_and_loss_forecasts_a_season(cell, loss):
    truth = small_frame(length=84)
    forecast = small_forecaster(cell=cell, loss=loss, num_layers=2, seeds=2).fit(FRAME, quiet=True).predict(level=80)
    assert forecast.columns[2] == cell.upper()
    merged = truth.merge(forecast, on=["unique_id", "ds"])
    assert len(merged) == 12
    assert (merged["y"] - merged[cell.upper()]).abs().mean() < 0.25  # the season's amplitude is 1, the noise 0.1
    assert (merged[f"{cell.upper()}-lo-80"] < merged[f"{cell.upper()}-hi-80"]).all()


def test_training_improves_on_the_linear_forecast_where_the_rule_is_not_linear():
    random = np.random.default_rng(0)
    values = [0.3]
    for _ in range(1200):
        values.append(3.8 * values[-1] * (1 - values[-1]))  # the logistic map: no linear rule foresees it
    frame = pd.DataFrame(
        {"unique_id": "chaos", "ds": np.arange(1201), "y": np.array(values) + 5 + 1e-3 * random.random(1201)}
    )
    windows = WindowSettings(context=4, base="level")
    training = ForecastTraining(max_steps=300, evaluate_every=100, learning_rate=1e-2)
    forecaster = Forecaster(horizon=1, season=1, hidden_size=32, windows=windows, train=training, seed=0)
    forecaster.fit(frame, quiet=True)
    assert forecaster.result.best < 0.5 * forecaster.start_loss


def test_the_linear_forecast_is_kept_where_training_finds_nothing_better(tmp_path):
    training = ForecastTraining(max_steps=2, learning_rate=0.5, clip_norm=None)
    forecaster = small_forecaster(train=training, seed=0).fit(FRAME, quiet=True)
    assert forecaster.result.best > forecaster.start_loss
    assert not forecaster.model.modules_by_name["output0"].weight.any()
    assert forecaster.linear_kept
    forecaster.save_pretrained(tmp_path / "model")
    assert Forecaster.from_pretrained(tmp_path / "model").linear_kept


def test_training_prints_measures_on_held_out_steps_beside_baselines(capsys):
    training = ForecastTraining(max_steps=2, learning_rate=0.5, clip_norm=None)
    small_forecaster(train=training, seed=0).fit(FRAME)
    shown = capsys.readouterr().out
    assert "9 forecasts of 3 series" in shown
    assert all(word in shown for word in ("LSTM", "SeasonalNaive", "Theta", "MASE", "coverage-80"))
    assert "the column LSTM holds a linear forecast" in shown
    few = pd.DataFrame({"unique_id": "a", "ds": [1, 2], "y": [1.0, 2.0]})
    small_forecaster(season=1).fit(few)
    assert "too short to hold steps out" in capsys.readouterr().out


def test_measures_of_many_short_series_are_taken_of_a_sample(capsys):
    frame = small_frame(count=1500, length=9, noise=0.4)
    windows = WindowSettings(base="level", linear=False)
    forecaster = small_forecaster(steps=20, windows=windows).fit(frame, quiet=False)
    shown = capsys.readouterr().out
    assert "200 forecasts of a sample of 200 of the 300 series held out" in shown
    assert not forecaster.linear_kept


def test_where_no_held_out_value_is_known_the_start_is_kept_and_said_so(capsys):
    frame = FRAME.assign(y=FRAME["y"].where(FRAME["ds"] < "2021-02-20"))
    forecaster = small_forecaster(seed=0).fit(frame)
    shown = capsys.readouterr().out
    assert "no held-out value is known" in shown
    assert np.isnan(forecaster.start_loss)
    assert forecaster.linear_kept
    with pytest.raises(ConfigError, match="not calibrated"):
        forecaster.predict(conformal=True)


@pytest.mark.parametrize("absent", ["history", "utilsforecast"])
def test_what_cannot_be_measured_does_not_lose_what_was_trained(tmp_path, capsys, monkeypatch, absent):
    frame = FRAME
    if absent == "utilsforecast":
        monkeypatch.setitem(sys.modules, "utilsforecast", None)
    else:  # of the series whose ends are held out, only those ends are known
        frame = small_frame(count=51)
        turn = frame["unique_id"].str[7:].astype(int) % 5
        frame["y"] = frame["y"].where((turn > 0) | (frame["ds"] > frame["ds"].max() - pd.Timedelta(days=4)))
    forecaster = small_forecaster(seed=0).fit(frame, folder=tmp_path)
    assert "nothing was measured" in capsys.readouterr().out
    assert forecaster.model.modules_by_name["refit"].weight.any()
    pd.testing.assert_frame_equal(Forecaster.from_pretrained(tmp_path).predict(frame), forecaster.predict())


def test_a_fit_that_is_refused_changes_nothing(tmp_path):
    monthly = FRAME.assign(ds=np.tile(pd.date_range("2014-01-01", periods=80, freq="MS"), 3))
    forecaster = small_forecaster(seed=0).fit(monthly, quiet=True)
    expected = forecaster.predict(level=80)
    one = pd.DataFrame({"unique_id": ["a"], "ds": [pd.Timestamp("2020-01-01")], "y": [2.0]})
    with pytest.raises(DataError, match="two known values"):
        forecaster.fit(one, freq="D", quiet=True)
    small_forecaster(seed=0, cell="gru").fit(FRAME, folder=tmp_path, quiet=True)
    with pytest.raises(ConfigError, match="Choose another folder"):
        forecaster.fit(FRAME, folder=tmp_path, quiet=True)
    pd.testing.assert_frame_equal(forecaster.predict(monthly, level=80), expected)
    pd.testing.assert_frame_equal(forecaster.predict(level=80), expected)


def test_a_student_network_runs_where_its_outputs_are():
    raw, middle = torch.zeros(2, 3, device="meta"), torch.zeros(2, device="meta")
    assert outputs_around(middle, raw, "student").device.type == "meta"


def test_equal_seeds_give_equal_forecasts():
    first, second, other = (small_forecaster(seed=seed).fit(FRAME, quiet=True) for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(first.predict(level=90), second.predict(level=90))
    assert not np.array_equal(
        first.model.modules_by_name["recurrent0"].weight_ih_l0.detach(),
        other.model.modules_by_name["recurrent0"].weight_ih_l0.detach(),
    )


def test_new_series_are_forecast_without_fitting_again(fitted):
    new = small_frame(count=5, length=30, seed=3)
    forecast = fitted.predict(new)
    assert forecast["unique_id"].nunique() == 5
    alone = fitted.predict(new[new["unique_id"] == "series 4"])
    np.testing.assert_allclose(forecast["LSTM"].tail(4), alone["LSTM"], rtol=1e-5)


def test_forecast_of_a_shifted_and_scaled_series_is_shifted_and_scaled(fitted):
    new = small_frame(count=1, length=40, seed=3)
    moved = new.assign(y=1000 + 50 * new["y"])
    settings = fitted.shape.transform
    assert settings == "none" or settings == "log"
    if settings == "log":
        moved = new.assign(y=50 * new["y"])
        expected = 50 * fitted.predict(new)["LSTM"]
    else:
        expected = 1000 + 50 * fitted.predict(new)["LSTM"]
    np.testing.assert_allclose(fitted.predict(moved)["LSTM"], expected, rtol=1e-4)


def test_cross_validation_sees_only_what_lies_before_the_cutoff(fitted):
    forecast = fitted.cross_validation(FRAME, n_windows=3, step_size=2, level=80)
    assert len(forecast) == 3 * 3 * 4
    assert forecast.columns[:4].tolist() == ["unique_id", "ds", "cutoff", "y"]
    cutoff = forecast["cutoff"].iloc[0]
    before = FRAME[FRAME["ds"] <= cutoff]
    alone = fitted.predict(before)
    first = forecast[forecast["cutoff"] == cutoff]
    np.testing.assert_allclose(first["LSTM"], alone["LSTM"], rtol=1e-5)
    assert first["ds"].tolist() == alone["ds"].tolist()


def test_evaluation_stands_beside_the_baselines(fitted):
    table = fitted.evaluate(FRAME, n_windows=2)
    assert {"LSTM", "SeasonalNaive", "Theta"} <= set(table.columns)
    assert {"MASE", "sMAPE", "OWA", "coverage-80"} <= set(table.index)
    assert table.loc["MASE", "LSTM"] < table.loc["MASE", "Naive"]


def test_conformal_intervals_cover_as_they_should():
    frame = small_frame(count=60, length=60, noise=0.4)
    forecaster = small_forecaster(steps=20).fit(
        frame[frame["ds"] < frame["ds"].max() - pd.Timedelta(days=3)], quiet=True
    )
    covered = forecaster.evaluate(frame, level=[80], conformal=True).loc["coverage-80", "LSTM"]
    assert 0.68 < covered < 0.92


def test_further_columns_are_used():
    random = np.random.default_rng(0)
    frame = small_frame(count=2, length=200, noise=0.01)
    frame["price"] = random.standard_normal(len(frame))
    frame["weather"] = random.standard_normal(len(frame))
    frame["kind"] = frame["unique_id"].str[-1].astype(float)
    frame["y"] += 2 * frame["price"]
    known, future = frame[frame["ds"] < "2021-07-16"], frame[frame["ds"] >= "2021-07-16"]
    windows = WindowSettings(context=8, historic=("weather",), future=("price",), static=("kind",))
    training = ForecastTraining(max_steps=300, evaluate_every=100, learning_rate=1e-2)
    forecaster = small_forecaster(windows=windows, train=training).fit(known, quiet=True)
    assert forecaster.result.best < 0.5 * forecaster.start_loss
    forecast = forecaster.predict(X_df=future[["unique_id", "ds", "price"]])
    other = forecaster.predict(X_df=future[["unique_id", "ds", "price"]].assign(price=-2.0))
    assert (forecast["LSTM"] - other["LSTM"]).abs().max() > 0.5
    with pytest.raises(ConfigError, match="X_df"):
        forecaster.predict()
    with pytest.raises(DataError, match="such steps"):
        forecaster.predict(X_df=future[["unique_id", "ds", "price"]].head(2))
    changing = WindowSettings(static=("price",))
    with pytest.raises(DataError, match="not static"):
        small_forecaster(windows=changing).fit(known, quiet=True)


@pytest.mark.parametrize(
    "values",
    [
        [5.0] * 40,
        [0.0] * 40,
        [np.nan] * 20 + [1.0, 2.0] * 10,
        [1e12, 1e12 + 1] * 20,
        [1e-9, 2e-9] * 20,
        [1.0, 2.0, 3.0],
    ],
)
def test_odd_series_give_finite_forecasts(values):
    frame = pd.DataFrame({"unique_id": "a", "ds": np.arange(len(values)), "y": values})
    forecast = small_forecaster(season=2).fit(frame, quiet=True).predict(level=80)
    assert np.isfinite(forecast.iloc[:, 2:].to_numpy()).all()
    if len(set(values)) == 1:
        np.testing.assert_allclose(forecast["LSTM"], values[0], atol=1e-3)


def test_loaded_forecaster_equals_the_saved_one(tmp_path, fitted):
    fitted.save_pretrained(tmp_path / "model")
    again = Forecaster.from_pretrained(tmp_path / "model")
    assert again.config == fitted.config
    assert again.shape == fitted.shape
    pd.testing.assert_frame_equal(again.predict(FRAME, level=80), fitted.predict(level=80))
    conformal = fitted.predict(level=80, conformal=True)
    pd.testing.assert_frame_equal(again.predict(FRAME, level=80, conformal=True), conformal)
    with pytest.raises(ConfigError, match="holds no data"):
        again.predict()


@pytest.mark.parametrize("freq", ["15min", "h", "D", "B", "W", "MS", "QS", "YS", 1])
def test_forecaster_of_every_usual_frequency_is_saved_and_loaded(tmp_path, freq):
    times = np.arange(60) if freq == 1 else pd.date_range("2021-03-01", periods=60, freq=freq)
    frame = pd.DataFrame({"unique_id": "a", "ds": times, "y": np.random.default_rng(0).normal(10, 1, 60)})
    forecaster = small_forecaster(1, season=0).fit(frame, folder=tmp_path, quiet=True)
    loaded = Forecaster.from_pretrained(tmp_path)
    assert loaded.shape == forecaster.shape
    pd.testing.assert_frame_equal(loaded.predict(frame), forecaster.predict(frame))


def test_forecasts_come_back_in_the_zone_of_the_data(tmp_path):
    hours = pd.date_range("2024-03-28 05:00", periods=70, freq="h", tz="Europe/Paris")  # the clock changes on the 31st
    frame = pd.DataFrame({"unique_id": "a", "ds": hours, "y": np.random.default_rng(0).normal(10, 1, 70)})
    forecaster = small_forecaster(1, season=24).fit(frame, quiet=True)
    forecast = forecaster.predict()
    expected = pd.date_range("2024-03-28 05:00", periods=74, freq="h", tz="Europe/Paris")[-4:]
    assert list(forecast["ds"]) == list(expected)
    crossed = forecaster.cross_validation(n_windows=2)
    assert list(crossed["ds"]) == list(hours[-8:])
    assert set(crossed["cutoff"]) == {hours[-9], hours[-5]}
    assert forecaster.evaluate(frame).loc["MASE", "LSTM"] > 0
    forecaster.plot(frame, forecast, tmp_path / "zoned.png")
    frame.to_csv(tmp_path / "zoned.csv", index=False)
    written = forecaster.predict(tmp_path / "zoned.csv")
    np.testing.assert_array_equal(written["LSTM"], forecast["LSTM"])
    assert list(written["ds"]) == list(expected)
    forecaster.save_pretrained(tmp_path / "model")
    pd.testing.assert_frame_equal(Forecaster.from_pretrained(tmp_path / "model").predict(frame), forecast)
    windows = tmp_path / "model" / "windows.json"
    windows.write_text(windows.read_text().replace("Europe/Paris", "Europe/Atlantis"))
    with pytest.raises(CheckpointError):
        Forecaster.from_pretrained(tmp_path / "model")


def test_every_cut_off_file_is_refused(tmp_path, fitted):
    fitted.save_pretrained(tmp_path / "model")
    for name in ("config.json", "model.safetensors", "windows.json"):
        whole = (tmp_path / "model" / name).read_bytes()
        for length in (0, len(whole) // 2, len(whole) - 2):
            folder = shutil.copytree(tmp_path / "model", tmp_path / f"{name}-{length}")
            (folder / name).write_bytes(whole[:length])
            with pytest.raises(CheckpointError, match=name):
                Forecaster.from_pretrained(folder)


def test_irregular_times_are_resampled_by_the_saved_model_too(tmp_path):
    random = np.random.default_rng(0)
    jittered = FRAME.assign(ds=FRAME["ds"] + pd.to_timedelta(random.integers(0, 86_000, len(FRAME)), unit="s"))
    with pytest.raises(DataError, match="irregular='resample'"):
        small_forecaster().fit(jittered, quiet=True)
    forecaster = small_forecaster(seed=0).fit(jittered, irregular="resample", quiet=True)
    forecaster.save_pretrained(tmp_path / "model")
    again = Forecaster.from_pretrained(tmp_path / "model").predict(jittered.tail(60))
    regular = small_forecaster(seed=0).fit(FRAME, quiet=True)
    pd.testing.assert_frame_equal(forecaster.predict(), regular.predict())
    pd.testing.assert_frame_equal(again, regular.predict(FRAME.tail(60)))


@pytest.mark.parametrize("count", [1, 3, 9])
def test_plot_speaks_of_the_columns_that_fit_was_told(tmp_path, monkeypatch, count):
    figures = []
    monkeypatch.setattr("matplotlib.figure.Figure.savefig", lambda figure, *_, **__: figures.append(figure))
    frame = small_frame(count=count).rename(columns={"unique_id": "shop", "ds": "day", "y": "sales"})
    forecaster = small_forecaster().fit(frame, id="shop", time="day", target="sales", quiet=True)
    forecast = forecaster.predict(level=[80, 95])
    forecaster.plot(frame, forecast, tmp_path / "out.png")
    (figure,) = figures
    panels = [panel for panel in figure.axes if panel.get_visible()]
    assert [panel.get_title(loc="left") for panel in panels] == [f"series {n}" for n in range(min(count, 6))]
    assert {(panel.get_xlabel(), panel.get_ylabel()) for panel in panels} == {("day", "sales")}
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend == ["sales", "95 % interval", "80 % interval", "LSTM forecast"]
    assert [text.get_text() for text in figure.texts] == (["the first 6 of 9 series"] if count > 6 else [])
    with pytest.raises(DataError, match="what predict returned"):
        forecaster.plot(frame, frame, tmp_path / "out.png")
    with pytest.raises(DataError, match="None of the forecast's series"):
        forecaster.plot(frame, forecast.assign(unique_id="other"), tmp_path / "out.png")


def test_a_run_that_was_stopped_ends_as_if_it_was_not(tmp_path):
    training = ForecastTraining(max_steps=12, evaluate_every=4, checkpoint_every=4, schedule="constant")
    whole = small_forecaster(train=training).fit(FRAME, folder=tmp_path / "whole", quiet=True)
    small_forecaster(train=replace(training, max_steps=8)).fit(FRAME, folder=tmp_path / "parts", quiet=True)
    parts = small_forecaster(train=training).fit(FRAME, folder=tmp_path / "parts", quiet=True)
    assert parts.result.steps == 12
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, parts.model.state_dict()[name]), name


def test_wrong_settings_and_data_are_refused(fitted):
    with pytest.raises(ConfigError, match="horizon"):
        Forecaster(horizon=0)
    with pytest.raises(ConfigError, match="multiple of patch"):
        WindowSettings(context=10, patch=3)
    with pytest.raises(ConfigError, match="level"):
        fitted.predict(level=[180])
    with pytest.raises(DataError, match="too few"):
        fitted.cross_validation(FRAME, n_windows=100)
    with pytest.raises(DataError, match="two known values"):
        small_forecaster().fit(pd.DataFrame({"unique_id": ["a"], "ds": [1], "y": [2.0]}), quiet=True)
    with pytest.raises(ConfigError, match="Call fit first"):
        Forecaster().predict()
    logs = small_forecaster(windows=WindowSettings(transform="log")).fit(FRAME, quiet=True)
    with pytest.raises(DataError, match="logarithms"):
        logs.predict(FRAME.assign(y=FRAME["y"] - 100))


def test_settings_go_to_json_and_back():
    config = ForecastConfig(windows=WindowSettings(future=("price",)), horizon=3)
    fields = config.to_dict()
    fields["windows"]["future"] = list(fields["windows"]["future"])
    assert ForecastConfig.from_dict(fields) == config


def test_levels_between_the_learnt_ones_are_drawn_on():
    quantiles = np.array([-1.96, -1.645, -1.2816, -0.6745, 0, 0.6745, 1.2816, 1.645, 1.96])
    for share, expected in ((0.9, 1.2816), (0.8, 0.8416), (0.995, 2.576), (0.005, -2.576)):
        assert at_level(quantiles, share) == pytest.approx(expected, abs=5e-3)
    assert len(QUANTILES) == len(quantiles)


def test_conformal_rank_goes_outwards():
    assert conformal_rank(0.9, 99) == pytest.approx(0.9 + 0.9 / 99)
    assert conformal_rank(0.1, 99) == pytest.approx(1 - conformal_rank(0.9, 99))


def test_after_training_the_forecast_knows_of_the_held_out_steps():
    forecaster = small_forecaster(seed=0).fit(FRAME, quiet=True)
    added = forecaster.model.modules_by_name["refit"].weight.clone()
    assert added.abs().max() > 0
    assert not forecaster.model.modules_by_name["refit"].weight.requires_grad
    start = forecaster.start_loss
    forecaster.fit(FRAME, quiet=True)  # goes on, and is not measured by what knows of the held-out steps
    assert forecaster.start_loss <= start
    assert torch.equal(forecaster.model.modules_by_name["refit"].weight, added)


def test_the_held_out_steps_stay_unknown_where_refit_is_off():
    forecaster = small_forecaster(seed=0, windows=WindowSettings(refit=False)).fit(FRAME, quiet=True)
    assert not forecaster.model.modules_by_name["refit"].weight.any()


def test_windows_that_share_values_count_as_few():
    gaps = np.repeat(np.random.default_rng(0).standard_normal((400, 3))[..., None], len(QUANTILES), axis=-1)
    many, few = conformal_moves(gaps), conformal_moves(gaps, independent=3)
    upper = QUANTILES.index(0.9)
    np.testing.assert_allclose(many[:, upper], np.quantile(gaps[:, :, 0], 0.9, axis=0), atol=0.05)
    np.testing.assert_allclose(few[:, upper], gaps[:, :, upper].max(axis=0))
    np.testing.assert_allclose(few[:, QUANTILES.index(0.1)], gaps[:, :, 0].min(axis=0))
