"""Series from tables: sorted, on regular grids, or refused with the row and the mend."""

from __future__ import annotations

import numpy as np
import pytest

from holdfast.errors import ConfigError, DataError
from holdfast.tasks.forecast.data import read_series
from holdfast.tasks.forecast.grid import check_freq, continue_times, default_season

pandas = pytest.importorskip("pandas", reason="series are read with pandas")
pytest.importorskip("pyarrow", reason="series are read with pyarrow")


def long_frame(times, values=None, ids="a", **columns):
    times = pandas.Series(times)
    return pandas.DataFrame(
        {"unique_id": ids, "ds": times, "y": np.arange(len(times)) if values is None else values, **columns}
    )


def dates(*texts):
    return np.array(texts, dtype="datetime64[us]")


def test_long_form_is_sorted_by_series_in_order_of_appearance_and_time(tmp_path):
    path = tmp_path / "sales.csv"
    path.write_text("unique_id,ds,y,price\nb,2024-01-02,2,.5\na,2024-01-01,3,\nb,2024-01-01,1,.4\na,2024-01-02,4,.6\n")
    table = read_series(path, exogenous=["price"])
    assert table.freq == "D"
    assert list(table.frame.columns) == ["unique_id", "ds", "y", "price"]
    assert list(table.frame["unique_id"]) == ["b", "b", "a", "a"]
    assert table.frame["y"].tolist() == [1, 2, 3, 4]
    np.testing.assert_array_equal(table.frame["price"], [0.4, 0.5, np.nan, 0.6])
    assert table.frame["ds"].dtype == np.dtype("datetime64[us]")


def test_wide_form_makes_a_series_of_each_target(tmp_path):
    path = tmp_path / "wide.csv"
    path.write_text("date,x,z,temp\n2024-01-01,1,10,5\n2024-02-01,2,20,6\n2024-04-01,3,30,7\n")
    table = read_series(path, id=None, time="date", target=["x", "z"], exogenous=["temp"])
    assert table.freq == "MS"
    assert list(table.frame["unique_id"]) == ["x"] * 4 + ["z"] * 4
    np.testing.assert_array_equal(table.frame["y"], [1, 2, np.nan, 3, 10, 20, np.nan, 30])
    np.testing.assert_array_equal(table.frame["temp"], [5, 6, np.nan, 7] * 2)
    single = read_series(path, id=None, time="date", target="x")
    assert set(single.frame["unique_id"]) == {"x"}


def test_future_rows_need_no_target():
    rows = long_frame(dates("2024-01-01", "2024-01-02"), price=[1.0, 2.0]).drop(columns="y")
    table = read_series(rows, exogenous=["price"], with_target=False, freq="D")
    assert list(table.frame.columns) == ["unique_id", "ds", "price"]
    with pytest.raises(DataError, match="no column 'y'"):
        read_series(rows)


def test_gaps_become_missing_values():
    table = read_series(long_frame(dates("2024-01-01", "2024-01-02", "2024-01-05"), [1.0, np.nan, 5.0]))
    assert table.frame["ds"].tolist() == list(pandas.date_range("2024-01-01", periods=5))
    np.testing.assert_array_equal(table.frame["y"], [1, np.nan, np.nan, np.nan, 5])


