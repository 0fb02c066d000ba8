"""Small generated series and texts of two or three classes, and a small classifier for them."""

from __future__ import annotations

from typing import Any

import numpy as np

from holdfast.tasks.classify import Classifier, TextSettings
from holdfast.train import TrainSettings

POSITIVE, NEGATIVE = ["good", "great", "lovely"], ["bad", "dull", "awful"]


def small_series(count: int = 60, seed: int = 0) -> tuple[list[Any], list[str]]:
    """Return ragged series [T, 2] that climb or fall, and which."""
    random = np.random.default_rng(seed)
    labels = ["up" if n % 2 else "down" for n in range(count)]
    slopes = [0.5 if label == "up" else -0.5 for label in labels]
    return [np.cumsum(random.normal(size=(random.integers(4, 12), 2)) + slope, axis=0) for slope in slopes], labels


def small_texts(count: int = 80, seed: int = 0) -> tuple[list[str], list[str]]:
    """Return sentences with a good or a bad word, and which."""
    random = np.random.default_rng(seed)
    labels = ["pos" if n % 2 else "neg" for n in range(count)]
    words = [random.choice(POSITIVE if label == "pos" else NEGATIVE) for label in labels]
    return [f"the film was {word} and {random.choice(['long', 'short'])}" for word in words], labels


def small_classifier(steps: int = 80, seed: int = 0, **fields: Any) -> Classifier:
    """Return a small classifier that has not been trained."""
    train = TrainSettings(max_steps=steps, learning_rate=2e-2, seed=seed, evaluate_every=0)
    text = TextSettings(embedding_size=12)
    settings: dict[str, Any] = {"hidden_size": 12, "dropout": 0.1, "batch_size": 16, "text": text, "train": train}
    return Classifier(**(settings | fields))
