"""The language task on real text: better than counting pairs of characters."""

from __future__ import annotations

import gzip
import itertools
import math
from collections import Counter

from holdfast import LanguageModel
from holdfast.train import TrainSettings

HELD_OUT = 0.1


def bigram_loss(train: str, held_out: str) -> float:
    """Return nats per character of a bigram model with add-one smoothing, every character after the first."""
    pairs, firsts = Counter(itertools.pairwise(train)), Counter(train[:-1])
    symbols = len(set(train))
    scored = itertools.pairwise(held_out)
    nats = [-math.log((pairs[a, b] + 1) / (firsts[a] + symbols)) for a, b in scored]
    return sum(nats) / len(nats)


def test_tinyshakespeare_is_learned_beyond_pairs_of_characters(data_folder):
    text = gzip.decompress((data_folder / "tinyshakespeare" / "input.txt.gz").read_bytes()).decode()
    cut = int(len(text) * (1 - HELD_OUT))
    train, held_out = text[:cut], text[cut : cut + 20_000]
    settings = TrainSettings(learning_rate=5e-3, max_steps=200, evaluate_every=0)
    lm = LanguageModel(hidden_size=128, num_layers=1, dropout=0.0, train=settings)
    lm.fit(train, validation=held_out, quiet=True)
    baseline = bigram_loss(train, held_out)
    assert 2.3 < baseline < 2.7  # what others find for pairs of characters in this text
    assert lm.evaluate(held_out)["loss"] < baseline - 0.4
