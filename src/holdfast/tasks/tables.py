"""Read a table from what people have into pandas. Needs no torch.

A CSV is read as text, nothing guessed: `number_column` and `time_column` say what a column means, and refuse with the
row what does not fit. The frame's index is the row that messages name: in a CSV as a spreadsheet counts (the header is
row 1, blank lines are not counted), elsewhere from 1.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from holdfast.errors import DataError, MissingDependencyError
from holdfast.tasks.columns import arrow_module, column, number_column, refuse
from holdfast.tasks.files import text_blocks
from holdfast.tasks.times import time_column

if TYPE_CHECKING:
    import pandas

__all__ = ["column", "number_column", "read_table", "refuse", "time_column"]

SEPARATORS = (",", ";", "\t")


def read_table(source: Any) -> tuple[pandas.DataFrame, str]:
    """Return a table as a pandas frame, and the name that messages give it.

    Args:
        source: A path to a CSV (also .csv.gz and .csv.xz; UTF-8; separated by `,`, `;` or tab) or Parquet file, or a
            pandas, polars or any other frame that narwhals takes. It is not changed.

    Raises:
        DataError: the file cannot be read, is no table, or the object is no frame.
    """
    if isinstance(source, str | Path):
        path = Path(source)
        parquet = path.suffix.lower() in (".parquet", ".pq")
        frame = _read_parquet(path) if parquet else _read_csv(path)
        where = str(path)
    else:
        frame, where = _from_frame(source), "the frame"
    if not len(frame):
        raise DataError(f"{where}: the table has no rows. Give one with a row or more.")
    return frame, where


def _read_csv(path: Path) -> pandas.DataFrame:
    arrow, csv = arrow_module(), arrow_module("csv")
    text = "".join(text_blocks(path))
    if "\0" in text:
        raise DataError(f"{path}: holds zero bytes, so it is no CSV in UTF-8. Save it as CSV UTF-8.")
    if text.count('"') % 2:
        raise DataError(f"{path}: a quotation mark opens and never closes (their number is odd). Mend the quoting.")
    header = text.lstrip("\r\n").split("\n", 1)[0]
    parse = csv.ParseOptions(delimiter=max(SEPARATORS, key=header.count), newlines_in_values=True)
    read = csv.ReadOptions(use_threads=False, block_size=1 << 24)  # one thread, so that a broken row is named
    data = arrow.py_buffer(text.encode())
    del text
    try:
        with csv.open_csv(arrow.BufferReader(data), read_options=read, parse_options=parse) as reader:
            names = reader.schema.names
        convert = csv.ConvertOptions(
            column_types={name: arrow.string() for name in names}, strings_can_be_null=False, check_utf8=False
        )
        table = csv.read_csv(arrow.BufferReader(data), read_options=read, parse_options=parse, convert_options=convert)
    except arrow.ArrowInvalid as error:
        ragged = re.search(r"Row #(\d+): Expected (\d+) columns, got (\d+)", str(error))
        if ragged:
            row, expected, found = ragged.groups()
            raise DataError(
                f"{path}, row {row}: {found} fields where the header has {expected}. Give each row as many as the "
                "header, and put quotation marks around fields that hold the separator."
            ) from error
        raise DataError(f"{path}: is no CSV: {_reason(error)} Save it as CSV UTF-8 again.") from error
    frame = _to_pandas(table.rename_columns([name.strip() for name in names]))
    return _numbered(frame, first=2)


def _read_parquet(path: Path) -> pandas.DataFrame:
    arrow, parquet = arrow_module(), arrow_module("parquet")
    try:
        table = parquet.read_table(path)
    except FileNotFoundError as error:
        raise DataError(f"{path}: there is no such file. Check the name.") from error
    except (OSError, arrow.ArrowException) as error:
        raise DataError(f"{path}: is not a whole Parquet file: {_reason(error)} Fetch or write it again.") from error
    return _from_frame(_to_pandas(table))


def _to_pandas(table: Any) -> pandas.DataFrame:
    import pandas as pd

    arrow = arrow_module()
    # Text stays in Arrow's memory: a fifth of what one Python object a field takes.
    text = pd.StringDtype("pyarrow")
    return table.to_pandas(date_as_object=False, types_mapper={arrow.string(): text, arrow.large_string(): text}.get)


def _from_frame(source: Any) -> pandas.DataFrame:
    try:
        import narwhals
        import pandas as pd
    except ImportError as error:
        raise MissingDependencyError(error.name or "pandas", "Reading tables", "tables") from error
    if not isinstance(source, pd.DataFrame):
        try:
            native = narwhals.from_native(source)
            native = native.collect() if isinstance(native, narwhals.LazyFrame) else native
            source = native.to_pandas()
        except (TypeError, ValueError, NotImplementedError) as error:
            raise DataError(
                f"{type(source).__name__} is no table. Give the path of a CSV or Parquet file, or a pandas or "
                "polars frame."
            ) from error
    named = [name for name in source.index.names if name is not None and name not in source.columns]
    return _numbered(source.reset_index(named) if named else source.copy(deep=False), first=1)


def _numbered(frame: pandas.DataFrame, first: int) -> pandas.DataFrame:
    import pandas as pd

    frame.index = pd.RangeIndex(first, first + len(frame))
    return frame


def _reason(error: BaseException) -> str:
    """Return the first sentence of another library's message, ending in a full stop."""
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return reason.removeprefix("CSV parse error: ")[:200].rstrip(". ") + "."
