"""Any bytes, any fields: a table is read, or refused with one of our errors, and nothing else ever comes."""

from __future__ import annotations

import gzip

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.errors import ConfigError, DataError
from holdfast.tasks.forecast import data as reading
from holdfast.tasks.forecast.baselines import forecast_baselines
from holdfast.tasks.forecast.data import read_series
from holdfast.tasks.forecast.score import score
from holdfast.tasks.tables import number_column, read_table, time_column
from tests.tasks.fields import NUMBERS, REGULAR, TEXTS, TIMES, fuzz, refused, tables

pandas = pytest.importorskip("pandas", reason="tables are read with pandas")
pytest.importorskip("pyarrow", reason="tables are read with pyarrow")
pytest.importorskip("utilsforecast", reason="forecasts are measured with utilsforecast")


def read_or_refuse(path, **options):
    """Return a table that keeps its promises, or None where it is refused as it should be."""
    try:
        table = read_series(path, **options)
    except (DataError, ConfigError) as error:
        return refused(error)
    frame = table.frame
    assert not frame[["unique_id", "ds"]].isna().any(axis=None)
    assert not frame.duplicated(["unique_id", "ds"]).any()
    assert not np.isinf(frame.select_dtypes("float64")).any(axis=None)
    return table


@pytest.fixture(autouse=True)
def small_gaps(monkeypatch):
    """Refuse early to fill the gap between a wrong date and the rest, as a larger table would be."""
    monkeypatch.setattr(reading, "LEAST_LIMIT", 2000)


@fuzz
@given(data=st.binary(max_size=200), name=st.sampled_from(["t.csv", "t.csv.gz", "t.parquet"]))
def test_any_bytes_are_read_or_refused(tmp_path, data, name):
    path = tmp_path / name
    path.write_bytes(data)
    read_or_refuse(path)


@fuzz
@given(data=tables(TIMES, NUMBERS), compressed=st.booleans(), duplicates=st.sampled_from(["refuse", "mean", "last"]))
def test_any_fields_are_read_or_refused(tmp_path, data, compressed, duplicates):
    path = tmp_path / ("t.csv.gz" if compressed else "t.csv")
    path.write_bytes(gzip.compress(data) if compressed else data)
    read_or_refuse(path, duplicates=duplicates, exogenous=["x"])
    read_or_refuse(path, id=None, target=["y", "x"], freq="D")
    read_or_refuse(path, id=None, target=["y", "x"], freq=1)


@fuzz
@given(
    data=tables(st.one_of(REGULAR, TIMES.filter(bool)), NUMBERS, st.sampled_from(["a", "b", "c"])),
    freq=st.sampled_from([None, "D", "h", "B", "W-MON", "MS", "QE", "YS", 1, 7]),
)
def test_what_is_read_is_forecast_and_measured(tmp_path, data, freq):
    path = tmp_path / "t.csv"
    path.write_bytes(data)
    table = read_or_refuse(path, freq=freq, duplicates="mean")
    if table is None:
        return
    try:
        forecasts = forecast_baselines(table, 3, 2)
    except DataError:
        return
    assert len(forecasts) == 3 * table.frame["unique_id"].nunique()
    try:
        assert not np.isinf(score(forecasts.assign(y=1.0), table.frame, 2)).any(axis=None)
    except DataError as error:
        refused(error, "missing everywhere")


@fuzz
@given(column=st.lists(st.one_of(NUMBERS, TIMES, TEXTS), min_size=1, max_size=6))
def test_a_column_of_anything_is_numbers_times_or_refused(column):
    frame, where = read_table(pandas.DataFrame({"c": column}))
    for read in (number_column, time_column):
        try:
            assert len(read(frame, "c", where)) == len(column)
        except DataError as error:
            refused(error, "row")


DECIMALS = st.decimals().filter(lambda number: not number.is_snan())  # pandas itself raises on a signalling NaN
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), TEXTS, st.binary(max_size=3), st.datetimes(), st.dates(),
    st.timedeltas(), DECIMALS, st.complex_numbers(), st.just(()), st.just([]),
)  # fmt: skip


@fuzz
@given(column=st.lists(SCALARS, min_size=1, max_size=5))
def test_a_column_of_any_objects_is_numbers_times_or_refused(column):
    frame, where = read_table(pandas.DataFrame({"c": pandas.Series(column, dtype=object)}))
    for read in (number_column, time_column):
        try:
            assert len(read(frame, "c", where)) == len(column)
        except DataError as error:
            refused(error, "'c'")
