"""Simple forecasts that every network must be measured against, for any number of series at once. Needs no torch.

They work on histories [S, L], aligned at their end: the last column is the last value, shorter series begin with NaN,
and NaN in between is a missing value. A history without any value gives NaN. The statistical ones follow the code of
the M4 competition (Makridakis, Spiliotis & Assimakopoulos 2020), and look at no more than the last `LONGEST` values.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from holdfast.errors import ConfigError
from holdfast.tasks.forecast.data import SeriesTable
from holdfast.tasks.forecast.grid import continue_times

if TYPE_CHECKING:
    import pandas

LONGEST = 5000
BLOCK_VALUES = 2_000_000
_ALPHAS = np.concatenate([[0.01], np.arange(0.04, 0.97, 0.04), [0.99]])
_SEASONAL_AT = 1.645  # of the standard normal distribution: 90 %, as in M4

Values = NDArray[np.float64]


def naive(history: Values, horizon: int, season: int = 1) -> Values:
    """Repeat the last value: [S, L] to [S, H]."""
    return np.repeat(_last(history)[:, None], horizon, axis=1)


def seasonal_naive(history: Values, horizon: int, season: int) -> Values:
    """Repeat the last season: [S, L] to [S, H].

    Where a value of it is missing, the same step of an earlier season stands in; where there is none, the last value.
    """
    count, length = history.shape
    whole = -(-length // season)
    padded = np.full((count, whole * season), np.nan)
    padded[:, whole * season - length :] = history
    by_step = padded.reshape(count, whole, season).transpose(0, 2, 1).reshape(count * season, whole)
    last = _last(by_step).reshape(count, season)
    last = np.where(np.isnan(last), _last(history)[:, None], last)
    return last[:, np.arange(horizon) % season]


def naive2(history: Values, horizon: int, season: int) -> Values:
    """Repeat the last value, seasonally adjusted where a test finds a season (M4's Naive2): [S, L] to [S, H]."""
    prepared = _prepared(history)
    adjusted, factors, added = deseasonalize(prepared, season)
    return _reseasonalize(naive(adjusted, horizon), factors, added, prepared)


def theta(history: Values, horizon: int, season: int) -> Values:
    """The Theta method (Assimakopoulos & Nikolopoulos 2000), as M4 ran it: [S, L] to [S, H].

    The mean of the straight line through the seasonally adjusted values, and of simple exponential smoothing of the
    values at twice their distance from that line. Not below zero where no value is.
    """
    forecast, _ = theta_parts(history, horizon, season)
    positive = _least(history[:, -LONGEST:]) >= 0
    return np.where(positive[:, None], np.maximum(forecast, 0), forecast)


def theta_parts(history: Values, horizon: int, season: int) -> tuple[Values, Values]:
    """Return Theta's forecast [S, H], wherever it is, and the seasonally adjusted values it comes from [S, L]."""
    prepared = _prepared(history)
    adjusted, factors, added = deseasonalize(prepared, season)
    level, slope = _line(adjusted)
    length = adjusted.shape[1]
    line = level[:, None] + slope[:, None] * np.arange(length)
    ahead = level[:, None] + slope[:, None] * np.arange(length, length + horizon)
    smoothed = _smooth(2 * adjusted - line)
    return _reseasonalize((ahead + smoothed[:, None]) / 2, factors, added, prepared), adjusted


BASELINES = {"SeasonalNaive": seasonal_naive, "Naive": naive, "Naive2": naive2, "Theta": theta}


def forecast_baselines(
    table: SeriesTable, horizon: int, season: int, names: Sequence[str] = tuple(BASELINES)
) -> pandas.DataFrame:
    """Forecast the `horizon` steps after each series: `unique_id`, `ds` and one column a baseline.

    Raises:
        ConfigError: a name is none of `BASELINES`.
    """
    import pandas as pd

    unknown = [name for name in names if name not in BASELINES]
    if unknown:
        raise ConfigError(f"Unknown baselines {', '.join(unknown)}. Known: {', '.join(BASELINES)}.")
    ids, times = table.frame["unique_id"], table.frame["ds"].to_numpy()
    starts, lengths = series_bounds(ids)
    values = table.frame["y"].to_numpy()
    forecasts = {name: np.empty((len(starts), horizon)) for name in names}
    for series, history in histories(values, starts, lengths):
        for name in names:
            forecasts[name][series] = BASELINES[name](history, horizon, season)
    frame = pd.DataFrame(
        {
            "unique_id": ids.iloc[np.repeat(starts, horizon)].array,
            "ds": continue_times(times[starts + lengths - 1], table.freq, horizon),
        }
    )
    return frame.assign(**{name: forecast.reshape(-1) for name, forecast in forecasts.items()})


def series_bounds(ids: pandas.Series) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the first row and the number of rows of each series of a frame whose series are each in one piece."""
    import pandas as pd

    codes = pd.factorize(ids)[0]
    starts = np.flatnonzero(np.diff(codes, prepend=-1))
    return starts, np.diff(np.append(starts, len(codes)))


def histories(
    values: Values, starts: NDArray[np.int64], lengths: NDArray[np.int64]
) -> Iterator[tuple[NDArray[np.int64], Values]]:
    """Yield the series' numbers [S] and histories [S, L], in blocks of like length of bounded size."""
    kept = np.minimum(lengths, LONGEST)
    order = np.argsort(kept, kind="stable")
    position = 0
    while position < len(order):
        # Growing lengths: what fits beside its longest, padded to at most twice what it is.
        longest = kept[order[position:]]
        fits = (longest * np.arange(1, len(longest) + 1) <= BLOCK_VALUES) & (longest <= 2 * longest[0] + 8)
        count = max(int(fits.sum()), 1)
        block = order[position : position + count]
        width = int(kept[block].max())
        column = np.arange(width) - (width - kept[block])[:, None]
        rows = (starts + lengths - kept)[block][:, None] + column
        yield block, np.where(column >= 0, values[np.maximum(rows, 0)], np.nan)
        position += count


def deseasonalize(history: Values, season: int) -> tuple[Values, Values, NDArray[np.bool_]]:
    """Take the season out of the histories in which a test of their autocorrelation finds one.

    Args:
        history: [S, L], without missing values between a series' first and last.

    Returns:
        The adjusted histories [S, L]; the season of the steps that follow [S, season]; and whether it is added [S]
        (where a value is not positive) rather than a factor.
    """
    count, length = history.shape
    added = ~(_least(history) > 0)
    factors = np.where(added[:, None], 0.0, np.ones((count, season)))
    if season < 2 or length < 3 * season:
        return history, factors, added
    seasonal = np.flatnonzero(_is_seasonal(history, season))
    if not len(seasonal):
        return history, factors, added
    part, adds = history[seasonal], added[seasonal][:, None]
    trend = _moving_mean(part, season)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        ratio = np.where(adds, part - trend, part / trend)
        # Column j of `figure` is the step j after the last one, so phases are counted from the end.
        phase = (np.arange(length) - length) % season
        figure = np.stack([_mean(ratio[:, phase == step]) for step in range(season)], axis=1)
        middle = figure.mean(axis=1, keepdims=True)
        figure = np.where(adds, figure - middle, figure / np.where(middle == 0, 1, middle))
        adjusted = history.copy()
        adjusted[seasonal] = np.where(adds, part - figure[:, phase], part / figure[:, phase])
    factors[seasonal] = figure
    return adjusted, factors, added


def _reseasonalize(forecast: Values, factors: Values, added: NDArray[np.bool_], history: Values) -> Values:
    """Put the season back; where values of very different size leave no number, the last value stands in."""
    ahead = factors[:, np.arange(forecast.shape[1]) % factors.shape[1]]
    with np.errstate(over="ignore", invalid="ignore"):
        whole = np.where(added[:, None], forecast + ahead, forecast * ahead)
    return np.where(np.isfinite(whole), whole, _last(history)[:, None])


def _is_seasonal(history: Values, season: int) -> NDArray[np.bool_]:
    """Test the autocorrelation at the lag of a season against that at shorter lags (90 %)."""
    present = ~np.isnan(history)
    counts = present.sum(axis=1)
    centred = np.where(present, history - _mean(history)[:, None], 0.0)
    power = (centred**2).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        lags = range(1, season + 1)
        correlation = np.stack([(centred[:, lag:] * centred[:, :-lag]).sum(axis=1) for lag in lags], axis=1)
        correlation = np.where(power[:, None] > 0, correlation / power[:, None], 0.0)
        limit = _SEASONAL_AT / np.sqrt(counts) * np.sqrt(1 + 2 * (correlation[:, :-1] ** 2).sum(axis=1))
    return (counts >= 3 * season) & (np.abs(correlation[:, -1]) > limit)


def _moving_mean(history: Values, season: int) -> Values:
    """Return the centred mean over a season, with half weights at the ends where it is even; NaN at both ends."""
    weights = np.ones(season) / season if season % 2 else np.concatenate([[0.5], np.ones(season - 1), [0.5]]) / season
    windows = np.lib.stride_tricks.sliding_window_view(history, len(weights), axis=1)
    trend = np.full(history.shape, np.nan)
    half = len(weights) // 2
    trend[:, half : history.shape[1] - half] = windows @ weights
    return trend


def _line(history: Values) -> tuple[Values, Values]:
    """Fit a straight line to each history: its value at the first column, and its slope."""
    present = ~np.isnan(history)
    time = np.where(present, np.arange(history.shape[1], dtype=np.float64), np.nan)
    middle_time, middle = _mean(time), _mean(history)
    apart = np.where(present, time - middle_time[:, None], 0.0)
    spread = (apart**2).sum(axis=1)
    slope = (apart * np.where(present, history - middle[:, None], 0.0)).sum(axis=1) / np.where(spread > 0, spread, 1)
    return middle - slope * middle_time, slope


def _smooth(history: Values) -> Values:
    """Return the last level of simple exponential smoothing, with the alpha and first level of least squared error.

    Levels are linear in the first one: run from zero, with a weight for what a first level of one would leave. Before a
    history begins both the level and the error are zero.
    """
    rows, length = history.shape
    absent = np.isnan(history)
    begin = np.where(absent.all(axis=1), length, np.argmin(absent, axis=1))
    weights = np.cumprod(np.concatenate([[np.ones_like(_ALPHAS)], np.repeat([1 - _ALPHAS], length, axis=0)]), axis=0)
    powers = np.concatenate([[np.zeros_like(_ALPHAS)], np.cumsum(weights[:-1] ** 2, axis=0)])[length - begin]
    values = np.where(absent, 0.0, history).T
    together = (begin == begin[:1]).all()
    level, squares, products, error, part = np.zeros((5, rows, len(_ALPHAS)))
    for step in range(int(begin.min(initial=length)), length):
        weight = weights[step - begin[0]] if together else weights[np.maximum(step - begin, 0)]
        np.subtract(values[step, :, None], level, out=error)
        squares += np.multiply(error, error, out=part)
        products += np.multiply(error, weight, out=part)
        level += np.multiply(error, _ALPHAS, out=part)
    first = products / np.where(powers > 0, powers, 1)
    loss = squares - products * first
    best = np.argmin(loss, axis=1)[:, None]
    return np.take_along_axis(level + weights[length - begin] * first, best, axis=1)[:, 0]


def _prepared(history: Values) -> Values:
    """Cut long histories, and fill what is missing inside them along a straight line, at their end with the last."""
    history = history[:, -LONGEST:]
    present = ~np.isnan(history)
    begun = np.logical_or.accumulate(present, axis=1)
    gaps = (begun & ~present).any(axis=1)
    if not gaps.any():
        return history
    filled = history.copy()
    for row in np.flatnonzero(gaps):
        known = np.flatnonzero(present[row])
        inside = np.arange(known[0], history.shape[1])
        filled[row, inside] = np.interp(inside, known, history[row, known])
    return filled


def _last(history: Values) -> Values:
    """Return the last value that is present of each row, NaN where there is none."""
    present = ~np.isnan(history)
    position = history.shape[1] - 1 - np.argmax(present[:, ::-1], axis=1)
    return history[np.arange(len(history)), position]


def _least(history: Values) -> Values:
    """Return the least value present of each row; infinite where there is none."""
    return np.where(np.isnan(history), np.inf, history).min(axis=1)


def _mean(values: Values) -> Values:
    """Return the mean of what is present in each row, NaN where nothing is."""
    present = ~np.isnan(values)
    counts = present.sum(axis=1)
    return np.where(counts > 0, np.where(present, values, 0.0).sum(axis=1) / np.maximum(counts, 1), np.nan)
