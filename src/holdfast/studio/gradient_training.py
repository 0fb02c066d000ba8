"""Small networks that learn to remember, side by side, with the gradient that reaches back k steps at every moment."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from statistics import fmean
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from holdfast.inside.gradients import gradient_flow
from holdfast.nn.gru import GRU
from holdfast.nn.lstm import LSTM
from holdfast.nn.rnn import RNN
from holdfast.spec import GATES
from holdfast.studio.gradient_settings import GradientSettings
from holdfast.studio.gradient_words import sentence

FEATURES, BATCH = 2, 32
NOISE = 0.2**0.5
"""Standard deviation of the noise that a sign is kept through (Hochreiter & Schmidhuber 1997, experiment 3a)."""
SIGNAL_STEPS = {"thirty": 1, "latch": 3}
LARGEST_UPDATE = 1.0
"""Norm that a gradient is cut to, so that an exploding one is seen and does not end the run."""
SOLVED_BELOW = {"thirty": 0.1, "latch": 0.1, "adding": 0.01}
"""Mean loss of the last batches, all of them fresh, under which a network counts as having solved its task."""
JUDGED = 20
"""How many last batches that mean is taken over."""
MODULES: dict[str, type[LSTM | GRU | RNN]] = {"lstm": LSTM, "gru": GRU, "rnn": RNN}
KEEPING_GATE = {"lstm": "f", "gru": "z"}

Doubles = NDArray[np.float64]


def draw_batch(task: str, length: int, random: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Draw sequences [T, 32, 2] and their answers [32]: a sign that the first steps show, or the sum of two numbers."""
    inputs, rows = np.zeros((length, BATCH, FEATURES), dtype=np.float32), np.arange(BATCH)
    if task == "adding":
        half = length // 2
        inputs[..., 0] = random.random((length, BATCH))
        marked = random.integers(0, half, BATCH), random.integers(half, length, BATCH)
        for step in marked:
            inputs[step, rows, 1] = 1.0
        answers = sum(inputs[step, rows, 0] for step in marked)
    else:
        answers = random.integers(0, 2, BATCH).astype(np.float32)
        inputs[..., 0] = random.normal(0.0, NOISE, (length, BATCH))
        inputs[: SIGNAL_STEPS[task], :, 0] = 2 * answers - 1
        inputs[-1, :, 1] = 1.0  # now it is asked
    return torch.from_numpy(inputs), torch.from_numpy(np.asarray(answers, dtype=np.float32))


def hidden_size(cell: str, hidden: int) -> int:
    """Return the units that bring a cell's parameters nearest to those of an LSTM with `hidden` units."""

    def parameters(family: str, size: int) -> int:
        return len(GATES[family]) * size * (FEATURES + size + 2) + size + 1

    wanted = parameters("lstm", hidden)
    return min(range(1, 4 * hidden + 1), key=lambda size: abs(parameters(cell, size) - wanted))


class Network(nn.Module):
    """A recurrent layer, and a line that reads its last output."""

    def __init__(self, cell: str, settings: GradientSettings):
        super().__init__()
        size = hidden_size(cell, settings.hidden)
        self.recurrent = MODULES[cell](FEATURES, size)
        self.head = nn.Linear(size, 1)
        weights = dict(self.recurrent.named_parameters())
        with torch.no_grad():
            if cell in KEEPING_GATE:
                start = GATES[cell].index(KEEPING_GATE[cell]) * size
                weights["bias_ih_l0"][start : start + size] = settings.bias
                weights["bias_hh_l0"][start : start + size] = 0.0
            elif settings.recurrent:
                nn.init.orthogonal_(weights["weight_hh_l0"], gain=settings.recurrent)

    def forward(self, x: Tensor) -> Tensor:
        """Return one number a row, [B], from what was read [T, B, 2]."""
        return self.head(self.recurrent(x)[0][-1])[:, 0]


def losses_of(network: nn.Module, batch: tuple[Tensor, Tensor], task: str) -> Tensor:
    """Return the loss of each row, [B]: squared error of a sum, cross-entropy of a sign, in nats."""
    output = network(batch[0])
    if task == "adding":
        return (output - batch[1]).square()
    return nn.functional.binary_cross_entropy_with_logits(output, batch[1], reduction="none")


