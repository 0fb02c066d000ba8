"""Time and measure Holdfast's forecaster beside NeuralForecast's LSTM; writes benchmarks/results/neuralforecast.json.

    python -m venv .venv-neuralforecast
    .venv-neuralforecast/bin/pip install torch==2.13.0
    .venv-neuralforecast/bin/pip install -r benchmarks/requirements-neuralforecast.txt
    export NEURALFORECAST_PYTHON=.venv-neuralforecast/bin/python
    HOLDFAST_DATA=folder python -m benchmarks.neuralforecast_lstm

Take the same build of torch in both. What both can be told is told both: the rows, the layers, the hidden size, the
windows' length and scale, how many windows an update sees, the updates, the optimizer, its schedule, the quantiles
that are learnt, float32 and the threads. NeuralForecast keeps no validation rows, so its fit is training alone, and
trains on all rows; Holdfast's fit includes the choice of its windows, evaluations and calibration. Runs take turns.

NeuralForecast appears twice: with 32 series a batch, its default, and with few, which copies fewer windows an update.
A goal counts against the faster of both. Holdfast appears twice too: as it is, and as the recurrent network alone.

On a machine that does other work, `--clock cpu --threads 1` counts seconds of the processor instead of the clock's.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from benchmarks.forecast import first_rows, scaled_table
from benchmarks.forecast_floors import rounded
from benchmarks.forecast_sets import SETS
from holdfast.kernels.cpu_level import cpu_name
from holdfast.tasks.forecast import Forecaster
from holdfast.tasks.forecast.config import ForecastTraining, WindowSettings
from holdfast.tasks.forecast.model import QUANTILES
from holdfast.tasks.forecast.score import score

RESULTS = Path(__file__).parent / "results" / "neuralforecast.json"
WORKER = Path(__file__).parent / "peers" / "neuralforecast_worker.py"
PACKAGES = ("torch", "numpy", "pandas")
KEYS = ["unique_id", "ds", "y"]
Clock = Callable[[], float]
CLOCKS: dict[str, Clock] = {"wall": time.perf_counter, "cpu": time.process_time}
NAP = 0.5  # seconds between two contestants: threads of the one before stop waiting for work
GOAL = 2.0  # times faster

TRAINING = ForecastTraining(patience=None)
PLAIN = WindowSettings(patch=1, linear=False, transform="none", base="level", calendar=False)
OURS = {"Holdfast": WindowSettings(patch=1), "Holdfast, recurrent network alone": PLAIN}
SERIES = {"NeuralForecast": 32, "NeuralForecast, few series a batch": 0}


@dataclass(frozen=True)
class Case:
    """A set, a horizon and what both are told. `few` is how many series a batch the peer's second row has."""

    data: str
    horizon: int
    context: int
    few: int
    steps: int = 300
    hidden_size: int = 128
    num_layers: int = 1
    batch_size: int = 64

    @property
    def name(self) -> str:
        layers = f", {self.num_layers} layers" if self.num_layers > 1 else ""
        return f"{self.data}, horizon {self.horizon}{layers}"


CASES = (Case("etth1", 24, 96, few=1), Case("etth1", 96, 96, few=1), Case("m4_hourly", 48, 168, few=8))


@dataclass(frozen=True)
class Tables:
    """The rows both train on, those they are measured on, and where the peer reads them.

    Attributes:
        windows: Points of the held-out rows to forecast from; 0: the end of the training rows is the only one.
        validation: Last training rows that Holdfast holds out; 0 chooses.
    """

    train: pd.DataFrame
    whole: pd.DataFrame
    freq: str | int
    season: int
    windows: int
    validation: int
    folder: Path

    @classmethod
    def read(cls, case: Case, data_folder: Path, folder: Path) -> Tables:
        data = SETS[case.data](data_folder)
        if data.bounds is None:
            train, whole, windows, validation = data.split()[0].frame, data.table.frame, 0, 0
        else:
            fitted, checked, end = data.bounds
            table = scaled_table(data)
            train, whole = first_rows(table, checked), first_rows(table, end)
            windows, validation = end - checked - case.horizon + 1, checked - fitted
        freq = "h" if data.bounds else 1
        tables = cls(train[KEYS], whole[KEYS], freq, data.season, windows, validation, folder)
        for name in ("train", "whole"):
            getattr(tables, name).to_parquet(folder / f"{name}.parquet")
        return tables


