"""Read a table's columns: as numbers, or as text in Arrow's memory; refuse the first row that does not fit."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from holdfast.errors import DataError, MissingDependencyError

if TYPE_CHECKING:
    import pandas

MISSING = ("", "NA", "N/A", "n/a", "NaN", "nan", "NAN", "null", "NULL", "None")
"""Texts that stand for a missing number."""

LARGEST = 1e100
"""Numbers beyond it are refused: their squares and ratios would not be numbers any more."""

_NUMBER = r"^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,5})?$"
_INFINITE = r"^[+-]?[iI][nN][fF](?:[iI][nN][iI][tT][yY])?$"
_MEND = "Write numbers as 1234.5, without thousands marks or units"


def column(frame: pandas.DataFrame, name: str, where: str) -> pandas.Series:
    """Return the one column of that name.

    Raises:
        DataError: there is none, or there are two.
    """
    count = sum(1 for each in frame.columns if each == name)
    if count == 1:
        return frame[name]
    if count:
        raise DataError(f"{where}: {count} columns are named {name!r}. Rename all but one.")
    known = ", ".join(map(str, frame.columns[:20])) + (", ..." if len(frame.columns) > 20 else "")
    raise DataError(f"{where}: there is no column {name!r}. The columns are {known}. Name one of them.")


def number_column(frame: pandas.DataFrame, name: str, where: str, *, missing: bool = True) -> NDArray[np.float64]:
    """Return a column as float64 numbers.

    Args:
        missing: Whether an empty field, NA or NaN is allowed; it becomes NaN.

    Raises:
        DataError: a field is text, infinite or beyond `LARGEST`, or missing where it may not be; names the row.
    """
    values = column(frame, name, where)
    numbers = _text_numbers(values, name, where) if is_text(values) else _typed_numbers(values, name, where)
    with np.errstate(invalid="ignore"):
        huge = np.abs(numbers) > LARGEST
    if huge.any():
        refuse(values, huge, name, where, f"is infinite or beyond {LARGEST:g}", "Leave the field empty")
    if not missing:
        absent = np.isnan(numbers)
        if absent.any():
            refuse(values, absent, name, where, "is missing", "Fill it in, or leave the row out")
    return numbers


def refuse(values: pandas.Series, bad: NDArray[np.bool_], name: str, where: str, what: str, mend: str) -> NoReturn:
    """Refuse a column for its first bad row."""
    position = int(np.argmax(bad))
    count = int(bad.sum())
    others = f" ({count - 1:,} more such rows)" if count > 1 else ""
    shown = str(values.iloc[position])
    shown = f"{shown[:57]}..." if len(shown) > 60 else shown
    row = values.index[position]
    raise DataError(f"{where}, row {row}: column {name!r}: {shown!r} {what}{others}. {mend}.")


def is_text(values: pandas.Series) -> bool:
    """Return whether a column holds text and nothing else but missing fields."""
    import pandas as pd

    if isinstance(values.dtype, pd.CategoricalDtype):
        return is_text(values.dtype.categories.to_series())
    if pd.api.types.is_object_dtype(values.dtype):
        return pd.api.types.infer_dtype(values, skipna=True) == "string"
    return pd.api.types.is_string_dtype(values.dtype)


def trimmed(values: pandas.Series) -> Any:
    """Return a text column as an Arrow array without the white space around each field; missing ones are null."""
    arrow, compute = arrow_module(), arrow_module("compute")
    array = arrow.array(values.astype("str") if values.dtype.name == "category" else values, from_pandas=True)
    if isinstance(array, arrow.ChunkedArray):
        array = array.combine_chunks()
    return compute.utf8_trim_whitespace(array)


def _text_numbers(values: pandas.Series, name: str, where: str) -> NDArray[np.float64]:
    arrow, compute = arrow_module(), arrow_module("compute")
    text = trimmed(values)
    absent = compute.or_(compute.is_null(text), compute.is_in(text, value_set=arrow.array(MISSING, type=text.type)))
    absent = compute.fill_null(absent, True)
    infinite = compute.fill_null(compute.match_substring_regex(text, _INFINITE), False)
    fits = compute.fill_null(compute.match_substring_regex(text, _NUMBER), False)
    bad = ~flags(absent) & ~flags(fits) & ~flags(infinite)
    if bad.any():
        refuse(values, bad, name, where, "is not a number", _MEND)
    plain = compute.if_else(fits, compute.replace_substring_regex(text, r"^\+", ""), None)
    try:
        numbers = compute.cast(plain, arrow.float64()).to_numpy(zero_copy_only=False)
    except arrow.ArrowInvalid:  # a number beyond the range of float64
        numbers = np.array([np.nan if field is None else float(field) for field in plain.to_pylist()])
    return np.where(flags(infinite), np.inf, numbers)


def _typed_numbers(values: pandas.Series, name: str, where: str) -> NDArray[np.float64]:
    import pandas as pd

    kind = pd.api.types
    if kind.is_complex_dtype(values.dtype) or not (
        kind.is_numeric_dtype(values.dtype) or kind.is_object_dtype(values.dtype)
    ):
        raise DataError(f"{where}: column {name!r} holds {values.dtype}, not numbers. Convert it, or name another.")
    if not kind.is_object_dtype(values.dtype):
        return np.array(values.to_numpy(dtype=np.float64, na_value=np.nan))
    numbers, bad = np.full(len(values), np.nan), np.zeros(len(values), dtype=bool)
    for position, value in enumerate(values):
        if value is None or value is pd.NA or (isinstance(value, str) and value.strip() in MISSING):
            continue
        try:
            numbers[position] = float(value)
        except OverflowError:
            numbers[position] = np.inf
        except (TypeError, ValueError):
            bad[position] = True
    if bad.any():
        refuse(values, bad, name, where, "is not a number", _MEND)
    return numbers


def flags(mask: Any) -> NDArray[np.bool_]:
    """Return an Arrow array of truth values as NumPy's."""
    return mask.to_numpy(zero_copy_only=False)


def arrow_module(part: str = "") -> Any:
    """Return the package pyarrow, or a module of it."""
    try:
        return importlib.import_module(f"pyarrow.{part}" if part else "pyarrow")
    except ImportError as error:
        raise MissingDependencyError("pyarrow", "Reading tables", "tables") from error
