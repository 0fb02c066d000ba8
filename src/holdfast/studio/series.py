"""Series out of the text of a CSV, as a reader pastes it: with a header or without, one column or several."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.errors import DataError, MissingDependencyError

SEPARATORS = (",", ";", "\t")
LARGEST = float(np.finfo(np.float32).max)


def table_of(text: str) -> Any:
    """Return the text of a CSV as a pandas frame; columns without a name become "0", "1", ...

    Raises:
        DataError: it is no CSV, or has no rows.
        MissingDependencyError: pandas is not installed.
    """
    try:
        import pandas as pd
    except ImportError as error:
        raise MissingDependencyError("pandas", "Reading series", "tables") from error
    first = text.strip().split("\n", 1)[0]
    separator = max(SEPARATORS, key=first.count)
    headed = not all(_is_number(field) for field in first.split(separator))
    try:
        frame = pd.read_csv(io.StringIO(text), sep=separator, header=0 if headed else None, skipinitialspace=True)
    except ValueError as error:  # pandas' own errors are ValueErrors
        raise DataError(f"This is no CSV: {str(error).strip()}. Give a row a step, a column a number.") from error
    if not len(frame):
        raise DataError("There are no rows of numbers. Give a row a step, a column a number.")
    frame.columns = [str(name).strip() for name in frame.columns]
    return frame


def numbers_of(frame: Any, columns: list[str]) -> NDArray[np.float64]:
    """Return columns of a frame as numbers [T, I].

    Raises:
        DataError: a field is no finite number, or one that float32 does not hold; names column and row.
    """
    import pandas as pd

    found = np.empty((len(frame), len(columns)))
    for place, name in enumerate(columns):
        values = np.asarray(pd.to_numeric(frame[name], errors="coerce"), dtype=np.float64)
        wrong = ~(np.abs(values) <= LARGEST)
        if wrong.any():
            row = int(wrong.argmax())
            why = "too large for float32. Give smaller ones" if np.isfinite(values[row]) else "no number. Mend it"
            raise DataError(f"Column {name!r}, row {row + 1}: {str(frame[name].iloc[row])!r} is {why}.")
        found[:, place] = values
    return found


def columns_of(frame: Any, wanted: int, names: list[str] | None, others: tuple[str, ...]) -> list[str]:
    """Return which columns a model of so many features reads: those of its names, or all but `others` in order.

    Raises:
        DataError: there are not as many.
    """
    if names is not None and set(names) <= set(frame.columns):
        return names
    left = [name for name in frame.columns if name not in others]
    if len(left) != wanted:
        raise DataError(f"This model reads {wanted} numbers a step, and there are {len(left)} columns: {left[:8]}.")
    return left


def _is_number(field: str) -> bool:
    try:
        float(field)
    except ValueError:
        return not field.strip()
    return True
