"""The game's exact loss: gates turn a stream of cards into memory, the fixed mouth speaks, and the loss is in nats.

    c ← f c + i g,   h = o tanh(c)
    signs:   P(quiet, −, +) = softmax(4, −10 Σh, 10 Σh)
    France:  P(quiet, French, Spanish, Italian, German) = softmax(4, 5(±h_A ± h_B))
    loss = ½ mean −ln P(target) over asked cards + ½ the same over quiet cards

The page's `game-play.js` computes the same numbers. A policy gives the gates of one step; here are the four there are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from holdfast.studio.game.levels import BIAS_PUSH, COUNTRIES, FLAG_THRESHOLD, QUIET, Level, RowRule
from holdfast.studio.game.streams import THIRTY, Card, stream

Policy = Callable[[int, np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""(t, rows [B], words [B], h of the card before [B, K]) -> gates [B, K, 3] in the order f, i, o."""


@dataclass(frozen=True)
class Streams:
    """A batch of streams, padded at the end: rows, words, targets and mask [B, T], candidates g [B, T, K]."""

    rows: np.ndarray
    words: np.ndarray
    targets: np.ndarray
    mask: np.ndarray
    g: np.ndarray


@dataclass(frozen=True)
class Play:
    """What came of a policy: gates [B, T, K, 3], c and h [B, T, K], scores of the mouth [B, T, M]."""

    gates: np.ndarray
    c: np.ndarray
    h: np.ndarray
    logits: np.ndarray


@dataclass(frozen=True)
class Score:
    """The balanced loss in nats over a batch, and which streams were right on every card [B]."""

    loss: float
    right: np.ndarray

    @property
    def share(self) -> float:
        """The share of streams that were right throughout."""
        return float(self.right.mean())


def gather(level: Level, seeds: Sequence[int], length: int = THIRTY) -> Streams:
    """Draw the streams of some seeds and pad them to one length."""
    return pad([stream(level, seed, length) for seed in seeds], len(level.cells))


def pad(streams: Sequence[Sequence[Card]], cells: int) -> Streams:
    """Turn lists of cards into one padded batch."""
    steps = max(len(cards) for cards in streams)
    whole = np.zeros((3, len(streams), steps), dtype=np.int64)
    g = np.zeros((len(streams), steps, cells))
    mask = np.zeros((len(streams), steps), dtype=bool)
    for b, cards in enumerate(streams):
        mask[b, : len(cards)] = True
        for t, card in enumerate(cards):
            whole[:, b, t] = card.row, card.word, card.target
            g[b, t] = card.g
    return Streams(whole[0], whole[1], whole[2], mask, g)


def mouth(level: Level) -> tuple[np.ndarray, np.ndarray]:
    """The fixed mouth as weights [M, K] and biases [M]: scores = weights · h + biases."""
    if level.mouth == "sign":
        weights = np.outer([0.0, -10.0, 10.0], np.ones(len(level.cells)))
    else:
        signs = np.array(list(COUNTRIES.values()), dtype=float)
        weights = np.zeros((5, len(level.cells)))
        weights[1:, :2] = 5.0 * signs
    return weights, np.array([4.0, *[0.0] * (len(weights) - 1)])


def play(level: Level, streams: Streams, policy: Policy) -> Play:
    """Run the cells over all cards with the gates that `policy` gives."""
    count, steps, cells = streams.g.shape
    gates = np.zeros((count, steps, cells, 3))
    states = np.zeros((2, count, steps, cells))
    c = h = np.zeros((count, cells))
    for t in range(steps):
        gates[:, t] = policy(t, streams.rows[:, t], streams.words[:, t], h)
        f, i, o = np.moveaxis(gates[:, t], -1, 0)
        c = f * c + i * streams.g[:, t]
        h = o * np.tanh(c)
        states[:, :, t] = c, h
    weights, biases = mouth(level)
    return Play(gates, states[0], states[1], states[1] @ weights.T + biases)


def score(streams: Streams, played: Play) -> Score:
    """The balanced loss over all cards of the batch, and which streams were right throughout."""
    nats = surprise(played.logits, streams.targets)
    asked = streams.mask & (streams.targets != QUIET)
    quiet = streams.mask & (streams.targets == QUIET)
    halves = [nats[cards].mean() for cards in (asked, quiet) if cards.any()]
    right = (played.logits.argmax(-1) == streams.targets) | ~streams.mask
    return Score(float(np.mean(halves)), right.all(-1))


def surprise(logits: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """−ln P(target) in nats, [B, T] from scores [B, T, M]."""
    top = logits.max(-1, keepdims=True)
    total = top[..., 0] + np.log(np.exp(logits - top).sum(-1))
    return total - np.take_along_axis(logits, targets[..., None], axis=-1)[..., 0]


def by_hand(gates: np.ndarray) -> Policy:
    """The gates [T, K, 3] of a stream played card by card."""
    return lambda t, rows, words, h: np.broadcast_to(gates[t], (len(rows), *gates.shape[1:]))


def constant(cells: int, f: float, i: float, o: float) -> Policy:
    """The same three gates at every card."""
    return lambda t, rows, words, h: np.broadcast_to(np.array([f, i, o]), (len(rows), cells, 3))


def by_rule(level: Level, rule: Mapping[int, RowRule]) -> Policy:
    """A table from the row of the card (and whether the flag cell spoke) to the gates of each cell."""
    table = np.zeros((len(level.rows), 2, len(level.cells), 3))
    for row, gates in rule.items():
        # One triple a cell spreads over both states of the flag; a pair (off, on) fills each its own.
        table[row] = np.asarray(gates)
    flag = level.flag

    def policy(t: int, rows: np.ndarray, words: np.ndarray, h: np.ndarray) -> np.ndarray:
        on = np.zeros(len(rows), dtype=int) if flag is None else (h[:, flag] > FLAG_THRESHOLD).astype(int)
        return table[rows, on]

    return policy


def by_biases(biases: Sequence[float]) -> Policy:
    """Level 8: one bias for each gate, to which the cards add their fixed pushes before the sigmoid."""
    sums = np.array(BIAS_PUSH) + np.asarray(biases, dtype=float)
    table = 1 / (1 + np.exp(-sums))[:, None, :]
    return lambda t, rows, words, h: table[rows]


def by_player(words_to_gates: np.ndarray, recurrent: np.ndarray) -> Policy:
    """A trained player: gates = σ(W[word] + R h), W [V, 3K] and R [3K, K]."""

    def policy(t: int, rows: np.ndarray, words: np.ndarray, h: np.ndarray) -> np.ndarray:
        sums = words_to_gates[words] + h @ recurrent.T
        return (1 / (1 + np.exp(-sums))).reshape(len(rows), -1, 3)

    return policy
