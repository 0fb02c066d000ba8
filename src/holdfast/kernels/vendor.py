"""The vendor backend: torch's own oneDNN kernels on the CPU, forward and backward, for the plain LSTM.

Called through aten's layer operators, not `torch._VF.lstm`: that one breaks a full-graph compile.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

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
    if request.lengths or request.resets:
        return "oneDNN's LSTM takes neither lengths nor resets"
    if request.input_size == 0 or request.batch == 0:
        return "oneDNN needs at least one row and one feature"
    if request.trace:
        return "oneDNN does not give its gates"
    if not _AVAILABLE:
        return "this PyTorch was built without oneDNN"
    if request.dtype == torch.bfloat16 and not _BF16:
        return "oneDNN has no bfloat16 on this CPU"
    return None


def forward(
    x: Tensor, state: tuple[Tensor, ...], params: tuple[Tensor, ...], spec: CellSpec, *, reverse: bool, save: bool
) -> tuple[Tensor, tuple[Tensor, ...], tuple[Tensor, ...]]:
    """Run the sequence; the third value is oneDNN's workspace, kept for `backward` when `save`."""
    weights = _four(params, spec)
    with torch.set_grad_enabled(save):  # aten picks the training primitive by grad mode alone
        y, h, c, workspace = torch.ops.aten.mkldnn_rnn_layer(
            x.contiguous(), *weights, state[0].contiguous(), state[1].contiguous(),
            reverse, [], _LSTM_MODE, state[0].shape[-1], 1, spec.bias, False, False, save,
        )  # fmt: skip
    return y.detach(), (h.detach(), c.detach()), (workspace.detach(),) if save else ()


def backward(
    d_y: Tensor,
    d_state: tuple[Tensor, ...],
    x: Tensor,
    state: tuple[Tensor, ...],
    params: tuple[Tensor, ...],
    outputs: tuple[Tensor, tuple[Tensor, ...]],
    saved: tuple[Tensor, ...],
    spec: CellSpec,
    *,
    reverse: bool,
    needs: tuple[bool, ...],
) -> tuple[Tensor, tuple[Tensor, ...], tuple[Tensor, ...]]:
    """Return the gradients of x, of each state and of each parameter; oneDNN computes all of them at once."""
    y, (h_n, c_n) = outputs
    weight_ih, weight_hh, bias_ih, bias_hh = _four(params, spec)
    d_x, d_ih, d_hh, d_b, d_b2, d_h, d_c = torch.ops.aten.mkldnn_rnn_layer_backward(
        x.contiguous(), weight_ih, weight_hh, bias_ih, bias_hh, state[0].contiguous(), state[1].contiguous(),
        y, h_n, c_n, d_y.contiguous(), d_state[0].contiguous(), d_state[1].contiguous(),
        reverse, _LSTM_MODE, state[0].shape[-1], 1, spec.bias, True, False, [], False, saved[0],
    )  # fmt: skip
    biases = (d_b, d_b2) if spec.bias else ()
    grads = tuple(grad.to(param.dtype) for grad, param in zip((d_ih, d_hh, *biases), params, strict=True))
    return d_x, (d_h, d_c), grads


def _four(params: tuple[Tensor, ...], spec: CellSpec) -> tuple[Tensor, ...]:
    """Return the four weights oneDNN wants. Without biases it still wants tensors: cheap zeros, no full-size copies."""
    if spec.bias:
        return tuple(param.contiguous() for param in params)
    zeros = params[0].new_zeros(params[0].shape[0])
    return params[0].contiguous(), params[1].contiguous(), zeros, zeros
