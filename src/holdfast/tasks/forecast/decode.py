"""From the network's numbers to forecasts with intervals: quantiles, their calibration, and the frame people get."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from numbers import Real
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from holdfast.errors import ConfigError
from holdfast.tasks.estimator import TaskNetwork, evaluating
from holdfast.tasks.forecast.model import MEDIAN, QUANTILES, ForecastNetwork
from holdfast.tasks.forecast.windows import Doubles, Whole, WindowReader, Windows

if TYPE_CHECKING:
    import pandas

READ, BLOCK = 512, 128
"""Windows that are read, and run through the network, at once. More in a block leave the caches: a fifth more time."""
FEW_HELD_OUT = 100
"""Held-out values of a step below which it shares its calibration with the other steps."""


def check_levels(level: Any) -> list[float]:
    """Return the levels, in percent, ascending, whole numbers where they are; none for None.

    Raises:
        ConfigError: one is not between 0 and 100.
    """
    levels = [] if level is None else list(level) if isinstance(level, Iterable) else [level]
    for one in levels:
        wrong = isinstance(one, bool) or not isinstance(one, Real)
        if wrong or not 0.5 < 0.5 + float(one) / 200 < 1:  # the quantile of the upper bound
            raise ConfigError(f"level must be numbers between 0 and 100, such as [80, 95], got {one!r}.")
    return sorted({int(one) if one == int(one) else float(one) for one in levels})


def forecast_windows(network: ForecastNetwork, reader: WindowReader, rows: Whole, origins: Whole) -> Doubles:
    """Return the values of QUANTILES [windows, H, Q] for each (series, origin)."""
    return _forecast(network, reader, rows, origins, calibrated=False)


def forecast_calibrated(network: ForecastNetwork, reader: WindowReader, rows: Whole, origins: Whole) -> Doubles:
    """Return the same with each quantile moved to where held-out windows say it belongs."""
    return _forecast(network, reader, rows, origins, calibrated=True)


def _forecast(network: ForecastNetwork, reader: WindowReader, rows: Whole, origins: Whole, calibrated: bool) -> Doubles:
    found = np.empty((len(rows), reader.shape.horizon, len(QUANTILES)))
    with evaluating(network):
        for begin in range(0, len(rows), READ):
            windows = reader.read(rows[begin : begin + READ], origins[begin : begin + READ])
            numbers = quantiles_of(network, windows)
            if calibrated:
                moved = numbers + calibration_of(network).weight.detach().double().cpu().numpy()
                numbers = np.sort(moved, axis=-1)
            found[begin : begin + READ] = reader.restore(numbers, windows)
    return found


def calibration_of(network: TaskNetwork) -> Any:
    """Return the layer that holds what is added to each quantile."""
    return network.modules_by_name["calibration"]


def check_calibrated(network: TaskNetwork) -> None:
    """Refuse conformal intervals of a network that no held-out value calibrated."""
    if not calibration_of(network).weight.any():
        raise ConfigError(
            "This forecaster was not calibrated: training was killed before its end, or no held-out value was known. "
            "Fit it to its end on longer series, or leave conformal out."
        )


def quantiles_of(network: ForecastNetwork, windows: Windows) -> Doubles:
    """Return QUANTILES [B, H, Q] on the windows' common scale."""
    outputs = torch.cat([network(block) for block in windows.blocks(BLOCK)])
    return quantiles_from(outputs.double().cpu().numpy(), network.config.loss)


def quantiles_from(outputs: Doubles, loss: str) -> Doubles:
    """Return QUANTILES [..., Q] from a network's outputs: themselves, or a distribution's [..., 3]."""
    if loss != "student":
        return outputs
    place, width, tails = np.moveaxis(outputs, -1, 0)[..., None]
    return place + width * _student_quantiles(tails, np.array(QUANTILES))


def _student_quantiles(tails: Doubles, levels: Doubles) -> Doubles:
    from scipy.stats import t

    return t.ppf(levels, tails)


def calibrate(
    network: ForecastNetwork, reader: WindowReader, rows: Whole, origins: Whole, independent: int | None = None
) -> None:
    """Set the calibration by windows whose future is known; `independent` as `conformal_moves` takes it."""
    errors = []
    with evaluating(network):
        for begin in range(0, len(rows), READ):
            windows = reader.read(rows[begin : begin + READ], origins[begin : begin + READ])
            gaps = windows.target[..., None] - quantiles_of(network, windows)
            errors.append(np.where(windows.known[..., None] > 0, gaps, np.nan))
    with torch.no_grad():
        calibration_of(network).weight.copy_(torch.as_tensor(conformal_moves(np.concatenate(errors), independent)))


def conformal_moves(gaps: Doubles, independent: int | None = None) -> Doubles:
    """Return what to add to each quantile [H, Q] so that a share q of held-out values lies below quantile q.

    Steps with few held-out values share one move (split conformal prediction, one side at a time).

    Args:
        gaps: [windows, H, Q] from each quantile to the value, NaN where it is unknown.
        independent: About how many of the windows share no value. The fewer, the further out a new value may lie. None:
            all of them.
    """
    moves = np.zeros(gaps.shape[1:])
    for place, quantile in enumerate(QUANTILES):
        steps = [step[~np.isnan(step)] for step in gaps[..., place].T]
        few = [len(step) < FEW_HELD_OUT for step in steps]
        if any(few):
            moves[few, place] = _conformal_move(gaps[..., place][~np.isnan(gaps[..., place])], quantile, independent)
        for step in np.flatnonzero(np.logical_not(few)):
            moves[step, place] = _conformal_move(steps[step], quantile, independent)
    moves[:, MEDIAN] = 0.0  # the forecast itself stays
    return moves


def _conformal_move(known: Doubles, quantile: float, independent: int | None) -> float:
    """Return what to add to one quantile, 0 where no value is known."""
    if not len(known):
        return 0.0
    return float(np.quantile(known, conformal_rank(quantile, min(len(known), independent or len(known)))))


def conformal_rank(quantile: float, count: int) -> float:
    """Return the rank, as a share, that leaves a new value beyond it with the right chance: 1 / count further out."""
    rank = quantile * (1 + 1 / count) - (1 / count if quantile < 0.5 else 0)
    return min(max(rank, 0.0), 1.0)


def at_level(quantiles: Doubles, share: float) -> Doubles:
    """Return the quantile of `share` from QUANTILES [..., Q]: a straight line in normal scores, between and beyond."""
    scores = [NormalDist().inv_cdf(one) for one in QUANTILES]
    wanted = NormalDist().inv_cdf(share)
    right = int(np.clip(np.searchsorted(scores, wanted - 1e-12), 1, len(scores) - 1))
    part = (wanted - scores[right - 1]) / (scores[right] - scores[right - 1])
    return quantiles[..., right - 1] * (1 - part) + quantiles[..., right] * part


def forecast_frame(ids: Any, times: Any, quantiles: Doubles, name: str, levels: Sequence[float]) -> pandas.DataFrame:
    """Return a long frame: unique_id, ds, the median under the cell's name, and each level's two bounds."""
    import pandas as pd

    flat = quantiles.reshape(-1, quantiles.shape[-1])
    columns = {"unique_id": ids, "ds": times, name: flat[:, MEDIAN]}
    for level in levels:
        columns[f"{name}-lo-{level}"] = at_level(flat, 0.5 - level / 200)
        columns[f"{name}-hi-{level}"] = at_level(flat, 0.5 + level / 200)
    return pd.DataFrame(columns)
