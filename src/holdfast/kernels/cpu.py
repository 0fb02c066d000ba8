"""The `cpu` backend: our compiled sweeps through time, with a matrix product before and a few after them.

The input's part of all gate sums is one product before the sweep, and the gradients of the weights are products after
it. The sweep itself (the recurrent product and the cell, or the derivative of both) is csrc/, one call for all steps.
The products are ours too: the same bits for any number of threads.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from holdfast.errors import BackendError
from holdfast.kernels import cpu_level, cpu_team
from holdfast.kernels.call import LayerCall, LayerResult, Needs
from holdfast.spec import CellSpec

if TYPE_CHECKING:
    from holdfast.kernels.dispatch import CallRequest

Tensors = tuple[Tensor, ...]
Optionals = Sequence[Tensor | None]

_MISSING = cpu_level.load().reason
"""Why there are no kernels here, or None: read once, since a compiled graph cannot trace an import."""

_HALF = (torch.bfloat16, torch.float16)  # computed in float32 throughout, and rounded at the end

_FAMILIES = {("lstm", "tanh"): 0, ("gru", "tanh"): 1, ("rnn", "tanh"): 2, ("rnn", "relu"): 3}  # csrc/kernels.h


def unsupported(request: CallRequest) -> str | None:
    """Return None when the kernels can run the request, else a clause that says why not."""
    if _MISSING is not None:
        if not torch.compiler.is_compiling():
            _tell_once(_MISSING)
        return _MISSING
    if request.device.type != "cpu":
        return f"the cpu kernels need tensors on the CPU, got {request.device}"
    if request.dtype not in (torch.float32, *_HALF):
        return f"the cpu kernels need float32, bfloat16 or float16, got {request.dtype}"
    if not request.spec.plain or request.spec.projected:
        return f"the cpu kernels run the plain cell only, not '{request.spec.key}'; variants come with a later version"
    if request.lengths or request.resets:
        return "lengths and resets inside the cpu kernels come with a later version"
    if request.packed or request.flow:
        what = "packed sequences" if request.packed else "gradients of every step"
        return f"{what} inside the cpu kernels come with a later version"
    if request.input_size == 0 or request.batch == 0:
        return "the cpu kernels need at least one row and one feature"
    return None


@lru_cache(maxsize=1)
def _tell_once(reason: str) -> None:
    """Warn a user who did not ask for it that everything runs on the slower backends."""
    if "turns the compiled kernels off" not in reason:
        message = f"Holdfast runs without its compiled kernels: {reason}. `holdfast doctor` says more."
        warnings.warn(message, RuntimeWarning, stacklevel=2)


def workspace_size(call: LayerCall) -> int:
    """Return how many elements of `rest` a saving call fills: the GRU's W_hn h + b_hn [D, T, B, H]."""
    return call.directions * math.prod(call.x.shape[:-1]) * call.hidden_size if call.spec.family == "gru" else 0


def forward(call: LayerCall, save: int) -> LayerResult:
    """Run the layer, one direction after the other."""
    ways = [
        _forward_direction(
            call.x, call.states(direction), call.params(direction), call.spec, reverse=direction == 1, save=save > 0
        )
        for direction in range(call.directions)
    ]
    y = torch.cat([way[0] for way in ways], dim=-1) if len(ways) > 1 else ways[0][0]
    states = [_stack(parts) for parts in zip(*(way[1] for way in ways), strict=True)]
    saved = [_stack(parts) for parts in zip(*(way[2] for way in ways), strict=True)]
    lstm, none = call.spec.family == "lstm", call.x.new_empty
    return LayerResult(
        y,
        states[0],
        states[1] if lstm else none(0),
        saved[0] if save else none(0),
        saved[1] if save and lstm else none(0),
        saved[1].flatten() if save and not lstm else none(0),
    )


