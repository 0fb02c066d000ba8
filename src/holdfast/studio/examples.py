"""What the page shows first for a model that does not read the long-memory demo's words. Needs no torch."""

from __future__ import annotations

import json
import math
import random
from pathlib import Path
from typing import Any

SENTENCE = "Anna Schmidt flew from Paris to New York on Monday."
REVIEW = "I did not expect much, but the story was wonderful and the end made me cry."
STEPS = 60


def example_for(folder: Path, task: str, inputs: int) -> str | None:
    """Return a first input for a saved model: a text, or the CSV of a series; None: the page's own text will do.

    Args:
        folder: Where the model lies.
        task: What config.json calls it.
        inputs: Numbers that its first recurrent layer reads at a step.
    """
    if task == "language":
        return None
    if task == "tag":
        return SENTENCE
    if task == "forecast":
        return _forecast(folder)
    if task == "memory":
        return _memory(folder, inputs)
    if task == "classify":
        reader = json.loads((folder / "reader.json").read_text(encoding="utf-8"))
        if reader.get("kind") == "text":
            return REVIEW
        names = reader.get("features") or [f"x{number}" for number in range(int(reader.get("num_features", 1)))]
        return _waves([str(name) for name in names])
    return _waves([f"x{number}" for number in range(inputs)])


def _forecast(folder: Path) -> str:
    """Return a rising wave, two contexts long."""
    facts = json.loads((folder / "windows.json").read_text(encoding="utf-8"))
    shape: dict[str, Any] = facts["shape"]
    season = max(int(shape.get("season", 1)), 4)
    steps = 2 * int(shape["context"]) + season
    values = (20 + 0.05 * t + 5 * math.sin(2 * math.pi * t / season) for t in range(steps))
    return "y\n" + "\n".join(f"{value:.3f}" for value in values)


def _waves(names: list[str]) -> str:
    rows = (",".join(f"{math.sin(0.2 * t + 0.7 * number):.3f}" for number in range(len(names))) for t in range(STEPS))
    return ",".join(names) + "\n" + "\n".join(rows)


def _memory(folder: Path, inputs: int) -> str:
    """Return a sequence of the problem that the network was trained on."""
    import numpy as np

    from holdfast.tasks.memory.config import MemoryConfig
    from holdfast.tasks.memory.problems import KINDS

    fields = json.loads((folder / "config.json").read_text(encoding="utf-8")).get("task")
    config = MemoryConfig.from_dict(fields, str(folder))
    draw = KINDS[config.task].draw
    if draw is None:
        chance = random.Random(0)
        rows = [[chance.random() for _ in range(inputs)] for _ in range(STEPS)]
    else:
        drawn = draw(config.steps or STEPS, 1, np.random.default_rng(0))
        rows = drawn.inputs[: drawn.lengths[0], 0].tolist()
    return "\n".join(",".join(f"{value:.4g}" for value in row) for row in rows)
