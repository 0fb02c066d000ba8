"""Small generated sentences for the tag tests: who travels where, in BIO, with an intent."""

from __future__ import annotations

import random
from typing import Any

from holdfast.tasks.tag import Tagger
from holdfast.train import TrainSettings

PEOPLE, CITIES = ["Ann", "Bob Lee", "Élise"], ["Rome", "New York", "Oslo"]


def small_sentences(count: int = 120, seed: int = 0) -> tuple[list[list[str]], list[list[str]], list[str]]:
    """Return words, BIO tags and intents; a city after "from" is another kind than one after "to"."""
    rng = random.Random(seed)
    sentences, tags, intents = [], [], []
    for _ in range(count):
        verb = rng.choice(["flies", "walks"])
        parts = [(rng.choice(PEOPLE), "PER"), (verb, "")]
        for word, kind in rng.sample([("from", "FROM"), ("to", "TO")], rng.randint(1, 2)):
            parts += [(word, ""), (rng.choice(CITIES), kind)]
        words, row = [], []
        for text, kind in parts:
            tokens = text.split()
            words += tokens
            row += [f"{'I' if n else 'B'}-{kind}" if kind else "O" for n in range(len(tokens))]
        sentences.append(words)
        tags.append(row)
        intents.append("flight" if verb == "flies" else "walk")
    return sentences, tags, intents


def small_tagger(steps: int = 120, seed: int = 0, **fields: Any) -> Tagger:
    """Return a small tagger that has not been trained."""
    train = TrainSettings(max_steps=steps, learning_rate=2e-2, evaluate_every=20, checkpoint_every=10, seed=seed)
    sizes: dict[str, Any] = {
        "hidden_size": 24, "word_size": 48, "character_size": 16, "character_hidden_size": 8, "batch_size": 8,
        "dropout": 0.2,
    }  # fmt: skip
    return Tagger(**(sizes | fields), train=train)
