"""Find the learning rate and the starting weights that suit each cell of the long-memory demo best; record all trials.

python -m benchmarks.france_search [--seconds 27] [--cells lstm gru rnn] [--seed 0] [--out FILE]

Every trial is the demo's own training with a shorter budget. What decides is the mean probability of the right language
over all gaps, in fresh documents made of the training sentences; the held-out sentences of the demo's table are never
read here. A search that was stopped goes on where it was; trials with other seconds or seed are made anew.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from holdfast.tasks.france.experiment import (
    CELLS,
    GAPS,
    STAGES,
    CellSetting,
    TrainingSet,
    blank_probabilities,
    cell_config,
    fitted,
    train_cell,
    training_set,
)
from holdfast.tasks.france.generator import Generator, make_pools
from holdfast.tasks.france.report import write_json

RESULTS = Path(__file__).parent / "results" / "france_search.json"
DOCUMENTS = 60  # for each gap
GATED = tuple(CellSetting(rate, init) for init in ("chrono", "orthogonal") for rate in (2e-3, 5e-3, 1e-2))
PLAIN = tuple(CellSetting(rate, init) for init in ("orthogonal", "torch") for rate in (1e-3, 3e-3, 6e-3, 1e-2))
GRID = {"lstm": GATED, "gru": GATED, "rnn": PLAIN}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=27.0, help="training time of each trial")
    parser.add_argument("--cells", nargs="+", choices=CELLS, default=list(CELLS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    conditions = {"seconds": arguments.seconds, "seed": arguments.seed, "cores": os.cpu_count()}
    trials = earlier_trials(arguments.out, conditions)
    data = [training_set(stage, arguments.seed) for stage in STAGES]
    for cell in arguments.cells:
        for setting in GRID[cell]:
            if any(trial["cell"] == cell and trial["setting"] == asdict(setting) for trial in trials):
                continue
            trials.append(run_trial(cell, setting, data, arguments.seconds, arguments.seed))
            save(arguments.out, conditions, trials)
    for cell, best in best_settings(trials).items():
        print(f"best {cell}: learning rate {best['learning_rate']}, init {best['init']}")


def run_trial(cell: Any, setting: CellSetting, data: list[TrainingSet], seconds: float, seed: int) -> dict[str, Any]:
    """Train one cell with one setting; return what was tried and what came of it."""
    begun = time.monotonic()
    model, steps, taken = train_cell(cell_config(cell, seed, setting), data, seconds=seconds)
    generator = Generator(make_pools()[0], seed + 7_000_003)
    gaps = {}
    for gap in GAPS:
        documents = [generator.document(gap) for _ in range(DOCUMENTS)]
        answers = fitted(model)[1].encode_tokens([document.language for document in documents])
        gaps[str(gap)] = round(float(blank_probabilities(model, documents)[np.arange(DOCUMENTS), answers].mean()), 4)
    mean = round(sum(gaps.values()) / len(gaps), 4)
    row = " ".join(f"{gap}:{p:.3f}" for gap, p in gaps.items())
    print(
        f"{cell:<5}{setting.init:<11}{setting.learning_rate:<8g}mean {mean:.3f}  {row}  "
        f"{steps} steps, {time.monotonic() - begun:.0f} s",
        flush=True,
    )
    return {
        "cell": cell,
        "setting": asdict(setting),
        "mean": mean,
        "gaps": gaps,
        "steps": steps,
        "seconds": round(taken, 1),
    }


def best_settings(trials: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the setting with the highest mean probability of each cell that was tried."""
    cells = [cell for cell in CELLS if any(trial["cell"] == cell for trial in trials)]
    return {
        cell: max((trial for trial in trials if trial["cell"] == cell), key=lambda trial: trial["mean"])["setting"]
        for cell in cells
    }


def earlier_trials(path: Path, conditions: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the trials of an earlier search under the same conditions."""
    if not path.is_file():
        return []
    found = json.loads(path.read_text(encoding="utf-8"))
    return found["trials"] if found["conditions"] == conditions else []


def save(path: Path, conditions: dict[str, Any], trials: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(
        path,
        {
            "what": "mean probability of the right language at the blank, in fresh documents of training sentences",
            "conditions": conditions,
            "machine": platform.machine(),
            "test_set_read": 0,
            "best": best_settings(trials),
            "trials": trials,
        },
    )


if __name__ == "__main__":
    main()
