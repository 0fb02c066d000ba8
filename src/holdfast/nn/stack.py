"""A stack of layers, run in order: the choice of backend, dropout between layers, autocast, traces."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn.functional import dropout

from holdfast.errors import BackendError
from holdfast.kernels.call import LayerCall, LayerResult
from holdfast.kernels.dispatch import CallRequest, choose
from holdfast.kernels.ops import run_layer
from holdfast.nn.inputs import GivenBatch, autocasting
from holdfast.reference.masks import draw_seed

if TYPE_CHECKING:
    from holdfast.nn.base import AbstractRecurrent

States = tuple[Tensor, ...]

_AUTOCAST_FROM = (torch.float32, torch.float16, torch.bfloat16)


def run_stack(layer: AbstractRecurrent, given: GivenBatch, hx: States | None) -> tuple[Tensor, States]:
    """Run all layers over a batch.

    Args:
        hx: The initial states, each [L*D, B, size]; None means zero, or what was learned.

    Returns:
        The last layer's output, [T, B, D*P] or packed [N, D*P], and the final states, each [L*D, B, size].

    Raises:
        BackendError: the forced backend cannot run this call, or torch.onnx.export is tracing it.
    """
    if torch.onnx.is_in_onnx_export():
        raise BackendError(
            f"ONNX has no operator for Holdfast's {layer.name}. Plain cells export as torch.nn's: call "
            "holdfast.revert(model) before torch.onnx.export and holdfast.convert(model) after it."
        )
    x = given.x
    if autocasting(x.device) and x.dtype in _AUTOCAST_FROM:
        dtype = torch.get_autocast_dtype(x.device.type)
        with torch.autocast(x.device.type, enabled=False):
            return _run(layer, given, hx, dtype)
    return _run(layer, given, hx, x.dtype)


def _run(layer: AbstractRecurrent, given: GivenBatch, hx: States | None, dtype: torch.dtype) -> tuple[Tensor, States]:
    random = layer.training and (layer.spec.needs_masks or layer.weight_drop > 0)
    seed = draw_seed() if random else None
    x = _cast(given.x, dtype)
    finals: list[States] = []
    for number in range(layer.num_layers):
        if number and layer.dropout and layer.training:
            x = dropout(x, layer.dropout)
        params = tuple([_cast(weight, dtype) for weight in layer.layer_weights(number, seed)])
        states = _first_states(layer, number, hx, given.batch, x, params)
        call = LayerCall(
            layer.spec, x, given.lengths, given.resets, given.rows, seed, number, layer.num_directions,
            [*states, *params],
        )  # fmt: skip
        x, h, c, *_ = _run_layer(layer, call, given)
        finals.append((h, c) if len(states) == 2 else (h,))
    if len(finals) == 1:
        return x, finals[0]
    return x, tuple([torch.cat(parts) for parts in zip(*finals, strict=True)])


def _run_layer(layer: AbstractRecurrent, call: LayerCall, given: GivenBatch) -> LayerResult:
    recorder = layer._recorder
    tracing = recorder is not None and recorder.wants_gates
    attach = tracing and recorder is not None and recorder.attach
    sink = recorder.flow_sink() if tracing and recorder is not None else None
    forced = layer._forcing(call) if layer._forcing is not None else None
    x = call.x
    request = CallRequest(
        spec=call.spec,
        dtype=x.dtype,
        device=x.device,
        time=given.steps,
        batch=given.batch,
        input_size=x.shape[-1],
        hidden_size=layer.hidden_size,
        directions=call.directions,
        lengths=given.lengths is not None and given.packed is None,
        resets=given.resets is not None,
        packed=given.packed is not None,
        masks=call.seed is not None and call.spec.needs_masks,
        trace=tracing,
        grad=call.wants_grad,
        flow=sink is not None,
        clamped=forced is not None,
    )
    choice = choose(request, "reference" if attach else layer.backend)
    result = run_layer(
        call, key=layer.spec_key, backend=choice.backend, grad=request.grad, trace=tracing, attach=attach, sink=sink,
        forced=forced,
    )  # fmt: skip
    if recorder is not None:
        recorder.note(call, request, choice, result, sink)
    return result


def _first_states(
    layer: AbstractRecurrent, number: int, hx: States | None, batch: int, x: Tensor, params: tuple[Tensor, ...]
) -> States:
    """Return the states before the first step, [D, B, size] each, in the dtype of x."""
    count, num_states = layer.num_directions, len(layer.spec.states)
    if hx is not None:
        if layer.num_layers > 1:
            hx = tuple([state[number * count : (number + 1) * count] for state in hx])
        return tuple([_cast(state, x.dtype) for state in hx])
    if layer.spec.initial_state == "learned":  # the last rows of each direction's parameter table
        ends = [(way + 1) * len(params) // count - num_states for way in range(count)]
        starts = [torch.stack([params[end + k] for end in ends]) for k in range(num_states)]
        return tuple([start.unsqueeze(1).expand(-1, batch, -1) for start in starts])
    zeros = x.new_zeros(count, batch, layer.proj_size or layer.hidden_size)
    if num_states == 1:
        return (zeros,)
    # Nobody writes to them, so one will do; but Dynamo refuses one tensor in two places.
    same = not layer.proj_size and not torch.compiler.is_compiling()
    return (zeros, zeros if same else x.new_zeros(count, batch, layer.hidden_size))


def _cast(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    return tensor if tensor.dtype == dtype else tensor.to(dtype)
