"""Clamped gates: exact by hand, bit-equal where nothing is forced, differentiable, and what is refused."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence

import holdfast
from holdfast.errors import BackendError, ConfigError, ShapeError
from holdfast.inside.clamping import Clamp, clamp, gate_names
from tests.cases import FAMILIES, OURS, SINGLE_FLAGS, THEIRS, as_tuple, make_module

LABELS = ("forward", "backward")


@pytest.mark.parametrize("spec", SINGLE_FLAGS.values(), ids=SINGLE_FLAGS)
def test_every_gate_of_every_variant_is_forced_where_asked_and_only_there(spec):
    module = make_module(spec, num_layers=2, bidirectional=True, dtype=torch.float64).eval()
    x = torch.randn(6, 2, 3, dtype=torch.float64)
    free = module.trace(x)
    for direction in LABELS:
        for gate in gate_names(spec):
            with clamp(module, [Clamp("", 1, direction, gate, units=[1], steps=[2], value=0.25, rows=0)]):
                found = module.trace(x)
            forced, before = found["", 1, direction], free["", 1, direction]
            assert getattr(forced, gate)[2, 0, 1].item() == 0.25
            torch.testing.assert_close(forced.h[:, 1], before.h[:, 1])
            earlier = slice(0, 2) if direction == "forward" else slice(3, 6)
            torch.testing.assert_close(forced.h[earlier], before.h[earlier])
            torch.testing.assert_close(found["", 0, direction].h, free["", 0, direction].h)
            # What no other quantity reads leaves the rest alone: h of the last step read, o's own c.
            if gate == "o":
                torch.testing.assert_close(forced.c[2], before.c[2])


@pytest.mark.parametrize("family", FAMILIES)
def test_a_run_in_which_nothing_is_forced_is_the_references_bit_for_bit(family):
    module = OURS[family](3, 5, num_layers=2, bidirectional=True, backend="reference")
    x = torch.randn(6, 2, 3)
    y, state = module(x)
    nothing = [Clamp("", 0, "forward", "h", units=[], steps=None, value=1.0)]
    with clamp(module, nothing):
        assert "not cpu" not in holdfast.explain(module, x)
        clamped, clamped_state = module(x)
    assert torch.equal(clamped, y)
    assert all(map(torch.equal, as_tuple(clamped_state), as_tuple(state)))


def test_the_lstm_goes_on_from_a_forgotten_c_by_its_own_equations():
    lstm, x = holdfast.LSTM(3, 5, backend="reference").double(), torch.randn(6, 1, 3, dtype=torch.float64)
    with clamp(lstm, [Clamp("", 0, "forward", "f", units=2, steps=3, value=0.0)]):
        trace = lstm.trace(x)
    found = trace["", 0, "forward"]
    assert found.c[3, 0, 2] == found.i[3, 0, 2] * found.g[3, 0, 2]
    # From there on the run is that of a layer which starts with the state as it was left.
    rest, _ = lstm(x[4:], (found.h[None, 3], found.c[None, 3]))
    torch.testing.assert_close(rest, trace.output[4:])


@pytest.mark.parametrize("family", FAMILIES)
def test_states_forced_to_those_of_another_run_give_that_run(family):
    module = OURS[family](3, 5)
    a, b = torch.randn(2, 6, 2, 3)
    wanted = module.trace(b)
    b_from_3 = torch.cat([a[:3], b[3:]])
    clamps = [
        Clamp("", 0, "forward", name, units=None, steps=2, value=getattr(wanted["", 0, "forward"], name)[2])
        for name in module.spec.states
    ]
    with clamp(module, clamps):
        y, _ = module(b_from_3)
    torch.testing.assert_close(y[2:], wanted.output[2:], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_gradients_are_right_and_reach_the_value(family):
    module = OURS[family](2, 3, bidirectional=True).double()
    x = torch.randn(4, 2, 2, dtype=torch.float64, requires_grad=True)
    value = torch.randn(2, 1, 2, dtype=torch.float64, requires_grad=True)

    def run(x, value):
        gate = gate_names(module.spec)[0]
        with clamp(module, [Clamp("", 0, "backward", gate, units=[0, 2], steps=[1, 2], value=value)]):
            return module(x)[0]

    assert torch.autograd.gradcheck(run, (x, value))
    run(x, value).sum().backward()
    assert value.grad.abs().sum() > 0
    assert module.weight_hh_l0.grad.abs().sum() > 0


@pytest.mark.parametrize("family", FAMILIES)
def test_gradient_flow_of_a_clamped_layer_is_that_of_a_whole_backward_pass(family):
    module, x = OURS[family](3, 5, num_layers=2), torch.randn(6, 2, 3)
    gate = gate_names(module.spec)[0]

    def loss(layer, x):
        return layer(x)[0][-1].square().sum(-1)

    with clamp(module, [Clamp("", 0, "forward", gate, units=2, steps=4, value=0.5)]):
        flow = holdfast.gradient_flow(module, x, loss)
        with holdfast.record(module, gradients=True) as trace:
            loss(module, x).sum().backward()
    for layer in (0, 1):
        traced, found = trace["", layer, "forward"], flow["", layer, "forward"]
        torch.testing.assert_close(torch.tensor(found.rows_h.T).float().flip(0), traced.d_h.norm(dim=-1))
        assert found.h.min() > 0
        if family == "lstm":
            torch.testing.assert_close(torch.tensor(found.rows_c.T).float().flip(0), traced.d_c.norm(dim=-1))


@pytest.mark.parametrize("family", FAMILIES)
def test_packed_lengths_and_torch_layers_are_clamped_alike_and_traced(family):
    torch.manual_seed(3)
    ours = OURS[family](3, 5)
    theirs = THEIRS[family](3, 5)
    theirs.load_state_dict(ours.state_dict())
    x, lengths = torch.randn(5, 3, 3), torch.tensor([2, 5, 3])
    gate = gate_names(ours.spec)[1 if family != "rnn" else 0]
    clamps = [Clamp("", 0, "forward", gate, units=[0], steps=1, value=0.5)]
    with clamp(ours, clamps):
        padded = ours.trace(x, lengths=lengths, gradients=True)
    padded.output.sin().sum().backward()
    packed = pack_padded_sequence(x, lengths, enforce_sorted=False)
    with clamp(theirs, clamps), holdfast.record(theirs, gradients=True) as trace:
        y, _ = theirs(packed)
        with clamp(theirs, [Clamp("", 0, "forward", gate, units=[0], steps=1, value=0.5)]):
            assert torch.equal(theirs(packed)[0].data, y.data)
    y.data.sin().sum().backward()
    found, expected = trace.calls("")[0][0, "forward"], padded["", 0, "forward"]
    for name in (*expected.values, "d_h"):
        torch.testing.assert_close(getattr(found, name), getattr(expected, name))
    assert expected.backend == "reference"
    assert "forward" not in theirs.__dict__


def test_a_clamped_layer_says_why_it_runs_on_reference_and_is_free_afterwards():
    lstm, x = holdfast.LSTM(3, 5), torch.randn(4, 2, 3)
    y = lstm(x)[0]
    with clamp(lstm, [Clamp("", 0, "forward", "i", units=None, steps=None, value=0.0)]):
        assert "gates are clamped, which only reference computes" in holdfast.explain(lstm, x)
        assert copy.deepcopy(lstm)._forcing is None
        assert not lstm(x)[0].any()
    assert torch.equal(lstm(x)[0], y)
    cpu = holdfast.LSTM(3, 5, backend="cpu")
    with (
        clamp(cpu, [Clamp("", 0, "forward", "i", units=None, steps=None, value=0.0)]),
        pytest.raises(BackendError, match="only reference"),
    ):
        cpu(x)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"name": "decoder"}, ConfigError, "encoder"),
        ({"layer": 1}, ConfigError, "no layer 1"),
        ({"direction": "backward"}, ConfigError, "forward"),
        ({"gate": "r"}, ConfigError, "i f g o c h"),
        ({"units": 5}, ShapeError, "units"),
        ({"steps": [0, 9]}, ShapeError, "steps"),
        ({"value": torch.zeros(3)}, ShapeError, "broadcast"),
    ],
)
def test_what_is_not_there_is_refused(change, error, message):
    model = nn.ModuleDict({"encoder": nn.LSTM(3, 5)})
    fields = {"name": "encoder", "layer": 0, "direction": "forward", "gate": "f", "units": 0, "steps": 0, "value": 1.0}
    with pytest.raises(error, match=message), clamp(model, [Clamp(**(fields | change))]):
        model["encoder"](torch.randn(4, 2, 3))
    assert "forward" not in model["encoder"].__dict__
    with pytest.raises(ConfigError, match="module"), clamp("lstm", []):
        pass
