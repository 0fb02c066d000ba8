"""Train classifiers with the default settings on real data, and write what they reach to results/classify.json.

    python -m benchmarks.classify --set japanese_vowels --seeds 3
    python -m benchmarks.classify --set sst2 --baselines          the simple methods alone

HOLDFAST_DATA names the folder of datasets. Each run reads the test set once, after training, and so do the simple
methods together; --validation-only holds a part of the training data out for it instead, and writes nothing.
With --folder a run that was stopped (Ctrl-C, or a kill after its last checkpoint) goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shlex
import statistics
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

import holdfast
from benchmarks.classify_sets import SETS, Split
from holdfast.tasks.classify import Classifier, ClassifyConfig
from holdfast.tasks.classify.baselines import BASELINES
from holdfast.tasks.classify.data import hold_out

RESULTS = Path(__file__).parent / "results" / "classify.json"
JUDGED_SHARE = 0.3  # of a training set without validation data, where the test set is left alone


def configure(overrides: dict[str, Any], seed: int) -> ClassifyConfig:
    """Return the default settings with a set's overrides and a seed."""
    config = ClassifyConfig()
    changed: dict[str, Any] = {}
    for name, value in overrides.items():
        changed[name] = replace(getattr(config, name), **value) if isinstance(value, dict) else value
    config = replace(config, **changed)
    return replace(config, train=replace(config.train, seed=seed))


def splits(name: str, validation_only: bool) -> tuple[Split, Split, Split | None]:
    """Return what trains, what is judged, and validation data if the set has its own."""
    chosen = SETS[name]
    train = chosen.read("train")
    if not validation_only:
        return train, chosen.read("test"), chosen.read("validation") if chosen.validation else None
    if chosen.validation:
        held = chosen.read("validation")
        return train, held, held
    kept, judged = hold_out(np.unique(train[1], return_inverse=True)[1], JUDGED_SHARE, 0)
    parts = [([train[0][n] for n in part], [train[1][n] for n in part]) for part in (kept, judged)]
    return parts[0], parts[1], None


def run_seed(name: str, seed: int, validation_only: bool, folder: Path | None) -> dict[str, Any]:
    """Train one classifier and return its figures."""
    train, judged, validation = splits(name, validation_only)
    classifier = Classifier(configure(SETS[name].overrides or {}, seed))
    started = time.monotonic()
    place = None if folder is None else folder / f"{name}-{seed}"
    classifier.fit(*train, validation=validation, folder=place, quiet=True)
    seconds = time.monotonic() - started
    if classifier.result is not None and classifier.result.stopped == "interrupted":
        raise SystemExit(f"Stopped after {classifier.result.steps} updates; the same command goes on.")
    if folder is not None and classifier.result is not None:
        seconds = classifier.result.seconds  # of all parts of the run
    report = classifier.evaluate(*judged)
    figures = {figure: report[figure] for figure in ("accuracy", "macro_f1", "loss", "count")}
    steps, best = (classifier.result.steps, classifier.result.best) if classifier.result else (0, None)
    return {"seed": seed, **figures, "steps": steps, "validation_loss": best, "seconds": round(seconds, 1)}


def run_baselines(name: str, validation_only: bool) -> dict[str, Any]:
    """Return the accuracy of the simple methods."""
    train, judged, _ = splits(name, validation_only)
    report = {}
    for baseline, predict in BASELINES.items():
        started = time.monotonic()
        found = predict(*train, judged[0])
        accuracy = float((found == np.array(judged[1])).mean())
        report[baseline] = {"accuracy": accuracy, "seconds": round(time.monotonic() - started, 1)}
    return report


def summary(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Return mean and standard deviation of the accuracy over seeds."""
    values = [run["accuracy"] for run in runs]
    spread = statistics.stdev(values) if len(values) > 1 else None
    return {"accuracy": statistics.mean(values), "stdev": spread, "seeds": len(values)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", choices=list(SETS), required=True)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--validation-only", action="store_true", help="leave the test set alone and write nothing")
    parser.add_argument("--folder", type=Path, help="where checkpoints go, so that a run that was stopped goes on")
    parser.add_argument("--baselines", action="store_true", help="run the simple methods only")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    entry: dict[str, Any] = {}
    if options.baselines:
        entry["baselines"] = run_baselines(options.set, options.validation_only)
        print(options.set, json.dumps(entry["baselines"]), flush=True)
    else:
        runs = []
        for seed in range(options.seeds):
            runs.append(run_seed(options.set, seed, options.validation_only, options.folder))
            print(options.set, json.dumps(runs[-1]), flush=True)
        chosen = SETS[options.set]
        entry |= {"published": chosen.published, "overrides": chosen.overrides or {}, "summary": summary(runs)}
        entry |= {"runs": runs, "machine": _machine(options)}
    if not options.validation_only:
        # Read again, because another set's run may have written meanwhile.
        results = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
        before = results.get(options.set, {}).get("test_set_read", 0)  # with other settings, in earlier versions
        entry["test_set_read"] = before + len(entry.get("runs", []))
        results |= {"settings": asdict(ClassifyConfig()), options.set: results.get(options.set, {}) | entry}
        RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


def _machine(options: argparse.Namespace) -> dict[str, Any]:
    return {
        "command": shlex.join(["python", "-m", "benchmarks.classify", *sys.argv[1:]]),
        "cpu": _cpu_name(), "cores": os.cpu_count(), "threads": options.threads, "python": platform.python_version(),
        "torch": torch.__version__, "holdfast": holdfast.__version__,
    }  # fmt: skip


def _cpu_name() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


if __name__ == "__main__":
    main()
