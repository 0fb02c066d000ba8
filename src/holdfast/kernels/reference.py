"""The `reference` backend: a whole layer as plain torch, differentiable as often as wanted, and slow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from holdfast.kernels.call import LayerCall, LayerResult, Needs, filled
from holdfast.reference.packing import callers_order, repack, unpack
from holdfast.reference.sequence import Forced, Place, SequenceResult, Shifts, run_sequence

if TYPE_CHECKING:
    from holdfast.kernels.dispatch import CallRequest
    from holdfast.kernels.ops import FlowSink

Change = Callable[[Tensor, Tensor, "Tensor | None"], Tensor]


def unsupported(request: CallRequest) -> str | None:
    """Return None: the reference runs everything."""
    return None


def run(
    call: LayerCall, *, save: bool, shifts: Shifts | None = None, forced: Sequence[Forced] | None = None
) -> LayerResult:
    """Run the layer with torch's own operators, which torch differentiates.

    Args:
        save: Whether to return gates and cells too.
        shifts: Zeros to add to h(t) [D, T, B, P] and c(t) [D, T, B, H], in the layout of call.x; see `run_sequence`.
        forced: For each direction what to replace, [T, B, units] in the caller's row order also where packed.
    """
    lengths, rows = call.lengths, call.rows
    if call.packed and lengths is not None:
        dense = call._replace(x=unpack(call.x, lengths, rows), lengths=callers_order(lengths, rows), rows=None)
        if shifts is not None:
            shifts = (_each(shifts[0], unpack, lengths, rows), _optional_each(shifts[1], unpack, lengths, rows))
        y, h, c, gates, cells, rest = run(dense, save=save, shifts=shifts, forced=forced)
        if save:
            gates, cells = _each(gates, repack, lengths, rows), _each(cells, repack, lengths, rows)
        return LayerResult(repack(y, lengths, rows), h, c, gates, cells, rest)
    ways = [_run_direction(call, direction, shifts, forced) for direction in range(call.directions)]
    none = call.x.new_empty(0)
    y = torch.cat([way.output for way in ways], dim=-1) if len(ways) > 1 else ways[0].output
    states = [torch.stack(parts) for parts in zip(*(way.state for way in ways), strict=True)]
    cells = [way.cells for way in ways if way.cells is not None]
    return LayerResult(
        y,
        states[0],
        states[1] if len(states) == 2 else none,
        _stack([way.gates for way in ways]) if save else none.clone(),
        _stack(cells) if save and cells else none.clone(),
        none.clone(),
    )


def run_forced(call: LayerCall, forced: Sequence[Forced], *, save: bool, sink: FlowSink | None) -> LayerResult:
    """Run the layer with gates or states replaced; `sink` gets the gradients of every step from the backward pass."""
    if sink is None or not call.wants_grad:
        return run(call, save=save, forced=forced)
    zeros = [_Downstream.apply(zero, call.x, *call.tensors) for zero in _zero_shifts(call)]

    def pour(grads: Sequence[Tensor | None]) -> None:
        sink([torch.zeros_like(zero) if grad is None else grad for grad, zero in zip(grads, zeros, strict=True)])

    torch.autograd.graph.register_multi_grad_hook(zeros, pour)
    return run(call, save=save, shifts=(zeros[0], zeros[1] if len(zeros) == 2 else None), forced=forced)


class _Downstream(torch.autograd.Function):
    """Gives a tensor back as one that comes of the others, to which no gradient goes.

    A backward pass that is asked for some tensors' gradients visits only what lies on the way to them: zeros that are
    leaves of their own would be left out.
    """

    @staticmethod
    def forward(zero, *others):
        return zero.clone()

    @staticmethod
    def setup_context(ctx: Any, inputs, output):
        ctx.count = len(inputs)

    @staticmethod
    def backward(ctx: Any, *grads):  # type: ignore[override]
        return (None,) * ctx.count


def forward(call: LayerCall, save: int) -> LayerResult:
    """Run the layer without a graph."""
    with torch.no_grad():
        return run(call, save=save > 0)


def backward(
    call: LayerCall, result: LayerResult, d_y: Tensor | None, d_h: Tensor | None, d_c: Tensor | None, needs: Needs
) -> list[Tensor]:
    """Return the needed gradients, from a second run that torch differentiates; of `result` only shapes are read."""
    return [grad.contiguous() for grad in first_gradients(call, *filled(result, d_y, d_h, d_c), needs)]


def first_gradients(call: LayerCall, d_y: Tensor, d_h: Tensor, d_c: Tensor, needs: Needs) -> list[Tensor]:
    """Return the needed gradients, themselves differentiable and open to torch.func."""
    count = len(call.tensors)

    def outputs(x: Tensor, *rest: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        tensors, shifts = rest[:count], rest[count:]
        shifts = (shifts[0], shifts[1] if len(shifts) == 2 else None) if shifts else None
        return run(call._replace(x=x, tensors=tensors), save=False, shifts=shifts)[:3]

    zeros = _zero_shifts(call) if needs.flow_h or needs.flow_c else ()
    _, pull, *_ = torch.func.vjp(outputs, call.x, *call.tensors, *zeros)
    return needs.pick(pull((d_y, d_h, d_c)))


def _run_direction(
    call: LayerCall, direction: int, shifts: Shifts | None, forced: Sequence[Forced] | None
) -> SequenceResult:
    if shifts is not None:
        shifts = (shifts[0][direction], None if shifts[1] is None else shifts[1][direction])
    return run_sequence(
        call.x, call.states(direction), call.params(direction), call.spec,
        lengths=call.lengths, resets=call.resets, seed=call.seed, place=Place(call.layer, direction), shifts=shifts,
        forced=None if forced is None else forced[direction],
    )  # fmt: skip


def _zero_shifts(call: LayerCall) -> tuple[Tensor, ...]:
    sizes = (call.out_size, call.hidden_size)[: call.num_states]
    lead = (call.directions, *call.x.shape[:-1])
    return tuple([call.x.new_zeros(*lead, size, dtype=call.wide) for size in sizes])


def _stack(parts: Sequence[Tensor]) -> Tensor:
    return torch.stack(list(parts)) if len(parts) > 1 else parts[0].unsqueeze(0)


def _each(both: Tensor, change: Change, lengths: Tensor, rows: Tensor | None) -> Tensor:
    """Return [D, ...] with each direction packed or unpacked; nothing where there is nothing."""
    return torch.stack([change(one, lengths, rows) for one in both]) if both.numel() else both


def _optional_each(both: Tensor | None, change: Change, lengths: Tensor, rows: Tensor | None) -> Tensor | None:
    return None if both is None else _each(both, change, lengths, rows)
