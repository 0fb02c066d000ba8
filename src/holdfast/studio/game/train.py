"""The LSTM's turn: only its gates are trained, σ(W[word] + R h); candidates, cells, mouth and loss are the game's own.

Trained in float64 on fresh streams at every step, none of which the page ever deals (their seeds start at 10⁶).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from holdfast.studio.game.levels import QUIET, Level
from holdfast.studio.game.play import Streams, gather, mouth
from holdfast.studio.game.streams import THIRTY

CHECKPOINTS = (0, 10, 50, 200, 800)
TRAINING_SEEDS = 1_000_000
STREAMS_A_STEP = 32
RATE = 0.05
DECIMALS = 3  # of the weights that are kept, shipped and measured


@dataclass(frozen=True)
class Player:
    """Trained gates after some steps: words [V, 3K] and recurrent [3K, K], rows in the order cell, then f, i, o."""

    step: int
    words: np.ndarray
    recurrent: np.ndarray


def train(
    level: Level,
    seed: int,
    *,
    forget_bias: float = 0.0,
    length: int = THIRTY,
    steps: int = CHECKPOINTS[-1],
    checkpoints: Sequence[int] = CHECKPOINTS,
) -> list[Player]:
    """Train a level's gates by Adam and return the player at each checkpoint up to `steps`.

    Args:
        level: What is played.
        seed: Of the first weights (normal, deviation 0.1) and of the streams.
        forget_bias: Added to the forget gates' first weights of every word.
        length: Dots in a stream of level 8.
        steps: Updates, each on 32 fresh streams.
        checkpoints: Steps at which a copy is kept.
    """
    cells = len(level.cells)
    torch.manual_seed(seed)
    words = 0.1 * torch.randn(len(level.words()), 3 * cells, dtype=torch.float64)
    words[:, ::3] += forget_bias
    recurrent = 0.1 * torch.randn(3 * cells, cells, dtype=torch.float64)
    weights = [words.requires_grad_(), recurrent.requires_grad_()]
    optimizer = torch.optim.Adam(weights, lr=RATE)
    players = []
    for step in range(steps + 1):
        if step in checkpoints:
            kept = [np.round(weight.detach().numpy().copy(), DECIMALS) for weight in weights]
            players.append(Player(step, *kept))
        if step == steps:
            break
        first = TRAINING_SEEDS + (seed * 100_000 + step) * STREAMS_A_STEP
        loss = balanced_loss(level, gather(level, range(first, first + STREAMS_A_STEP), length), words, recurrent)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
    return players


def balanced_loss(level: Level, streams: Streams, words: torch.Tensor, recurrent: torch.Tensor) -> torch.Tensor:
    """The game's loss as torch computes it, so that it has a gradient."""
    weights, biases = (torch.from_numpy(part) for part in mouth(level))
    rows, g = torch.from_numpy(streams.words), torch.from_numpy(streams.g)
    count, steps, cells = g.shape
    c = h = g.new_zeros(count, cells)
    told = []
    for t in range(steps):
        f, i, o = torch.sigmoid(words[rows[:, t]] + h @ recurrent.T).view(count, cells, 3).unbind(-1)
        c = f * c + i * g[:, t]
        h = o * torch.tanh(c)
        told.append(h)
    logits = torch.stack(told, 1) @ weights.T + biases
    targets, mask = torch.from_numpy(streams.targets), torch.from_numpy(streams.mask)
    nats = torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none").view(count, -1)
    halves = [nats[cards].mean() for cards in (mask & (targets != QUIET), mask & (targets == QUIET)) if cards.any()]
    return torch.stack(halves).mean()
