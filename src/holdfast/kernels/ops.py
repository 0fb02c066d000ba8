"""The one door to every backend: raw operators inside an autograd Function whose backward is a second Function.

One call runs a layer in all its directions. `torch.library.register_autograd` would break torch.func (a jvp through it
silently gives zeros), so the derivative lives in the Functions: the first backward runs on the backend, the second
differentiates `reference`. Both have a vmap rule, also `reference`. Forward mode runs on `reference` from the start.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad

from holdfast.kernels import cpu, reference, vendor
from holdfast.kernels.call import LayerCall, LayerResult, Needs, filled, kept_shapes, wide_dtype
from holdfast.reference.sequence import Forced
from holdfast.spec import CellSpec

FlowSink = Callable[[list[Tensor]], None]
"""Takes d loss / d h(t), and for the LSTM d c(t), of every step, when the backward pass has them."""

_BACKENDS: dict[str, ModuleType] = {"cpu": cpu, "vendor": vendor, "reference": reference}

_LIBRARY = torch.library.Library("holdfast", "DEF")
# Each of the extras has no elements where the call has none.
_GIVEN = "Tensor x, Tensor lengths, Tensor resets, Tensor rows, Tensor seed"
_CALL = "str spec, str backend, int layer, int directions"
_RESULT = "Tensor y, Tensor h, Tensor c, Tensor gates, Tensor cells, Tensor rest"
_LIBRARY.define(f"sequence_forward({_GIVEN}, {_CALL}, int save, Tensor[] tensors) -> ({_RESULT})")
_LIBRARY.define(
    f"sequence_backward(Tensor d_y, Tensor d_h, Tensor d_c, {_GIVEN}, {_RESULT}, {_CALL}, int needs, "
    "Tensor[] tensors) -> Tensor[]"
)


def run_layer(
    call: LayerCall,
    *,
    key: str,
    backend: str,
    grad: bool,
    trace: bool = False,
    attach: bool = False,
    sink: FlowSink | None = None,
    forced: Sequence[Forced] | None = None,
) -> LayerResult:
    """Run one layer on the backend chosen for it.

    Args:
        key: call.spec.key, made once by the caller.
        grad: Whether a gradient may be asked for.
        trace: Also return gates and cells, without their graph unless `attach`.
        sink: Called by the backward pass with the gradients of every step; not inside a compiled graph.
        forced: For each direction the gates and states to replace; on `reference` only.
    """
    if forced is not None:
        result = reference.run_forced(call, forced, save=trace, sink=sink)
        return result if attach or not trace else _detached(result)
    eager_reference = backend == "reference" and sink is None and not torch.compiler.is_compiling()
    if attach or eager_reference or _in_forward_mode():
        result = reference.run(call, save=trace)
        return result if attach or not trace else _detached(result)
    # `reference` recomputes in its backward pass; so does oneDNN in a compiled graph, which cannot know the size of
    # its workspace.
    recomputes = backend == "reference" or (backend == "vendor" and torch.compiler.is_compiling())
    save = 2 if trace else 1 if grad and not recomputes else 0
    if not grad and _is_plain(call.x):
        return _BACKENDS[backend].forward(call, save)
    if _is_plain(call.x) and grad:
        return LayerResult(*_apply(EagerFunction, call, key, backend, save, sink, call.x, *call.tensors))
    none = call.x.new_empty(0)
    # Dynamo refuses one tensor in two places.
    absent = none.clone if torch.compiler.is_compiling() else lambda: none
    extras = [absent() if extra is None else extra for extra in (call.lengths, call.resets, call.rows, call.seed)]
    args = (call.x, *extras, key, backend, call.layer, call.directions, save)
    if not grad and (torch.compiler.is_compiling() or not _transformed()):
        return LayerResult(*torch.ops.holdfast.sequence_forward(*args, list(call.tensors)))
    return LayerResult(*_apply(SequenceFunction, *args, sink, *call.tensors))


def _transformed() -> bool:
    """Whether a torch.func transform is at work: only the Functions have its rules."""
    return torch._C._are_functorch_transforms_active()


def _is_plain(tensor: Tensor) -> bool:
    """Whether nothing stands between us and the values, so that a backend can be called without its operator: 10 µs.

    A compiler, a fake or other tensor mode, and a torch.func transform need the operator.
    """
    return (
        not torch.compiler.is_compiling()
        and type(tensor) in (Tensor, torch.nn.Parameter)
        and torch._C._len_torch_dispatch_stack() == 0
        and not _transformed()
    )


def _apply(function: type[torch.autograd.Function], *args: Any):
    """Return `function.apply(*args)`, without its inspection of the signature, which costs 50 µs a call."""
    if torch.compiler.is_compiling() or _transformed():
        return function.apply(*args)
    return super(torch.autograd.Function, function).apply(*args)  # type: ignore[misc]


def _in_forward_mode() -> bool:
    return not torch.compiler.is_compiling() and forward_ad._current_level >= 0


def _detached(result: LayerResult) -> LayerResult:
    return result._replace(gates=result.gates.detach(), cells=result.cells.detach())


class SequenceFunction(torch.autograd.Function):
    """One layer: (x, ..., *tensors) to a LayerResult, of which y, h and c have gradients."""

    @staticmethod
    def forward(x, lengths, resets, rows, seed, spec, backend, layer, directions, save, sink, *tensors):
        return torch.ops.holdfast.sequence_forward(
            x, lengths, resets, rows, seed, spec, backend, layer, directions, save, list(tensors)
        )

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        x, lengths, resets, rows, seed, spec, backend, layer, directions, _, sink, *tensors = inputs
        ctx.mark_non_differentiable(output[3], output[4], output[5])
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(x, lengths, resets, rows, seed, *output, *tensors)
        ctx.call, ctx.sink = (spec, backend, layer, directions), sink

    @staticmethod
    def backward(ctx: Any, d_y, d_h, d_c, *_d_saved):
        saved = ctx.saved_tensors  # asked for once: activation checkpointing gives them up then
        given, outputs, tensors = saved[:5], LayerResult(*saved[5:11]), saved[11:]
        needs = (ctx.needs_input_grad[0], *ctx.needs_input_grad[11:])
        flow = () if ctx.sink is None else (True, outputs.c.numel() > 0)
        args = (*filled(outputs, d_y, d_h, d_c), *given, *outputs, *ctx.call, _to_bits((*needs, *flow)))
        if torch.compiler.is_compiling():  # Dynamo drops setup_context where gradients are off, as they are here
            grads = torch.ops.holdfast.sequence_backward(*args, list(tensors))
        else:
            grads = _apply(SequenceBackward, *args, *tensors)
        spread = _spread(grads, needs, ctx.sink)
        return (spread[0], *(None,) * 10, *spread[1:])

    @staticmethod
    def vmap(info: Any, in_dims: tuple[Any, ...], *args: Any):
        def run(x, lengths, resets, rows, seed, spec, backend, layer, directions, save, sink, *tensors):
            call = _read_call(x, lengths, resets, rows, seed, spec, layer, directions, tensors)
            y, h, c = reference.run(call, save=False)[:3]
            return y, h, c, x.new_empty(0), x.new_empty(0), x.new_empty(0)

        return torch.vmap(run, in_dims, 0, randomness="same")(*args), (0,) * 6


class EagerFunction(torch.autograd.Function):
    """SequenceFunction where only autograd looks on, as in most training: no operator, and nothing for a transform."""

    @staticmethod
    def forward(ctx: Any, call: LayerCall, key, backend, save, sink, x, *tensors):
        result = _BACKENDS[backend].forward(call, save)
        ctx.mark_non_differentiable(result.gates, result.cells, result.rest)
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(x, call.lengths, call.resets, call.rows, call.seed, *result, *tensors)
        ctx.call, ctx.sink = (call.spec, key, backend, call.layer, call.directions), sink
        return tuple(result)

    @staticmethod
    def backward(ctx: Any, d_y, d_h, d_c, *_d_saved):
        saved = ctx.saved_tensors  # asked for once, as above
        x, *extras = saved[:5]
        outputs, tensors = LayerResult(*saved[5:11]), saved[11:]
        spec, key, backend, layer, directions = ctx.call
        needs = ctx.needs_input_grad[5:]
        flow = () if ctx.sink is None else (True, outputs.c.numel() > 0)
        bits = _to_bits((*needs, *flow))
        if not torch.is_grad_enabled() and _is_plain(next(d for d in (d_y, d_h, d_c) if d is not None)):
            call = LayerCall(spec, x, *extras, layer, directions, tensors)  # pyright: ignore[reportCallIssue]  # four
            grads = _run_backward(call, backend, outputs, d_y, d_h, d_c, Needs(bits, len(tensors)))
        else:
            none = x.new_empty(0)
            given = (x, *[none if extra is None else extra for extra in extras])
            args = (*filled(outputs, d_y, d_h, d_c), *given, *outputs, key, backend, layer, directions, bits)
            grads = _apply(SequenceBackward, *args, *tensors)
        return (*(None,) * 5, *_spread(grads, needs, ctx.sink))


class SequenceBackward(torch.autograd.Function):
    """The needed gradients of x and tensors, as a differentiable function of everything it reads."""

    @staticmethod
    def forward(*args):
        return tuple(torch.ops.holdfast.sequence_backward(*args[:19], list(args[19:])))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        spec, _, layer, directions, needs, *tensors = inputs[14:]
        ctx.save_for_backward(*inputs[:8], *tensors)
        ctx.call = (spec, layer, directions, needs)

    @staticmethod
    def backward(ctx: Any, *d_grads: Tensor):
        d_y, d_h, d_c, x, lengths, resets, rows, seed, *tensors = ctx.saved_tensors
        spec, layer, directions, needs = ctx.call

        def first(d_y, d_h, d_c, x, *tensors):
            call = _read_call(x, lengths, resets, rows, seed, spec, layer, directions, tensors)
            return tuple(reference.first_gradients(call, d_y, d_h, d_c, Needs(needs, len(tensors))))

        _, pull, *_ = torch.func.vjp(first, d_y, d_h, d_c, x, *tensors)
        d_d_y, d_d_h, d_d_c, d_x, *d_tensors = pull(tuple(d_grads))
        return (d_d_y, d_d_h, d_d_c, d_x, *(None,) * 15, *d_tensors)

    @staticmethod
    def vmap(info: Any, in_dims: tuple[Any, ...], *args: Any):
        def run(*args):
            d_y, d_h, d_c, x, lengths, resets, rows, seed = args[:8]
            spec, _, layer, directions, needs, *tensors = args[14:]
            call = _read_call(x, lengths, resets, rows, seed, spec, layer, directions, tensors)
            return tuple(reference.first_gradients(call, d_y, d_h, d_c, Needs(needs, len(tensors))))

        return torch.vmap(run, in_dims, 0, randomness="same")(*args), (0,) * args[18].bit_count()


def _spread(grads: Sequence[Tensor], needs: Sequence[bool], sink: FlowSink | None) -> list[Tensor | None]:
    """Return a gradient or None for each of the needs, and hand what comes after them to the sink."""
    left = iter(grads)
    spread = [next(left) if need else None for need in needs]
    if sink is not None:
        sink([grad.detach() for grad in left])
    return spread


def _to_bits(needs: tuple[bool, ...]) -> int:
    """Pack flags into one number: Dynamo flattens a tuple argument of a nested Function."""
    return sum([1 << k for k, need in enumerate(needs) if need])


def _read_call(
    x: Tensor,
    lengths: Tensor,
    resets: Tensor,
    rows: Tensor,
    seed: Tensor,
    spec_key: str,
    layer: int,
    directions: int,
    tensors: Sequence[Tensor],
) -> LayerCall:
    """Return an operator's arguments as the value that backends take."""
    return LayerCall(
        CellSpec.from_key(spec_key),
        x,
        lengths if lengths.numel() else None,
        resets if resets.numel() else None,
        rows if rows.numel() else None,
        seed if seed.numel() else None,
        layer,
        directions,
        tensors,
    )


