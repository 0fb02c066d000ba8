"""Time Holdfast's layers against torch.nn, in turns, and print every case: those lost too.

python -m benchmarks.run [--threads 2] [--seconds 0.5] [--only lstm] [--out benchmarks/results/layers.json]
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

import holdfast
from benchmarks.registry import CASES, Case, prepare
from holdfast.kernels import cpu_level

ROUNDS = 15
RESULTS = Path(__file__).parent / "results"


def measure(calls: tuple[Callable[[], object], ...], seconds: float) -> list[tuple[float, float]]:
    """Run the calls in turns; return the median and the best of ROUNDS for each, in milliseconds."""
    repeats = [repeats_for(call, seconds / (ROUNDS * len(calls))) for call in calls]
    times: list[list[float]] = [[] for _ in calls]
    for _ in range(ROUNDS):
        for k, call in enumerate(calls):
            start = time.perf_counter()
            for _ in range(repeats[k]):
                call()
            times[k].append((time.perf_counter() - start) / repeats[k] * 1e3)
    return [(statistics.median(row), min(row)) for row in times]


def repeats_for(call: Callable[[], object], seconds: float) -> int:
    call()
    start = time.perf_counter()
    call()
    return max(1, round(seconds / max(time.perf_counter() - start, 1e-7)))


def run(cases: list[Case], seconds: float) -> list[dict[str, object]]:
    rows = []
    for case in cases:
        (theirs, theirs_best), (ours, ours_best) = measure(prepare(case), seconds)
        rows.append(
            {
                "family": case.family,
                "work": case.work,
                "size": case.size,
                "torch_ms": round(theirs, 4),
                "holdfast_ms": round(ours, 4),
                "ratio": round(theirs / ours, 2),
                "best_torch_ms": round(theirs_best, 4),
                "best_holdfast_ms": round(ours_best, 4),
            }
        )
        print(as_row(rows[-1]), flush=True)
    return rows


def as_row(row: dict[str, object]) -> str:
    lost = "" if float(str(row["ratio"])) >= 1 else "**slower**"
    values = (row[name] for name in ("family", "work", "size", "torch_ms", "holdfast_ms", "ratio"))
    return f"| {' | '.join(map(str, values))} | {lost} |"


def machine() -> dict[str, object]:
    return {
        "cpu": cpu_level.cpu_name(),
        "level": cpu_level.describe()["level"],
        "threads": torch.get_num_threads(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "holdfast": holdfast.__version__,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=0.5, help="time for each case, both libraries together")
    parser.add_argument("--only", help="a family: lstm, gru or rnn")
    parser.add_argument("--out", type=Path, default=RESULTS / "layers.json")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    print(", ".join(f"{name} {value}" for name, value in machine().items()))
    print("\n| family | work | B,T,I,H | torch.nn ms | holdfast ms | times as fast | |\n|---|---|---|---|---|---|---|")
    rows = run([case for case in CASES if arguments.only in (None, case.family)], arguments.seconds)
    lost = sum(float(str(row["ratio"])) < 1 for row in rows)
    print(f"\nMedians of {ROUNDS} rounds in turns. Slower than torch.nn in {lost} of {len(rows)} cases.")
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    record = {"command": " ".join(["python -m benchmarks.run", *sys.argv[1:]]), "machine": machine(), "cases": rows}
    arguments.out.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    print(f"Written to {arguments.out}.")


if __name__ == "__main__":
    main()
