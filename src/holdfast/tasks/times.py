"""Read a table's column of times: dates and times as people write them, or whole numbers. Needs no torch.

Text is read by its form, never guessed row by row: ISO 8601 (also with slashes, also down to the year and month alone),
20240131, 31.1.2024 and 31/1/2024 or 1/31/2024 (the column itself must show which comes first), 2024Q1, and whole
numbers. Times with a zone are kept as UTC instants; `time_zone` says where they are to be shown in again.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from holdfast.errors import DataError
from holdfast.tasks.columns import arrow_module, column, flags, is_text, refuse, trimmed

if TYPE_CHECKING:
    import pandas

Times = NDArray[Any]
"""datetime64[us] or int64."""

_CLOCK = r"[0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,9})?)?"
_ZONE = r" ?(?:Z|[+-][0-9]{2}:?[0-9]{2})"
_FORMS = {
    "whole": r"^[+-]?[0-9]{1,18}$",
    "iso": rf"^[0-9]{{4}}[-/][0-9]{{1,2}}(?:[-/][0-9]{{1,2}}(?:[T ]{_CLOCK})?)?$",
    "zoned": rf"^[0-9]{{4}}[-/][0-9]{{1,2}}[-/][0-9]{{1,2}}[T ]{_CLOCK}{_ZONE}$",
    "dotted": rf"^[0-9]{{1,2}}\.[0-9]{{1,2}}\.[0-9]{{4}}(?:[T ]{_CLOCK})?$",
    "slashed": rf"^[0-9]{{1,2}}/[0-9]{{1,2}}/[0-9]{{4}}(?:[T ]{_CLOCK}(?: ?[AaPp][Mm])?)?$",
    "quarter": r"^[0-9]{4}[- ]?[Qq][1-4]$",
}
_MEND = "Write times as 2024-01-31 or 2024-01-31 13:00:00, all in one form"


def time_column(frame: pandas.DataFrame, name: str, where: str, zoned: bool = False) -> Times:
    """Return a column of times as datetime64[us], or as int64 where it holds whole numbers.

    Times with a zone become UTC instants; where each is midnight in the column's own zone they are dates, and stay
    the dates they are. Whole numbers that all read as dates from 1800 to 2199, such as 20240131, are dates.

    Args:
        zoned: Whether the column goes on from instants: its midnights are instants too then.

    Raises:
        DataError: a time is missing or cannot be read, or nothing shows whether the day or the month comes first; names
            the row.
    """
    import pandas as pd

    values = column(frame, name, where)
    absent = values.isna().to_numpy()
    if absent.any():
        refuse(values, absent, name, where, "is no time", f"Fill it in, or leave the row out. {_MEND}")
    dtype = values.dtype
    if pd.api.types.is_datetime64_any_dtype(dtype):
        return _instants(values, zoned)
    if isinstance(dtype, pd.PeriodDtype):
        return _instants(values.dt.to_timestamp())
    if pd.api.types.is_integer_dtype(dtype):
        return _whole(values, values.to_numpy(), name, where)
    if is_text(values):
        return _from_text(values, name, where, zoned)
    if pd.api.types.is_object_dtype(dtype) or "date" in str(dtype) or "timestamp" in str(dtype):
        return _from_objects(values, name, where, zoned)
    raise DataError(f"{where}: column {name!r} holds {dtype}, not times. {_MEND}.")


def time_zone(frame: pandas.DataFrame, name: str, zoned: bool = False) -> str | None:
    """Return the zone that the instants of `time_column` come from, as pandas names it.

    None for times without a zone, for dates and for whole numbers; UTC where rows have different offsets, as where a
    clock changes in spring and autumn and the zone's name is not there. `zoned` is that of `time_column`.
    """
    import pandas as pd

    values = frame[name]
    if is_text(values):
        if not len(values) or not re.match(_FORMS["zoned"], str(values.iloc[0]).strip()):
            return None
        clocks, zones = _clocks_and_zones(trimmed(values))
        if not zoned and _midnights(pd.to_datetime(clocks.to_pandas(), format="ISO8601", errors="coerce")):
            return None
        distinct = {_offset(zone) for zone in zones.unique()}
        one = distinct.pop() if len(distinct) == 1 else "+0000"
        return "UTC" if one == "+0000" else f"UTC{one[:3]}:{one[3:]}"
    if pd.api.types.is_object_dtype(values.dtype):
        values = pd.to_datetime(values, errors="coerce")
    zone = getattr(getattr(values, "dt", None), "tz", None)
    dates = zone is None or (not zoned and _midnights(values.dt.tz_localize(None)))
    return None if dates else str(zone)


def in_zone(times: Times, zone: str | None) -> Any:
    """Return instants as pandas shows them in a zone; unchanged without one."""
    if zone is None:
        return times
    import pandas as pd

    return pd.DatetimeIndex(times).tz_localize("UTC").tz_convert(zone)


def _instants(values: pandas.Series, zoned: bool = False) -> Times:
    zone = getattr(values.dt, "tz", None)
    if zone is not None:
        local = values.dt.tz_localize(None)
        values = local if not zoned and _midnights(local) else values.dt.tz_convert("UTC").dt.tz_localize(None)
    return values.to_numpy().astype("datetime64[us]")


def _midnights(clocks: pandas.Series) -> bool:
    return bool((clocks == clocks.dt.normalize()).all())


def _whole(values: pandas.Series, numbers: NDArray[Any], name: str, where: str) -> Times:
    import pandas as pd

    if ((numbers >= 18000101) & (numbers <= 21991231)).all():
        dates = pd.to_datetime(pd.Series(numbers).astype(str), format="%Y%m%d", errors="coerce")
        if dates.notna().all():
            return _instants(dates)
    huge = (numbers > 10**17) | (numbers < -(10**17))
    if huge.any():
        refuse(values, huge, name, where, "is too large for a time", _MEND)
    return numbers.astype(np.int64)


def _from_objects(values: pandas.Series, name: str, where: str, zoned: bool) -> Times:
    import pandas as pd

    texts = np.array([isinstance(value, str) for value in values])
    if texts.any():
        refuse(values, texts, name, where, "is text among other things", _MEND)
    try:
        times = pd.to_datetime(values)
    except (TypeError, ValueError, OverflowError) as error:
        reason = str(error).splitlines()[0][:150].rstrip(". ")
        raise DataError(f"{where}: column {name!r} holds what is no time: {reason}. {_MEND}.") from error
    return _instants(times, zoned)


def _from_text(values: pandas.Series, name: str, where: str, zoned: bool) -> Times:
    compute = arrow_module("compute")
    text = trimmed(values)
    first = text[0].as_py()
    form = next((form for form, pattern in _FORMS.items() if re.match(pattern, first)), None)
    if form is None:
        known = [flags(compute.match_substring_regex(text, pattern)) for pattern in _FORMS.values()]
        refuse(values, ~np.any(known, axis=0), name, where, "is no time that can be read", _MEND)
    fits = flags(compute.match_substring_regex(text, _FORMS[form]))
    if not fits.all():
        refuse(values, ~fits, name, where, f"is no time, or in another form than {first!r}", _MEND)
    if form == "whole":
        numbers = compute.cast(compute.replace_substring_regex(text, r"^\+", ""), arrow_module().int64())
        return _whole(values, numbers.to_numpy(), name, where)
    if form == "quarter":
        years = compute.cast(compute.utf8_slice_codeunits(text, 0, 4), arrow_module().int64()).to_numpy()
        quarters = compute.cast(compute.utf8_slice_codeunits(text, -1), arrow_module().int64()).to_numpy()
        return ((years - 1970) * 12 + (quarters - 1) * 3).astype("datetime64[M]").astype("datetime64[us]")
    if form in ("dotted", "slashed"):
        return _day_and_month(values, text, form, name, where)
    return _iso(values, text, form, name, where, zoned)


def _iso(values: pandas.Series, text: Any, form: str, name: str, where: str, zoned: bool) -> Times:
    text = arrow_module("compute").replace_substring(text, "/", "-")
    if form == "zoned" and not zoned:
        clocks = _parsed(values, _clocks_and_zones(text)[0], "ISO8601", name, where)
        if (clocks == clocks.astype("datetime64[D]")).all():
            return clocks
    return _parsed(values, text, "ISO8601", name, where)


def _clocks_and_zones(text: Any) -> tuple[Any, Any]:
    """Return what the local clocks show, and their offsets such as +0100, or Z."""
    compute = arrow_module("compute")
    zones = compute.extract_regex(text, rf"(?P<zone>{_ZONE})$").field(0)
    clocks = compute.replace_substring_regex(text, rf"{_ZONE}$", "")
    return clocks, compute.replace_substring_regex(zones, "[ :]", "")


def _offset(zone: Any) -> str:
    return "+0000" if zone.as_py() in ("Z", "-0000") else zone.as_py()


def _day_and_month(values: pandas.Series, text: Any, form: str, name: str, where: str) -> Times:
    compute = arrow_module("compute")
    parts = compute.extract_regex(text, r"^(?P<a>[0-9]{1,2})[./](?P<b>[0-9]{1,2})")
    first, second = (compute.cast(parts.field(n), arrow_module().int64()).to_numpy() for n in (0, 1))
    mend = "Write dates as 2024-01-31"
    if form == "dotted" or (first > 12).any():
        wrong, order = second > 12, "%d/%m/%Y"
        if wrong.any():
            refuse(values, wrong, name, where, "has the month first where other rows have the day first", mend)
    elif (second > 12).any():
        order = "%m/%d/%Y"
    else:
        everywhere = np.ones(len(values), dtype=bool)
        refuse(values, everywhere, name, where, "may have the day or the month first; no row shows which", mend)
    clock = _clock_format(values, text, name, where)
    return _parsed(values, compute.replace_substring(text, ".", "/", max_replacements=2), order + clock, name, where)


def _clock_format(values: pandas.Series, text: Any, name: str, where: str) -> str:
    """Return the strptime format of what follows the date in each row."""
    compute = arrow_module("compute")
    shapes = {
        "": r"[0-9]{4}$",
        " %H:%M": r" [0-9]{1,2}:[0-9]{2}$",
        "T%H:%M": r"T[0-9]{1,2}:[0-9]{2}$",
        " %H:%M:%S": r" [0-9]{1,2}:[0-9]{2}:[0-9]{2}$",
        "T%H:%M:%S": r"T[0-9]{1,2}:[0-9]{2}:[0-9]{2}$",
        " %H:%M:%S.%f": r" [0-9]{1,2}:[0-9]{2}:[0-9]{2}\.[0-9]+$",
        " %I:%M %p": r" [0-9]{1,2}:[0-9]{2} [AaPp][Mm]$",
        " %I:%M:%S %p": r" [0-9]{1,2}:[0-9]{2}:[0-9]{2} [AaPp][Mm]$",
        " %I:%M%p": r" [0-9]{1,2}:[0-9]{2}[AaPp][Mm]$",
        " %I:%M:%S%p": r" [0-9]{1,2}:[0-9]{2}:[0-9]{2}[AaPp][Mm]$",
    }
    for clock, pattern in shapes.items():
        fits = flags(compute.match_substring_regex(text, pattern))
        if fits[0]:
            if not fits.all():
                refuse(values, ~fits, name, where, f"is in another form than {text[0].as_py()!r}", _MEND)
            return clock
    refuse(values, np.ones(len(values), dtype=bool), name, where, "is no time that can be read", _MEND)


def _parsed(values: pandas.Series, text: Any, form: str, name: str, where: str) -> Times:
    import pandas as pd

    # Few distinct times are common (many series on one grid): each is parsed once.
    encoded = text.dictionary_encode()
    times = pd.to_datetime(encoded.dictionary.to_pandas(), format=form, errors="coerce", utc=True)
    if times.isna().any():
        bad = times.isna().to_numpy()[encoded.indices.to_numpy()]
        refuse(values, bad, name, where, "is no date in the calendar", _MEND)
    return times.dt.tz_localize(None).to_numpy().astype("datetime64[us]")[encoded.indices.to_numpy()]
