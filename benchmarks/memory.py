"""Learn the problems of long memory with an LSTM, a GRU and a plain RNN, beside what was published.

python -m benchmarks.memory --set NAME|all --runs FOLDER [--cells lstm rnn] [--seconds 600] [--search]
python -m benchmarks.memory --reach --runs FOLDER
python -m benchmarks.memory --table

Each cell has as many parameters as the LSTM, equal time and the learning rate named here, found by short trials on
validation data; with --search `compare` looks for it, as `holdfast compare memory` does. FOLDER keeps the runs: one
that was stopped goes on there. MNIST is found through the environment variable HOLDFAST_DATA. The figures go to
benchmarks/results/memory.json, with how busy the machine was: budgets are wall time. --reach doubles the latch's length
until a cell no longer learns it in a fixed number of updates. --table writes the rows of docs/memory-problems.md.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shlex
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

import holdfast
from holdfast.tasks.compare import compare, match_size
from holdfast.tasks.comparison import CellResult, Comparison, Trial
from holdfast.tasks.memory import Memory, MemoryConfig
from holdfast.tasks.memory.contest import MemoryContest
from holdfast.train import TrainSettings

OUT = Path(__file__).parent / "results" / "memory.json"
SOLVED = 0.99
"""Share of the validation sequences from which on a problem counts as learnt."""
REACHED = tuple(2**power for power in range(3, 12))
REACH_UPDATES = 1500
TCN = "Bai et al. 2018, table 1"
RECURRENT_BN = "Cooijmans et al. 2017, table 1"
HOCHREITER = "Hochreiter & Schmidhuber 1997"


@dataclass(frozen=True)
class Case:
    """A problem, how long its cells train and with which learning rates, what to reach, and what was published."""

    config: MemoryConfig
    seconds: float
    rates: dict[str, float]
    goal: str = ""
    published: dict[str, str] = field(default_factory=dict)
    seeds: int = 1


def settings(task: str, rate: float, **fields: Any) -> MemoryConfig:
    sizes = {"hidden_size": 64, "batch_size": 32} | fields
    return MemoryConfig(task=task, train=TrainSettings(learning_rate=rate, warmup_steps=100, log_every=50), **sizes)


_FAR_BELOW = "far below guessing without a memory"
_LSTM_ALONE = "solved by the LSTM and not by the RNN"
_LATCH = {"length": 1000, "hidden_size": 32}
_BAI_COPY = {TCN: "T = 1000: LSTM 0.0204, GRU 0.0197, TCN 0.000035, without a memory 0.0204"}


def rates(gated: float, plain: float) -> dict[str, float]:
    return {"lstm": gated, "gru": gated, "rnn": plain}


CASES = {
    "adding 200": Case(settings("adding", 5e-3, length=200), 300, rates(5e-3, 1e-3), "below 0.001"),
    "adding 600": Case(
        settings("adding", 5e-3, length=600, lengths="mixed"), 600, rates(5e-3, 1e-3), "below 0.001",
        {TCN: "LSTM 0.164, GRU 0.000053, TCN 0.000058"},
    ),
    "copy 100": Case(
        settings("copy", 3e-3, length=100, lengths="mixed", hidden_size=128), 300, rates(3e-3, 1e-3), _FAR_BELOW
    ),
    "copy 500": Case(
        settings("copy", 3e-3, length=500, lengths="mixed", hidden_size=128), 600, rates(3e-3, 1e-3), _FAR_BELOW,
        _BAI_COPY,
    ),
    "latch 1000, 60 s": Case(settings("latch", 1e-2, **_LATCH), 60, rates(1e-2, 3e-3), _LSTM_ALONE, seeds=2),
    "latch 1000, 120 s": Case(settings("latch", 1e-2, **_LATCH), 120, rates(1e-2, 3e-3), _LSTM_ALONE),
    "latch 1000, mixed lengths": Case(
        settings("latch", 1e-2, lengths="mixed", **_LATCH), 60, rates(1e-2, 3e-3), _LSTM_ALONE
    ),
    "temporal order 100": Case(
        settings("temporal_order", 1e-2, length=100, hidden_size=32), 60, rates(1e-2, 3e-3), _LSTM_ALONE,
        {HOCHREITER: "LSTM, 31,390 sequences: 1 wrong of 2560"}, seeds=2,
    ),
    "temporal order 100, 3 symbols": Case(
        settings("temporal_order3", 1e-2, length=100, hidden_size=32), 60, rates(1e-2, 3e-3), "",
        {HOCHREITER: "LSTM, 571,100 sequences: 2 wrong of 2560"},
    ),
    "reber": Case(settings("reber", 2e-2, hidden_size=16), 20, rates(2e-2, 5e-3)),
    "smnist": Case(
        settings("smnist", 5e-3), 2400, {"lstm": 5e-3}, "above 0.872",
        {TCN: "LSTM 0.872, GRU 0.962, RNN 0.215, TCN 0.990", RECURRENT_BN: "LSTM 0.989"},
    ),
    "pmnist": Case(
        settings("pmnist", 1e-2), 3000, {"lstm": 1e-2}, "above 0.857",
        {TCN: "LSTM 0.857, GRU 0.873, RNN 0.253, TCN 0.972", RECURRENT_BN: "LSTM 0.902"},
    ),
}  # fmt: skip


LATCH = CASES["latch 1000, 60 s"]


def run_given(contest: MemoryContest, case: Case, cells: list[str], seconds: float, folder: Path) -> Comparison:
    """Train each cell with its learning rate."""
    results = []
    for cell in cells:
        size, rate = match_size(contest, cell), case.rates[cell]
        trials = [Trial(cell, size, rate, seconds, seed) for seed in range(case.seeds)]
        outcomes = [contest.run(trial, folder / "runs" / trial.name, test=True) for trial in trials]
        results.append(CellResult(cell, size, contest.num_parameters(cell, size), rate, outcomes))
    return Comparison(contest.task, contest.metric, results, {name: take() for name, take in contest.baselines()})


def run_reach(folder: Path) -> dict[str, Any]:
    """Return the longest latch that each cell learns in so many updates, with how much of each length it solved."""
    found: dict[str, Any] = {}
    for cell, rate in LATCH.rates.items():
        shares: dict[int, float] = {}
        for length in REACHED:
            config = replace(LATCH.config, cell=cell, length=length)
            train = replace(config.train, learning_rate=rate, max_steps=REACH_UPDATES, evaluate_every=100)
            memory = Memory(replace(config, train=train)).fit(folder=folder / f"reach-{cell}-{length}", quiet=True)
            if memory.result is None or memory.result.stopped == "interrupted":
                raise KeyboardInterrupt
            shares[length] = memory.evaluate()["solved"]
            print(f"{cell} {length}: {shares[length]:.4f} after {memory.result.seconds:.0f} s", flush=True)
            if shares[length] < SOLVED:
                break
        longest = max((length for length, share in shares.items() if share >= SOLVED), default=0)
        found[cell] = {"longest": longest, "solved": shares}
    return {**conditions(), "updates": REACH_UPDATES, "config": LATCH.config.to_dict(), "cells": found}


def conditions() -> dict[str, Any]:
    """Return what was run, where, and beside how much else."""
    return {
        "command": f"python -m benchmarks.memory {shlex.join(sys.argv[1:])}",
        "machine": {"cpu": platform.processor() or platform.machine(), "threads": torch.get_num_threads()},
        "processes_that_wanted_a_core": os.getloadavg()[0],
        "versions": {"holdfast": holdfast.__version__, "torch": torch.__version__},
    }


def solved(result: CellResult, seconds: float, folder: Path, batch_size: int) -> dict[str, Any]:
    """Return the share of test sequences answered right by a cell's first run, and when it had learnt the problem."""
    trial = Trial(result.cell, result.hidden_size, result.learning_rate, seconds, 0)
    run = folder / "runs" / trial.name
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    first = next((line for line in lines if line.get("validation", {}).get("solved", 0) >= SOLVED), None)
    learnt = first and {"sequences": first["step"] * batch_size, "seconds": round(first["seconds"])}
    return {"solved": Memory.from_pretrained(run).evaluate()["solved"], "learnt": learnt}


