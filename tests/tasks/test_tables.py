"""Tables as people have them: read as they are meant, or refused with the row and the mend."""

from __future__ import annotations

import datetime
import gzip

import numpy as np
import pytest

from holdfast.errors import DataError
from holdfast.tasks.tables import number_column, read_table, time_column
from holdfast.tasks.times import in_zone, time_zone

pandas = pytest.importorskip("pandas", reason="tables are read with pandas")
pyarrow = pytest.importorskip("pyarrow", reason="tables are read with pyarrow")


def table_of(tmp_path, data: bytes | str, name: str = "table.csv"):
    path = tmp_path / name
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return read_table(path)


def numbers_of(tmp_path, text: str, name: str = "b", **options):
    return number_column(*reorder(table_of(tmp_path, text), name), **options)


def reorder(table, name):
    frame, where = table
    return frame, name, where


def times_of(*values):
    frame = pandas.DataFrame({"ds": pandas.Series(list(values), index=range(1, len(values) + 1))})
    return time_column(frame, "ds", "table.csv")


@pytest.mark.parametrize(
    "data",
    [
        b"a,b\nx,1\ny,2\n",
        b"\xef\xbb\xbfa,b\r\nx,1\r\ny,2",
        b"a;b\nx;1\ny;2\n",
        b"a\tb\nx\t1\ny\t2\n",
        b'"a","b"\n"x","1"\n"y","2"\n',
        b" a , b\nx , 1\ny, 2 \n\n",
        b"a,b\n\nx,1\n\ny,2\n",
        b"a,b\rx,1\ry,2\r",
    ],
    ids=["plain", "bom", "semicolon", "tab", "quoted", "spaces", "blank lines", "old line ends"],
)
def test_csv_of_every_kind_reads_alike(tmp_path, data):
    frame, where = table_of(tmp_path, data)
    assert list(frame.columns) == ["a", "b"]
    assert [text.strip() for text in frame["a"]] == ["x", "y"]
    assert number_column(frame, "b", where).tolist() == [1.0, 2.0]
    assert frame.index.tolist() == [2, 3]


def test_gzip_and_parquet_and_frames_read_alike(tmp_path):
    frame = pandas.DataFrame({"a": ["x", "y"], "b": [1.5, np.nan]})
    frame.to_parquet(tmp_path / "table.parquet")
    (tmp_path / "table.csv.gz").write_bytes(gzip.compress(b"a,b\nx,1.5\ny,\n"))
    for source in (tmp_path / "table.parquet", str(tmp_path / "table.csv.gz"), frame, pyarrow.table(frame)):
        found, where = read_table(source)
        assert list(found["a"]) == ["x", "y"]
        np.testing.assert_array_equal(number_column(found, "b", where), [1.5, np.nan])


def test_polars_frames_are_read(tmp_path):
    polars = pytest.importorskip("polars", reason="polars frames are read where polars is installed")
    for frame in (polars.DataFrame({"a": ["x"], "b": [2]}), polars.LazyFrame({"a": ["x"], "b": [2]})):
        found, where = read_table(frame)
        assert number_column(found, "b", where).tolist() == [2.0]


def test_a_frame_given_is_not_changed_and_a_named_index_is_a_column():
    frame = pandas.DataFrame({"b": [1, 2]}, index=pandas.Index(["x", "y"], name="a"))
    found, where = read_table(frame)
    assert list(found.columns) == ["a", "b"]
    assert found.index.tolist() == [1, 2]
    assert frame.index.tolist() == ["x", "y"]
    assert where == "the frame"


def test_numbers_are_read_exactly(tmp_path):
    values = [0.1, -1e-300, 123456789.123456789, 1 / 3, 5e-324, 1.7976931348623157e99]
    text = "b\n" + "".join(f"{value!r}\n" for value in values) + "+7\n.5\n5.\n1E3\n"
    assert numbers_of(tmp_path, text).tolist() == [*values, 7.0, 0.5, 5.0, 1000.0]


def test_missing_numbers_are_nan_or_refused(tmp_path):
    text = "a,b\nx,1\ny,\nz, NA \nw,NaN\nv,null\n"
    assert np.isnan(numbers_of(tmp_path, text)).tolist() == [False, True, True, True, True]
    with pytest.raises(DataError, match=r"row 3: column 'b'.*is missing \(3 more such rows\)"):
        numbers_of(tmp_path, text, missing=False)


@pytest.mark.parametrize(
    ("field", "reason"),
    [
        ("abc", "is not a number"),
        ("1.234.5", "is not a number"),
        ('"1,5"', "is not a number"),
        ("12 kg", "is not a number"),
        ("0x10", "is not a number"),
        ("1_000", "is not a number"),
        ("True", "is not a number"),
        ("inf", "is infinite"),
        ("-Infinity", "is infinite"),
        ("1e999", "is infinite"),
        ("-1e101", r"beyond 1e\+100"),
    ],
)
def test_what_is_no_number_is_refused_with_its_row(tmp_path, field, reason):
    with pytest.raises(DataError, match=rf"table\.csv, row 3: column 'b'.*{reason}"):
        numbers_of(tmp_path, f"a,b\nx,1\ny,{field}\n")


