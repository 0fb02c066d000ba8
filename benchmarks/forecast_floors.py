"""What simple forecasts reach on the forecasting sets: the floors a network must be measured against.

    HOLDFAST_DATA=folder python -m benchmarks.forecast_floors

Writes benchmarks/results/forecast_floors.json. Nothing is fitted to a test part.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.forecast_sets import SETS, ForecastSet, rolling_windows
from holdfast.kernels.cpu_level import cpu_name
from holdfast.tasks.forecast.baselines import BASELINES, forecast_baselines
from holdfast.tasks.forecast.score import score

RESULTS = Path(__file__).parent / "results" / "forecast_floors.json"
ROLLING_CONTEXT = 336

PUBLISHED = {
    "m4_hourly": "Naive2 sMAPE 18.383, MASE 2.395, OWA 1; Theta 18.138, 2.455, 1.006; seasonal naive 13.912, 1.193",
    "m3_yearly": "sMAPE: Naive2 17.88, Theta 16.90",
    "m3_quarterly": "sMAPE: Naive2 9.95, Theta 8.96",
    "m3_monthly": "sMAPE: Naive2 16.91, Theta 13.85",
    "m3_other": "sMAPE: Naive2 6.30, Theta 4.41",
    "etth1": "repeat the last 24 h: MSE .424 .512 .650 .655, MAE .389 .433 .501 .514",
    "exchange_rate": "last value: MSE .081 .167 .306 .810",
}


def held_out_floors(data: ForecastSet) -> dict[str, Any]:
    """Score every baseline on the last steps of each series."""
    train, test = data.split()
    forecasts = forecast_baselines(train, data.horizons[0], data.season)
    merged = test.merge(forecasts, on=["unique_id", "ds"], validate="1:1")
    if len(merged) != len(test):
        raise ValueError(f"{data.name}: {len(test) - len(merged)} test rows have no forecast")
    return {str(data.horizons[0]): rounded(score(merged, train.frame, data.season).to_dict())}


def rolling_floors(data: ForecastSet) -> dict[str, Any]:
    """Score every baseline from each row of the test part, on scaled values."""
    values = data.scaled()
    found = {}
    for horizon in data.horizons:
        squares, absolutes, count = dict.fromkeys(BASELINES, 0.0), dict.fromkeys(BASELINES, 0.0), 0
        for history, actual in rolling_windows(values, data.bounds[1], data.bounds[2], ROLLING_CONTEXT, horizon):
            count += actual.size
            for name, method in BASELINES.items():
                error = method(history, horizon, data.season) - actual
                squares[name] += float((error**2).sum())
                absolutes[name] += float(np.abs(error).sum())
        found[str(horizon)] = rounded(
            {name: {"MSE": squares[name] / count, "MAE": absolutes[name] / count} for name in BASELINES}
        )
    return found


def pm25_floors(data: ForecastSet) -> dict[str, Any]:
    """Score forecasts of the next hour where it was measured, in micrograms per cubic metre."""
    values = data.table.frame["y"].to_numpy()[:, None]
    found = {}
    for name, method in BASELINES.items():
        errors = []
        for history, actual in rolling_windows(values, data.bounds[1], data.bounds[2], ROLLING_CONTEXT, 1, block=2048):
            error = method(history, 1, data.season) - actual
            errors.append(error[~np.isnan(error)])
        error = np.concatenate(errors)
        found[name] = {"RMSE": np.sqrt((error**2).mean()), "MAE": np.abs(error).mean(), "hours": len(error)}
    return {"1": rounded(found)}


def rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: rounded(each) for name, each in value.items()}
    return value if isinstance(value, int) else float(f"{value:.5g}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default=os.environ.get("HOLDFAST_DATA"), help="folder of the real datasets")
    parser.add_argument("--sets", nargs="*", default=list(SETS), choices=list(SETS))
    arguments = parser.parse_args()
    if not arguments.data:
        parser.error("name the folder of the datasets with --data or HOLDFAST_DATA")
    results = {}
    for name in arguments.sets:
        began = time.perf_counter()
        data = SETS[name](Path(arguments.data))
        floors = pm25_floors if name == "pm25" else rolling_floors if data.bounds else held_out_floors
        found: dict[str, Any] = {"season": data.season, "horizons": floors(data)}
        found["seconds"] = round(time.perf_counter() - began, 1)
        if name in PUBLISHED:
            found["published"] = PUBLISHED[name]
        results[name] = found
        print(name, json.dumps(found, indent=1), flush=True)
    if set(results) == set(SETS):
        note = {
            "command": "python -m benchmarks.forecast_floors",
            "machine": {"cores": os.cpu_count(), "cpu": cpu_name(), "python": platform.python_version()},
            "packages": {name: version(name) for name in ("numpy", "pandas", "utilsforecast")},
            "note": f"The test parts are read once. Rolling methods see the last {ROLLING_CONTEXT} rows.",
        }
        RESULTS.write_text(json.dumps({**note, "sets": results}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
