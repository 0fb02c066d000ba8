"""A stack of layers and directions, run in order: the choice of backend, dropout between layers, autocast, traces."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn.functional import dropout

from holdfast.errors import BackendError
from holdfast.kernels.dispatch import CallRequest, choose
from holdfast.kernels.ops import run_layer
from holdfast.nn.inputs import autocasting
from holdfast.reference.masks import draw_seed
from holdfast.reference.sequence import Place, SequenceResult

if TYPE_CHECKING:
    from holdfast.nn.base import AbstractRecurrent

_AUTOCAST_FROM = (torch.float32, torch.float16, torch.bfloat16)


def run_stack(
    layer: AbstractRecurrent,
    x: Tensor,
    given: tuple[Tensor, ...] | None,
    lengths: Tensor | None,
    resets: Tensor | None,
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Run all layers and directions over x [T, B, I].

    Returns:
        The last layer's output [T, B, D*H or D*P] and the final states, each [L*D, B, size].

    Raises:
        BackendError: the forced backend cannot run this call, or torch.onnx.export is tracing it.
    """
    if torch.onnx.is_in_onnx_export():
        raise BackendError(
            f"ONNX has no operator for Holdfast's {layer.name}. Plain cells export as torch.nn's: call "
            "holdfast.revert(model) before torch.onnx.export and holdfast.convert(model) after it."
        )
    device_type = x.device.type
    if autocasting(x.device) and x.dtype in _AUTOCAST_FROM:
        dtype = torch.get_autocast_dtype(device_type)
        with torch.autocast(device_type, enabled=False):
            return _run(layer, x, given, lengths, resets, dtype)
    return _run(layer, x, given, lengths, resets, x.dtype)


def _run(
    layer: AbstractRecurrent,
    x: Tensor,
    given: tuple[Tensor, ...] | None,
    lengths: Tensor | None,
    resets: Tensor | None,
    dtype: torch.dtype,
) -> tuple[Tensor, tuple[Tensor, ...]]:
    random = layer.training and (layer.spec.needs_masks or layer.weight_drop > 0)
    seed = draw_seed() if random else None
    x = x.to(dtype)
    finals: list[tuple[Tensor, ...]] = []
    for number in range(layer.num_layers):
        outputs = []
        for direction in range(layer.num_directions):
            place = Place(number, direction)
            params = tuple([weight.to(dtype) for weight in layer.call_weights(place, seed)])
            state = _first_state(layer, given, place, x, params)
            result = _run_place(layer, x, state, params, (lengths, resets, seed), place)
            outputs.append(result.output)
            finals.append(result.state)
        x = outputs[0] if len(outputs) == 1 else torch.cat(outputs, dim=-1)
        if layer.dropout and layer.training and number < layer.num_layers - 1:
            x = dropout(x, layer.dropout)
    return x, tuple([torch.stack([final[k] for final in finals]) for k in range(len(layer.spec.states))])


def _run_place(
    layer: AbstractRecurrent,
    x: Tensor,
    state: tuple[Tensor, ...],
    params: tuple[Tensor, ...],
    extras: tuple[Tensor | None, Tensor | None, Tensor | None],
    place: Place,
) -> SequenceResult:
    lengths, resets, seed = extras
    recorder = layer._recorder
    tracing = recorder is not None and recorder.wants_gates
    attach = tracing and recorder is not None and recorder.attach
    request = CallRequest(
        spec=layer.spec,
        dtype=x.dtype,
        device=x.device,
        time=x.shape[0],
        batch=x.shape[1],
        input_size=x.shape[2],
        hidden_size=layer.hidden_size,
        lengths=lengths is not None,
        resets=resets is not None,
        masks=seed is not None and layer.spec.needs_masks,
        trace=tracing,
        grad=torch.is_grad_enabled() and (x.requires_grad or any([tensor.requires_grad for tensor in params])),
    )
    choice = choose(request, "reference" if attach else layer.backend)
    result = run_layer(
        x, state, params, layer.spec, key=layer.spec_key, lengths=lengths, resets=resets, seed=seed,
        place=place, backend=choice.backend, trace=tracing, attach=attach,
    )  # fmt: skip
    if recorder is not None:
        recorder.note(place, request, choice, result, state, lengths)
    return result


def _first_state(
    layer: AbstractRecurrent,
    given: tuple[Tensor, ...] | None,
    place: Place,
    x: Tensor,
    params: tuple[Tensor, ...],
) -> tuple[Tensor, ...]:
    """Return the states before the first step, [B, size] each, in the dtype of x."""
    states = layer.spec.states
    if given is not None:
        index = place.layer * layer.num_directions + place.direction
        return tuple([state[index].to(x.dtype) for state in given])
    rows = x.shape[1]
    if layer.spec.initial_state == "learned":  # the last rows of the parameter table
        return tuple([start.expand(rows, -1) for start in params[len(params) - len(states) :]])
    sizes = (layer.proj_size or layer.hidden_size, layer.hidden_size)
    return tuple([x.new_zeros(rows, size) for size, _ in zip(sizes, states, strict=False)])
