"""Train a classifier of series of any length, then ask it for an answer after every step.

python examples/classify_sequences.py           on drawn circles, left and right turning, of 10 to 40 points
"""

from __future__ import annotations

import argparse

import numpy as np

from holdfast import Classifier

CIRCLES = {"left": 1, "right": -1, "neither": 0}


def draw(count: int, seed: int) -> tuple[list[np.ndarray], list[str]]:
    """Return noisy paths of points [T, 2], and the way each turns."""
    random = np.random.default_rng(seed)
    paths, labels = [], []
    for number in range(count):
        label = list(CIRCLES)[number % len(CIRCLES)]
        turns = random.uniform(0.1, 0.3) * CIRCLES[label] + random.normal(scale=0.3, size=random.integers(10, 40))
        angles = random.uniform(0, 6.3) + np.cumsum(turns)
        paths.append(np.cumsum(np.stack([np.cos(angles), np.sin(angles)], axis=1), axis=0))
        labels.append(label)
    return paths, labels


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tiny", action="store_true", help="a few updates of a small model only")
    options = parser.parse_args()

    paths, labels = draw(30 if options.tiny else 600, seed=0)
    new_paths, new_labels = draw(30 if options.tiny else 300, seed=1)
    settings = {"hidden_size": 8, "epochs": 2} if options.tiny else {"hidden_size": 32, "epochs": 40}

    classifier = Classifier(**settings).fit(paths, labels, quiet=options.tiny)
    print(f"reading both ways: {classifier.score(new_paths, new_labels):.3f} of new paths are right")

    one_way = Classifier(bidirectional=False, **settings).fit(paths, labels, quiet=options.tiny)
    print(f"reading one way:   {one_way.score(new_paths, new_labels):.3f}; after each step of a path that turns left:")
    left = one_way.classes_.tolist().index("left")
    print(" ".join(f"{p[left]:.2f}" for p in one_way.predict_stream(new_paths[0])))


if __name__ == "__main__":
    main()