class Peer:
    """NeuralForecast in its own process and environment, which waits between its turns."""

    def __init__(self, python: str, threads: int, clock: str):
        command = [python, str(WORKER), str(threads), clock]
        environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
        environment.pop("PYTHONPATH", None)
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment,
            cwd=tempfile.gettempdir(),
        )
        self.packages = self._answer()

    def run(self, job: dict[str, Any]) -> dict[str, Any]:
        print(json.dumps(job), file=self._process.stdin, flush=True)
        return self._answer()

    def close(self) -> None:
        self._process.communicate()

    def _answer(self) -> dict[str, Any]:
        line = self._process.stdout.readline() if self._process.stdout else ""
        if not line:
            self._process.wait()
            arguments: Any = self._process.args  # a list here, though a text would be allowed
            command = " ".join(map(str, arguments))
            raise SystemExit(f"NeuralForecast's process ended with {self._process.returncode}. To see why: {command}")
        return json.loads(line)


def run_peer(peer: Peer, case: Case, tables: Tables, name: str, seed: int) -> tuple[dict[str, Any], pd.DataFrame]:
    out = tables.folder / "forecast.parquet"
    rule = {key: getattr(TRAINING, key) for key in ("learning_rate", "weight_decay", "clip_norm")}
    files = {"train": str(tables.folder / "train.parquet"), "out": str(out)}
    took = peer.run(
        {
            **asdict(case),
            **rule,
            **files,
            "whole": str(tables.folder / "whole.parquet") if tables.windows else "",
            "windows": tables.windows,
            "freq": tables.freq,
            "seed": seed,
            "series_a_batch": SERIES[name] or case.few,
            "quantiles": list(QUANTILES),
        }
    )
    return took, pd.read_parquet(out)


def run_ours(case: Case, tables: Tables, name: str, seed: int, now: Clock) -> tuple[dict[str, Any], pd.DataFrame]:
    forecaster = Forecaster(
        horizon=case.horizon,
        season=tables.season,
        hidden_size=case.hidden_size,
        num_layers=case.num_layers,
        batch_size=case.batch_size,
        dropout=0.0,
        windows=replace(OURS[name], context=case.context, validation_size=tables.validation),
        train=replace(TRAINING, max_steps=case.steps, seed=seed),
    )
    took = {"fit_seconds": seconds(now, lambda: forecaster.fit(tables.train, freq=tables.freq, quiet=True))[0]}
    forecaster.predict()
    took["predict_seconds"], forecast = seconds(now, forecaster.predict)
    if tables.windows:
        took["rolling_seconds"], forecast = seconds(
            now, lambda: forecaster.cross_validation(tables.whole, tables.windows, 1)
        )
    return took, forecast.rename(columns={forecaster.name: "forecast"})


def seconds(now: Clock, call: Callable[[], Any]) -> tuple[float, Any]:
    began = now()
    found = call()
    return now() - began, found


def errors(case: Case, tables: Tables, forecast: pd.DataFrame) -> dict[str, float]:
    """Measure either's forecasts: MSE and MAE of scaled values from every point, or the M4 competition's figures."""
    expected = tables.train["unique_id"].nunique() * max(tables.windows, 1) * case.horizon
    if not tables.windows:
        forecast = tables.whole.merge(forecast[["unique_id", "ds", "forecast"]], on=["unique_id", "ds"], validate="1:1")
    if len(forecast) != expected or forecast["forecast"].isna().any():
        raise ValueError(
            f"{case.name}: {len(forecast)} forecasts of held-out rows, and not {expected}, or some are NaN"
        )
    found = score(forecast[[*KEYS, "forecast"]], tables.train, tables.season)["forecast"]
    gap = (forecast["forecast"] - forecast["y"]).to_numpy()
    if tables.windows:
        return {"MSE": float((gap**2).mean()), "MAE": float(abs(gap).mean())}
    return {name: float(found[name]) for name in ("sMAPE", "MASE")}


def measure(case: Case, tables: Tables, peer: Peer, runs: int, now: Clock) -> dict[str, list[dict[str, Any]]]:
    """Let everybody run once a round, in turns: a slow phase of the machine then falls on all."""
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in (*OURS, *SERIES)}
    for number in range(runs):
        for name in found:
            time.sleep(NAP)
            if name in OURS:
                took, forecast = run_ours(case, tables, name, number, now)
            else:
                took, forecast = run_peer(peer, case, tables, name, number)
            found[name].append(rounded({"seed": number, **took, **errors(case, tables, forecast)}))
            print(case.name, name, json.dumps(found[name][-1]), flush=True)
    return found


