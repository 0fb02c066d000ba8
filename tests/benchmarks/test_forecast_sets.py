"""The forecasting sets are read as the literature splits them: its figures for simple forecasts come out."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.forecast_floors import held_out_floors
from benchmarks.forecast_sets import SETS, rolling_windows
from holdfast.tasks.forecast.baselines import naive, seasonal_naive

pytest.importorskip("pandas", reason="series are read with pandas")
pytest.importorskip("utilsforecast", reason="forecasts are measured with utilsforecast")

SIZES = {
    "air_passengers": (1, 144, "MS"),
    "sunspots": (1, 2820, "MS"),
    "temperatures": (1, 3652, "D"),  # two days of leap years are missing in the file
    "pm25": (1, 43824, "h"),
    "etth1": (7, 17420, "h"),
    "exchange_rate": (8, 7588, 1),
    "m4_hourly": (414, None, 1),
    "m3_yearly": (645, None, "12MS"),
    "m3_quarterly": (756, None, "3MS"),
    "m3_monthly": (1428, None, "MS"),
    "m3_other": (174, None, 1),
}


@pytest.mark.parametrize("name", SETS)
def test_set_has_its_published_size_and_no_row_more(data_folder, name):
    table = SETS[name](data_folder).table
    series, length, freq = SIZES[name]
    assert table.freq == freq
    assert table.frame["unique_id"].nunique() == series
    assert length is None or len(table.frame) == series * length


def test_m4_hourly_gives_the_competitions_figures(data_folder):
    floors = held_out_floors(SETS["m4_hourly"](data_folder))["48"]
    published = {"SeasonalNaive": (13.912, 1.193), "Naive2": (18.383, 2.395), "Theta": (18.138, 2.455)}
    for name, (smape, mase) in published.items():
        assert floors[name]["sMAPE"] == pytest.approx(smape, abs=0.005)
        assert floors[name]["MASE"] == pytest.approx(mase, abs=0.001)
    assert floors["Naive2"]["OWA"] == 1
    assert floors["SeasonalNaive"]["OWA"] == pytest.approx(0.627, abs=0.001)


@pytest.mark.parametrize(
    ("name", "method", "season", "expected"), [("etth1", seasonal_naive, 24, 0.512), ("exchange_rate", naive, 1, 0.081)]
)
def test_rolling_sets_give_the_published_errors(data_folder, name, method, season, expected):
    data = SETS[name](data_folder)
    windows = rolling_windows(data.scaled(), *data.bounds[1:], 24, 96)
    errors = [((method(history, 96, season) - actual) ** 2).mean(axis=1) for history, actual in windows]
    assert np.concatenate(errors).mean() == pytest.approx(expected, abs=0.0005)
    assert sum(map(len, errors)) == (data.bounds[2] - data.bounds[1] - 95) * SIZES[name][0]