def backward(call: LayerCall, result: LayerResult, d_y: Tensor, d_h: Tensor, d_c: Tensor, needs: Needs) -> list[Tensor]:
    """Return the needed gradients, one direction after the other."""
    size, num_params = call.hidden_size, (len(call.tensors) - call.num_states) // call.directions
    flags = [needs.tensor(k) for k in range(len(call.tensors))]
    lstm, ways = call.spec.family == "lstm", []
    extras = result.cells if lstm else result.rest.chunk(call.directions)
    for direction in range(call.directions):
        own, first = slice(direction * size, (direction + 1) * size), call.num_states + direction * num_params
        extra = extras[direction].view(*result.y.shape[:2], -1) if extras[direction].numel() else result.rest
        needs_own = [needs.x, *flags[: call.num_states], *flags[first : first + num_params]]
        ways.append(
            _backward_direction(
                d_y[..., own], (d_h[direction], *([d_c[direction]] if lstm else [])), call.x, call.states(direction),
                call.params(direction), result.y[..., own], (result.gates[direction], extra), call.spec,
                reverse=direction == 1, needs=needs_own,
            )
        )  # fmt: skip
    d_x = torch.stack([way[0] for way in ways]).sum(0) if len(ways) > 1 and needs.x else ways[0][0]
    d_states = [
        _stack(parts) if parts[0] is not None else None for parts in zip(*(way[1] for way in ways), strict=True)
    ]
    return needs.pick([d_x, *d_states, *(grad for way in ways for grad in way[2])])


def _stack(parts: Sequence[Tensor]) -> Tensor:
    return torch.stack(list(parts)) if len(parts) > 1 else parts[0].unsqueeze(0)


def _forward_direction(
    x: Tensor, state: Sequence[Tensor], params: Sequence[Tensor], spec: CellSpec, *, reverse: bool, save: bool
) -> tuple[Tensor, Tensors, Tensors]:
    """Run one direction of one layer.

    Args:
        x: [T, B, I], T and B at least 1.
        state: (h0, c0) or (h0,), each [B, H].
        params: In the order of `parameter_table`.
        reverse: Whether to run from the last step to the first.
        save: Whether to return what `backward` needs.

    Returns:
        y [T, B, H], the final state, and (gates [T, B, G, H], extra [T, B, H]) or (). Extra is c of every step for the
        LSTM, W_hn h + b_hn for the GRU, and empty for the RNN.
    """
    if x.dtype in _HALF:
        y, state_n, saved = _forward_direction(
            x.float(), _floats(state), _floats(params), spec, reverse=reverse, save=save
        )
        return y.to(x.dtype), tuple([part.to(x.dtype) for part in state_n]), saved
    module = _module()
    (steps, batch, features), hidden = x.shape, params[1].shape[1]
    x, state = x.contiguous(), [part.contiguous() for part in state]
    weights = [part.contiguous() for part in params]
    lstm = spec.family == "lstm"
    y, state_n = x.new_empty(steps, batch, hidden), tuple([torch.empty_like(part) for part in state])
    gates = x.new_empty(steps, batch, len(spec.gates), hidden) if save else None
    extra = x.new_empty((steps, batch, hidden) if spec.family != "rnn" else 0) if save else None
    module.forward(
        _FAMILIES[spec.family, spec.nonlinearity], steps, batch, features, hidden, reverse, x.data_ptr(),
        weights[0].data_ptr(), weights[1].data_ptr(),
        weights[2].data_ptr() if spec.bias else 0, weights[3].data_ptr() if spec.bias else 0,
        state[0].data_ptr(), state[1].data_ptr() if lstm else 0,
        y.data_ptr(), state_n[0].data_ptr(), state_n[1].data_ptr() if lstm else 0,
        _address(gates), _address(extra), cpu_team.num_threads(module),
    )  # fmt: skip
    return y, state_n, () if gates is None or extra is None else (gates, extra)


def _backward_direction(
    d_y: Tensor | None,
    d_state: Optionals,
    x: Tensor,
    state: Sequence[Tensor],
    params: Sequence[Tensor],
    y: Tensor,
    saved: Sequence[Tensor],
    spec: CellSpec,
    *,
    reverse: bool,
    needs: Sequence[bool],
) -> tuple[Tensor | None, tuple[Tensor | None, ...], tuple[Tensor | None, ...]]:
    """Return the gradients of x, of each initial state and of each parameter; None where `needs` is False.

    Args:
        d_y: [T, B, H] or None for zero.
        d_state: Gradient of each final state, or None for zero.
        saved: What `forward` returned with save=True.
        needs: One flag for x, for each state and for each parameter, in that order.
    """
    if x.dtype in _HALF:
        d_y = None if d_y is None else d_y.float()
        d_state = [None if part is None else part.float() for part in d_state]
        d_x, d_states, d_weights = _backward_direction(
            d_y, d_state, x.float(), _floats(state), _floats(params), y.float(), saved, spec,
            reverse=reverse, needs=needs,
        )  # fmt: skip
        half = [None if grad is None else grad.to(x.dtype) for grad in (d_x, *d_states, *d_weights)]
        return half[0], tuple(half[1 : 1 + len(d_states)]), tuple(half[1 + len(d_states) :])
    state = [part.contiguous() for part in state]
    d_pre, d_hidden, d_initial = _sweep_back(d_y, d_state, state, params[1], y, saved, spec, reverse)
    needs_x, needs_state, needs_params = needs[0], needs[1 : 1 + len(state)], needs[1 + len(state) :]
    rows = d_pre.flatten(0, 1)  # [T*B, G*H]
    d_x = _product(rows, params[0]).view(x.shape) if needs_x else None
    d_params: list[Tensor | None] = [None] * len(params)
    if needs_params[0]:
        d_params[0] = _product(rows.t(), x.flatten(0, 1))
    if needs_params[1]:
        d_params[1] = _recurrent_gradient(d_hidden, y, state[0], reverse)
    if spec.bias:
        if needs_params[2]:
            d_params[2] = rows.sum(0)
        if needs_params[3]:
            # A tensor of its own even where it is equal: the two biases must not share a gradient's memory.
            shared = d_params[2] if d_hidden is d_pre else None
            d_params[3] = shared.clone() if shared is not None else d_hidden.sum((0, 1))
    d_states = tuple(part if needed else None for part, needed in zip(d_initial, needs_state, strict=True))
    return d_x, d_states, tuple(d_params)


