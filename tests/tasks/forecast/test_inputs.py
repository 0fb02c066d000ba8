"""How tables are read again and again: in a zone, with static columns that are missing, and after saving."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from holdfast.errors import CheckpointError, DataError
from holdfast.tasks.forecast import Forecaster
from holdfast.tasks.forecast.config import WindowSettings
from tests.tasks.forecast.forecast_samples import small_forecaster, small_frame

HOURS = pd.date_range("2024-03-28 05:00", periods=100, freq="h", tz="Europe/Paris")  # the clock changes on the 31st
HOURLY = pd.DataFrame(
    {
        "unique_id": "a",
        "ds": HOURS,
        "y": np.random.default_rng(0).normal(10, 1, 100),
        "price": np.random.default_rng(1).normal(0, 1, 100),
    }
)


def as_texts(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(ds=frame["ds"].dt.strftime("%Y-%m-%dT%H:%M:%S%z"))


@pytest.mark.parametrize("written", [lambda frame: frame, as_texts], ids=["instants", "texts"])
def test_a_row_at_midnight_goes_on_from_hours_in_a_zone(written):
    windows = WindowSettings(context=16, future=("price",))
    forecaster = small_forecaster(1, season=24, horizon=1, windows=windows).fit(HOURLY[:60], quiet=True)
    for hour in range(60, 70):  # 00:00 of the 31st is the 68th
        forecaster.update(written(HOURLY[hour : hour + 1]))
    assert HOURS[67].hour == 0
    future = HOURLY[70:71].drop(columns="y")
    expected = forecaster.predict(HOURLY[:70], future)
    pd.testing.assert_frame_equal(forecaster.predict(X_df=future), expected, check_exact=True)
    before = forecaster.predict(HOURLY[:67], written(HOURLY[67:68].drop(columns="y")))
    assert list(before["ds"]) == [HOURS[67]]


def test_midnights_alone_come_back_in_the_zone_of_the_training_data():
    forecaster = small_forecaster(1, season=24).fit(HOURLY, quiet=True)
    forecast = forecaster.predict(HOURLY[67:68])
    assert list(forecast["ds"]) == list(HOURS[68:72])


def test_a_static_column_may_be_missing_of_a_whole_series():
    frame = small_frame()
    kind = frame["unique_id"].str[-1].astype(float)
    windows = WindowSettings(context=16, static=("kind",))
    missing = frame.assign(kind=kind.where(frame["unique_id"] != "series 1"))
    forecast = small_forecaster(1, windows=windows).fit(missing, quiet=True).predict()
    assert np.isfinite(forecast["LSTM"]).all()
    wrong = missing.assign(kind=missing["kind"].where(frame.index != frame.index[-1], 7.0))
    with pytest.raises(DataError, match="'kind' changes within series 'series 2', from 2 to 7"):
        small_forecaster(1, windows=windows).fit(wrong, quiet=True)


def test_a_forecaster_of_long_whole_steps_is_saved_and_loaded(tmp_path):
    step = 3600 * 10**9  # an hour in nanoseconds
    frame = small_frame(count=1, length=60).assign(ds=np.arange(60) * step)
    forecaster = small_forecaster(1).fit(frame, folder=tmp_path / "model", quiet=True)
    loaded = Forecaster.from_pretrained(tmp_path / "model")
    pd.testing.assert_frame_equal(loaded.predict(frame), forecaster.predict(frame))
    path = tmp_path / "model" / "windows.json"
    fields = json.loads(path.read_text())
    for freq in (0, -1, 2**62, 1.5, True, [1]):
        fields["reading"]["freq"] = freq
        path.write_text(json.dumps(fields))
        with pytest.raises(CheckpointError):
            Forecaster.from_pretrained(tmp_path / "model")


def test_names_of_series_of_another_type_are_refused():
    frame = small_frame(count=1).assign(unique_id="7", price=1.0)
    windows = WindowSettings(context=16, future=("price",))
    forecaster = small_forecaster(1, windows=windows).fit(frame[:70], quiet=True)
    says = "name of series 7 is a number, and the names known so far are text.*CSV are text"
    with pytest.raises(DataError, match=says):
        forecaster.update(frame[70:].assign(unique_id=7))
    with pytest.raises(DataError, match=says):
        forecaster.predict(X_df=frame[70:].assign(unique_id=7))
    assert len(forecaster.update(frame[70:71]).predict(X_df=frame[71:])) == 4
