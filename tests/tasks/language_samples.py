"""Small generated texts for the language tests, and the score any model must beat."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Sequence
from typing import Any

from holdfast.tasks.language import LanguageModel
from holdfast.train import TrainSettings


def small_text(sentences: int = 400, seed: int = 0) -> str:
    """Return sentences of a tiny grammar, one a line."""
    rng = random.Random(seed)
    people, verbs, things = ["Ann", "Bob", "Élise"], ["sees", "likes", "finds"], ["the cat", "a dog", "two birds"]
    return "".join(f"{rng.choice(people)} {rng.choice(verbs)} {rng.choice(things)}.\n" for _ in range(sentences))


def small_model(steps: int = 60, seed: int = 0, **fields: Any) -> LanguageModel:
    """Return a small model that has not been trained."""
    train = TrainSettings(max_steps=steps, learning_rate=2e-2, seed=seed)
    settings: dict[str, Any] = {
        "hidden_size": 24, "num_layers": 1, "embedding_size": 12, "dropout": 0.0, "batch_size": 8, "chunk_size": 20,
        "vocabulary_size": 300,
    }  # fmt: skip
    return LanguageModel(**(settings | fields), train=train)


def unigram_nats(ids: Sequence[int]) -> float:
    """Return the loss in nats a token of the best model that ignores the context."""
    counts = Counter(ids)
    return -sum(n / len(ids) * math.log(n / len(ids)) for n in counts.values())
