"""Measure forecasts in long frames, by the metrics of the field. Needs no torch.

The errors themselves are utilsforecast's. A metric is taken over each series (and cutoff), then averaged over series,
as the M competitions do.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from holdfast.errors import DataError, MissingDependencyError
from holdfast.tasks.forecast.baselines import series_bounds

if TYPE_CHECKING:
    import pandas

REFERENCE = "Naive2"
"""The column that OWA compares with."""

_KEYS = ("unique_id", "ds", "cutoff", "y")


def score(
    forecasts: pandas.DataFrame, train: pandas.DataFrame, season: int, *, levels: Sequence[int] = ()
) -> pandas.DataFrame:
    """Return one row a metric and one column a model.

    MASE     mean absolute error / that of repeating the season before within the training data
    sMAPE    200 |y - f| / (|y| + |f|)
    OWA      mean of sMAPE and MASE, each relative to the column `Naive2`; only where there is one
    MSE, MAE; RMSE is the root of that MSE, over all series
    pinball  quantile loss, averaged over the median and both ends of each level
    coverage-80: share of values within `model-lo-80` and `model-hi-80`

    A row counts for no model if y or any model's value is NaN. A series that repeats itself exactly in training (a
    constant, for one) has no MASE, and counts in the other metrics. One that is shorter than a season and a step is
    scaled by the error of repeating the step before.

    Args:
        forecasts: `unique_id`, `ds`, `y`, a column a model, perhaps its `-lo-80`, `-hi-80`, and perhaps `cutoff`.
        train: `unique_id`, `y` of the training data, in order of time.
        season: Steps of a season.
        levels: Whose intervals are measured, for the models that have them.

    Raises:
        DataError: no forecast has a value to be compared with.
    """
    import pandas as pd

    losses = _losses()
    ends = {f"{side}-{level}" for level in levels for side in ("lo", "hi")}
    values = [name for name in forecasts.columns if name not in _KEYS]
    models = [name for name in values if not _is_end(name, values)]
    used = [*models, *(f"{model}-{end}" for model in models for end in ends if f"{model}-{end}" in values)]
    kept = forecasts.dropna(subset=["y", *used])
    if not len(kept):
        raise DataError("No forecast has a value to be compared with: y, or a model, is missing everywhere.")
    absolute, squared = losses.mae(kept, models), losses.mse(kept, models)
    scaled = _scaled(absolute, train, season, models)
    table = pd.DataFrame(
        {
            "MASE": scaled.mean(),
            "sMAPE": 200 * losses.smape(kept, models)[models].mean(),
            "MSE": squared[models].mean(),
            "MAE": absolute[models].mean(),
            "RMSE": np.sqrt(squared[models].mean()),
        }
    ).T
    if REFERENCE in models:
        relative = table.loc[["MASE", "sMAPE"]].div(table.loc[["MASE", "sMAPE"], REFERENCE], axis=0)
        table.loc["OWA"] = relative.mean(skipna=False)
    return pd.concat([table, *_interval_rows(losses, kept, models, levels)])


def series_mase(forecasts: pandas.DataFrame, train: pandas.DataFrame, season: int, model: str) -> pandas.Series:
    """Return each series' MASE, by `unique_id`; their mean is what `score` gives for a model alone.

    Raises:
        DataError: no forecast has a value to be compared with.
    """
    kept = forecasts.dropna(subset=["y", model])
    if not len(kept):
        raise DataError(f"No forecast has a value to be compared with: y, or {model}, is missing everywhere.")
    absolute = _losses().mae(kept, [model])
    scaled = _scaled(absolute, train, season, [model])
    found: Any = scaled[model].groupby(absolute["unique_id"].to_numpy()).mean()
    return found


def _scaled(absolute: Any, train: pandas.DataFrame, season: int, models: list[str]) -> Any:
    """Return mean absolute errors as multiples of those of repeating the season before; NaN where that has none."""
    scale = absolute["unique_id"].map(season_errors(train, season)).to_numpy()
    return absolute[models].div(np.where(scale > 0, scale, np.nan), axis=0)


def season_errors(train: pandas.DataFrame, season: int) -> pandas.Series:
    """Return each series' mean absolute error of repeating the season before, NaN where it has no two such values."""
    import pandas as pd

    starts, lengths = series_bounds(train["unique_id"])
    values = train["y"].to_numpy(dtype=np.float64)
    lags = np.where(lengths > season, season, 1)
    found = [_mean_difference(values, starts, lengths, int(lag)) for lag in np.unique(lags)]
    errors = np.full(len(starts), np.nan)
    for lag, each in zip(np.unique(lags), found, strict=True):
        errors = np.where(lags == lag, each, errors)
    return pd.Series(errors, index=pd.Index(train["unique_id"].iloc[starts]))


def _mean_difference(
    values: NDArray[np.float64], starts: NDArray[np.int64], lengths: NDArray[np.int64], lag: int
) -> NDArray[np.float64]:
    series = np.repeat(np.arange(len(starts)), lengths)
    differences = np.abs(values[lag:] - values[:-lag])
    counted = (series[lag:] == series[:-lag]) & ~np.isnan(differences)
    counts = np.bincount(series[lag:][counted], minlength=len(starts))
    sums = np.bincount(series[lag:][counted], differences[counted], minlength=len(starts))
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def _is_end(name: str, values: list[Any]) -> bool:
    """Return whether a column is an end of another column's interval."""
    parts = str(name).rsplit("-", 2)
    return len(parts) == 3 and parts[1] in ("lo", "hi") and parts[0] in values


def _interval_rows(losses: Any, kept: pandas.DataFrame, models: list[str], levels: Sequence[int]) -> list[Any]:
    import pandas as pd

    with_ends = [name for name in models if all(f"{name}-lo-{level}" in kept for level in levels)] if levels else []
    if not with_ends:
        return []
    tails = [(100 - level) / 200 for level in levels]
    quantiles = np.array([*tails, 0.5, *(1 - tail for tail in tails)])
    columns = {
        model: [*(f"{model}-lo-{level}" for level in levels), model, *(f"{model}-hi-{level}" for level in levels)]
        for model in with_ends
    }
    pinball = losses.mqloss(kept, columns, quantiles)[with_ends].mean()
    rows = [pd.DataFrame({"pinball": pinball}).T.reindex(columns=models)]
    for level in levels:
        covered = losses.coverage(kept, with_ends, level)[with_ends].mean()
        rows.append(pd.DataFrame({f"coverage-{level}": covered}).T.reindex(columns=models))
    return rows


def _losses() -> Any:
    try:
        from utilsforecast import losses
    except ImportError as error:
        raise MissingDependencyError("utilsforecast", "Measuring forecasts", "forecast") from error
    return losses
