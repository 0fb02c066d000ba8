"""Metrics worked by hand, and defined where series are short, constant or missing."""

from __future__ import annotations

import numpy as np
import pytest

from holdfast.errors import DataError
from holdfast.tasks.forecast.score import score, season_errors

pandas = pytest.importorskip("pandas", reason="long frames are pandas frames")
pytest.importorskip("utilsforecast", reason="the errors are utilsforecast's")

TRAIN = pandas.DataFrame({"unique_id": ["a"] * 4 + ["b"] * 3, "y": [1.0, 2, 4, 7, 10, 10, 14]})


def forecasts(**columns):
    frame = {"unique_id": ["a", "a", "b", "b"], "ds": [5, 6, 4, 5], "y": [8.0, 9.0, 10.0, 20.0]}
    return pandas.DataFrame({**frame, **columns})


def test_metrics_are_those_worked_by_hand():
    table = score(forecasts(M=[8.0, 7.0, 14.0, 20.0], Naive2=[8.0, 11.0, 10.0, 10.0]), TRAIN, season=1)
    # Scales: a (1 + 2 + 3) / 3 = 2; b (0 + 4) / 2 = 2. Mean errors of M: a 1, b 2; of Naive2: a 1, b 5.
    assert table.loc["MASE"].to_dict() == {"M": 0.75, "Naive2": 1.5}
    assert table.loc["MAE"].to_dict() == {"M": 1.5, "Naive2": 3.0}
    assert table.loc["MSE"].to_dict() == {"M": 5.0, "Naive2": 26.0}
    np.testing.assert_allclose(table.loc["RMSE"], np.sqrt([5, 26]))
    smape = np.array([200 * (2 / 16 + 4 / 24) / 4, 200 * (2 / 20 + 10 / 30) / 4])
    np.testing.assert_allclose(table.loc["sMAPE"], smape)
    np.testing.assert_allclose(table.loc["OWA"], [(0.5 + smape[0] / smape[1]) / 2, 1])


def test_owa_needs_naive2():
    assert "OWA" not in score(forecasts(M=1.0), TRAIN, season=1).index


def test_intervals_are_measured_for_the_models_that_have_them():
    frame = forecasts(M=8.0, **{"M-lo-80": 7.0, "M-hi-80": 9.5}, Naive=9.0)
    table = score(frame, TRAIN, season=1, levels=[80])
    assert list(table.columns) == ["M", "Naive"]
    assert table.loc["coverage-80", "M"] == 0.5
    below, middle, above = [1, 2, 3, 13], [0, 1, 2, 12], [0.9 * 0 + 0.1 * 1.5, 0.1 * 0.5, 0.9 * 0.5, 0.9 * 10.5]
    expected = np.mean([0.1 * np.mean(below), 0.5 * np.mean(middle), np.mean(above)])
    assert table.loc["pinball", "M"] == pytest.approx(expected)
    assert np.isnan(table.loc["pinball", "Naive"])
    assert "pinball" not in score(frame, TRAIN, season=1).index


def test_missing_values_count_for_no_model():
    frame = forecasts(M=[8.0, np.nan, 14.0, 20.0], N=[0.0, 0.0, 0.0, 0.0])
    frame.loc[0, "y"] = np.nan
    table = score(frame, TRAIN, season=1)
    assert table.loc["MAE"].to_dict() == {"M": 2.0, "N": 15.0}
    with pytest.raises(DataError, match="missing everywhere"):
        score(frame.assign(y=np.nan), TRAIN, season=1)


def test_scales_of_short_constant_and_missing_series():
    train = pandas.DataFrame(
        {
            "unique_id": ["long"] * 5 + ["short"] * 3 + ["single"] + ["gap"] * 5 + ["constant"] * 4,
            "y": [1.0, 5, 2, 6, 4, 1, 2, 4, 9, 1, np.nan, 3, 3, 6, 7, 7, 7, 7],
        }
    )
    errors = season_errors(train, 3)
    assert errors.dropna().to_dict() == {"long": 3.0, "short": 1.5, "constant": 0.0, "gap": 2.0}
    assert np.isnan(errors["single"])
    frame = pandas.DataFrame({"unique_id": ["constant", "short"], "ds": [5, 4], "y": [8.0, 4.0], "M": [7.0, 7.0]})
    assert score(frame, train, season=3).loc[["MASE", "MAE"], "M"].tolist() == [2.0, 2.0]
    assert np.isnan(score(frame[:1], train, season=3).loc["MASE", "M"])


def test_cutoffs_are_series_of_their_own():
    frame = forecasts(M=[8.0, 7.0, 14.0, 20.0]).assign(cutoff=[4, 5, 3, 4])
    assert score(frame, TRAIN, season=1).loc["MAE", "M"] == pytest.approx(1.5)