def flow_of(network: Network, batch: tuple[Tensor, Tensor], task: str) -> dict[str, Doubles]:
    """Return curves by lag: "h" and "c", the norm of d loss / d state as a mean over rows, and "kept".

    "kept" is the mean over units and rows of the product of f (or z) over the last k steps.
    """
    flow = gradient_flow(network, batch, lambda module, given: losses_of(module, given, task)).top
    curves = {"h": flow.h, "c": flow.c, "kept": flow.kept}
    return {name: curve for name, curve in curves.items() if curve is not None}


class Learner:
    """One network, its stream of batches, and how it fares."""

    def __init__(self, cell: str, settings: GradientSettings, seed: int):
        self.task, self.length = settings.task, settings.length
        torch.manual_seed(seed)
        self.network = Network(cell, settings)
        self.random = np.random.default_rng(seed)
        self.update = torch.optim.Adam(self.network.parameters(), lr=settings.rate)
        self.batch = draw_batch(self.task, self.length, self.random)
        self.losses: deque[float] = deque(maxlen=JUDGED)

    def step(self) -> None:
        """Learn from the batch, then draw the next one. A network whose loss is no number any more stays as it is."""
        self.update.zero_grad()
        loss = losses_of(self.network, self.batch, self.task).mean()
        self.losses.append(loss.item())
        if math.isfinite(self.losses[-1]):
            loss.backward()
            nn.utils.clip_grad_norm_(self.network.parameters(), LARGEST_UPDATE)
            self.update.step()
        self.batch = draw_batch(self.task, self.length, self.random)

    def flow(self) -> dict[str, Doubles]:
        """Return the curves by lag over the batch that is learnt from next."""
        return flow_of(self.network, self.batch, self.task)

    @property
    def loss(self) -> float:
        """The mean over the last batches; before the first, the loss of the batch that is learnt from first."""
        if self.losses:
            return float(np.mean(self.losses))
        with torch.no_grad():
            return losses_of(self.network, self.batch, self.task).mean().item()

    @property
    def solved(self) -> bool:
        """Whether the mean loss over the last batches is as good as none."""
        return len(self.losses) == JUDGED and self.loss < SOLVED_BELOW[self.task]


class Training:
    """All networks of a run, a step at a time. Equal settings give equal runs."""

    def __init__(self, settings: GradientSettings):
        self.settings, self.count = settings, 0
        seeds = range(settings.seed, settings.seed + settings.seeds)
        self.learners = {cell: [Learner(cell, settings, seed) for seed in seeds] for cell in settings.cells}

    @property
    def done(self) -> bool:
        return self.count >= self.settings.steps

    def step(self) -> None:
        """Advance every network by one update."""
        for learners in self.learners.values():
            for learner in learners:
                learner.step()
        self.count += 1

    def standing(self) -> dict[str, Any]:
        """Return the step, and each cell's loss over the last batches and how many of its networks have solved it."""
        return {
            "step": self.count,
            "loss": {cell: _number(fmean(one.loss for one in own)) for cell, own in self.learners.items()},
            "solved": {cell: [sum(one.solved for one in own), len(own)] for cell, own in self.learners.items()},
            "done": self.done,
        }

    def event(self) -> dict[str, Any]:
        """Return where the run stands and its curves, as JSON holds them: 6 digits, None for what is no number.

        `flow` is by d loss / d h, `flow_c` by the LSTM's d loss / d c, `forget` the product of f (z of the GRU), each a
        list by lag, averaged over rows and seeds.
        """
        flows = {cell: [learner.flow() for learner in learners] for cell, learners in self.learners.items()}
        curves = {kind: {cell: _mean(own, kind) for cell, own in flows.items() if kind in own[0]}
                  for kind in ("h", "c", "kept")}  # fmt: skip
        said = sentence(self.settings.bias, curves["h"] | curves["c"])
        return self.standing() | {
            "flow": curves["h"], "flow_c": curves["c"], "forget": curves["kept"], "sentence": said,
        }  # fmt: skip


def _mean(flows: Sequence[dict[str, Doubles]], kind: str) -> list[float | None]:
    return [_number(value) for value in np.mean([flow[kind] for flow in flows], axis=0)]


def _number(value: float) -> float | None:
    return float(f"{value:.6g}") if math.isfinite(value) else None
