"""The vendor backend: torch's own oneDNN kernels on the CPU, forward and backward, for the plain LSTM.

Called through aten's layer operators, once a direction, not `torch._VF.lstm`: that one breaks a full-graph compile.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from holdfast.kernels.call import LayerCall, LayerResult, Needs, filled
from holdfast.spec import CellSpec

if TYPE_CHECKING:
    from holdfast.kernels.dispatch import CallRequest

_LSTM_MODE = 2  # aten's number for the LSTM among its recurrent kernels

# Asked once: a compiled graph cannot trace the questions.
_AVAILABLE = torch.backends.mkldnn.is_available()
_BF16 = _AVAILABLE and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def unsupported(request: CallRequest) -> str | None:
    """Return None when oneDNN computes exactly this call, else why not."""
    spec = request.spec
    if request.device.type != "cpu":
        return f"vendor kernels are wired up for the CPU only so far, and the input is on {request.device.type}"
    if spec.family != "lstm" or spec.projected or not spec.plain:
        return "oneDNN has the plain LSTM only"
    if request.dtype not in (torch.float32, torch.bfloat16):
        return f"oneDNN's LSTM takes float32 or bfloat16, not {str(request.dtype).removeprefix('torch.')}"
    if request.packed:
        return "oneDNN's LSTM takes no packed sequences"
    if request.lengths or request.resets:
        return "oneDNN's LSTM takes neither lengths nor resets"
    if request.input_size == 0 or request.batch == 0:
        return "oneDNN needs at least one row and one feature"
    if request.trace or request.flow:
        return "oneDNN does not give its gates"
    if not _AVAILABLE:
        return "this PyTorch was built without oneDNN"
    if request.dtype == torch.bfloat16 and not _BF16:
        return "oneDNN has no bfloat16 on this CPU"
    return None


def forward(call: LayerCall, save: int) -> LayerResult:
    """Run the layer; the result's gates and cells are oneDNN's workspaces, one a direction, when `save`."""
    parts = [_forward_direction(call, direction, bool(save)) for direction in range(call.directions)]
    none = call.x.new_empty(0)
    if len(parts) == 1:
        y, h, c, workspace = parts[0]
        return LayerResult(y, h.unsqueeze(0), c.unsqueeze(0), workspace, none, none.clone())
    y = torch.cat([part[0] for part in parts], dim=-1)
    h, c = (torch.stack([part[k] for part in parts]) for k in (1, 2))
    return LayerResult(y, h, c, parts[0][3], parts[1][3], none)


def backward(
    call: LayerCall, result: LayerResult, d_y: Tensor | None, d_h: Tensor | None, d_c: Tensor | None, needs: Needs
) -> list[Tensor]:
    """Return the needed gradients; oneDNN computes all of them at once."""
    d_y, d_h, d_c = filled(result, d_y, d_h, d_c)
    grads = [
        _backward_direction(call, direction, result, d_y, (d_h[direction], d_c[direction]))
        for direction in range(call.directions)
    ]
    if len(grads) == 1:
        d_x, d_h0, d_c0, *d_params = grads[0]
        return needs.pick((d_x, d_h0.unsqueeze(0), d_c0.unsqueeze(0), *d_params))
    d_x, d_h0, d_c0 = (torch.stack([grad[k] for grad in grads]) for k in range(3))
    return needs.pick((d_x.sum(0), d_h0, d_c0, *grads[0][3:], *grads[1][3:]))


def _forward_direction(call: LayerCall, direction: int, save: bool) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return y [T, B, H], h and c [B, H], and the workspace, of no elements unless `save`."""
    weights, (h0, c0) = _four(call.params(direction), call.spec), call.states(direction)
    with torch.set_grad_enabled(save):  # aten picks the training primitive by grad mode alone
        y, h, c, workspace = torch.ops.aten.mkldnn_rnn_layer(
            call.x.contiguous(), *weights, h0.contiguous(), c0.contiguous(),
            direction == 1, [], _LSTM_MODE, call.hidden_size, 1, call.spec.bias, False, False, save,
        )  # fmt: skip
    return y.detach(), h.detach(), c.detach(), workspace.detach() if save else call.x.new_empty(0)


def _backward_direction(
    call: LayerCall, direction: int, result: LayerResult, d_y: Tensor, d_state: tuple[Tensor, Tensor]
) -> tuple[Tensor, ...]:
    """Return the gradients of x, h0, c0 and the parameters of one direction."""
    params, size, (h0, c0) = call.params(direction), call.hidden_size, call.states(direction)
    own = slice(direction * size, (direction + 1) * size)
    d_x, d_ih, d_hh, d_b, d_b2, d_h, d_c = torch.ops.aten.mkldnn_rnn_layer_backward(
        call.x.contiguous(), *_four(params, call.spec), h0.contiguous(), c0.contiguous(),
        result.y[..., own].contiguous(), result.h[direction].contiguous(), result.c[direction].contiguous(),
        d_y[..., own].contiguous(), d_state[0].contiguous(), d_state[1].contiguous(),
        direction == 1, _LSTM_MODE, size, 1, call.spec.bias, True, False, [], False,
        (result.gates, result.cells)[direction],
    )  # fmt: skip
    biases = (d_b, d_b2) if call.spec.bias else ()
    grads = [grad.to(param.dtype) for grad, param in zip((d_ih, d_hh, *biases), params, strict=True)]
    return d_x, d_h, d_c, *grads


def _four(params: tuple[Tensor, ...], spec: CellSpec) -> tuple[Tensor, ...]:
    """Return the four weights oneDNN wants. Without biases it still wants tensors: cheap zeros, no full-size copies."""
    if spec.bias:
        return tuple(param.contiguous() for param in params)
    zeros = params[0].new_zeros(params[0].shape[0])
    return params[0].contiguous(), params[1].contiguous(), zeros, zeros
