"""Gradient flow: equal to brute force in float64, aligned by each row's own end, and told in words."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence

import holdfast
from holdfast.errors import ConfigError, ShapeError
from holdfast.inside.gradients import GradientFlow, LayerFlow, gradient_flow
from tests.cases import FAMILIES, OURS, THEIRS

LENGTHS = [6, 3, 1]


def step(family, wx, wh, b_ih, b_hh, x, h, c):
    """The textbook's equations, apart from the code that is tested."""
    from_x, from_h = wx @ x + b_ih, wh @ h + b_hh
    if family == "rnn":
        return torch.tanh(from_x + from_h), c
    if family == "lstm":
        i, f, g, o = (from_x + from_h).chunk(4)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(c), c
    (x_r, x_z, x_n), (h_r, h_z, h_n) = from_x.chunk(3), from_h.chunk(3)
    z = torch.sigmoid(x_z + h_z)
    return (1 - z) * torch.tanh(x_n + torch.sigmoid(x_r + h_r) * h_n) + z * h, c


def brute_force(layer, x, length):
    """Run one row step by step, keep every state's own gradient; returns the top output and the states by place."""
    family, states = layer.spec.family, {}
    inputs = list(x[:length].unbind(0))
    for number in range(layer.num_layers):
        ways = []
        for way, label in enumerate(("forward", "backward")[: layer.num_directions]):
            names = [f"{part}_l{number}{'_reverse' if way else ''}" for part in
                     ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]  # fmt: skip
            weights = [getattr(layer, name) for name in names]
            h, c = x.new_zeros(layer.hidden_size), x.new_zeros(layer.hidden_size)
            ordered = []
            for x_t in reversed(inputs) if way else inputs:
                h, c = step(family, *weights, x_t, h, c)
                h.retain_grad()
                if family == "lstm":
                    c.retain_grad()
                ordered.append((h, c))
            states[number, label] = ordered  # in the order read
            ways.append([h for h, _ in (reversed(ordered) if way else ordered)])
        inputs = [torch.cat(parts) for parts in zip(*ways, strict=True)]
    return inputs, states


@pytest.mark.parametrize("form", ["lengths", "packed"])
@pytest.mark.parametrize("bidirectional", [False, True], ids=["forward", "both"])
@pytest.mark.parametrize("family", FAMILIES)
def test_flow_is_that_of_brute_force(family, bidirectional, form):
    layer = OURS[family](3, 4, num_layers=2, bidirectional=bidirectional).double()
    x = torch.randn(6, 3, 3, dtype=torch.float64)
    lengths = torch.tensor(LENGTHS)
    head = torch.randn(layer.num_directions * 4, dtype=torch.float64)

    def loss(layer, x):
        if form == "packed":
            y = nn.utils.rnn.pad_packed_sequence(layer(pack_padded_sequence(x, lengths, enforce_sorted=False))[0])[0]
        else:
            y = layer(x, lengths=lengths)[0]
        return (y[lengths - 1, torch.arange(3)] @ head).sin()

    flow = gradient_flow(layer, x, loss)
    assert [(one.layer, one.direction) for one in flow] == [
        (number, label) for number in range(2) for label in ("forward", "backward")[: layer.num_directions]
    ]
    for row, length in enumerate(LENGTHS):
        outputs, states = brute_force(layer, x[:, row], length)
        (outputs[-1] @ head).sin().backward()
        for (number, label), ordered in states.items():
            found = flow["", number, label]
            for k in range(6):
                if k >= length:
                    assert np.isnan(found.rows_h[row, k])
                    continue
                h, c = ordered[length - 1 - k]
                grads = [torch.zeros(4) if one.grad is None else one.grad for one in (h, c)]
                assert found.rows_h[row, k] == pytest.approx(grads[0].norm().item(), rel=1e-9, abs=1e-15)
                if family == "lstm":
                    assert found.rows_c[row, k] == pytest.approx(grads[1].norm().item(), rel=1e-9, abs=1e-15)
    found = flow["", 0, "forward"]
    assert found.counts.tolist() == [3, 2, 2, 1, 1, 1]
    np.testing.assert_allclose(found.h[0], found.rows_h[:, 0].mean())
    np.testing.assert_allclose(found.h[1], found.rows_h[:2, 1].mean())
    assert layer.weight_hh_l0.grad.abs().sum() > 0  # of the brute force; the flow adds nothing:
    before = layer.weight_hh_l0.grad.clone()
    gradient_flow(layer, x, loss)
    assert torch.equal(layer.weight_hh_l0.grad, before)


@pytest.mark.parametrize("family", FAMILIES)
def test_torch_layers_frozen_ones_and_no_grad_give_the_same_flow(family):
    ours, theirs = OURS[family](3, 5), THEIRS[family](3, 5)
    theirs.load_state_dict(ours.state_dict())
    theirs.requires_grad_(False)
    x = torch.randn(7, 2, 3)

    def loss(layer, x):
        return layer(x)[0][-1].square().sum(-1)

    with torch.no_grad():
        found = gradient_flow(theirs, x, loss)["", 0, "forward"]
    expected = gradient_flow(ours, x, loss)["", 0, "forward"]
    np.testing.assert_allclose(found.h, expected.h, rtol=1e-4)
    assert not any(parameter.requires_grad for parameter in theirs.parameters())
    np.testing.assert_allclose(gradient_flow(ours, x, lambda *a: loss(*a).mean())["", 0, "forward"].h, expected.h / 2)


