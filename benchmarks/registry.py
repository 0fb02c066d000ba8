"""What `make bench` times: the sizes, and the two libraries that each case runs side by side."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence

import holdfast

FAMILIES = {
    "lstm": (torch.nn.LSTM, holdfast.LSTM),
    "gru": (torch.nn.GRU, holdfast.GRU),
    "rnn": (torch.nn.RNN, holdfast.RNN),
}
WORK = ("inference", "training")
PACKED = "packed training"  # rows of T/4 to T steps as a PackedSequence; runs on `reference` so far


@dataclass(frozen=True)
class Case:
    """One layer and size. Training is forward, backward, and the gradients of x and of every parameter."""

    family: str
    work: str
    batch: int
    time: int
    input_size: int
    hidden_size: int

    @property
    def size(self) -> str:
        return f"{self.batch},{self.time},{self.input_size},{self.hidden_size}"


GRID = [(batch, time, hidden, hidden) for time in (1, 100) for batch in (1, 4, 16) for hidden in (32, 64, 128)]
LARGE = [(32, 100, 128, 128), (64, 35, 200, 200), (32, 50, 512, 512)]  # where oneDNN is hard to beat
OTHER = [(1, 100, 64, 64), (16, 100, 64, 64), (16, 100, 128, 128)]

CASES = (
    [Case("lstm", work, *size) for work in WORK for size in GRID + LARGE]
    + [Case(family, work, *size) for family in ("gru", "rnn") for work in WORK for size in OTHER]
    + [Case(family, PACKED, 32, 100, 128, 128) for family in FAMILIES]
)


def prepare(case: Case) -> tuple[Callable[[], object], Callable[[], object]]:
    """Return the case as two calls of equal work and equal weights: torch's and Holdfast's."""
    theirs, ours = (kind(case.input_size, case.hidden_size) for kind in FAMILIES[case.family])
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(case.time, case.batch, case.input_size)
    if case.work == PACKED:
        lengths = torch.linspace(case.time // 4, case.time, case.batch).long()
        return make_packed_call(theirs, x, lengths), make_packed_call(ours, x, lengths)
    return make_call(theirs, x, case.work), make_call(ours, x, case.work)


def make_call(module: torch.nn.Module, x: torch.Tensor, work: str) -> Callable[[], object]:
    if work == "inference":

        def infer() -> object:
            with torch.inference_mode():
                return module(x)

        return infer

    x = x.clone().requires_grad_()
    d_y = torch.randn_like(module(x)[0])
    wanted = [x, *module.parameters()]

    def train() -> object:
        return torch.autograd.grad(module(x)[0], wanted, d_y)

    return train


def make_packed_call(module: torch.nn.Module, x: torch.Tensor, lengths: torch.Tensor) -> Callable[[], object]:
    x = x.clone().requires_grad_()
    wanted = [x, *module.parameters()]
    d_data = torch.randn_like(module(pack(x, lengths))[0].data)

    def train() -> object:
        return torch.autograd.grad(module(pack(x, lengths))[0].data, wanted, d_data)

    return train


def pack(x: torch.Tensor, lengths: torch.Tensor) -> PackedSequence:
    return pack_padded_sequence(x, lengths, enforce_sorted=False)
