"""Ways to draw a layer's first weights: as torch, orthogonal, or chrono for long memory."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from holdfast.errors import SpecError
from holdfast.spec import CellSpec

Init = str | tuple[str, float, float]

_CHRONO_RANGE = (1.0, 1000.0)


def check_init(init: Init, spec: CellSpec) -> tuple[str, float, float]:
    """Return (scheme, shortest, longest time in steps) of a constructor's `init`.

    Raises:
        SpecError: the scheme is unknown, the range is empty, or chrono meets a cell without biases or gated memory.
    """
    parts = (init, *_CHRONO_RANGE) if isinstance(init, str) else init
    if not isinstance(parts, (tuple, list)) or len(parts) != 3 or parts[0] not in ("torch", "orthogonal", "chrono"):
        raise SpecError(f"init must be 'torch', 'orthogonal', 'chrono' or ('chrono', low, high), got {init!r}.")
    scheme, low, high = parts
    if scheme == "chrono":
        if not 1.0 <= low < high:
            raise SpecError(f"chrono's time range must satisfy 1 <= low < high, in steps; got {low} to {high}.")
        if spec.family == "rnn" or not spec.forget_gate or not spec.bias:
            raise SpecError("init='chrono' sets the bias of a gate that forgets; this cell has none.")
    return scheme, float(low), float(high)


@torch.no_grad()
def draw_parameters(named: list[tuple[str, Tensor]], spec: CellSpec, hidden_size: int, init: Init) -> None:
    """Fill the parameters of one layer and direction, given in table order by table name.

    "torch" draws each from U(-1/sqrt(H), 1/sqrt(H)) in the order torch does, so equal seeds give equal weights.
    "orthogonal" makes each gate's recurrent matrix orthogonal and each gate's input matrix Glorot uniform, biases zero
    but 1 on the forget gate (Jozefowicz et al. 2015). "chrono" is torch's draw with gate biases for memories between
    the two times: b_f = log u, b_i = -b_f, u ~ U(low, high) (Tallec & Ollivier 2018, eq. 16).
    """
    scheme, low, high = check_init(init, spec)
    bound = 1.0 / math.sqrt(hidden_size) if hidden_size > 0 else 0.0
    for name, tensor in named:
        if name.startswith("ln_"):
            tensor.fill_(1.0 if name.endswith("weight") else 0.0)
        elif name in ("h_0", "c_0"):
            tensor.zero_()
        else:
            tensor.uniform_(-bound, bound)
    tensors = dict(named)
    if scheme == "orthogonal":
        _draw_orthogonal(tensors, spec, hidden_size)
    elif scheme == "chrono":
        _draw_chrono_biases(tensors, spec, hidden_size, low, high)


def _draw_orthogonal(tensors: dict[str, Tensor], spec: CellSpec, hidden_size: int) -> None:
    for rows in tensors["weight_hh"].split(hidden_size):
        torch.nn.init.orthogonal_(rows)
    for rows in tensors["weight_ih"].split(hidden_size):
        torch.nn.init.xavier_uniform_(rows)
    if spec.bias:
        tensors["bias_ih"].zero_()
        tensors["bias_hh"].zero_()
        if "f" in spec.gates:
            _gate_rows(tensors["bias_ih"], spec, "f", hidden_size).fill_(1.0)


def _draw_chrono_biases(tensors: dict[str, Tensor], spec: CellSpec, hidden_size: int, low: float, high: float) -> None:
    keep = torch.empty_like(tensors["bias_ih"][:hidden_size]).uniform_(low, high).log_()
    tensors["bias_ih"].zero_()
    tensors["bias_hh"].zero_()
    signs = {"f": 1.0, "i": -1.0, "z": 1.0}  # the GRU's z keeps the old state
    for gate, sign in signs.items():
        if gate in spec.gates:
            _gate_rows(tensors["bias_ih"], spec, gate, hidden_size).copy_(sign * keep)


def _gate_rows(tensor: Tensor, spec: CellSpec, gate: str, hidden_size: int) -> Tensor:
    start = spec.gates.index(gate) * hidden_size
    return tensor[start : start + hidden_size]
