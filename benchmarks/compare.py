"""Compare LSTM, GRU, plain RNN and variants on real data of four tasks, as `holdfast compare` does.

python -m benchmarks.compare --set NAME|all [--seconds 60] [--runs 3] [--cells lstm lstm+peephole]
python -m benchmarks.compare --reword

The data is found through the environment variable HOLDFAST_DATA. Each verdict goes to benchmarks/results/compare.json,
with how busy the machine was: budgets are wall time, so beside other work a cell may get fewer updates than another.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from pathlib import Path
from typing import Any

import torch

import holdfast
from benchmarks.classify_sets import SETS as LABELLED
from benchmarks.tag import load
from holdfast.tasks.classify.contest import ClassifyContest
from holdfast.tasks.compare import Contest, compare
from holdfast.tasks.comparison import CellResult, Comparison, Metric, Outcome, Score
from holdfast.tasks.forecast.contest import ForecastContest
from holdfast.tasks.language.contest import LanguageContest
from holdfast.tasks.tag.contest import TagContest

CELLS = ["lstm", "gru", "rnn"]
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


def gunpoint(data: Path) -> Contest:
    x, y = LABELLED["gunpoint"].read("train")
    return ClassifyContest(x, y, test=LABELLED["gunpoint"].read("test"))


def atis(data: Path) -> Contest:
    rows = [load("atis", split) for split in ("train", "test")]
    train, test = ([(sentence.words, sentence.tags) for sentence in part] for part in rows)
    return TagContest(train, test=test)


SETS = {"tinyshakespeare": tinyshakespeare, "airline": airline, "italy": italy, "gunpoint": gunpoint, "atis": atis}


def reworded(record: dict[str, Any]) -> dict[str, Any]:
    """Return a record with the verdict that its figures get today; what single test items gave was not kept."""
    cells = []
    for cell in record["cells"]:
        fields = {name: value for name, value in cell.items() if name != "interval"}
        cells.append(CellResult(**{**fields, "outcomes": [Outcome(**outcome) for outcome in cell["outcomes"]]}))
    baselines = {name: Score(value) for name, value in record["baselines"].items()}
    again = Comparison(record["task"], Metric(**record["metric"]), cells, baselines).to_dict()
    kept = [cell.get("interval", {}).get("items") for cell in record["cells"]]
    return record if any(kept) else record | again


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", choices=(*SETS, "all"), default="all")
    parser.add_argument("--seconds", type=float, default=60.0, help="training time of one run")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--cells", nargs="+", default=CELLS)
    parser.add_argument("--reword", action="store_true", help="run nothing: write the verdicts of earlier runs anew")
    settings = parser.parse_args()
    if settings.reword:
        record = {name: reworded(found) for name, found in json.loads(OUT.read_text(encoding="utf-8")).items()}
        OUT.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        return
    data = os.environ.get("HOLDFAST_DATA")
    if data is None:
        raise SystemExit("HOLDFAST_DATA names no folder of data.")
    record = json.loads(OUT.read_text(encoding="utf-8")) if OUT.exists() else {}
    for name in SETS if settings.set == "all" else [settings.set]:
        busy = os.getloadavg()[0]
        found = compare(SETS[name](Path(data)), seconds=settings.seconds, seeds=settings.runs, cells=settings.cells)
        print(f"\n{name}\n\n{found.to_markdown()}\n\n{found.verdict}\n", flush=True)
        record[name if settings.cells == CELLS else f"{name}: {' '.join(settings.cells)}"] = {
            "command": " ".join(["python -m benchmarks.compare", *sys.argv[1:]]),
            "machine": {"cpu": platform.processor() or platform.machine(), "threads": torch.get_num_threads()},
            "processes_that_wanted_a_core": {"before": busy, "after": os.getloadavg()[0]},
            "versions": {"holdfast": holdfast.__version__, "torch": torch.__version__},
            **found.to_dict(),
        }
        OUT.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
