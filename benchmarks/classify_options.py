"""What the classifier's options do on real data: pooling, class weights and answers before the end of a series.

    python -m benchmarks.classify_options

Everything is measured on a part of the training data that was held out; test sets are left alone. The figures go to the
key "options" of results/classify.json. HOLDFAST_DATA names the folder of datasets.
"""

from __future__ import annotations

import json
import time
from typing import Any

import numpy as np
import torch

from benchmarks.classify import RESULTS, configure, splits
from holdfast.tasks.classify import Classifier

POOLING_SET, UNBALANCED_SET, STREAM_SET = "japanese_vowels", "trec6", "gunpoint"
SHARES = (0.25, 0.5, 0.75, 1.0)
FIGURES = ("accuracy", "balanced_accuracy", "macro_f1", "loss", "count")


def fit(name: str, overrides: dict[str, Any]) -> tuple[Classifier, Any, dict[str, Any]]:
    """Return a classifier trained with the overrides, the held-out examples and the figures on them."""
    train, judged, validation = splits(name, True)
    started = time.monotonic()
    classifier = Classifier(configure(overrides, 0)).fit(*train, validation=validation, quiet=True)
    seconds = round(time.monotonic() - started, 1)
    report = classifier.evaluate(*judged)
    figures = {figure: report[figure] for figure in FIGURES}
    return classifier, judged, {"overrides": overrides, **figures, "seconds": seconds, "classes": report["classes"]}


def early_answers(classifier: Classifier, x: list[Any], y: list[str]) -> dict[str, float]:
    """Return the accuracy of the answers that `predict_stream` gives after shares of the steps."""
    streams = [list(classifier.predict_stream(row)) for row in x]
    found = {}
    for share in SHARES:
        answers = [stream[max(1, round(share * len(stream))) - 1] for stream in streams]
        found[f"after {share:.0%} of the steps"] = float(
            (classifier.classes_[np.stack(answers).argmax(1)] == np.array(y)).mean()
        )
    return found


def main() -> None:
    torch.set_num_threads(1)
    found: dict[str, Any] = {"data": "30 % of the training data, held out; the test sets were not read"}
    for pooling in ("max", "mean", "last", "attention"):
        figures = fit(POOLING_SET, {"pooling": pooling})[2]
        del figures["classes"]
        found[f"pooling {pooling}, {POOLING_SET}"] = figures
        print(pooling, json.dumps(figures), flush=True)
    classifier, (x, y), figures = fit(STREAM_SET, {"bidirectional": False})
    del figures["classes"]
    found[f"predict_stream, {STREAM_SET}"] = {**figures, "accuracy_of_answers": early_answers(classifier, x, y)}
    print(json.dumps(found[f"predict_stream, {STREAM_SET}"]), flush=True)
    for weight in ("none", "balanced"):
        figures = fit(UNBALANCED_SET, {"class_weight": weight})[2]
        found[f"class_weight {weight}, {UNBALANCED_SET}"] = figures
        print(weight, json.dumps(figures), flush=True)
    results = json.loads(RESULTS.read_text(encoding="utf-8"))
    RESULTS.write_text(json.dumps(results | {"options": found}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