@pytest.mark.parametrize(
    ("freq", "periods"),
    [
        ("D", 20), ("h", 50), ("min", 50), ("15min", 50), ("30min", 50), ("s", 50), ("2h", 30), ("B", 20),
        ("W-WED", 20), ("MS", 20), ("ME", 20), ("QS-JAN", 12), ("QS-FEB", 12), ("QE-DEC", 12), ("QE-NOV", 12),
        ("YS-JAN", 6), ("YE-DEC", 6), ("YS-JUL", 6), ("6MS", 8), ("2D", 20), ("2YS-JAN", 5),
    ],
)  # fmt: skip
@pytest.mark.parametrize("start", ["2023-10-31 06:30", "1749-02-27"])
def test_frequency_is_found_filled_and_continued(freq, periods, start):
    times = pandas.date_range(start, periods=periods, freq=freq, unit="us")
    kept = np.delete(np.arange(periods), [periods // 2])
    table = read_series(long_frame(times[kept]))
    assert table.freq == freq
    assert table.frame["ds"].tolist() == list(times)
    assert np.flatnonzero(table.frame["y"].isna()).tolist() == [periods // 2]
    ahead = continue_times(times.to_numpy()[[periods - 3]], table.freq, 2)
    assert ahead.tolist() == times.to_numpy()[-2:].astype("datetime64[us]").tolist()


def test_whole_numbers_have_a_whole_step():
    table = read_series(long_frame([10, 20, 40]))
    assert table.freq == 10
    assert table.frame["ds"].tolist() == [10, 20, 30, 40]
    assert continue_times(np.array([40, 20]), 10, 2).tolist() == [50, 60, 30, 40]
    assert read_series(long_frame([3])).freq == 1


def test_each_series_has_its_own_start_on_the_grid():
    frame = pandas.concat(
        [
            long_frame(dates("2024-01-01T00:30", "2024-01-01T01:30")),
            long_frame(dates("2024-03-01T00:00", "2024-03-01T01:00"), ids="b"),
        ]
    )
    table = read_series(frame)
    assert table.freq == "h"
    assert len(table.frame) == 4


def test_clocks_that_change_are_mended_by_utc():
    hours = pandas.date_range("2024-10-26", periods=72, freq="h", tz="UTC")
    zoned = read_series(long_frame(hours.tz_convert("Europe/Berlin")))
    assert zoned.freq == "h"
    assert not zoned.frame["y"].isna().any()
    with pytest.raises(DataError, match=r"2024-10-27 02:00:00 a second time.*UTC"):
        read_series(long_frame(hours.tz_convert("Europe/Berlin").tz_localize(None)))


def test_duplicates_are_refused_averaged_or_the_last_is_kept():
    frame = long_frame(
        dates("2024-01-02", "2024-01-01", "2024-01-02", "2024-01-02", "2024-01-03"), [1.0, 5, 3, np.nan, 7]
    )
    with pytest.raises(DataError, match=r"row 3: series 'a' has 2024-01-02.* first in row 1 \(2 such rows\)"):
        read_series(frame)
    np.testing.assert_array_equal(read_series(frame, duplicates="mean").frame["y"], [5, 2, 7])
    np.testing.assert_array_equal(read_series(frame, duplicates="last").frame["y"], [5, np.nan, 7])
    with pytest.raises(ConfigError, match="duplicates must be one of"):
        read_series(frame, duplicates="first")  # type: ignore[arg-type]


def test_irregular_times_are_refused_with_their_row():
    times = pandas.date_range("2024-01-01", periods=20, freq="h").to_series().to_list()
    times[13] += pandas.Timedelta(minutes=7)
    with pytest.raises(DataError, match=r"row 14: series 'a' has 2024-01-01 13:07:00.*no whole number of steps of 'h'"):
        read_series(long_frame(times))
    random = np.cumsum(np.random.default_rng(0).integers(1, 10_000, size=200))
    with pytest.raises(DataError, match="irregular"):
        read_series(long_frame(dates("2024-01-01")[0] + (random * 1_000_000).astype("timedelta64[us]")))


@pytest.mark.parametrize("freq", ["h", "15min", "D", "7D", "B", "W-WED", "MS", "ME", "QS-JAN", "QE-DEC", "YE-DEC", 60])
def test_irregular_times_are_resampled_as_pandas_does(freq):
    random = np.random.default_rng(0)
    spread = 1 if freq in ("h", "15min") else 200
    minutes = np.sort(random.choice(spread * 10_000, size=300, replace=False))
    values = random.standard_normal(300)
    times = minutes if freq == 60 else np.datetime64("2023-05-17") + minutes.astype("m8[m]").astype("m8[us]")
    with pytest.raises(DataError, match="irregular='resample'"):
        read_series(long_frame(times, values), freq=freq)
    table = read_series(long_frame(times, values), freq=freq, irregular="resample")
    series = pandas.Series(values, index=times)
    if freq == 60:
        expected = series.groupby(minutes // 60 * 60).mean()
        assert set(np.diff(table.frame["ds"])) == {60}
    else:
        fixed = {"origin": "epoch"} if freq in ("h", "15min", "D", "7D") else {}
        expected = series.resample(freq, **fixed).mean().dropna()
    found = table.frame.dropna().set_index("ds")["y"]
    assert found.index.tolist() == expected.index.tolist()
    np.testing.assert_allclose(found, expected)


@pytest.mark.parametrize("freq", ["2MS", "2ME", "2QS-FEB", "3W-MON", "2B", "5YS-JAN"])
@pytest.mark.parametrize("begin", ["1951-03-05T07", "2023-05-17T07"])
def test_several_steps_of_the_calendar_have_one_grid_for_all_data(freq, begin):
    times = np.datetime64(begin) + np.arange(0, 30_000, 7).astype("m8[D]").astype("m8[us]")
    whole = read_series(long_frame(times), freq=freq, irregular="resample").frame
    for first in range(1, 40, 5):
        part = read_series(long_frame(times[first:]), freq=freq, irregular="resample").frame
        assert set(part["ds"]) <= set(whole["ds"])
        assert part["ds"].tolist() == whole["ds"].tolist()[-len(part) :]


def test_whole_steps_have_a_bound():
    assert check_freq(2**62 - 1) == 2**62 - 1
    with pytest.raises(ConfigError, match="whole numbers"):
        check_freq(2**62)


@pytest.mark.parametrize(
    ("minutes", "jitter", "freq"), [(60, 9, "h"), (60, 0, "h"), (5, 2, "5min"), (1440, 200, "D"), (43_800, 3000, "MS")]
)
def test_irregular_times_get_a_natural_step(minutes, jitter, freq):
    random = np.random.default_rng(0)
    apart = np.arange(400) * minutes + random.integers(0, jitter + 1, size=400)
    times = np.datetime64("2020-01-01") + apart.astype("m8[m]").astype("m8[us]")
    assert read_series(long_frame(times), irregular="resample").freq == freq


def test_each_series_of_irregular_times_keeps_its_gaps_and_columns():
    times = dates("2024-01-01T00:20", "2024-01-01T00:40", "2024-01-01T03:10")
    frame = pandas.concat([long_frame(times, [1.0, 3.0, 5.0], price=[np.nan, 2.0, 4.0]), long_frame(times, ids="b")])
    table = read_series(frame, freq="h", irregular="resample", exogenous=["price"])
    assert table.frame["unique_id"].tolist() == ["a"] * 4 + ["b"] * 4
    np.testing.assert_array_equal(table.frame["y"][:4], [2, np.nan, np.nan, 5])
    np.testing.assert_array_equal(table.frame["price"][:4], [2, np.nan, np.nan, 4])
    with pytest.raises(ConfigError, match="irregular must be one of refuse, resample"):
        read_series(frame, irregular="mean")  # type: ignore[arg-type]


def test_series_of_different_steps_are_refused_unless_freq_is_given():
    hourly = long_frame(pandas.date_range("2024-01-01", periods=100, freq="h"))
    daily = long_frame(pandas.date_range("2024-01-01", periods=5, freq="D"), ids="b")
    frame = pandas.concat([hourly, daily])
    with pytest.raises(DataError, match=r"series 'b' comes at 2024-01-02, after 2024-01-01, where.*step 'h'"):
        read_series(frame)
    assert len(read_series(frame, freq="h").frame) == 100 + 97


def test_frequency_given_is_checked_against_the_times():
    month_ends = long_frame(pandas.date_range("2024-01-31", periods=5, freq="ME"))
    assert read_series(month_ends, freq="M").freq == "ME"
    with pytest.raises(DataError, match="no whole number of steps of 'MS'"):
        read_series(month_ends, freq="MS")
    with pytest.raises(ConfigError, match="no frequency"):
        read_series(month_ends, freq="fortnight")
    with pytest.raises(ConfigError, match="whole numbers"):
        read_series(month_ends, freq=1)
    with pytest.raises(ConfigError, match="for dates"):
        read_series(long_frame([1, 2]), freq="D")


def test_short_constant_and_missing_series_are_kept():
    frame = pandas.concat(
        [
            long_frame(pandas.date_range("2024-01-01", periods=5), 7.0, "constant"),
            long_frame(dates("2024-01-03"), 1.0, "single"),
            long_frame(pandas.date_range("2024-01-01", periods=3), np.nan, "missing"),
        ]
    )
    table = read_series(frame)
    assert table.frame["unique_id"].value_counts(sort=False).to_dict() == {"constant": 5, "single": 1, "missing": 3}
    with pytest.raises(DataError, match="Give freq"):
        read_series(long_frame(dates("2024-01-03")))


def test_a_wrong_date_does_not_fill_the_memory():
    frame = long_frame(pandas.to_datetime(["1900-01-01 00:00:00", "1900-01-01 00:00:01", "2024-01-01 00:00:00"]))
    with pytest.raises(DataError, match="would become 3,9"):
        read_series(frame, freq="s")


def test_series_without_a_name_and_columns_named_twice_are_refused():
    frame = long_frame(dates("2024-01-01", "2024-01-02"))
    for name in (None, "", " "):
        with pytest.raises(DataError, match=r"row 2.*names no series"):
            read_series(frame.assign(unique_id=["a", name]))
    with pytest.raises(DataError, match="cannot name a series"):
        read_series(frame.assign(unique_id=[["a"], ["b"]]))
    with pytest.raises(ConfigError, match="two things: y"):
        read_series(frame, exogenous=["y"])
    with pytest.raises(ConfigError, match="id=None"):
        read_series(frame, target=["y", "z"])
    with pytest.raises(ConfigError, match="names no column"):
        read_series(frame, target=[])


def test_usual_seasons():
    usual = {"h": 24, "D": 7, "W": 52, "W-MON": 52, "7D": 52, "MS": 12, "ME": 12, "QS": 4, "QE": 4, "YS": 1, "YE": 1}
    usual |= {"30min": 48, "15min": 96, "min": 60, "B": 5, 1: 1, "2h": 12, "3MS": 4, "5h": 1, "H": 24, "M": 12, "Y": 1}
    assert {freq: default_season(freq) for freq in usual} == usual
    for freq in ("x", "", None, "ns", 0, -1, True, "-1D"):
        with pytest.raises(ConfigError):
            check_freq(freq)


def test_many_series_are_read_without_a_loop_over_them():
    count, length = 20_000, 5
    ids = np.repeat([f"s{number}" for number in range(count)], length)
    frame = long_frame(np.tile(pandas.date_range("2024-01-01", periods=length).to_numpy(), count), ids=ids)
    kept = frame.iloc[np.arange(len(frame)) % 7 != 3]
    table = read_series(kept)
    inner = kept.groupby("unique_id")["ds"].agg(["min", "max"])
    assert len(table.frame) == int(((inner["max"] - inner["min"]).dt.days + 1).sum())
    assert list(dict.fromkeys(table.frame["unique_id"])) == list(dict.fromkeys(kept["unique_id"]))
