"""The standard recurrent network as a module: `torch.nn.RNN`'s interface, for an honest comparison."""

from __future__ import annotations

from typing import Any

from holdfast.errors import SpecError
from holdfast.nn.base import AbstractRecurrent
from holdfast.nn.cell import AbstractCell
from holdfast.nn.init import Init
from holdfast.spec import CellSpec


class RNN(AbstractRecurrent):
    """A standard (Elman) recurrent network, in place of `torch.nn.RNN`: h' = tanh(W x + R h + b).

    Args:
        nonlinearity: "tanh" or "relu".
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
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: Any = None,
        *,
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
            "rnn", bias=bias, nonlinearity=nonlinearity, layer_norm=layer_norm,
            recurrent_dropout=float(recurrent_dropout), zoneout_h=float(zoneout), initial_state=initial_state,
        )  # fmt: skip
        super().__init__(
            spec, input_size, hidden_size, num_layers, batch_first=batch_first, dropout=dropout,
            bidirectional=bidirectional, proj_size=0, weight_drop=weight_drop, init=init, backend=backend,
            device=device, dtype=dtype,
        )  # fmt: skip
        self.nonlinearity = nonlinearity


class RNNCell(AbstractCell):
    """One step of a standard RNN, in place of `torch.nn.RNNCell`: `h = cell(x, h)`."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        device: Any = None,
        dtype: Any = None,
        *,
        layer_norm: str | None = None,
        init: Init = "torch",
        initial_state: str = "zero",
        backend: str = "auto",
    ):
        spec = CellSpec("rnn", bias=bias, nonlinearity=nonlinearity, layer_norm=layer_norm, initial_state=initial_state)
        super().__init__(spec, input_size, hidden_size, init=init, backend=backend, device=device, dtype=dtype)
        self.nonlinearity = nonlinearity