def _forward_impl(x, lengths, resets, rows, seed, spec_key, backend, layer, directions, save, tensors):
    call = _read_call(x, lengths, resets, rows, seed, spec_key, layer, directions, tensors)
    return tuple(_BACKENDS[backend].forward(call, save))


def _backward_impl(
    d_y, d_h, d_c, x, lengths, resets, rows, seed, y, h, c, gates, cells, rest, spec_key, backend, layer, directions,
    needs, tensors,
):  # fmt: skip
    call = _read_call(x, lengths, resets, rows, seed, spec_key, layer, directions, tensors)
    result = LayerResult(y, h, c, gates, cells, rest)
    return _run_backward(call, backend, result, d_y, d_h, d_c, Needs(needs, len(tensors)))


def _run_backward(
    call: LayerCall,
    backend: str,
    result: LayerResult,
    d_y: Tensor | None,
    d_h: Tensor | None,
    d_c: Tensor | None,
    needs: Needs,
) -> list[Tensor]:
    module = _BACKENDS[backend]
    if backend != "reference" and result.gates.numel() == 0:  # nothing was saved
        result = module.forward(call, 1)
    return module.backward(call, result, d_y, d_h, d_c, needs)


def _forward_fake(x, lengths, resets, rows, seed, spec_key, backend, layer, directions, save, tensors):
    # Without lengths and the like: whether a size unknown to the compiler is zero cannot be asked, and no shape depends
    # on them. A seed has one number or none, and that is known.
    drawn = seed if seed.numel() else None
    call = LayerCall(CellSpec.from_key(spec_key), x, None, None, None, drawn, layer, directions, tensors)
    last = [torch.empty(state.shape, dtype=x.dtype, device=x.device) for state in tensors[: call.num_states]]
    y = x.new_empty((*x.shape[:-1], directions * call.out_size))
    c = last[1] if len(last) == 2 else x.new_empty(0)
    gates, cells, rest = x.new_empty(0), x.new_empty(0), x.new_empty(0)
    if save and backend == "vendor":
        gates = x.new_empty(torch.library.get_ctx().new_dynamic_size(), dtype=torch.uint8)
    elif save:
        gates, cells = (x.new_empty(shape, dtype=call.wide) for shape in kept_shapes(call))
        if backend == "cpu":
            rest = x.new_empty(cpu.workspace_size(call), dtype=call.wide)
    return y, last[0], c, gates, cells, rest


def _backward_fake(
    d_y, d_h, d_c, x, lengths, resets, rows, seed, y, h, c, gates, cells, rest, spec_key, backend, layer, directions,
    needs, tensors,
):  # fmt: skip
    shapes = [(tensor.shape, tensor.dtype) for tensor in (x, *tensors)]
    lead, wide = (directions, *x.shape[:-1]), wide_dtype(x.dtype)
    shapes += [((*lead, last.shape[-1]), wide) for last in (h, c)]
    wanted = Needs(needs, len(tensors)).pick(shapes)
    return [torch.empty(shape, dtype=dtype, device=x.device) for shape, dtype in wanted]


_LIBRARY.impl("sequence_forward", _forward_impl, "CompositeExplicitAutograd")
_LIBRARY.impl("sequence_backward", _backward_impl, "CompositeExplicitAutograd")
torch.library.register_fake("holdfast::sequence_forward", _forward_fake)
torch.library.register_fake("holdfast::sequence_backward", _backward_fake)
