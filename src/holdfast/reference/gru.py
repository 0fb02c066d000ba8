"""The gated recurrent unit, one step at a time: the equations of docs/math/gru.md in plain torch."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from holdfast.reference.lstm import Force, unforced
from holdfast.spec import CellSpec


def gru_step(
    from_x: Tensor,
    h_prev: Tensor,
    multiply_h: Callable[[Tensor, slice], Tensor],
    spec: CellSpec,
    force: Force = unforced,
) -> tuple[Tensor, dict[str, Tensor]]:
    """Advance the unit one step.

        r = sigmoid(W_r x + R_r h)      z = sigmoid(W_z x + R_z h)
        n = tanh(W_n x + r * (R_n h))   reset_order="after":  torch, cuDNN
        n = tanh(W_n x + R_n (r * h))   reset_order="before": Cho et al. 2014, eq. 8
        h = (1 - z) * n + z * h_prev

    Args:
        from_x: [B, 3*H], the input's part of the gate sums, bias_ih included.
        h_prev: [B, H].
        multiply_h: Returns the given rows of R h (+ bias_hh, normalised where the spec says so) for an h.
        force: Takes each gate's name and value, and returns what the unit goes on with.

    Returns:
        h [B, H] and the gates by name, each [B, H].
    """
    size = h_prev.shape[-1]
    both, last = slice(0, 2 * size), slice(2 * size, 3 * size)
    x_r, x_z, x_n = from_x.chunk(3, dim=-1)
    if spec.reset_order == "after":
        h_r, h_z, h_n = multiply_h(h_prev, slice(0, 3 * size)).chunk(3, dim=-1)
        r, z = force("r", (x_r + h_r).sigmoid()), force("z", (x_z + h_z).sigmoid())
        n = torch.tanh(x_n + r * h_n)
    else:
        h_r, h_z = multiply_h(h_prev, both).chunk(2, dim=-1)
        r, z = force("r", (x_r + h_r).sigmoid()), force("z", (x_z + h_z).sigmoid())
        n = torch.tanh(x_n + multiply_h((r * h_prev).to(h_prev.dtype), last))  # the gates are wider in half precision
    n = force("n", n)
    return (1 - z) * n + z * h_prev, {"r": r, "z": z, "n": n}
