"""The one door to every backend: raw operators inside an autograd Function whose backward is a second Function.

`torch.library.register_autograd` would break torch.func (a jvp through it silently gives zeros), so the derivative
lives in the Functions: the first backward runs on the backend, the second differentiates `reference`. Both have a vmap
rule, also `reference`. Forward mode runs on `reference` from the start.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad

from holdfast.kernels import cpu, vendor
from holdfast.reference.sequence import Place, SequenceResult, run_sequence
from holdfast.spec import GATES, CellSpec

_LIBRARY = torch.library.Library("holdfast", "DEF")
_EXTRAS = "Tensor lengths, Tensor resets, Tensor seed"  # each with no elements where the call has none
_CALL = "str spec, str backend, int layer, int direction"
_LIBRARY.define(
    f"sequence_forward(Tensor x, {_EXTRAS}, {_CALL}, bool save, Tensor[] tensors) "
    "-> (Tensor, Tensor, Tensor, Tensor, Tensor)"
)
_LIBRARY.define(
    f"sequence_backward(Tensor d_y, Tensor d_h, Tensor d_c, Tensor x, {_EXTRAS}, "
    f"Tensor y, Tensor h, Tensor c, Tensor gates, Tensor cells, {_CALL}, int needs, Tensor[] tensors) -> Tensor[]"
)


def run_layer(
    x: Tensor,
    state: tuple[Tensor, ...],
    params: tuple[Tensor, ...],
    spec: CellSpec,
    *,
    key: str,
    lengths: Tensor | None,
    resets: Tensor | None,
    seed: Tensor | None,
    place: Place,
    backend: str,
    trace: bool = False,
    attach: bool = False,
) -> SequenceResult:
    """Run one layer in one direction on the backend chosen for it.

    Args:
        key: spec.key, made once by the caller.
        trace: Also return gates and cells, without their graph unless `attach`.

    Returns:
        What `reference.sequence.run_sequence` returns; gates and cells are empty tensors unless asked for.
    """
    eager_reference = backend == "reference" and not torch.compiler.is_compiling()
    if attach or eager_reference or _in_forward_mode():
        result = run_sequence(x, state, params, spec, lengths=lengths, resets=resets, seed=seed, place=place)
        return result if attach or not trace else _detached(result)
    tensors = (*state, *params)
    needs_grad = torch.is_grad_enabled() and (x.requires_grad or any(tensor.requires_grad for tensor in tensors))
    # `reference` recomputes in its backward pass; so does oneDNN in a compiled graph, which cannot know the size of
    # its workspace.
    recomputes = backend == "reference" or (backend == "vendor" and torch.compiler.is_compiling())
    save = trace or (needs_grad and not recomputes)
    extras = [x.new_empty(0) if extra is None else extra for extra in (lengths, resets, seed)]
    args = (x, *extras, key, backend, place.layer, place.direction, save)
    if not needs_grad and (torch.compiler.is_compiling() or not _transformed()):
        y, h, c, gates, cells = torch.ops.holdfast.sequence_forward(*args, list(tensors))
    else:
        y, h, c, gates, cells = _apply(SequenceFunction, *args, *tensors)
    return SequenceResult(y, (h, c) if "c" in spec.states else (h,), gates, cells)


def _transformed() -> bool:
    """Whether a torch.func transform is at work: only the Functions have its rules."""
    return torch._C._are_functorch_transforms_active()


def _apply(function: type[torch.autograd.Function], *args: Any):
    """Return `function.apply(*args)`, without its inspection of the signature, which costs 50 µs a call."""
    if torch.compiler.is_compiling() or _transformed():
        return function.apply(*args)
    return super(torch.autograd.Function, function).apply(*args)  # type: ignore[misc]


def _in_forward_mode() -> bool:
    return not torch.compiler.is_compiling() and forward_ad._current_level >= 0


def _detached(result: SequenceResult) -> SequenceResult:
    cells = None if result.cells is None else result.cells.detach()
    return SequenceResult(result.output, result.state, result.gates.detach(), cells)


class SequenceFunction(torch.autograd.Function):
    """One layer and direction: (x, ..., *state, *params) to (y, h, c, saved gates, saved cells)."""

    @staticmethod
    def forward(x, lengths, resets, seed, spec, backend, layer, direction, save, *tensors):
        return torch.ops.holdfast.sequence_forward(
            x, lengths, resets, seed, spec, backend, layer, direction, save, list(tensors)
        )

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        x, lengths, resets, seed, spec, backend, layer, direction, _, *tensors = inputs
        ctx.mark_non_differentiable(output[3], output[4])
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(x, lengths, resets, seed, *output, *tensors)
        ctx.call = (spec, backend, layer, direction)

    @staticmethod
    def backward(ctx: Any, d_y, d_h, d_c, _d_gates, _d_cells):
        x, lengths, resets, seed, y, h, c, gates, cells, *tensors = ctx.saved_tensors
        needs = (ctx.needs_input_grad[0], *ctx.needs_input_grad[9:])
        d_y = torch.zeros_like(y) if d_y is None else d_y
        d_h = torch.zeros_like(h) if d_h is None else d_h
        d_c = torch.zeros_like(c) if d_c is None else d_c
        args = (d_y, d_h, d_c, x, lengths, resets, seed, y, h, c, gates, cells, *ctx.call, _to_bits(needs))
        if torch.compiler.is_compiling():  # Dynamo drops setup_context where gradients are off, as they are here
            grads = iter(torch.ops.holdfast.sequence_backward(*args, tensors))
        else:
            grads = iter(_apply(SequenceBackward, *args, *tensors))
        spread = [next(grads) if need else None for need in needs]
        return (spread[0], *(None,) * 8, *spread[1:])

    @staticmethod
    def vmap(info: Any, in_dims: tuple[Any, ...], *args: Any):
        def run(x, lengths, resets, seed, spec, backend, layer, direction, save, *tensors):
            y, h, c = _outputs(x, tensors, lengths, resets, seed, spec, layer, direction)
            return y, h, c, x.new_empty(0), x.new_empty(0)

        return torch.vmap(run, in_dims, 0, randomness="same")(*args), (0,) * 5


class SequenceBackward(torch.autograd.Function):
    """The needed gradients of x, states and parameters, as a differentiable function of everything it reads."""

    @staticmethod
    def forward(
        d_y, d_h, d_c, x, lengths, resets, seed, y, h, c, gates, cells, spec, backend, layer, direction, needs, *tensors
    ):
        return tuple(
            torch.ops.holdfast.sequence_backward(
                d_y,
                d_h,
                d_c,
                x,
                lengths,
                resets,
                seed,
                y,
                h,
                c,
                gates,
                cells,
                spec,
                backend,
                layer,
                direction,
                needs,
                list(tensors),
            )
        )

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        d_y, d_h, d_c, x, lengths, resets, seed = inputs[:7]
        spec, _, layer, direction, needs, *tensors = inputs[12:]
        ctx.save_for_backward(d_y, d_h, d_c, x, lengths, resets, seed, *tensors)
        ctx.call = (spec, layer, direction, needs)

    @staticmethod
    def backward(ctx: Any, *d_grads: Tensor):
        d_y, d_h, d_c, x, lengths, resets, seed, *tensors = ctx.saved_tensors

        def first(d_y, d_h, d_c, x, *tensors):
            return _first_grads(d_y, d_h, d_c, x, tensors, lengths, resets, seed, *ctx.call)

        _, pull, *_ = torch.func.vjp(first, d_y, d_h, d_c, x, *tensors)
        d_d_y, d_d_h, d_d_c, d_x, *d_tensors = pull(tuple(d_grads))
        return (d_d_y, d_d_h, d_d_c, d_x, *(None,) * 13, *d_tensors)

    @staticmethod
    def vmap(info: Any, in_dims: tuple[Any, ...], *args: Any):
        def run(
            d_y, d_h, d_c, x, lengths, resets, seed, y, h, c, gates, cells, spec, backend, layer, direction, needs,
            *tensors,
        ):  # fmt: skip
            return _first_grads(d_y, d_h, d_c, x, tensors, lengths, resets, seed, spec, layer, direction, needs)

        return torch.vmap(run, in_dims, 0, randomness="same")(*args), (0,) * args[16].bit_count()


def _to_bits(needs: tuple[bool, ...]) -> int:
    """Pack flags into one number: Dynamo flattens a tuple argument of a nested Function."""
    return sum(1 << k for k, need in enumerate(needs) if need)


def _needed(values: tuple[Tensor, ...], needs: int) -> list[Tensor]:
    return [value for k, value in enumerate(values) if needs >> k & 1]


def _present(extra: Tensor) -> Tensor | None:
    return extra if extra.numel() else None


def _reference(x, tensors, lengths, resets, seed, spec: CellSpec, place: Place) -> SequenceResult:
    num_states = len(spec.states)
    return run_sequence(
        x, tuple(tensors[:num_states]), tuple(tensors[num_states:]), spec,
        lengths=_present(lengths), resets=_present(resets), seed=_present(seed), place=place,
    )  # fmt: skip


def _outputs(x, tensors, lengths, resets, seed, spec_key: str, layer: int, direction: int):
    """Return y, h, c of `reference`; c is empty where the family has none."""
    result = _reference(x, tensors, lengths, resets, seed, CellSpec.from_key(spec_key), Place(layer, direction))
    return result.output, result.state[0], result.state[1] if len(result.state) == 2 else x.new_empty(0)


def _first_grads(d_y, d_h, d_c, x, tensors, lengths, resets, seed, spec: str, layer: int, direction: int, needs: int):
    """Return the needed first gradients, computed by differentiating `reference`."""

    def run(x, *tensors):
        return _outputs(x, tensors, lengths, resets, seed, spec, layer, direction)

    _, pull, *_ = torch.func.vjp(run, x, *tensors)
    grads = pull((d_y, d_h, d_c))
    return tuple(_needed(grads, needs))


def _forward_impl(x, lengths, resets, seed, spec_key, backend, layer, direction, save, tensors):
    spec = CellSpec.from_key(spec_key)
    if backend == "reference":
        with torch.no_grad():
            result = _reference(x, tensors, lengths, resets, seed, spec, Place(layer, direction))
        y, last = result.output, result.state
        saved = (result.gates, *(() if result.cells is None else (result.cells,))) if save else ()
    else:
        module = {"cpu": cpu, "vendor": vendor}[backend]
        num_states = len(spec.states)
        state, params = tuple(tensors[:num_states]), tuple(tensors[num_states:])
        y, last, saved = module.forward(x, state, params, spec, reverse=direction == 1, save=save)
    # Outputs of an operator may not share memory, not even when they are empty or a row kept its given state.
    last = tuple(s.clone() if any(s is given for given in tensors) else s for s in last)
    c = last[1] if len(last) == 2 else x.new_empty(0)
    gates, cells = (*saved, x.new_empty(0), x.new_empty(0))[:2]
    return y, last[0], c, gates, cells


def _backward_impl(
    d_y, d_h, d_c, x, lengths, resets, seed, y, h, c, gates, cells, spec_key, backend, layer, direction, needs, tensors
):
    if backend == "reference":
        call = (spec_key, layer, direction, needs)
        return [g.contiguous() for g in _first_grads(d_y, d_h, d_c, x, tensors, lengths, resets, seed, *call)]
    spec = CellSpec.from_key(spec_key)
    module = {"cpu": cpu, "vendor": vendor}[backend]
    num_states = len(spec.states)
    state, params = tuple(tensors[:num_states]), tuple(tensors[num_states:])
    saved, last = (gates, cells), (h, c)[:num_states]
    if gates.numel() == 0:
        y, last, saved = module.forward(x, state, params, spec, reverse=direction == 1, save=True)
    outputs = (y, last) if backend == "vendor" else y
    d_x, d_states, d_params = module.backward(
        d_y, (d_h, d_c)[:num_states], x, state, params, outputs, saved, spec,
        reverse=direction == 1, needs=tuple(bool(needs >> k & 1) for k in range(len(tensors) + 1)),
    )  # fmt: skip
    return _needed((d_x, *d_states, *d_params), needs)


def _forward_fake(x, lengths, resets, seed, spec_key, backend, layer, direction, save, tensors):
    spec = CellSpec.from_key(spec_key)
    num_states = len(spec.states)
    state, params = tensors[:num_states], tensors[num_states:]
    steps, rows = x.shape[0], x.shape[1]
    hidden_size = params[1].shape[0] // len(spec.gates)
    y = x.new_empty((steps, rows, state[0].shape[-1]))
    last = [torch.empty(s.shape, dtype=x.dtype, device=x.device) for s in state]
    c = last[1] if len(last) == 2 else x.new_empty(0)
    gates, cells = x.new_empty(0), x.new_empty(0)
    if save and backend == "vendor":
        gates = x.new_empty(torch.library.get_ctx().new_dynamic_size(), dtype=torch.uint8)
    elif save:
        wide = torch.float32 if x.dtype in (torch.float16, torch.bfloat16) else x.dtype
        gates = x.new_empty((steps, rows, len(GATES[spec.family]), hidden_size), dtype=wide)
        if spec.family == "lstm" or (spec.family == "gru" and backend == "cpu"):
            cells = x.new_empty((steps, rows, hidden_size), dtype=wide)
    return y, last[0], c, gates, cells


def _backward_fake(
    d_y, d_h, d_c, x, lengths, resets, seed, y, h, c, gates, cells, spec_key, backend, layer, direction, needs, tensors
):
    return [torch.empty(t.shape, dtype=t.dtype, device=t.device) for t in _needed((x, *tensors), needs)]


_LIBRARY.impl("sequence_forward", _forward_impl, "CompositeExplicitAutograd")
_LIBRARY.impl("sequence_backward", _backward_impl, "CompositeExplicitAutograd")
torch.library.register_fake("holdfast::sequence_forward", _forward_fake)
torch.library.register_fake("holdfast::sequence_backward", _backward_fake)