def test_numbers_of_a_frame_may_be_mixed_but_not_text():
    frame = pandas.DataFrame({"b": pandas.Series([1, 2.5, None, "3", np.int8(4), "NA"], dtype=object)})
    found, where = read_table(frame)
    np.testing.assert_array_equal(number_column(found, "b", where), [1, 2.5, np.nan, 3, 4, np.nan])
    for value, reason in (("x", "not a number"), (10**400, "infinite"), ([1], "not a number")):
        found, where = read_table(pandas.DataFrame({"b": pandas.Series([1, value], dtype=object)}))
        with pytest.raises(DataError, match=f"row 2.*{reason}"):
            number_column(found, "b", where)
    for values in ([1j], [datetime.datetime(2024, 1, 1)]):
        with pytest.raises(DataError, match="not numbers"):
            number_column(pandas.DataFrame({"b": values}), "b", "the frame")
    nullable = pandas.DataFrame({"b": pandas.Series([1, None], dtype="Int64"), "c": [True, False]})
    np.testing.assert_array_equal(number_column(nullable, "b", "it"), [1, np.nan])
    np.testing.assert_array_equal(number_column(nullable, "c", "it"), [1, 0])
    categories = pandas.DataFrame({"b": pandas.Series(["1", "2", "1"], dtype="category")})
    np.testing.assert_array_equal(number_column(categories, "b", "it"), [1, 2, 1])


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"a,b\n1,2\n\n3\n", r"table\.csv, row 3: 1 fields where the header has 2"),
        (b"a,b\n1,2,3\n", "row 2: 3 fields where the header has 2"),
        (b"a,b\n", "no rows"),
        (b"", "empty"),
        (b"\n\n", "table.csv"),
        (b'a,b\n1,"2\n', "quotation mark"),
        (b"a,b\n1,\x00\n", "zero bytes"),
        (b"a,b\n1,\xe9\n", r"line 2: byte 6 \(0xe9\) is not UTF-8.*iconv"),
        ("a,b\n1,2\n".encode("utf-16"), "not UTF-8"),
        ("a,b\n1,2\n".encode("utf-16-le"), "zero bytes"),
    ],
)
def test_broken_csv_is_refused(tmp_path, data, reason):
    with pytest.raises(DataError, match=reason):
        table_of(tmp_path, data)


def test_broken_files_and_columns_are_refused(tmp_path):
    for name in ("none.csv", "none.parquet"):
        with pytest.raises(DataError, match="no such file"):
            read_table(tmp_path / name)
    with pytest.raises(DataError, match="not a whole Parquet file"):
        table_of(tmp_path, b"PAR1 but not really", "table.parquet")
    with pytest.raises(DataError, match=r"not a whole \.gz file"):
        table_of(tmp_path, b"a,b\n1,2\n", "table.csv.gz")
    with pytest.raises(DataError, match="list is no table"):
        read_table([1, 2])
    with pytest.raises(DataError, match=r"no column 'c'. The columns are a, b"):
        numbers_of(tmp_path, "a,b\n1,2\n", "c")
    with pytest.raises(DataError, match="2 columns are named 'b'"):
        numbers_of(tmp_path, "a,b,b\n1,2,3\n")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["2024-01-31", "2024-2-1 3:00"], ["2024-01-31", "2024-02-01T03"]),
        (["2024/01/31 13:00:00.5"], ["2024-01-31T13:00:00.5"]),
        (["2024-01", "2024/02"], ["2024-01", "2024-02"]),
        (["20240131", "20240201"], ["2024-01-31", "2024-02-01"]),
        (["13/2/2024", "1/3/2024"], ["2024-02-13", "2024-03-01"]),
        (["2/13/2024 1:00 PM", "1/3/2024 12:05 AM"], ["2024-02-13T13", "2024-01-03T00:05"]),
        (["1.3.2024 07:30"], ["2024-03-01T07:30"]),
        (["2024Q1", "2024 q4"], ["2024-01", "2024-10"]),
        (["2024-01-31T12:00:00Z", "2024-01-31T13:00:00+00:00"], ["2024-01-31T12", "2024-01-31T13"]),
        (["2024-01-31 12:00+02:00"], ["2024-01-31T10"]),
        (["1749-01-01", "2200-12-31"], ["1749-01-01", "2200-12-31"]),
        ([datetime.date(2024, 1, 31)], ["2024-01-31"]),
        ([pandas.Period("2024-03", "M")], ["2024-03"]),
        ([20240131], ["2024-01-31"]),
    ],
)
def test_times_are_read_as_they_are_meant(values, expected):
    found = times_of(*values)
    assert found.dtype == np.dtype("datetime64[us]")
    assert found.tolist() == np.array(expected, dtype="datetime64[us]").tolist()


