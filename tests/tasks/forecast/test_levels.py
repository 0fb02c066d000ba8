"""Levels of intervals, as people give them and as columns are named by them; and where pictures may go."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from holdfast.errors import ConfigError
from holdfast.tasks.forecast.decode import check_levels, forecast_frame
from holdfast.tasks.forecast.plot import plot_forecast


@pytest.mark.parametrize(
    ("given", "levels"),
    [
        (None, []), ((), []), (80, [80]), (80.0, [80]), ([95, 80], [80, 95]), (np.array([80, 95]), [80, 95]),
        (np.float32(97.5), [97.5]), (np.int64(80), [80]), ([80, 80.0], [80]), (iter([50]), [50]),
    ],
)  # fmt: skip
def test_levels_are_read(given, levels):
    found = check_levels(given)
    assert found == levels
    assert {type(one) for one in found} <= {int, float}


@pytest.mark.parametrize("given", [True, [True], 0, 100, -1, 180, "80", ["80"], [None], np.nan, 100 - 1e-14, object()])
def test_what_is_no_level_is_refused(given):
    with pytest.raises(ConfigError, match="level must be numbers between 0 and 100"):
        check_levels(given)


def test_each_level_has_columns_of_its_own(tmp_path):
    levels = check_levels([99.99999, 100 - 1e-9, 95.0])
    times = pd.date_range("2024-01-01", periods=3)
    frame = forecast_frame("a", times, np.tile(np.arange(9.0), (3, 1)), "LSTM", levels)
    ends = ["95", "99.99999", "99.999999999"]
    assert list(frame) == ["unique_id", "ds", "LSTM", *(f"LSTM-{side}-{end}" for end in ends for side in ("lo", "hi"))]
    assert (np.diff(frame.loc[0, [f"LSTM-hi-{end}" for end in ends]].astype(float)) > 0).all()
    history = pd.DataFrame({"unique_id": "a", "ds": times - pd.Timedelta(days=3), "y": 1.0})
    plot_forecast(history, frame, tmp_path / "levels.PNG")
    assert (tmp_path / "levels.PNG").read_bytes()[:4] == b"\x89PNG"


@pytest.mark.parametrize(
    ("name", "says"),
    [("out.xyz", "no picture has the ending '.xyz'"), ("none/out.png", "a folder that is there"), ("", "name a file")],
)
def test_a_picture_that_cannot_be_written_is_refused_first(tmp_path, name, says):
    with pytest.raises(ConfigError, match=says):
        plot_forecast(pd.DataFrame(), pd.DataFrame(), tmp_path / name)
