"""Train the LSTM, the GRU and the RNN that the Studio opens when it is given no model, and write them into the package.

    python -m benchmarks.studio_models

The long-memory sentence of `holdfast demo`, with as many parameters for each cell, each with the learning rate and
the starting weights that benchmarks/france_search.py found best for it, and a fixed number of steps, so that equal
numbers of threads give the same bits. Scores are taken on documents of sentences that training never saw.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

import torch

from benchmarks.run import machine
from holdfast.layers import Layer
from holdfast.tasks.compare import num_parameters
from holdfast.tasks.france.experiment import CELLS, STAGES, cell_config, fitted, measure, train_cell, training_set
from holdfast.tasks.france.report import write_json
from holdfast.tasks.language.config import LanguageConfig
from holdfast.tasks.language.model import language_layers

ROOT = Path(__file__).resolve().parent.parent
MODELS = ROOT / "src" / "holdfast" / "studio" / "models"
STEPS = 14_000


def same_size(config: LanguageConfig, vocabulary: int, wanted: int) -> LanguageConfig:
    """Return the config with the hidden size whose parameter count is nearest to `wanted`."""

    def count(hidden: int) -> int:
        layers: list[Layer] = language_layers(replace(config, hidden_size=hidden), vocabulary)
        return num_parameters(layers)

    return replace(config, hidden_size=min(range(32, 512), key=lambda hidden: abs(count(hidden) - wanted)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=STEPS, help="updates of each cell")
    parser.add_argument("--out", type=Path, default=MODELS, help="folder of the three models")
    options = parser.parse_args()
    torch.set_num_threads(2)
    data = [training_set(stage, 0) for stage in STAGES]
    vocabulary, wanted = 0, 0
    for cell in CELLS:
        config = cell_config(cell, 0)
        if cell != "lstm":
            config = same_size(config, vocabulary, wanted)
        model, steps, _ = train_cell(config, data, steps=options.steps)
        network, tokenizer = fitted(model)
        size = sum(parameter.numel() for parameter in network.parameters())
        vocabulary, wanted = tokenizer.size, wanted or size
        found = measure(model)
        model.save_pretrained(options.out / cell)
        record = {
            "command": "python -m benchmarks.studio_models" + (f" --steps {steps}" if steps != STEPS else ""),
            "machine": machine(2),
            "cell": cell,
            "hidden_size": config.hidden_size,
            "parameters": size,
            "steps": steps,
            "measure": "mean probability of the right language, by words between, 100 held-out documents each",
            "gaps": {str(gap): round(value, 4) for gap, value in found.gaps.items()},
            "country's sentence removed: likeliest word": round(found.control, 4),
        }
        write_json(options.out / cell / "result.json", record)
        print(json.dumps(record), flush=True)


if __name__ == "__main__":
    main()
