"""Compare LSTM, GRU and plain RNN on real data of three tasks, as `holdfast compare` does.

python -m benchmarks.compare --set tinyshakespeare|airline|italy|all [--seconds 60] [--runs 3]

The data is found through the environment variable HOLDFAST_DATA. Each verdict goes to benchmarks/results/compare.json.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from pathlib import Path

import torch

import holdfast
from benchmarks.classify_sets import SETS as LABELLED
from holdfast.tasks.classify.contest import ClassifyContest
from holdfast.tasks.compare import Contest, compare
from holdfast.tasks.forecast.contest import ForecastContest
from holdfast.tasks.language.contest import LanguageContest

OUT = Path(__file__).parent / "results" / "compare.json"


def tinyshakespeare(data: Path) -> Contest:
    return LanguageContest(files=data / "tinyshakespeare" / "input.txt.gz")


def airline(data: Path) -> Contest:
    path = data / "classic_ts" / "airline-passengers.csv"
    columns = {"id": None, "time": "Month", "target": "Passengers"}
    return ForecastContest.from_data(path, columns=columns, horizon=24)


def italy(data: Path) -> Contest:
    x, y = LABELLED["italy_power_demand"].read("train")
    return ClassifyContest(x, y, test=LABELLED["italy_power_demand"].read("test"))


SETS = {"tinyshakespeare": tinyshakespeare, "airline": airline, "italy": italy}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", choices=(*SETS, "all"), default="all")
    parser.add_argument("--seconds", type=float, default=60.0, help="training time of one run")
    parser.add_argument("--runs", type=int, default=3)
    settings = parser.parse_args()
    data = os.environ.get("HOLDFAST_DATA")
    if data is None:
        raise SystemExit("HOLDFAST_DATA names no folder of data.")
    record = json.loads(OUT.read_text(encoding="utf-8")) if OUT.exists() else {}
    for name in SETS if settings.set == "all" else [settings.set]:
        found = compare(SETS[name](Path(data)), seconds=settings.seconds, seeds=settings.runs)
        print(f"\n{name}\n\n{found.to_markdown()}\n\n{found.verdict}\n", flush=True)
        record[name] = {
            "command": " ".join(["python -m benchmarks.compare", *sys.argv[1:]]),
            "machine": {"cpu": platform.processor() or platform.machine(), "threads": torch.get_num_threads()},
            "versions": {"holdfast": holdfast.__version__, "torch": torch.__version__},
            **found.to_dict(),
        }
        OUT.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
