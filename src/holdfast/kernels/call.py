"""One operator call as a value: what a layer is given, what it gives back, and which gradients are wanted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor

from holdfast.spec import GATES, CellSpec

Value = TypeVar("Value")


class LayerResult(NamedTuple):
    """What a backend computed for a layer; the last three are empty unless they were asked for.

    A packed call has one axis N, the steps of all rows in the order of the data, where a dense one has T and B.

    y [T, B, D*P] or [N, D*P]; h [D, B, P] and c [D, B, H] after the last step, in the caller's row order, c empty where
    the family has none; gates [D, T, B, len(GATES[family]), H] after activation (f = 1 - i where tied, 1 where absent),
    in float32 for half precision; cells [D, T, B, H], the LSTM's c after each step; rest: one flat workspace of the
    backend's own. `vendor` keeps its workspaces in the last three as it likes.
    """

    y: Tensor
    h: Tensor
    c: Tensor
    gates: Tensor
    cells: Tensor
    rest: Tensor


class LayerCall(NamedTuple):
    """One layer in all its directions over a batch. P is the projection size, or H without one.

    x: [T, B, I], or packed: [N, I], the data of a PackedSequence.
    lengths: [B], the steps of each row that count; None means all. Packed: in the order of the data, descending.
    resets: [T, B] bool, True where the state becomes the initial one before that step; never packed.
    rows: [B], packed only: the caller's row of each row of the data; None means the same.
    seed: The mask seed; None means evaluation.
    directions: 1 (forward) or 2 (both).
    tensors: h0 [D, B, P], for the LSTM c0 [D, B, H], then the parameters of each direction in table order. The states
        stand in the caller's row order.
    """

    spec: CellSpec
    x: Tensor
    lengths: Tensor | None
    resets: Tensor | None
    rows: Tensor | None
    seed: Tensor | None
    layer: int
    directions: int
    tensors: Sequence[Tensor]

    @property
    def packed(self) -> bool:
        return self.x.dim() == 2

    @property
    def steps(self) -> int:
        """T; of a packed call, the length of its first row."""
        if self.packed and self.lengths is not None:
            return int(self.lengths[0])
        return self.x.shape[0]

    @property
    def batch(self) -> int:
        return self.tensors[0].shape[1]

    @property
    def out_size(self) -> int:
        return self.tensors[0].shape[2]

    @property
    def hidden_size(self) -> int:
        return self.tensors[self.num_states + 1].shape[0] // len(self.spec.gates)

    @property
    def num_states(self) -> int:
        return len(self.spec.states)

    @property
    def wants_grad(self) -> bool:
        """Whether a gradient may be asked for."""
        return torch.is_grad_enabled() and (
            self.x.requires_grad or any([tensor.requires_grad for tensor in self.tensors])
        )

    @property
    def wide(self) -> torch.dtype:
        """The dtype of gates, cells and the derivatives of every step: float32 where x is in half precision."""
        return wide_dtype(self.x.dtype)

    def states(self, direction: int) -> tuple[Tensor, ...]:
        """Return the initial states of one direction, [B, size] each."""
        return tuple([state[direction] for state in self.tensors[: self.num_states]])

    def params(self, direction: int) -> tuple[Tensor, ...]:
        """Return the parameters of one direction."""
        count = (len(self.tensors) - self.num_states) // self.directions
        first = self.num_states + direction * count
        return tuple(self.tensors[first : first + count])


class Needs(NamedTuple):
    """Which gradients a backward call returns, as bits: x, each of call.tensors, then d h(t) and d c(t) of every step.

    Those of every step ("flow") are total derivatives of the loss, through the future too: by h(t) after zoneout, with
    the output's own gradient in it, [D, T, B, P]; by the c(t) that h(t) reads, before zoneout, [D, T, B, H]. Both are
    zero in padding, and [D, N, size] when packed.
    """

    bits: int
    num_tensors: int

    @property
    def x(self) -> bool:
        return bool(self.bits & 1)

    def tensor(self, index: int) -> bool:
        """Whether the gradient of call.tensors[index] is wanted."""
        return bool(self.bits >> (1 + index) & 1)

    @property
    def flow_h(self) -> bool:
        return bool(self.bits >> (1 + self.num_tensors) & 1)

    @property
    def flow_c(self) -> bool:
        return bool(self.bits >> (2 + self.num_tensors) & 1)

    def pick(self, values: Sequence[Value | None]) -> list[Value]:
        """Return those of (x, *tensors, flow of h, flow of c) that are wanted; the others may be None."""
        return [value for k, value in enumerate(values) if self.bits >> k & 1]  # type: ignore[misc]


def filled(
    result: LayerResult, d_y: Tensor | None, d_h: Tensor | None, d_c: Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the gradients of y, h and c, zeros for those that no loss reads."""
    pairs = zip((d_y, d_h, d_c), result[:3], strict=True)
    y, h, c = [torch.zeros_like(output) if grad is None else grad for grad, output in pairs]
    return y, h, c


def wide_dtype(dtype: torch.dtype) -> torch.dtype:
    """Return the dtype that states are kept in inside a layer: float32 for half precision."""
    return torch.float32 if dtype in (torch.float16, torch.bfloat16) else dtype


def kept_shapes(call: LayerCall) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the shapes of the gates and of the cells that a call saves; those of no LSTM have no cells."""
    lead = (call.directions, *call.x.shape[:-1])
    cells = (*lead, call.hidden_size) if call.num_states == 2 else (0,)
    return (*lead, len(GATES[call.spec.family]), call.hidden_size), cells
