"""Examples from tables: series in long format (`id, time, features..., label`), or a text in each row. No torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from holdfast.errors import DataError
from holdfast.tasks.classify.config import Columns
from holdfast.tasks.columns import column, number_column, refuse
from holdfast.tasks.tables import read_table
from holdfast.tasks.times import time_column

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True)
class Examples:
    """Examples of a table: their names (ids, or row numbers of texts), series or texts, and labels if there are any.

    `features` names the columns of the series in order; None for text.
    """

    ids: NDArray[Any]
    x: list[Any]
    labels: NDArray[Any] | None
    features: list[str] | None


def read_examples(source: Any, columns: Columns, *, labelled: bool, features: Sequence[str] | None = None) -> Examples:
    """Read the examples of a CSV, a Parquet file or a frame.

    Args:
        labelled: Whether there must be labels; otherwise the label column is not looked at.
        features: The columns that a trained model wants; None takes all but id, time and label.

    Raises:
        DataError: the table cannot be read, or a value does not fit; names file, row and mend.
    """
    frame, where = read_table(source)
    labels = _labels(frame, columns.label, where) if labelled else None
    if columns.text:
        return Examples(frame.index.to_numpy(), _texts(frame, columns.text, where), labels, None)
    ids = column(frame, columns.id, where)
    absent = ids.isna().to_numpy()
    if absent.any():
        refuse(ids, absent, columns.id, where, "is missing", "Give each row the id of its series")
    group, names = _groups(ids)
    order = _in_time(frame, group, columns, where)
    known = [str(name) for name in frame.columns if name not in (columns.id, columns.time, columns.label)]
    wanted = list(features) if features is not None else known
    if not wanted:
        raise DataError(f"{where}: no column is left for the features. Give one beside id, time and label.")
    table = np.stack([number_column(frame, name, where, missing=False) for name in wanted], axis=1)[order]
    cuts = np.cumsum(np.bincount(group))[:-1]
    if labels is not None:
        labels = _one_label_each(labels, group, frame, columns, where)
    return Examples(names, np.split(table, cuts), labels, wanted)


def _groups(ids: pandas.Series) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """Number the series in the order they first appear."""
    import pandas as pd

    group, names = pd.factorize(ids.astype(object))
    return np.asarray(group, dtype=np.int64), np.asarray(names)


def _in_time(frame: pandas.DataFrame, group: NDArray[np.int64], columns: Columns, where: str) -> NDArray[np.int64]:
    """Return the rows series by series, each by time; without a time column as they stand."""
    if columns.time not in frame.columns:
        return np.argsort(group, kind="stable")
    times: NDArray[Any]
    try:
        times = number_column(frame, columns.time, where, missing=False)
    except DataError:
        times = np.asarray(time_column(frame, columns.time, where))
    order = np.lexsort((times, group))
    twice = np.zeros(len(order), dtype=bool)
    same = (group[order][1:] == group[order][:-1]) & (times[order][1:] == times[order][:-1])
    twice[order[1:][same]] = True
    if twice.any():
        mend = "Keep one row for each time of a series"
        refuse(frame[columns.time], twice, columns.time, where, "is there twice in the same series", mend)
    return order


def _texts(frame: pandas.DataFrame, name: str, where: str) -> list[str]:
    values = column(frame, name, where)
    wrong = np.array([not isinstance(value, str) for value in values])
    if wrong.any():
        refuse(values, wrong, name, where, "is no text", "Write a text, or leave the row out")
    return [str(value) for value in values]


def _labels(frame: pandas.DataFrame, name: str, where: str) -> NDArray[Any]:
    values = column(frame, name, where)
    absent = np.array([value != value or value is None or not str(value).strip() for value in values.astype(object)])
    if absent.any():
        refuse(values, absent, name, where, "is no label", "Give each row a label, or leave it out")
    labels = values.to_numpy(dtype=object)
    return labels.astype(str) if any(isinstance(label, str) for label in labels) else np.array(labels.tolist())


def _one_label_each(
    labels: NDArray[Any], group: NDArray[np.int64], frame: pandas.DataFrame, columns: Columns, where: str
) -> NDArray[Any]:
    _, first = np.unique(group, return_index=True)
    differ = labels != labels[first][group]
    if differ.any():
        mend = "Give all rows of a series the same label"
        refuse(frame[columns.label], differ, columns.label, where, "is another label than the series began with", mend)
    return labels[first]
