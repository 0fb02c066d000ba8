"""Series that grow: forecasts after updates are, to the bit, those of the whole series."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from holdfast.errors import ConfigError, DataError
from holdfast.tasks.forecast import Forecaster
from holdfast.tasks.forecast.config import WindowSettings
from holdfast.tasks.forecast.spread import Sums, spread_of
from tests.tasks.forecast.forecast_samples import small_forecaster, small_frame

FRAME = small_frame(count=3, length=160, noise=0.3)
FITTED = FRAME[FRAME["ds"] < "2021-03-22"]


def days(frame: pd.DataFrame, first: int, last: int) -> pd.DataFrame:
    day = (frame["ds"] - pd.Timestamp("2021-01-01")).dt.days
    return frame[(day >= first) & (day < last)]


def with_gaps() -> pd.DataFrame:
    """Return series that begin late, have gaps and missing values, and end at different days."""
    frame = FRAME.assign(y=np.where(np.random.default_rng(0).random(len(FRAME)) < 0.05, np.nan, FRAME["y"]))
    late = frame[(frame["unique_id"] != "series 2") | (frame["ds"] > "2021-04-15")]
    gap = (late["unique_id"] == "series 1") & late["ds"].between("2021-04-10", "2021-04-20")
    return late[~gap]


@pytest.mark.parametrize(("cell", "base"), [("lstm", "auto"), ("gru", "theta")])
def test_forecasts_after_updates_are_those_of_the_whole_series(tmp_path, cell, base):
    whole = with_gaps()
    forecaster = small_forecaster(seed=0, cell=cell, windows=WindowSettings(base=base)).fit(
        days(whole, 0, 80), quiet=True
    )
    forecaster.save_pretrained(tmp_path / "model")
    loaded = Forecaster.from_pretrained(tmp_path / "model")
    loaded.update(days(whole, 0, 80))
    for first, last in ((80, 81), (81, 82), (82, 83), (83, 98), (98, 99), (99, 130), (130, 131), (131, 160)):
        part = days(whole, first, last)
        if len(part):
            forecaster.update(part)
            loaded.update(part.sample(frac=1, random_state=0).sort_values("unique_id", kind="stable"))
        expected = forecaster.predict(days(whole, 0, last), level=[80])
        pd.testing.assert_frame_equal(forecaster.predict(level=[80]), expected, check_exact=True)
        pd.testing.assert_frame_equal(loaded.predict(level=[80]), expected, check_exact=True)


def test_what_is_kept_is_bounded():
    forecaster = small_forecaster(seed=0, windows=WindowSettings(context=16)).fit(FITTED, quiet=True)
    forecaster.update(days(FRAME, 80, 160))
    assert forecaster._data is not None
    assert forecaster._data[0].lengths.tolist() == [forecaster._decoder().memory] * 3
    with pytest.raises(ConfigError, match="whole series"):
        forecaster.cross_validation()
    with pytest.raises(ConfigError, match="whole series"):
        forecaster.evaluate(None)


def test_rows_that_are_not_new_are_refused_or_replace():
    forecaster = small_forecaster(seed=0).fit(FITTED, quiet=True)
    again = days(FRAME, 78, 83)
    with pytest.raises(
        DataError, match=r"row 1: series 'series 0' has 2021-03-20.*goes to 2021-03-21 already \(6 such"
    ):
        forecaster.update(again)
    changed = again.assign(y=again["y"] + 5)
    forecaster.update(changed, overlap="replace")
    whole = pd.concat([days(FRAME, 0, 78), changed])
    pd.testing.assert_frame_equal(forecaster.predict(), forecaster.predict(whole), check_exact=True)
    with pytest.raises(DataError, match="what is kept of that series begins at"):
        forecaster.update(days(FRAME, 2, 83), overlap="replace")
    with pytest.raises(ConfigError, match="overlap must be"):
        forecaster.update(days(FRAME, 83, 84), overlap="skip")
    with pytest.raises(DataError, match="whole number of steps"):
        forecaster.update(days(FRAME, 83, 84).assign(ds=pd.Timestamp("2021-04-01 12:00")))
    with pytest.raises(DataError, match="dates with a zone, and those it goes on from are dates without"):
        forecaster.update(days(FRAME, 83, 84).assign(ds=pd.Timestamp("2021-04-01 12:00", tz="Europe/Berlin")))
    pd.testing.assert_frame_equal(forecaster.predict(), forecaster.predict(whole), check_exact=True)


def test_an_update_reads_further_columns_and_irregular_times():
    random = np.random.default_rng(0)
    frame = FRAME.assign(price=random.standard_normal(len(FRAME)), kind=FRAME["unique_id"].str[-1].astype(float))
    frame["ds"] += pd.to_timedelta(random.integers(0, 80_000, len(FRAME)), unit="s")
    windows = WindowSettings(context=16, future=("price",), static=("kind",))
    forecaster = small_forecaster(windows=windows).fit(days(frame, 0, 80), irregular="resample", quiet=True)
    forecaster.update(days(frame, 80, 120).assign(kind=np.nan)).update(days(frame, 120, 150).assign(kind=np.nan))
    future = days(frame, 150, 154)[["unique_id", "ds", "price"]]
    expected = forecaster.predict(days(frame, 0, 150), future)
    pd.testing.assert_frame_equal(forecaster.predict(X_df=future), expected, check_exact=True)


def test_sums_of_parts_are_those_of_the_whole():
    values = 1e6 + np.random.default_rng(0).standard_normal((3, 100))
    values[0, :10] = values[1] = np.nan
    whole = Sums.none(3).add(values.reshape(-1), np.arange(4) * 100)
    parts = Sums.none(2)
    for first, last in ((0, 5), (5, 30), (30, 31), (31, 100)):
        parts = parts.grown(3).add(values[:, first:last].reshape(-1), np.arange(4) * (last - first))
    np.testing.assert_array_equal(parts.deviation, whole.deviation)
    np.testing.assert_allclose(whole.deviation[2], values[2].std(), rtol=1e-6)
    np.testing.assert_allclose(spread_of(values[0], np.array([0, 100])), np.nanstd(values[0]), rtol=1e-6)
    assert whole.deviation[1] == 0


def test_forecasts_from_theta_look_back_as_far_after_updates():
    windows = WindowSettings(context=8, base="theta")
    forecaster = small_forecaster(seed=0, windows=windows).fit(days(FRAME, 0, 120), quiet=True)
    assert forecaster._decoder().memory == 80
    forecaster.update(days(FRAME, 120, 160))
    pd.testing.assert_frame_equal(forecaster.predict(level=80), forecaster.predict(FRAME, level=80), check_exact=True)