def summed_up(runs: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Return each contestant's medians and, of both of Holdfast's rows, how they stand beside the faster peer."""
    figures = [key for key in next(iter(runs.values()))[0] if key != "seed"]
    medians = {
        name: {key: statistics.median(each[key] for each in found) for key in figures} for name, found in runs.items()
    }
    beside = {}
    for ours in OURS:
        times = {
            key.removesuffix("_seconds"): min(medians[peer][key] for peer in SERIES) / medians[ours][key]
            for key in figures
            if key.endswith("_seconds")
        }
        losses = {
            key: medians[ours][key] / min(medians[peer][key] for peer in SERIES)
            for key in figures
            if not key.endswith("_seconds")
        }
        reached = {key: times[key] >= GOAL for key in times}
        beside[ours] = rounded({"times_faster": times, "error_beside_theirs": losses}) | {
            "goals": {**reached, "error": all(loss <= 1 for loss in losses.values())}
        }
    return {"medians": rounded(medians), "beside_the_better_of_the_peers_rows": beside, "runs": runs}


def table(cases: dict[str, Any]) -> str:
    """Return the medians as a Markdown table, losing rows included."""
    lines = ["| data | | fit s | predict s | every point s | error |", "|---|---|---|---|---|---|"]
    for case, found in cases.items():
        for name, row in found["medians"].items():
            times = [f"{row[f'{key}_seconds']:.3g}" for key in ("fit", "predict")]
            rolling = f"{row['rolling_seconds']:.3g}" if "rolling_seconds" in row else "-"
            loss = ", ".join(f"{key} {value:.4g}" for key, value in row.items() if not key.endswith("_seconds"))
            lines.append("| " + " | ".join([case, name, *times, rolling, loss]) + " |")
    return "\n".join(lines)


def find_python(parser: argparse.ArgumentParser, given: str | None) -> str:
    python = shutil.which(given) if given else None
    if python is None:
        where = f"there is no program {given!r}" if given else "name the Python of NeuralForecast's environment"
        parser.error(f"{where}: give --python or NEURALFORECAST_PYTHON, as the top of this file says")
    return os.path.abspath(python)  # the worker starts elsewhere; and a link stays one, or it leaves its environment


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default=os.environ.get("HOLDFAST_DATA"), help="folder of the real datasets")
    parser.add_argument("--python", default=os.environ.get("NEURALFORECAST_PYTHON"), help="of the peer's environment")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--clock", default="wall", choices=list(CLOCKS))
    parser.add_argument("--runs", type=int, default=3, help="of each contestant, with another seed each")
    parser.add_argument("--cases", nargs="*", choices=[case.name for case in CASES], help="all when left out")
    parser.add_argument("--steps", type=int, help="updates; of the case when left out")
    arguments = parser.parse_args()
    if not arguments.data:
        parser.error("name the folder of the datasets with --data or HOLDFAST_DATA")
    peer = Peer(find_python(parser, arguments.python), arguments.threads, arguments.clock)
    torch.set_num_threads(arguments.threads)
    now = CLOCKS[arguments.clock]
    load, began, found = os.getloadavg()[0], time.perf_counter(), {}
    with tempfile.TemporaryDirectory() as name:
        for case in CASES:
            if arguments.cases and case.name not in arguments.cases:
                continue
            case, folder = replace(case, steps=arguments.steps or case.steps), Path(name) / case.name
            folder.mkdir()
            tables = Tables.read(case, Path(arguments.data), folder)
            warm_up(replace(case, steps=3), tables, peer)
            found[case.name] = {"told_both": told(case), **summed_up(measure(case, tables, peer, arguments.runs, now))}
    peer.close()
    print(table(found))
    if not (arguments.cases or arguments.steps):
        write(found, peer, arguments, load, time.perf_counter() - began)


def warm_up(case: Case, tables: Tables, peer: Peer) -> None:
    """Run everybody shortly: what is imported or made once is no part of the times."""
    short = replace(tables, windows=min(tables.windows, 2))
    for name in OURS:
        run_ours(case, short, name, 0, time.perf_counter)
    for name in SERIES:
        run_peer(peer, case, short, name, 0)


def told(case: Case) -> dict[str, Any]:
    rule = {
        key: getattr(TRAINING, key) for key in ("optimizer", "learning_rate", "weight_decay", "clip_norm", "schedule")
    }
    return {**{key: value for key, value in asdict(case).items() if key not in ("data", "few")}, **rule, "dropout": 0.0}


def write(found: dict[str, Any], peer: Peer, arguments: argparse.Namespace, load: float, whole: float) -> None:
    few = {case.name: case.few for case in CASES}
    results = {
        "command": "python -m benchmarks." + " ".join(["neuralforecast_lstm", *sys.argv[1:]]),
        "machine": {"cores": os.cpu_count(), "cpu": cpu_name(), "threads": arguments.threads},
        "other_load": {"before": round(load, 2), "note": "mean number of running processes of the minute before"},
        "clock": arguments.clock,
        "runs": arguments.runs,
        "whole_seconds": round(whole),
        "packages": {"ours": {name: version(name) for name in PACKAGES}, "theirs": peer.packages},
        "goals": f"at least {GOAL:g} times faster than the faster of the peer's rows, and no error above the lower one",
        "series_a_batch": {**SERIES, "NeuralForecast, few series a batch": few},
        "test_set_read": "once by each run, after training; also by trials of this script, by which nothing was chosen",
        "cases": found,
    }
    RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
