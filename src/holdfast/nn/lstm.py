"""The long short-term memory as a module: `torch.nn.LSTM`'s interface, and every variant behind keyword flags."""

from __future__ import annotations

from typing import Any

from holdfast.errors import SpecError
from holdfast.nn.base import AbstractRecurrent
from holdfast.nn.cell import AbstractCell
from holdfast.nn.init import Init
from holdfast.spec import CellSpec


class LSTM(AbstractRecurrent):
    """A long short-term memory network, in place of `torch.nn.LSTM`.

        i = sigmoid(W_i x + R_i h + b_i)    f = sigmoid(W_f x + R_f h + b_f)    o = sigmoid(W_o x + R_o h + b_o)
        g = tanh(W_g x + R_g h + b_g)       c' = f * c + i * g                  h' = o * tanh(c')

    The first ten arguments, the parameter names and the results are torch's. The rest choose a variant:

    Args:
        peephole: The gates also read the cell state (Gers & Schmidhuber 2000).
        coupled: f = 1 - i, one gate less (CIFG; Greff et al. 2017).
        forget_gate: False gives the cell of 1997, f = 1 (Hochreiter & Schmidhuber 1997).
        layer_norm: "ba2016" normalises both products and the c that is read (Ba et al. 2016, eq. 20-22); "state"
            normalises both products and c itself, which is carried so. None is off.
        recurrent_dropout: Chance to drop a unit of h(t-1), one mask a sequence (Gal & Ghahramani 2016).
        zoneout: Chances (h, c) that a unit keeps its old value; the expectation in eval (Krueger et al. 2017).
        weight_drop: Chance to drop an entry of weight_hh, drawn once a call (Merity et al. 2018).
        init: "torch", "orthogonal", "chrono" or ("chrono", shortest, longest) with times in steps.
        initial_state: "zero" or "learned" (parameters h_0, c_0).
        backend: "auto", or one of kernels.dispatch.BACKENDS to insist on it.

    Raises:
        SpecError: an unknown value, or flags that contradict each other.

    Example:
        >>> import torch, holdfast
        >>> lstm = holdfast.LSTM(4, 8, peephole=True)
        >>> y, (h_n, c_n) = lstm(torch.zeros(5, 2, 4), lengths=torch.tensor([5, 3]))
        >>> y.shape, c_n.shape
        (torch.Size([5, 2, 8]), torch.Size([1, 2, 8]))
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
        peephole: bool = False,
        coupled: bool = False,
        forget_gate: bool = True,
        layer_norm: str | None = None,
        recurrent_dropout: float = 0.0,
        zoneout: tuple[float, float] = (0.0, 0.0),
        weight_drop: float = 0.0,
        init: Init = "torch",
        initial_state: str = "zero",
        backend: str = "auto",
    ):
        if not isinstance(zoneout, (tuple, list)) or len(zoneout) != 2:
            raise SpecError(f"zoneout of an LSTM is two chances, (for h, for c), got {zoneout!r}.")
        spec = CellSpec(
            "lstm", bias=bias, peephole=peephole, coupled=coupled, forget_gate=forget_gate, layer_norm=layer_norm,
            projected=proj_size > 0, recurrent_dropout=float(recurrent_dropout),
            zoneout_h=float(zoneout[0]), zoneout_c=float(zoneout[1]), initial_state=initial_state,
        )  # fmt: skip
        super().__init__(
            spec, input_size, hidden_size, num_layers, batch_first=batch_first, dropout=dropout,
            bidirectional=bidirectional, proj_size=proj_size, weight_drop=weight_drop, init=init, backend=backend,
            device=device, dtype=dtype,
        )  # fmt: skip


class LSTMCell(AbstractCell):
    """One step of an LSTM, in place of `torch.nn.LSTMCell`: `h, c = cell(x, (h, c))`. Flags as for LSTM."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        peephole: bool = False,
        coupled: bool = False,
        forget_gate: bool = True,
        layer_norm: str | None = None,
        init: Init = "torch",
        initial_state: str = "zero",
        backend: str = "auto",
    ):
        spec = CellSpec(
            "lstm", bias=bias, peephole=peephole, coupled=coupled, forget_gate=forget_gate, layer_norm=layer_norm,
            initial_state=initial_state,
        )  # fmt: skip
        super().__init__(spec, input_size, hidden_size, init=init, backend=backend, device=device, dtype=dtype)
