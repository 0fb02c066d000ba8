"""The cells against arithmetic anyone can follow: plain floats for two steps, plain NumPy for every variant."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from holdfast.reference.masks import drop_mask
from holdfast.reference.sequence import name_params, run_sequence
from holdfast.spec import CellSpec
from tests.cases import SPECS, draw_call


def sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-value))


def column(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)[:, None]


def test_two_lstm_steps_by_hand():
    """One input, one unit: W = (0.5, -0.3, 0.8, 0.2), R = (0.1, 0.4, -0.6, 0.7) for i f g o, b = (0, 1, 0, -0.5)."""
    i1 = sigmoid(0.5 * 1.0 + 0.1 * 0.0)  # 0.622459
    f1 = sigmoid(-0.3 * 1.0 + 0.4 * 0.0 + 1.0)  # 0.668188
    g1 = math.tanh(0.8 * 1.0 - 0.6 * 0.0)  # 0.664037
    o1 = sigmoid(0.2 * 1.0 + 0.7 * 0.0 - 0.5)  # 0.425557
    c1 = f1 * 0.25 + i1 * g1  # 0.580383
    h1 = o1 * math.tanh(c1)
    i2 = sigmoid(0.5 * -2.0 + 0.1 * h1)
    f2 = sigmoid(-0.3 * -2.0 + 0.4 * h1 + 1.0)
    g2 = math.tanh(0.8 * -2.0 - 0.6 * h1)
    o2 = sigmoid(0.2 * -2.0 + 0.7 * h1 - 0.5)
    c2 = f2 * c1 + i2 * g2
    h2 = o2 * math.tanh(c2)
    assert c1 == pytest.approx(0.580383, abs=1e-6)

    x = column(1.0, -2.0)[:, None]  # [2, 1, 1]
    zero = torch.zeros(4, dtype=torch.float64)
    bias = torch.tensor([0.0, 1.0, 0.0, -0.5], dtype=torch.float64)
    params = (column(0.5, -0.3, 0.8, 0.2), column(0.1, 0.4, -0.6, 0.7), bias, zero)
    result = run_sequence(x, (column(0.0), column(0.25)), params, CellSpec())
    assert result.output.flatten().tolist() == pytest.approx([h1, h2], abs=1e-15)
    assert result.cells.flatten().tolist() == pytest.approx([c1, c2], abs=1e-15)
    assert result.gates.flatten().tolist() == pytest.approx([i1, f1, g1, o1, i2, f2, g2, o2], abs=1e-15)
    assert [state.item() for state in result.state] == pytest.approx([h2, c2], abs=1e-15)


def np_sigmoid(value):
    return 1 / (1 + np.exp(-value))


def normalised(value, scale, shift):
    mean, variance = value.mean(-1, keepdims=True), value.var(-1, keepdims=True)
    return (value - mean) / np.sqrt(variance + 1e-5) * scale + shift


class Formula:
    """One step of any variant, written gate by gate in NumPy; rows of the weights are picked by hand."""

    def __init__(self, spec: CellSpec, params: dict[str, np.ndarray]):
        self.spec, self.p = spec, params

    def product(self, side: str, value, rows=slice(None)):
        """Return W x or R h, layer-normalised and with its bias."""
        total = value @ self.p[f"weight_{side}"][rows].T
        if self.spec.layer_norm:
            total = normalised(total, self.p[f"ln_{side}_weight"][rows], self.p[f"ln_{side}_bias"][rows])
        return total + (self.p[f"bias_{side}"][rows] if self.spec.bias else 0.0)

    def lstm(self, x, h, c):
        spec, total = self.spec, self.product("ih", x) + self.product("hh", h)
        size, peep = c.shape[-1], self.p.get("weight_peep")
        parts = [total[:, k * size : (k + 1) * size] for k in range(total.shape[1] // size)]
        if len(parts) == 4:
            pre_i, pre_f, pre_g, pre_o = parts
        else:
            (pre_i, pre_g, pre_o), pre_f = parts, None
        i = np_sigmoid(pre_i + (peep[0] * c if spec.peephole else 0.0))
        if pre_f is not None:
            f = np_sigmoid(pre_f + (peep[1] * c if spec.peephole else 0.0))
        else:
            f = 1 - i if spec.coupled else np.ones_like(i)
        c_new = f * c + i * np.tanh(pre_g)
        if spec.layer_norm == "state":
            c_new = normalised(c_new, self.p["ln_c_weight"], self.p["ln_c_bias"])
        o = np_sigmoid(pre_o + (peep[-1] * c_new if spec.peephole else 0.0))
        read = c_new
        if spec.layer_norm == "ba2016":
            read = normalised(c_new, self.p["ln_c_weight"], self.p["ln_c_bias"])
        h_new = o * np.tanh(read)
        return (h_new @ self.p["weight_hr"].T if spec.projected else h_new), c_new

    def gru(self, x, h, read):
        """`read` is the h that the products see: h itself, or h with units dropped."""
        size = h.shape[-1]
        r_rows, z_rows, n_rows = slice(0, size), slice(size, 2 * size), slice(2 * size, 3 * size)
        from_x = self.product("ih", x)
        if self.spec.reset_order == "after":
            from_h = self.product("hh", read)
            r = np_sigmoid(from_x[:, r_rows] + from_h[:, r_rows])
            z = np_sigmoid(from_x[:, z_rows] + from_h[:, z_rows])
            n = np.tanh(from_x[:, n_rows] + r * from_h[:, n_rows])
        else:
            both = self.product("hh", read, slice(0, 2 * size))
            r, z = np_sigmoid(from_x[:, r_rows] + both[:, :size]), np_sigmoid(from_x[:, z_rows] + both[:, size:])
            n = np.tanh(from_x[:, n_rows] + self.product("hh", r * read, n_rows))
        return (1 - z) * n + z * h

    def rnn(self, x, h):
        total = self.product("ih", x) + self.product("hh", h)
        return np.tanh(total) if self.spec.nonlinearity == "tanh" else np.maximum(total, 0.0)


def masks_of(spec: CellSpec, seed, steps: int, rows: int, out_size: int, hidden_size: int):
    """Return the recurrent-dropout scale [B, out] and the zoneout masks of h and c, by step."""

    def draw(kind, p, num_steps, units):
        if seed is None or not p:
            return None
        place = {"layer": 0, "direction": 0, "device": torch.device("cpu")}
        return drop_mask(seed, kind, p, (num_steps, rows, units), **place).numpy()

    dropped = draw("recurrent_dropout", spec.recurrent_dropout, 1, out_size)
    scale = 1.0 if dropped is None else (~dropped[0]) / (1 - spec.recurrent_dropout)
    return (
        scale,
        draw("zoneout_h", spec.zoneout_h, steps, out_size),
        draw("zoneout_c", spec.zoneout_c, steps, hidden_size),
    )


def zoned(new, old, mask, t: int, p: float):
    return np.where(mask[t], old, new) if mask is not None else p * old + (1 - p) * new


@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_every_variant_equals_its_formula(spec, training):
    steps, rows, hidden_size = 4, 3, 5
    call = draw_call(spec, (steps, rows, 2, hidden_size))
    seed = call.seed if training else None
    result = run_sequence(call.x, call.state, call.params, spec, seed=seed)
    params = {name: value.numpy() for name, value in name_params(call.params, spec).items()}
    formula = Formula(spec, params)
    h, c = call.state[0].numpy(), call.state[1].numpy() if spec.family == "lstm" else None
    scale, keep_h, keep_c = masks_of(spec, seed, steps, rows, h.shape[-1], hidden_size)
    for t, x in enumerate(call.x.numpy()):
        read = h * scale
        if spec.family == "lstm":
            h_new, c_new = formula.lstm(x, read, c)
            c = zoned(c_new, c, keep_c, t, spec.zoneout_c)
            np.testing.assert_allclose(result.cells[t], c, rtol=1e-11, atol=1e-12)
        else:
            h_new = formula.gru(x, h, read) if spec.family == "gru" else formula.rnn(x, read)
        h = zoned(h_new, h, keep_h, t, spec.zoneout_h)
        np.testing.assert_allclose(result.output[t], h, rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(result.state[0], h, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize(("flags", "expected"), [({"coupled": True}, "1-i"), ({"forget_gate": False}, "one")])
def test_a_gate_without_rows_is_reported(flags, expected):
    spec = CellSpec(**flags)
    call = draw_call(spec, (3, 2, 2, 4))
    gates = run_sequence(call.x, call.state, call.params, spec).gates
    i, f = gates[:, :, 0], gates[:, :, 1]
    torch.testing.assert_close(f, 1 - i if expected == "1-i" else torch.ones_like(i))
