"""Time constants by hand, and which units carry a label across a gap."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch

import holdfast
from holdfast.errors import ConfigError, ShapeError
from holdfast.inside import Clamp, carriers, clamp, half_lives, keeps, time_constants
from holdfast.inside.memory import recognised_share, unit_separation
from holdfast.inside.steps import steps_of
from holdfast.nn import Trace


@pytest.mark.parametrize(("family", "gate"), [("lstm", "f"), ("gru", "z")])
def test_a_gate_forced_to_a_value_gives_its_time_constant(family, gate):
    layer = {"lstm": holdfast.LSTM, "gru": holdfast.GRU}[family](3, 4)
    values = torch.tensor([0.5, 0.9, 1.0, 0.0])
    with clamp(layer, [Clamp("", 0, "forward", gate, units=None, steps=None, value=values)]):
        trace = layer.trace(torch.randn(6, 2, 3), lengths=torch.tensor([6, 2]))["", 0, "forward"]
    expected = [-1 / math.log(0.5), -1 / math.log(0.9), math.inf, 0.0]
    np.testing.assert_allclose(time_constants(trace), expected, rtol=1e-6)
    np.testing.assert_allclose(half_lives(trace), [1.0, math.log(0.5) / math.log(0.9), math.inf, 0.0], rtol=1e-6)


def test_padding_does_not_count_and_an_rnn_has_no_time_constant():
    lstm, x = holdfast.LSTM(3, 4), torch.randn(6, 2, 3)
    trace = lstm.trace(x, lengths=torch.tensor([6, 2]))["", 0, "forward"]
    f = torch.cat([trace.f[:, 0], trace.f[:2, 1]]).double()
    np.testing.assert_allclose(time_constants(trace), (-1 / f.log().mean(0)).numpy())
    with pytest.raises(ConfigError, match="no gate that keeps"):
        time_constants(holdfast.RNN(3, 4).trace(x)["", 0, "forward"])


@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_zoneout_keeps_beside_the_gate(kind, tmp_path):
    """What a gate of 0.9 and zoneout of 0.5 keep of a state to which nothing is added: 0.95 a step."""
    layer = holdfast.LSTM(3, 4, zoneout=(0.2, 0.5)) if kind == "lstm" else holdfast.GRU(3, 4, zoneout=0.5)
    gates = {"f": 0.9, "g": 0.0} if kind == "lstm" else {"z": 0.9, "n": 0.0}
    x, start = torch.randn(5, 1, 3), torch.ones(1, 1, 4)
    clamps = [Clamp("", 0, "forward", gate, None, None, value) for gate, value in gates.items()]
    with clamp(layer.eval(), clamps):
        trace = layer.trace(x, (start, start) if kind == "lstm" else start)
        flow = holdfast.gradient_flow(layer, x, lambda module, x: module(x)[0][-1].sum(-1)).top
    traced = trace["", 0, "forward"]
    state = traced.c if kind == "lstm" else traced.h
    np.testing.assert_allclose(state[-1].detach(), 0.95**5, rtol=1e-5)
    np.testing.assert_allclose(time_constants(traced), -1 / math.log(0.95), rtol=1e-5)
    np.testing.assert_allclose(steps_of(traced).time_constants(), -1 / math.log(0.95), rtol=1e-5)
    np.testing.assert_allclose(flow.kept, 0.95 ** np.arange(5), rtol=1e-5)
    trace.save(tmp_path / "trace.npz")
    again = Trace.load(tmp_path / "trace.npz")["", 0, "forward"]
    np.testing.assert_allclose(time_constants(again), -1 / math.log(0.95), rtol=1e-5)


def test_rows_without_a_step_have_no_time_constant():
    trace = holdfast.LSTM(3, 4).trace(torch.randn(2, 1, 3), lengths=torch.tensor([2]))["", 0, "forward"]
    with pytest.raises(ShapeError, match="No step"):
        time_constants(dataclasses.replace(trace, lengths=torch.tensor([0])))


@pytest.mark.parametrize("layer", [holdfast.LSTM(2, 3), holdfast.GRU(2, 3)], ids=["lstm", "gru"])
def test_a_unit_keeps_what_it_is_made_to_keep(layer):
    """Unit 0 never forgets, unit 1 forgets at step 6, unit 2 at once."""
    gate, state = ("f", "c") if layer.name == "LSTM" else ("z", "h")
    keep = torch.ones(10, 1, 3)
    keep[6, 0, 1] = keep[4:, 0, 2] = 0.0
    runs = []
    with torch.no_grad():
        layer.weight_hh_l0.zero_()
    for value in (1.0, -1.0, 0.5):
        steps = [
            Clamp("", 0, "forward", gate, None, None, keep),
            Clamp("", 0, "forward", state, None, 3, value),
        ]
        closed = [Clamp("", 0, "forward", "i", None, None, 0.0)] if layer.name == "LSTM" else []
        with clamp(layer, [*steps, *closed]):
            runs.append(layer.trace(torch.zeros(10, 1, 2))["", 0, "forward"])
    kept = keeps(runs[0], runs[1:], start=3)
    assert kept.steps.tolist() == [7, 3, 1]
    assert kept.best == 0
    with pytest.raises(ShapeError, match="one replacement"):
        keeps(runs[0], [], start=3)
    with pytest.raises(ShapeError, match="equally many"):
        keeps(runs[0], [layer.trace(torch.zeros(9, 1, 2))["", 0, "forward"]])


def test_carriers_are_units_that_differ_by_label_and_not_by_text():
    rng = np.random.default_rng(0)
    states = 0.1 * rng.standard_normal((3, 8, 20, 5))
    states[..., 2] += np.array([-1.0, 0.0, 1.0])[:, None, None]  # the label, all the time
    states[..., 4] += 3 * rng.standard_normal((3, 8, 1))  # each text its own value, whatever the label
    states[:, :, 10:, 1] = 0.0
    states[:, :, :10, 1] += np.array([-1.0, 0.0, 1.0])[:, None, None]  # the label, for half of the gap
    order, scores = carriers(states)
    assert order[0] == 2
    assert scores[2] > 0.25 > 0.2 > scores[[0, 1, 3, 4]].max()
    assert scores[1] == 0.0
    assert recognised_share(states[..., 2:3]).min() == 1.0
    np.testing.assert_allclose(carriers(states[:, :1])[1], unit_separation(states[:, 0]))
    with pytest.raises(ShapeError, match="two labels"):
        carriers(states[0])
