"""A task of your own in five files: how many steps a machine has left. docs/adding-a-task.md walks through them.

python examples/predict_lifetime.py
"""

from __future__ import annotations

import argparse
import tempfile

import numpy as np
from lifetime.data import make_machines
from lifetime.task import Lifetime

from holdfast.train import TrainSettings


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tiny", action="store_true", help="a few updates only")
    options = parser.parse_args()

    machines, left = make_machines(50 if options.tiny else 1000, seed=0)
    fresh, answers = make_machines(100, seed=1)
    train = {"train": TrainSettings(max_steps=10, evaluate_every=5)} if options.tiny else {}
    with tempfile.TemporaryDirectory() as folder:
        Lifetime(**train).fit(machines, left, folder=folder, quiet=options.tiny)
        model = Lifetime.from_pretrained(folder)
    error = model.evaluate(fresh, answers)["steps"]
    guess = np.abs(np.median(left) - answers).mean()
    print(f"off by {error:.1f} steps on average; always the median: {guess:.1f}")
    print(f"the first machine has about {model.predict(fresh[:1])[0]:.0f} steps left, and had {answers[0]:.0f}")


if __name__ == "__main__":
    main()
