"""Find the frequency of series, place their rows on a regular grid, and continue the grid. Needs no torch.

Times are datetime64[us] or int64. Steps of fixed length (seconds to weeks as "7D") count from each series' first time;
steps of the calendar ("MS", "QE-DEC", "W-MON", "B") have one grid for all series.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from holdfast.errors import ConfigError

if TYPE_CHECKING:
    import pandas

Whole = NDArray[np.int64]
Times = NDArray[Any]

DAY = 86_400 * 10**6  # microseconds
_UNITS = {"D": DAY, "h": DAY // 24, "min": DAY // 1440, "s": 1_000_000, "ms": 1000, "us": 1}
_FORMER = {"H": "h", "T": "min", "S": "s", "L": "ms", "U": "us", "M": "ME", "Q": "QE", "Y": "YE", "A": "YE"}
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_WEEKDAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
_SEASONS = {"Y": 1, "Q": 4, "M": 12, "W": 52, "B": 5, "D": 7}
_NAMED_BY_END = ("W", "ME", "QE", "YE", "BME", "BQE", "BYE")
_NATURAL = (
    *((number * 1000, f"{number}ms") for number in (1, 10, 100)),
    *((number * 1_000_000, f"{number}s") for number in (1, 5, 10, 15, 30)),
    *((number * DAY // 1440, f"{number}min") for number in (1, 5, 10, 15, 30)),
    *((number * DAY // 24, f"{number}h") for number in (1, 2, 3, 6, 12)),
    *((DAY, "D"), (7 * DAY, "W-SUN"), (30 * DAY, "MS"), (91 * DAY, "QS-JAN"), (365 * DAY, "YS-JAN")),
)
LEAST_COMMON = 0.5  # share of steps that the most common one has where it is taken for the step of irregular times
MOST_STEP = 2**62
"""A whole step is below it, so that a time and a step still have a sum."""
_EPOCH = "1970-01-01"
_SPANS = {"D": 7 * DAY, "h": DAY, "min": DAY // 24, "s": DAY // 1440}


def check_freq(freq: Any, times: Times | None = None) -> str | int:
    """Return a frequency as this module writes it: pandas' alias, or a whole step for whole times.

    Raises:
        ConfigError: pandas knows no such alias, or the frequency does not go with the times.
    """
    if isinstance(freq, int | np.integer) and not isinstance(freq, bool):
        if not 1 <= freq < MOST_STEP or (times is not None and times.dtype.kind == "M"):
            raise ConfigError(f"freq={freq!r} is for times that are whole numbers, and at least 1; got dates or less.")
        return int(freq)
    if times is not None and times.dtype.kind != "M":
        raise ConfigError(f"freq={freq!r} is for dates, but the times are whole numbers. Give a whole step, such as 1.")
    offset = _offset(freq)
    if offset.n < 1:
        raise ConfigError(f"freq={freq!r} must go forward.")
    return offset.freqstr


def default_season(freq: str | int) -> int:
    """Return how many steps the usual season of a frequency has; 1 where there is none.

    Hours have a day's 24, minutes an hour's 60 (30min a day's 48, 15min 96), days a week's 7, business days 5, weeks,
    months and quarters a year's 52, 12 and 4.
    """
    if isinstance(freq, int | np.integer):
        return 1
    offset = _offset(freq)
    name = offset.rule_code.split("-")[0]
    tick = _tick(offset)
    if tick and tick % (7 * DAY):
        for unit, span in _SPANS.items():
            if tick % _UNITS[unit] == 0:
                span = DAY if unit == "min" and tick > _UNITS["min"] else span
                return max(span // tick, 1) if span % tick == 0 else 1
        return 1
    base, steps = ("W", tick // (7 * DAY)) if tick else (name.rstrip("SE") if name != "B" else "B", offset.n)
    season = _SEASONS.get(base, 1)
    return season // steps if season % steps == 0 else 1


def continue_times(last: Times, freq: str | int, horizon: int) -> Times:
    """Return the `horizon` times after each of `last` [S], as one array [S * horizon]."""
    import pandas as pd

    ahead = np.arange(1, horizon + 1)
    if isinstance(freq, int | np.integer):
        return (last[:, None] + int(freq) * ahead).reshape(-1)
    offset = _offset(freq)
    step = _tick(offset)
    if step:
        return (last[:, None] + (step * ahead).astype("timedelta64[us]")).reshape(-1)
    if not len(last):
        return last
    end = last.max()
    beyond = pd.date_range(end, periods=horizon + 2, freq=offset).to_numpy().astype(last.dtype)
    grid = np.union1d(_calendar(last.min(), end, offset), beyond)
    # The next grid point after a time, whether or not the time itself is on the grid.
    return grid[np.searchsorted(grid, last, side="right")[:, None] + ahead - 1].reshape(-1)


def count_steps(times: Times, first: Times, freq: str | int) -> tuple[Whole, NDArray[np.bool_], Times]:
    """Number the times of each row on its series' grid.

    Args:
        times: of each row [N].
        first: the first time of each row's series [N].

    Returns:
        Steps [N] such that equal steps of a series are equal times; whether a time is off the grid [N]; the grid of a
        calendar frequency, in which the steps are positions (empty for fixed steps, which count from `first`).
    """
    empty = times[:0]
    if isinstance(freq, int | np.integer):
        passed, step = times - first, int(freq)
        return passed // step, passed % step != 0, empty
    offset = _offset(freq)
    step = _tick(offset)
    if step:
        passed = (times - first).astype(np.int64)
        return passed // step, passed % step != 0, empty
    grid = _calendar(times.min(), times.max(), offset)
    if not len(grid):
        return np.zeros(len(times), dtype=np.int64), np.ones(len(times), dtype=bool), grid
    steps = np.minimum(np.searchsorted(grid, times), len(grid) - 1)
    return steps, grid[steps] != times, grid


def times_of(steps: Whole, first: Times, freq: str | int, grid: Times) -> Times:
    """Turn steps back into times: the inverse of `count_steps`."""
    if len(grid):
        return grid[steps]
    if isinstance(freq, int | np.integer):
        return first + steps * int(freq)
    return first + (steps * _tick(_offset(freq))).astype("timedelta64[us]")


def step_containing(times: Times, freq: str | int) -> Times:
    """Return the time that names the step of the grid that each time falls in, as pandas' `resample` does.

    That is the step's begin, but for weeks and ends of months, quarters and years. Steps of fixed length, and several
    steps of the calendar such as "2MS", count from 1970, or from 0, so that all data has the same grid.
    """
    import pandas as pd

    if isinstance(freq, int | np.integer):
        return times // int(freq) * int(freq)
    offset = _offset(freq)
    step = _tick(offset)
    if step or not len(times):
        return (times.astype(np.int64) // max(step, 1) * max(step, 1)).astype("datetime64[us]")
    days = times.astype("datetime64[D]").astype("datetime64[us]")
    begin, end = pd.Timestamp(days.min()) - 2 * offset, pd.Timestamp(days.max()) + 2 * offset
    grid = _calendar(begin, end, offset) if offset.n == 1 else _counted_calendar(begin, end, offset)
    if offset.rule_code.split("-")[0] in _NAMED_BY_END:
        return grid[np.searchsorted(grid, days, side="left")]
    return grid[np.searchsorted(grid, times, side="right") - 1]


def natural_freq(times: Times, inner: NDArray[np.bool_]) -> str | int | None:
    """Return a frequency for irregular times: the most common step where half of them have it, else a usual one.

    The usual one is the nearest, among the steps people use, to the median step. None where no series has two rows.

    Args:
        times, inner: As `infer_freq` takes them.
    """
    steps = np.diff(times)[inner[1:]].astype(np.int64)
    steps = steps[steps > 0]
    if not len(steps):
        return None
    common, median = _most_common(steps), max(int(np.median(steps)), 1)
    regular = (steps == common).mean() >= LEAST_COMMON
    if times.dtype.kind != "M":
        return common if regular else median
    if regular and common < 28 * DAY:
        return infer_freq(times, inner)
    return _offset(min(_NATURAL, key=lambda natural: abs(np.log(natural[0] / median)))[1]).freqstr


def write_time(time: Any) -> str:
    """Return a time as a person writes it: 2024-01-31, 2024-01-31 13:00:00, or the whole number."""
    text = str(time).replace("T", " ")
    return text.removesuffix(".000000").removesuffix(" 00:00:00")


def infer_freq(times: Times, inner: NDArray[np.bool_]) -> str | int | None:
    """Return the frequency that most steps of series have, or None where no series has two rows.

    Args:
        times: of rows sorted by series and time [N].
        inner: whether a row follows another of its series [N].
    """
    steps = np.diff(times)[inner[1:]].astype(np.int64)
    steps = steps[steps > 0]
    if not len(steps):
        return None
    common = _most_common(steps)
    if times.dtype.kind != "M":
        return common
    if common >= 28 * DAY:
        calendar = _months(times, inner)
        if calendar:
            return calendar
    days = (times.astype("datetime64[D]").astype(np.int64) + 3) % 7  # Monday is 0
    if common == DAY and days.max() < 5 and steps.max() > DAY:
        return "B"
    if common == 7 * DAY and (days == days[0]).all():
        return f"W-{_WEEKDAYS[days[0]]}"
    unit, length = next((unit, length) for unit, length in _UNITS.items() if common % length == 0)
    return unit if common == length else f"{common // length}{unit}"


def _months(times: Times, inner: NDArray[np.bool_]) -> str | None:
    """Return the frequency of times that are all first, or all last days of months at one time of the day."""
    months = times.astype("datetime64[M]")
    first_days, last_days = months.astype("datetime64[D]"), (months + 1).astype("datetime64[D]") - 1
    dates = times.astype("datetime64[D]")
    clocks = times - dates
    side = "S" if (dates == first_days).all() else "E" if (dates == last_days).all() else None
    if side is None or (clocks != clocks[0]).any():
        return None
    steps = np.diff(months)[inner[1:]].astype(np.int64)
    common = _most_common(steps[steps > 0])
    month = int(months[0].astype(np.int64)) % 12
    if common % 12 == 0:
        number = common // 12
        return f"{number if number > 1 else ''}Y{side}-{_MONTHS[month]}"
    if common == 3:
        # pandas names a quarter's start by its first month of the year, its end by the last.
        return f"Q{side}-{_MONTHS[month % 3 + (9 if side == 'E' else 0)]}"
    return f"{common if common > 1 else ''}M{side}"


def _most_common(steps: Whole) -> int:
    values, counts = np.unique(steps, return_counts=True)
    return int(values[np.argmax(counts)])


def _calendar(start: Any, end: Any, offset: Any) -> Times:
    import pandas as pd

    return pd.date_range(start, end, freq=offset).to_numpy().astype("datetime64[us]")


def _counted_calendar(start: Any, end: Any, offset: Any) -> Times:
    """Return the grid of several steps of the calendar, counted from 1970 whatever `start` is."""
    import pandas as pd

    origin = offset.base.rollforward(pd.Timestamp(_EPOCH))
    after, before = _calendar(origin, max(end, origin), offset), _calendar(origin, min(start, origin), -1 * offset)
    return np.union1d(before, after)


def _tick(offset: pandas.offsets.BaseOffset) -> int:
    """Return the length of a step of fixed length in microseconds, 0 for steps of the calendar."""
    import pandas as pd

    if isinstance(offset, pd.offsets.Day):
        return offset.n * DAY
    return offset.nanos // 1000 if isinstance(offset, pd.offsets.Tick) else 0


def _offset(freq: Any) -> Any:
    import pandas as pd

    former = re.fullmatch(r"(\d*)([HTSLUMQYA])(-[A-Z]{3})?", str(freq))
    alias = f"{former[1]}{_FORMER[former[2]]}{former[3] or ''}" if former else freq
    try:
        offset = pd.tseries.frequencies.to_offset(alias)
    except (ValueError, TypeError, AttributeError) as error:
        raise ConfigError(
            f"freq={freq!r} is no frequency. Give one such as h, D, B, W-SUN, MS, QS, YS or 15min."
        ) from error
    if offset is None or (isinstance(offset, pd.offsets.Tick) and offset.nanos % 1000):
        raise ConfigError(f"freq={freq!r} is no frequency of at least a microsecond.")
    return offset