def test_whole_numbers_are_times_of_their_own():
    for values in (["1", "+2", "-3"], [1, 2, -3]):
        found = times_of(*values)
        assert found.dtype == np.int64
        assert found.tolist() == [1, 2, -3]


def test_zones_become_utc_but_midnights_stay_dates():
    berlin = pandas.Series(pandas.to_datetime(["2024-03-31 01:00", "2024-03-31 03:00"])).dt.tz_localize("Europe/Berlin")
    hours = time_column(pandas.DataFrame({"ds": berlin}), "ds", "it")
    assert hours.tolist() == np.array(["2024-03-31T00", "2024-03-31T01"], dtype="datetime64[us]").tolist()
    days = pandas.date_range("2024-03-30", periods=3, tz="Europe/Berlin")
    dates = time_column(pandas.DataFrame({"ds": days}), "ds", "it")
    assert dates.tolist() == np.array(["2024-03-30", "2024-03-31", "2024-04-01"], dtype="datetime64[us]").tolist()
    texts = pandas.DataFrame({"ds": ["2024-03-30T00:00+01:00", "2024-04-01T00:00+02:00"]})
    assert time_column(texts, "ds", "it").tolist() == dates[[0, 2]].tolist()
    assert time_zone(texts, "ds") is None
    instants = np.array(["2024-03-29T23", "2024-03-30T23", "2024-03-31T22"], dtype="datetime64[us]")
    for given in (pandas.DataFrame({"ds": days}), pandas.DataFrame({"ds": days.astype(object)})):
        assert time_column(given, "ds", "it", zoned=True).tolist() == instants.tolist()
        assert time_zone(given, "ds", zoned=True) == "Europe/Berlin"
    assert time_column(texts, "ds", "it", zoned=True).tolist() == instants[[0, 2]].tolist()
    assert time_zone(texts, "ds", zoned=True) == "UTC"


def test_instants_are_shown_in_the_zone_they_came_in():
    hours = pandas.date_range("2024-03-30 01:00", periods=72, freq="h", tz="Europe/Berlin")
    texts = hours.strftime("%Y-%m-%dT%H:%M:%S%z")
    for given, zone in [
        (hours, "Europe/Berlin"),
        (hours.tz_convert("UTC"), "UTC"),
        (texts, "UTC"),  # two offsets, and no name of the zone
        (texts[:20], "UTC+01:00"),
        (texts[:20].str.replace("+0100", "Z"), "UTC"),
        (hours.tz_localize(None), None),
        (hours.astype(object), "Europe/Berlin"),
    ]:
        frame = pandas.DataFrame({"ds": given})
        assert time_zone(frame, "ds") == zone
        shown = pandas.DatetimeIndex(in_zone(time_column(frame, "ds", "it"), zone))
        if given is texts:
            assert (shown == hours).all()
        elif zone is not None:
            assert [str(time) for time in shown] == [str(time) for time in pandas.to_datetime(given)]


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (["1/2/2024", "3/4/2024"], "row 1.*day or the month first"),
        (["13/2/2024", "2/13/2024"], "row 2.*month first where other rows"),
        (["2024-01-01", "1/2/2024"], "row 2.*another form"),
        (["2024-02-30"], "row 1.*calendar"),
        (["2024-01-01 25:00"], "row 1.*calendar"),
        (["yesterday"], "row 1.*cannot|row 1.*no time"),
        (["2024-01-01", ""], "row 2"),
        (["2024-01-01", None], "row 2.*no time"),
        ([1.5], "float64, not times"),
        (["1.5"], "row 1"),
        (["2024-01-01", 5], "row 1.*text among other things"),
        ([datetime.date(2024, 1, 1), 5.5j], "no time"),
        ([10**18], "too large"),
        (["999999999999999999"], "too large"),
    ],
)
def test_what_is_no_time_is_refused(values, reason):
    with pytest.raises(DataError, match=reason):
        times_of(*values)


def test_times_of_parquet_and_arrow_are_read_as_they_stand(tmp_path):
    day = datetime.date(2024, 1, 31)
    table = pyarrow.table(
        {
            "date": pyarrow.array([day], pyarrow.date32()),
            "seconds": pyarrow.array([datetime.datetime(2024, 1, 31, 7)], pyarrow.timestamp("s")),
            "zoned": pyarrow.array([datetime.datetime(2024, 1, 31, 7)], pyarrow.timestamp("us", "Europe/Berlin")),
            "dictionary": pyarrow.array(["2024-01-31"]).dictionary_encode(),
        }
    )
    pytest.importorskip("pyarrow.parquet").write_table(table, tmp_path / "times.parquet")
    frame, where = read_table(tmp_path / "times.parquet")
    found = [str(time_column(frame, name, where)[0])[:13] for name in table.column_names]
    assert found == ["2024-01-31T00", "2024-01-31T07", "2024-01-31T07", "2024-01-31T00"]
