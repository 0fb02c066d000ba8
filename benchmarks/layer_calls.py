"""Make a contestant of any module that is called as torch.nn's recurrent layers are: torch's, ours, or a loop."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import cycle

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from benchmarks.problem import MASK_SEED, Contestant, Problem, Results

NUDGE = 2.0**-12
"""What `touch` adds to every weight, and takes away again the next time: a real change that leads nowhere."""


def load_weights(module: nn.Module, problem: Problem) -> nn.Module:
    module.load_state_dict(problem.weights)
    return module.train(problem.case.work == "train")


def layer_contestant(
    name: str, door: str, module: nn.Module, problem: Problem, *, masked: bool = False, backend: str = ""
) -> Contestant:
    """Return the case run through `module`, which already holds the weights and its train mode."""
    train = problem.case.work == "train"
    feed = Feed(problem, train, module)
    call = make_train_call(module, feed) if train else make_infer_call(module, feed)
    touch = make_touch(list(module.parameters())) if train else lambda: None

    def results() -> Results:
        training = module.training
        module.train(training and masked)  # masks of another stream cannot be compared; without them all agree
        torch.manual_seed(MASK_SEED)
        try:
            return feed.results(module)
        finally:
            module.train(training)

    return Contestant(name, door, problem, call, results, touch, masked, backend)


class Feed:
    """What a module is called with, the leaf whose gradient is wanted, and the gradient of the output."""

    def __init__(self, problem: Problem, train: bool, module: nn.Module):
        dtype = next(module.parameters()).dtype
        self.train, self.time = train, problem.case.time
        self.kwargs: dict[str, Tensor] = {}
        self.leaf, self.d_y = problem.x.to(dtype, copy=True), problem.d_y.to(dtype)
        self.x: Tensor | PackedSequence = self.leaf
        if problem.case.feed == "packed":
            # Packed before the clock starts: what is timed is the layer.
            packed = pack(self.leaf, problem.lengths)
            self.leaf, self.d_y = packed.data, pack(self.d_y, problem.lengths).data
            self.x = packed._replace(data=self.leaf)
        elif problem.lengths is not None:
            self.kwargs["lengths"] = problem.lengths
        elif problem.resets is not None:
            self.kwargs["resets"] = problem.resets
        self.leaf.requires_grad_(train)

    def results(self, module: nn.Module) -> Results:
        """Run once and return outputs, final states and gradients by name, sequences padded."""
        parameters = dict(module.named_parameters())
        with torch.set_grad_enabled(self.train):
            y, state = module(self.x, **self.kwargs)
        found = {"y": self.pad(y)}
        found |= dict(zip(("h_n", "c_n"), state if isinstance(state, tuple) else (state,), strict=False))
        if self.train:
            wanted = [self.leaf, *parameters.values()]
            d_x, *rest = torch.autograd.grad(data_of(y), wanted, self.d_y)
            found["d_x"] = self.pad(self.x._replace(data=d_x) if isinstance(self.x, PackedSequence) else d_x)
            found |= {f"d_{name}": value for name, value in zip(parameters, rest, strict=True)}
        return {name: value.detach() for name, value in found.items()}

    def pad(self, sequence: Tensor | PackedSequence) -> Tensor:
        if isinstance(sequence, PackedSequence):
            return pad_packed_sequence(sequence, total_length=self.time)[0]
        return sequence


def make_infer_call(module: nn.Module | Callable[..., object], feed: Feed) -> Callable[[], object]:
    def infer() -> object:
        with torch.inference_mode():
            return module(feed.x, **feed.kwargs)

    return infer


def make_train_call(module: nn.Module, feed: Feed) -> Callable[[], object]:
    wanted = [feed.leaf, *module.parameters()]

    def train() -> object:
        return torch.autograd.grad(data_of(module(feed.x, **feed.kwargs)[0]), wanted, feed.d_y)

    return train


def make_touch(parameters: list[nn.Parameter]) -> Callable[[], None]:
    steps: Iterator[float] = cycle((NUDGE, -NUDGE))

    def touch() -> None:
        step = next(steps)
        for parameter in parameters:
            parameter.data.add_(step)

    return touch


def data_of(y: Tensor | PackedSequence) -> Tensor:
    return y.data if isinstance(y, PackedSequence) else y


def pack(x: Tensor, lengths: Tensor | None) -> PackedSequence:
    if lengths is None:
        raise ValueError("only a ragged case is packed")
    return pack_padded_sequence(x, lengths, enforce_sorted=False)
