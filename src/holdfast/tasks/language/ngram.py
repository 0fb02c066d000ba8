"""The simple language model that a recurrent one has to beat: n-grams with Witten-Bell smoothing, over token ids.

    P(w | h) = (c(h w) + t(h) P(w | h')) / (c(h) + t(h))

c counts in the training data, t(h) is how many different tokens followed h there, h' is h without its first token, and
below the empty history all tokens are equally likely. Source: Witten & Bell 1991, method C; Chen & Goodman 1998, 2.4.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int64]


@dataclass(frozen=True)
class _Order:
    """The n-grams of one length: their sorted keys (history * V + token), counts, and what is known of each history."""

    keys: Ids
    counts: NDArray[np.float64]
    history_counts: NDArray[np.float64]
    followers: NDArray[np.float64]


class NgramModel:
    """An n-gram model of token ids in 0..size-1.

    Args:
        ids: [N] training data, one running text.
        size: Tokens in the vocabulary.
        order: The longest n-gram; 1 counts single tokens.
    """

    def __init__(self, ids: Ids, size: int, order: int):
        self.size = size
        self._orders: list[_Order] = []
        history, num_histories = np.zeros(len(ids), dtype=np.int64), 1
        for length in range(order):
            # history[i]: the number of the `length` tokens before i, for i >= length.
            own = history[length:] * size + ids[length:]
            keys, inverse, counts = np.unique(own, return_inverse=True, return_counts=True)
            before = keys // size
            self._orders.append(
                _Order(
                    keys,
                    counts.astype(np.float64),
                    np.bincount(before, weights=counts, minlength=num_histories).astype(np.float64),
                    np.bincount(before, minlength=num_histories).astype(np.float64),
                )
            )
            grams = np.zeros(len(ids), dtype=np.int64)
            grams[length + 1 :] = inverse[:-1]  # what ends at i - 1 is the history of i
            history, num_histories = grams, len(keys)

    def nats(self, ids: Ids) -> NDArray[np.float64]:
        """Return -log P of every token of a running text but the first, given up to order - 1 tokens before it."""
        p = np.full(len(ids), 1.0 / self.size)
        history, known = np.zeros(len(ids), dtype=np.int64), np.ones(len(ids), dtype=bool)
        for length, order in enumerate(self._orders):
            known[:length] = False
            key = history * self.size + ids
            place = np.minimum(np.searchsorted(order.keys, key), len(order.keys) - 1)
            seen = known & (order.keys[place] == key)
            count = np.where(seen, order.counts[place], 0.0)
            total, followers = (np.where(known, part[history], 0.0) for part in (order.history_counts, order.followers))
            weight = total + followers
            p = np.where(weight > 0, (count + followers * p) / np.where(weight > 0, weight, 1.0), p)
            history, known = np.zeros_like(history), np.zeros_like(known)
            history[1:], known[1:] = place[:-1], seen[:-1]
        return -np.log(p[1:])
