"""The forecaster on real series: better than repeating the season, also where a run is short."""

from __future__ import annotations

from benchmarks.forecast_sets import SETS
from holdfast import Forecaster
from holdfast.tasks.forecast.baselines import forecast_baselines
from holdfast.tasks.forecast.config import ForecastTraining
from holdfast.tasks.forecast.score import score


def scores(data_folder, name: str, steps: int):
    data = SETS[name](data_folder)
    train, test = data.split()
    training = ForecastTraining(max_steps=steps, evaluate_every=steps // 2)
    forecaster = Forecaster(horizon=data.horizons[0], season=data.season, train=training, seed=0)
    forecast = forecaster.fit(train.frame, freq=train.freq, quiet=True).predict(level=[80])
    baselines = forecast_baselines(train, data.horizons[0], data.season, ["SeasonalNaive", "Naive2"])
    merged = test.merge(forecast, on=["unique_id", "ds"]).merge(baselines, on=["unique_id", "ds"])
    assert len(merged) == len(test)
    return score(merged, train.frame, data.season, levels=(80,))


def test_air_passengers_beat_the_season_before(data_folder):
    table = scores(data_folder, "air_passengers", steps=40)
    assert table.loc["MASE", "LSTM"] < 0.7 * table.loc["MASE", "SeasonalNaive"]


def test_short_yearly_series_beat_naive2_and_intervals_cover(data_folder):
    table = scores(data_folder, "m3_yearly", steps=200)
    assert table.loc["sMAPE", "LSTM"] < 17.3 < table.loc["sMAPE", "Naive2"]
    assert 0.7 < table.loc["coverage-80", "LSTM"] < 0.9
