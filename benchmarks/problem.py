"""The numbers of one case, equal for every contestant, and what a contestant is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

import holdfast
from benchmarks.registry import FAMILIES, VARIANTS, Case

Results = Mapping[str, Tensor]


class AbsentError(Exception):
    """A contestant cannot take part; the message is the reason that the table prints."""


@dataclass(frozen=True)
class Problem:
    """One case with its numbers in float32: weights by parameter name, the input, and the gradient of the output."""

    case: Case
    weights: dict[str, Tensor]
    x: Tensor  # [T, B, I]
    d_y: Tensor  # [T, B, D*P], dense and random
    lengths: Tensor | None  # [B], in no order
    resets: Tensor | None  # [T, B] bool

    @property
    def steps(self) -> int:
        """Steps of all rows together, padding left out."""
        return self.case.time * self.case.batch if self.lengths is None else int(self.lengths.sum())


@dataclass(frozen=True)
class Contestant:
    """One way to do the work of a case.

    `call` is what is timed; `touch` changes the weights in place between two calls, untimed, so that nobody lives on
    what an earlier call packed; `results` returns the outputs and gradients to be checked. `masked` says that these
    were made with the random masks of MASK_SEED. `problem` is what it works on: a yardstick of our own, such as the
    padded run, has another one than its case.
    """

    name: str
    door: str
    problem: Problem
    call: Callable[[], object]
    results: Callable[[], Results]
    touch: Callable[[], None] = lambda: None
    masked: bool = False
    backend: str = ""


MASK_SEED = 7


def make_problem(case: Case) -> Problem:
    """Draw the numbers of a case; equal cases give equal numbers."""
    torch.manual_seed(0)
    module = make_module(case)
    weights = {name: value.detach().clone() for name, value in module.named_parameters()}
    for name, value in weights.items():
        if name.startswith(("ln_", "weight_peep")):  # off their initial ones and zeros, or the check would be blind
            value.add_(torch.randn_like(value), alpha=0.1)
        if name.startswith("ln_hh_weight"):
            # At 1 this recurrence is chaotic: a hundred steps turn float32's rounding into errors of a thousandth.
            value.mul_(0.1)
    x = torch.randn(case.time, case.batch, case.input_size)
    width = (1 + case.bidirectional) * (case.proj_size or case.hidden_size)
    d_y = torch.randn(case.time, case.batch, width)
    lengths, resets = None, None
    if case.feed in ("packed", "lengths"):
        lengths = torch.linspace(max(1, case.time // 4), case.time, case.batch).long()[torch.randperm(case.batch)]
    elif case.feed == "resets":
        resets = torch.rand(case.time, case.batch) < 0.02
    return Problem(case, weights, x, d_y, lengths, resets)


def make_module(case: Case, **extra: object) -> nn.Module:
    """Return Holdfast's module of a case, with weights of its own."""
    kind = getattr(holdfast, FAMILIES[case.family])
    return kind(case.input_size, case.hidden_size, **case.constructor, **VARIANTS[case.variant], **extra)


def describe_module(case: Case, library: str, **extra: object) -> str:
    """Return the constructor call of a case as a user types it."""
    arguments = [str(case.input_size), str(case.hidden_size)]
    arguments += [f"{key}={value!r}" for key, value in {**case.constructor, **VARIANTS[case.variant], **extra}.items()]
    return f"{library}.{FAMILIES[case.family]}({', '.join(arguments)})"