def run_case(name: str, options: argparse.Namespace) -> dict[str, Any]:
    case, folder = CASES[name], options.runs / name.replace(",", "").replace(" ", "-")
    config = replace(case.config, data=os.path.join(os.environ.get("HOLDFAST_DATA", ""), "mnist"))
    contest = MemoryContest(config)
    seconds = options.seconds or case.seconds
    cells = options.cells or list(case.rates)
    before = conditions()
    if options.search:
        found = compare(contest, seconds=seconds, seeds=case.seeds, cells=cells, folder=folder)
    else:
        found = run_given(contest, case, cells, seconds, folder)
    print(f"\n{name}\n\n{found.to_markdown()}\n\n{found.verdict}\n", flush=True)
    return {
        **before,
        "config": replace(config, data="").to_dict(),
        "goal": case.goal,
        "published": case.published,
        "solved": {cell.cell: solved(cell, seconds, folder, config.batch_size) for cell in found.cells},
        **found.to_dict(),
    }


def write_table(record: dict[str, Any]) -> None:
    """Print the table of docs/memory-problems.md."""
    print(
        "| problem | measure | LSTM | GRU | RNN | best simple method | LSTM's right answers | training, s | published |"
    )
    print("|---|---|---:|---:|---:|---:|---:|---:|---|")
    for name, case in CASES.items():
        if name not in record:
            continue
        found, digits = record[name], record[name]["metric"]["digits"]
        cells = {cell["cell"]: cell["interval"]["mean"] for cell in found["cells"]}
        shown = [f"{cells[cell]:.{digits}f}" if cell in cells else "" for cell in ("lstm", "gru", "rnn")]
        best = min if found["metric"]["lower_is_better"] else max
        floor = f"{best(found['baselines'].values()):.{digits}f}"
        right = f"{found['solved']['lstm']['solved']:.1%}".replace("%", " %") if "lstm" in cells else ""
        seconds = max(outcome["seconds"] for cell in found["cells"] for outcome in cell["outcomes"])
        published = "; ".join(f"{figures} ({source})" for source, figures in case.published.items())
        row = [name, found["metric"]["name"], *shown, floor, right, f"{seconds:.0f}", published]
        print(f"| {' | '.join(row)} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", choices=(*CASES, "all"), default="all")
    parser.add_argument("--runs", type=Path, help="folder of the runs")
    parser.add_argument("--cells", nargs="+", help="those of the set by default")
    parser.add_argument("--seconds", type=float, help="training time of one run; each set has its own by default")
    parser.add_argument("--search", action="store_true", help="search for learning rates as compare does")
    parser.add_argument("--reach", action="store_true", help="how long a latch each cell learns")
    parser.add_argument("--table", action="store_true", help="run nothing: print the table of what was recorded")
    options = parser.parse_args()
    if options.table:
        return write_table(json.loads(OUT.read_text(encoding="utf-8")))
    if options.runs is None:
        raise SystemExit("Name the folder of the runs with --runs.")
    for name in ["reach"] if options.reach else CASES if options.set == "all" else [options.set]:
        try:
            found = run_reach(options.runs) if options.reach else run_case(name, options)
        except KeyboardInterrupt:
            raise SystemExit(f"{name}: stopped; the same line goes on.") from None
        record = json.loads(OUT.read_text(encoding="utf-8")) if OUT.exists() else {}
        record[f"{name}: searched" if options.search else name] = found
        OUT.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return None


if __name__ == "__main__":
    main()
