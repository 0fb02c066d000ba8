"""The LSTM, one step at a time: the equations of docs/math/lstm.md in plain torch."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor
from torch.nn.functional import layer_norm

from holdfast.spec import LAYER_NORM_EPS, CellSpec

Params = dict[str, Tensor]
Force = Callable[[str, Tensor], Tensor]


def unforced(name: str, value: Tensor) -> Tensor:
    """Return a gate or a state as it was computed."""
    return value


def lstm_step(
    pre: Tensor,
    c_prev: Tensor,
    params: Params,
    spec: CellSpec,
    shift: Tensor | None = None,
    force: Force = unforced,
) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
    """Advance the memory cell one step, from the gate sums to the new output and cell state.

        i = sigmoid(pre_i + p_i * c_prev)      f = sigmoid(pre_f + p_f * c_prev)      g = tanh(pre_g)
        c = f * c_prev + i * g
        o = sigmoid(pre_o + p_o * c)           h = o * tanh(c)

    Args:
        pre: [B, G*H], W x + R h + b in the order of spec.gates.
        c_prev: [B, H].
        shift: [B, H], added to c before anything reads it: zeros, whose gradient is that of c.
        force: Takes each gate's name and value, and c's, and returns what the cell goes on with.

    Returns:
        h [B, H] (before the projection), c [B, H], and the gates by name, each [B, H].

    Source: Gers et al. 2000 (forget gate); Gers & Schmidhuber 2000 (peepholes p); Greff et al. 2017 (f = 1 - i);
    Ba et al. 2016, eq. 22 (tanh of the normalised c) for layer_norm="ba2016".
    """
    rows = dict(zip(spec.gates, pre.chunk(len(spec.gates), dim=-1), strict=True))
    peep = dict(zip(spec.peephole_gates, params["weight_peep"].unbind(0), strict=True)) if spec.peephole else {}

    def gate(name: str, c: Tensor) -> Tensor:
        return (rows[name] + peep[name] * c if name in peep else rows[name]).sigmoid()

    i = force("i", gate("i", c_prev))
    f = force("f", gate("f", c_prev) if "f" in rows else forget_without_gate(i, spec))
    g = force("g", rows["g"].tanh())
    c = f * c_prev + i * g
    if spec.layer_norm == "state":
        c = normalise_cell(c, params)
    c = force("c", c if shift is None else c + shift)
    o = force("o", gate("o", c))  # the output gate sees the new cell state
    read = normalise_cell(c, params) if spec.layer_norm == "ba2016" else c
    return o * read.tanh(), c, {"i": i, "f": f, "g": g, "o": o}


def forget_without_gate(i: Tensor, spec: CellSpec) -> Tensor:
    """Return f where the weights hold no row for it: tied to i, or always open (Hochreiter & Schmidhuber 1997)."""
    return 1 - i if spec.coupled else i.new_ones(()).expand_as(i)


def normalise_cell(c: Tensor, params: Params) -> Tensor:
    """Return LN(c): mean and variance over the H units of each row, then scale and shift."""
    # c is float32 also in half precision, where torch's layer_norm takes no half weights.
    scale, shift = params["ln_c_weight"].to(c.dtype), params["ln_c_bias"].to(c.dtype)
    return layer_norm(c, c.shape[-1:], scale, shift, LAYER_NORM_EPS)