def _floats(tensors: Sequence[Tensor]) -> list[Tensor]:
    return [tensor.float() for tensor in tensors]


def _sweep_back(
    d_y: Tensor | None,
    d_state: Optionals,
    state: Sequence[Tensor],
    weight_hh: Tensor,
    y: Tensor,
    saved: Sequence[Tensor],
    spec: CellSpec,
    reverse: bool,
) -> tuple[Tensor, Tensor, Tensors]:
    """Return the gradients of the gate sums [T, B, G*H], of their recurrent part, and of the initial state."""
    module = _module()
    steps, batch, hidden = y.shape
    gates, extra = (part.contiguous() for part in saved)
    d_y = d_y.contiguous() if d_y is not None else None
    d_state = [part.contiguous() if part is not None else None for part in d_state]
    y, w_hh = y.contiguous(), weight_hh.contiguous()
    d_pre = y.new_empty(steps, batch, gates.shape[2] * hidden)
    d_hidden = torch.empty_like(d_pre) if spec.family == "gru" else d_pre
    d_initial = tuple(torch.empty_like(part) for part in state)
    lstm = spec.family == "lstm"
    number = _FAMILIES[spec.family, spec.nonlinearity]
    module.backward(
        number, steps, batch, hidden, reverse, w_hh.data_ptr(),
        _address(d_y), _address(d_state[0]), _address(d_state[1]) if lstm else 0,
        state[0].data_ptr(), state[1].data_ptr() if lstm else 0, y.data_ptr(), gates.data_ptr(), extra.data_ptr(),
        d_pre.data_ptr(), d_hidden.data_ptr(), d_initial[0].data_ptr(), d_initial[1].data_ptr() if lstm else 0,
        cpu_team.num_threads(module),
    )  # fmt: skip
    return d_pre, d_hidden, d_initial


def _recurrent_gradient(d_hidden: Tensor, y: Tensor, h0: Tensor, reverse: bool) -> Tensor:
    """Return the gradient of W_hh: each step's d_hidden [B, G*H] times the h that the step read."""
    first = -1 if reverse else 0
    total = _product(d_hidden[first].t(), h0)
    if len(y) > 1:
        later, earlier = (d_hidden[:-1], y[1:]) if reverse else (d_hidden[1:], y[:-1])
        _product(later.flatten(0, 1).t(), earlier.flatten(0, 1), out=total)
    return total


def _product(a: Tensor, b: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Return a b, or add it to `out`. Transposed views are read as they are."""
    module = _module()
    if a.stride(0) != 1 and a.stride(1) != 1:
        a = a.contiguous()
    b_transposed = b.stride(0) == 1 and b.stride(1) == b.shape[0]
    b = b if b_transposed else b.contiguous()
    c = a.new_empty(a.shape[0], b.shape[1]) if out is None else out
    module.product(
        a.shape[0], b.shape[1], a.shape[1], a.data_ptr(), a.stride(0), a.stride(1), b.data_ptr(), b_transposed,
        0, c.data_ptr(), out is not None, cpu_team.num_threads(module),
    )  # fmt: skip
    return c


def _address(tensor: Tensor | None) -> int:
    return 0 if tensor is None else tensor.data_ptr()


def _module():
    found = cpu_level.load()
    if found.module is None:
        raise BackendError(f"backend='cpu' cannot run: {found.reason}.")
    return found.module
