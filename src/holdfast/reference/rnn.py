"""The standard recurrent network, one step at a time: the equation of docs/math/rnn.md in plain torch."""

from __future__ import annotations

from torch import Tensor

from holdfast.spec import CellSpec


def rnn_step(pre: Tensor, spec: CellSpec) -> Tensor:
    """Return h = tanh(pre), or relu(pre): pre [B, H] is W x + R h + b. Source: Elman 1990."""
    return pre.tanh() if spec.nonlinearity == "tanh" else pre.relu()
