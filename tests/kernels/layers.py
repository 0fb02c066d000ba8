"""A layer's call drawn at random, and the ways to run it: an operator, the Function around it, the reference alone."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from holdfast.kernels import ops
from holdfast.kernels.call import LayerCall
from holdfast.reference.sequence import Place, run_sequence
from holdfast.spec import CellSpec
from tests.cases import draw_call


def draw_layer(
    spec: CellSpec,
    shape: tuple[int, int, int, int],
    dtype: torch.dtype = torch.float64,
    *,
    directions: int = 1,
    grad: bool = False,
    lengths: Tensor | None = None,
    resets: Tensor | None = None,
) -> LayerCall:
    """Draw the call of one layer, T, B, I, H as given."""
    calls = [draw_call(spec, shape, dtype) for _ in range(directions)]
    states = [torch.stack(parts) for parts in zip(*(call.state for call in calls), strict=True)]
    params = [param for call in calls for param in call.params]
    tensors = [tensor.requires_grad_(grad) for tensor in (*states, *params)]
    return LayerCall(
        spec, calls[0].x.requires_grad_(grad), lengths, resets, None, calls[0].seed, 0, directions, tensors
    )  # fmt: skip


def inputs_of(call: LayerCall) -> list[Tensor]:
    """Return all that a gradient can be asked for: x, states, parameters."""
    return [call.x, *call.tensors]


def to_dtype(call: LayerCall, dtype: torch.dtype) -> LayerCall:
    x, *tensors = [tensor.detach().to(dtype) for tensor in inputs_of(call)]
    return call._replace(x=x, tensors=tensors)


def operator_args(call: LayerCall, backend: str, save: int = 0) -> tuple:
    """Return the forward operator's arguments before the tensor list."""
    none = call.x.new_empty(0)
    extras = [none if extra is None else extra for extra in (call.lengths, call.resets, call.rows, call.seed)]
    return (call.x, *extras, call.spec.key, backend, call.layer, call.directions, save)


def through_function(call: LayerCall, backend: str, save: int = 0, sink=None):
    """Return a function of x and tensors that goes through SequenceFunction on one backend."""

    def run(x: Tensor, *tensors: Tensor) -> tuple[Tensor, ...]:
        y, h, c, *_ = ops.SequenceFunction.apply(x, *operator_args(call, backend, save)[1:], sink, *tensors)
        return (y, h, c)[: 1 + call.num_states]

    return run


def by_reference(call: LayerCall, shifts: Sequence[Tensor] | None = None):
    """Return the same function, made of `run_sequence` alone; dense calls only."""

    def run(x: Tensor, *tensors: Tensor) -> tuple[Tensor, ...]:
        given, ways = call._replace(x=x, tensors=tensors), []
        for direction in range(call.directions):
            own = None
            if shifts is not None:
                own = (shifts[0][direction], shifts[1][direction] if len(shifts) == 2 else None)
            ways.append(
                run_sequence(
                    x, given.states(direction), given.params(direction), call.spec, lengths=call.lengths,
                    resets=call.resets, seed=call.seed, place=Place(call.layer, direction), shifts=own,
                )
            )  # fmt: skip
        states = [torch.stack(parts) for parts in zip(*(way.state for way in ways), strict=True)]
        return (torch.cat([way.output for way in ways], dim=-1), *states)

    return run


def values_and_gradients(run, call: LayerCall) -> dict[str, Tensor]:
    """Return the outputs of `run` and, for random output gradients, the gradient of each of its inputs."""
    inputs = [tensor.detach().requires_grad_() for tensor in inputs_of(call)]
    outputs = run(*inputs)
    generator = torch.Generator().manual_seed(3)
    seeds = [torch.randn(out.shape, generator=generator, dtype=torch.float64).to(out.dtype) for out in outputs]
    grads = torch.autograd.grad(outputs, inputs, seeds)
    return {f"value {k}": value.detach() for k, value in enumerate((*outputs, *grads))}
