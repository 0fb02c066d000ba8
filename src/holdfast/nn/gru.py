"""The gated recurrent unit as a module: `torch.nn.GRU`'s interface, and the variants that apply to it."""

from __future__ import annotations

from typing import Any

from holdfast.errors import SpecError
from holdfast.nn.base import AbstractRecurrent
from holdfast.nn.cell import AbstractCell
from holdfast.nn.init import Init
from holdfast.spec import CellSpec


class GRU(AbstractRecurrent):
    """A network of gated recurrent units, in place of `torch.nn.GRU`.

        r = sigmoid(W_r x + R_r h + b_r)    z = sigmoid(W_z x + R_z h + b_z)
        n = tanh(W_n x + b_n + r * (R_n h + d_n))    h' = (1 - z) * n + z * h

    Args:
        reset_order: "after" the product (torch, cuDNN; above) or "before" it, n = tanh(W_n x + R_n (r * h))
            (Cho et al. 2014).
        zoneout: Chance that a unit of h keeps its old value.
        layer_norm, recurrent_dropout, weight_drop, init, initial_state, backend: As for LSTM.

    Raises:
        SpecError: an unknown value, or flags that contradict each other.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: Any = None,
        *,
        reset_order: str = "after",
        layer_norm: str | None = None,
        recurrent_dropout: float = 0.0,
        zoneout: float = 0.0,
        weight_drop: float = 0.0,
        init: Init = "torch",
        initial_state: str = "zero",
        backend: str = "auto",
    ):
        if proj_size:
            raise SpecError("proj_size argument is only supported for LSTM, not RNN or GRU")
        spec = CellSpec(
            "gru", bias=bias, reset_order=reset_order, layer_norm=layer_norm,
            recurrent_dropout=float(recurrent_dropout), zoneout_h=float(zoneout), initial_state=initial_state,
        )  # fmt: skip
        super().__init__(
            spec, input_size, hidden_size, num_layers, batch_first=batch_first, dropout=dropout,
            bidirectional=bidirectional, proj_size=0, weight_drop=weight_drop, init=init, backend=backend,
            device=device, dtype=dtype,
        )  # fmt: skip


class GRUCell(AbstractCell):
    """One step of a GRU, in place of `torch.nn.GRUCell`: `h = cell(x, h)`. Flags as for GRU."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        reset_order: str = "after",
        layer_norm: str | None = None,
        init: Init = "torch",
        initial_state: str = "zero",
        backend: str = "auto",
    ):
        spec = CellSpec("gru", bias=bias, reset_order=reset_order, layer_norm=layer_norm, initial_state=initial_state)
        super().__init__(spec, input_size, hidden_size, init=init, backend=backend, device=device, dtype=dtype)
