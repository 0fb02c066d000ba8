"""Record the two runs that the Gradient view shows before the reader's first: forget bias 1, and one that holds.

    python -m benchmarks.gradient_example

Writes src/holdfast/studio/static/gradient-example.json: real runs, with the numbers of some of their steps.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import torch

import holdfast
from holdfast.studio.gradient_settings import GradientSettings
from holdfast.studio.gradient_training import Training

FILE = Path(holdfast.__file__).parent / "studio" / "static" / "gradient-example.json"
LENGTH = 100
BIASES = (1.0, round(math.log(LENGTH), 1))
PICTURES = (0, 40, 100, 200)
"""Steps whose curves are kept."""
LOSS_EVERY = 10
DIGITS = 3


def record_run(settings: GradientSettings) -> dict[str, Any]:
    """Train, and return the settings with what the page would have been told at some steps."""
    training, events = Training(settings), []
    while True:
        if training.count in PICTURES:
            event = training.event()
            del event["forget"]["gru"], event["flow"]["lstm"]  # not drawn: its c is
            events.append(shorter(event))
        elif training.count % LOSS_EVERY == 0:
            events.append({name: shorter(training.standing()[name]) for name in ("step", "loss", "solved")})
        if training.done:
            return {"settings": settings.to_dict(), "events": events}
        training.step()


def shorter(value: Any) -> Any:
    """Return a value with all its numbers cut to 3 digits."""
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}")
    if isinstance(value, list):
        return [shorter(one) for one in value]
    return {name: shorter(one) for name, one in value.items()} if isinstance(value, dict) else value


def main() -> None:
    """Record both runs and write them."""
    torch.set_num_threads(1)
    runs = [record_run(GradientSettings(length=LENGTH, bias=bias, steps=PICTURES[-1])) for bias in BIASES]
    FILE.write_text(json.dumps({"runs": runs}, ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf-8")
    for run in runs:
        print(run["settings"]["bias"], run["events"][-1]["solved"], run["events"][-1]["sentence"])
    print(f"{FILE}: {FILE.stat().st_size} bytes")


if __name__ == "__main__":
    main()