def test_the_product_of_forget_gates_is_the_flow_through_the_state_alone():
    lstm, x = holdfast.LSTM(3, 4).double(), torch.randn(6, 2, 3, dtype=torch.float64)
    trace = lstm.trace(x)["", 0, "forward"]
    kept = gradient_flow(lstm, x, lambda layer, x: layer(x)[0][-1].sum())["", 0, "forward"].kept
    for k in range(6):
        assert kept[k] == pytest.approx(trace.f[6 - k :].prod(0).mean().item())
    # Without recurrent weights the gradient of c is that product, times what the last step does with c.
    with torch.no_grad():
        lstm.weight_hh_l0.zero_()
    one = holdfast.LSTM(3, 1).double()
    with torch.no_grad():
        one.weight_hh_l0.zero_()
    flow = gradient_flow(one, x, lambda layer, x: layer(x)[0][-1].sum(-1))["", 0, "forward"]
    f = one.trace(x)["", 0, "forward"].f[..., 0].detach().numpy()
    expected = [flow.rows_c[:, 0] * f[6 - k :].prod(0) for k in range(6)]
    np.testing.assert_allclose(flow.rows_c.T, expected)
    assert gradient_flow(holdfast.RNN(3, 4), x.float(), lambda m, x: m(x)[0].sum())["", 0, "forward"].kept is None


class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder, self.unused = nn.GRU(3, 4), nn.LSTM(3, 4)

    def forward(self, x):
        _, state = self.encoder(x)
        self.unused(x)
        return self.encoder(x, state)[0]


def test_calls_are_told_apart_and_a_layer_without_influence_has_no_gradient():
    flow = gradient_flow(Twice(), torch.randn(4, 2, 3), lambda model, x: model(x)[-1].sum())
    first, second, unused = flow.layers
    assert (first.call, second.call, unused.name) == (0, 1, "unused")
    assert 0 < first.h[0] < second.h[0]
    assert not unused.h.any()
    assert not unused.c.any()
    with pytest.raises(LookupError, match="called 2 times"):
        _ = flow["encoder", 0, "forward"]
    with pytest.raises(KeyError, match="encoder"):
        _ = flow["decoder", 0, "forward"]
    assert math.isnan(unused.half_life())
    assert "no gradient" in unused.summary()


def made(curve) -> LayerFlow:
    return LayerFlow("rnn", 0, "forward", 0, np.asarray(curve, dtype=float)[None], None, None)


def test_half_life_of_known_curves_and_their_sentences():
    lags = np.arange(20)
    assert made(0.5 ** (lags / 3)).half_life() == pytest.approx(3)
    assert (
        "halves every 3 steps back, by a line through its logarithm; 19 steps back 1.2 % is left"
        in made(0.5 ** (lags / 3)).summary()
    )
    dying = np.where(lags < 10, 0.5**lags, 0.0)
    assert made(dying).half_life() == pytest.approx(1)
    assert made(dying).summary().endswith("19 steps back 0 % is left.")
    assert made(2.0 ** (lags / 4)).half_life() == pytest.approx(-4)
    assert "doubles every 4 steps back" in made(2.0 ** (lags / 4)).summary()
    assert made(np.ones(20)).half_life() == math.inf
    assert "hardly changes; 19 steps back 1e+02 % is left" in made(np.ones(20)).summary()
    assert math.isnan(made([1.0]).half_life())
    flow = GradientFlow((made(0.5**lags),), np.array(1.0))
    assert (flow.half_life(), flow.summary()) == (flow.top.half_life(), flow.top.summary())
    with pytest.raises(ConfigError, match="no state 'c'"):
        flow.top.curve("c")


def test_table_has_a_line_for_each_layer_and_lag():
    pytest.importorskip("pandas", reason="pandas makes the table")
    lstm = holdfast.LSTM(3, 4, num_layers=2)
    flow = gradient_flow(lstm, torch.randn(5, 2, 3), lambda m, x: m(x)[0][-1].sum())
    frame = flow.to_dataframe()
    assert frame.columns.tolist() == ["name", "layer", "direction", "call", "lag", "rows", "d_h", "d_c", "kept"]
    assert len(frame) == 10
    np.testing.assert_array_equal(frame[frame.layer == 1].d_c, flow["", 1, "forward"].c)


def test_what_cannot_be_followed_back_is_refused():
    lstm, x = holdfast.LSTM(3, 4), torch.randn(5, 2, 3)
    with pytest.raises(ConfigError, match="pass loss="):
        gradient_flow(lstm, x)
    with pytest.raises(ConfigError, match="module or a trained estimator"):
        gradient_flow("lstm", x)
    with pytest.raises(ShapeError, match=r"\(5, 2\)"):
        gradient_flow(lstm, x, lambda m, x: m(x)[0].sum(-1))
    with pytest.raises(ConfigError, match="does not depend"):
        gradient_flow(lstm, x, lambda m, x: x.sum())
    with pytest.raises(ConfigError, match="no recurrent layer"):
        gradient_flow(nn.Linear(3, 1), x, lambda m, x: m(x).sum())
    assert lstm._recorder is None
