"""Traces: what they hold, that they cost no accuracy, and that their gradients are the reference's."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence

import holdfast
from holdfast.errors import HoldfastError
from holdfast.kernels import cpu_level
from holdfast.reference.sequence import Place, run_sequence
from holdfast.spec import GATES, CellSpec
from tests.cases import FAMILIES, OURS, SINGLE_FLAGS, THEIRS, make_module


def names_of(spec):
    return [*GATES[spec.family], *(["c", "h"] if spec.family == "lstm" else [] if spec.family == "rnn" else ["h"])]


def by_reference(module, x, place, seed=None):
    state = tuple(x.new_zeros(x.shape[1], module.proj_size if k == 0 and module.proj_size else module.hidden_size)
                  for k in range(len(module.spec.states)))  # fmt: skip
    params = module.direction_parameters(place)
    if module.spec.initial_state == "learned":
        state = tuple(p.expand(x.shape[1], -1) for p in params[len(params) - len(state) :])
    return run_sequence(x, state, params, module.spec, place=place, seed=seed)


@pytest.mark.parametrize("attach", [False, True], ids=["detached", "attached"])
@pytest.mark.parametrize("spec", SINGLE_FLAGS.values(), ids=SINGLE_FLAGS)
def test_a_trace_holds_the_references_values_and_gradients(spec, attach):
    module = make_module(spec, bidirectional=True, dtype=torch.float64).eval()
    x = torch.randn(5, 2, 3, dtype=torch.float64, requires_grad=True)
    trace = module.trace(x, attach=attach)
    for direction, label in enumerate(("forward", "backward")):
        layer, exact = trace["", 0, label], by_reference(module, x, Place(0, direction))
        expected = dict(zip(GATES[spec.family], exact.gates.unbind(2), strict=True))
        expected |= {"c": exact.cells} if spec.family == "lstm" else {}
        expected |= {"h": exact.output}
        assert list(layer.values) == names_of(spec)
        for name, value in expected.items():
            torch.testing.assert_close(getattr(layer, name), value)
            assert getattr(layer, name).requires_grad == (attach and value.requires_grad)
            if attach and value.requires_grad:
                inputs = [x, *module.parameters()]
                grads = [
                    torch.autograd.grad(part.sin().sum(), inputs, retain_graph=True, materialize_grads=True)
                    for part in (getattr(layer, name), value)
                ]
                torch.testing.assert_close(*grads)


@pytest.mark.skipif(cpu_level.load().module is None, reason="no compiled kernels here")
@pytest.mark.parametrize("family", FAMILIES)
def test_a_detached_trace_of_the_cpu_backend_is_the_references(family):
    module = OURS[family](3, 5, num_layers=2, backend="cpu")
    x = torch.randn(6, 2, 3)
    trace = module.trace(x)
    assert trace["", 1, "forward"].backend == "cpu"
    exact = OURS[family](3, 5, num_layers=2, backend="reference")
    exact.load_state_dict(module.state_dict())
    expected = exact.trace(x)
    for layer in range(2):
        for name in names_of(module.spec):
            found = getattr(trace["", layer, "forward"], name)
            torch.testing.assert_close(found, getattr(expected["", layer, "forward"], name), rtol=1e-5, atol=1e-5)
            assert not found.requires_grad
    trace.output.sum().backward()
    assert module.weight_hh_l0.grad.abs().sum() > 0


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("family", FAMILIES)
def test_shapes_lengths_and_first_states(family, batch_first):
    module = OURS[family](3, 5, batch_first=batch_first)
    x = torch.randn(2, 6, 3) if batch_first else torch.randn(6, 2, 3)
    trace = module.trace(x, lengths=torch.tensor([6, 2]))
    layer = trace["", 0, "forward"]
    assert layer.h.shape == (6, 2, 5)
    assert layer.lengths.tolist() == [6, 2]
    assert not layer.h[2:, 1].any()
    assert layer.h0.shape == (2, 5)
    assert (layer.c0 is None) == (family != "lstm")
    packed = pack_padded_sequence(x, [6, 2], batch_first=batch_first)
    torch.testing.assert_close(module.trace(packed)["", 0, "forward"].h, layer.h)
    with pytest.raises(AttributeError, match="this trace has"):
        _ = layer.q


def test_a_projected_trace_has_the_projected_h():
    trace = holdfast.LSTM(3, 5, proj_size=2).trace(torch.randn(4, 2, 3))
    assert trace["", 0, "forward"].h.shape == (4, 2, 2)
    assert trace["", 0, "forward"].c.shape == (4, 2, 5)


@pytest.mark.parametrize("family", FAMILIES)
def test_training_traces_are_of_the_call_itself(family):
    module = make_module(CellSpec(family, recurrent_dropout=0.3, zoneout_h=0.2))
    x = torch.randn(5, 2, 3)
    trace = module.trace(x)
    torch.testing.assert_close(trace["", 0, "forward"].h, trace.output)


class Tagger(nn.Module):
    def __init__(self, encoder, twice=False):
        super().__init__()
        self.encoder, self.twice = encoder, twice
        self.head = nn.Linear(5, 2)

    def forward(self, x):
        y, state = self.encoder(x)
        if self.twice:
            y, _ = self.encoder(x, state)
        return self.head(y)


@pytest.mark.parametrize("kinds", [OURS, THEIRS], ids=["ours", "torch"])
@pytest.mark.parametrize("family", FAMILIES)
def test_record_inside_a_bigger_model(family, kinds):
    model = Tagger(kinds[family](3, 5))
    x = torch.randn(6, 2, 3)
    expected = model(x)
    with holdfast.record(model) as trace:
        y = model(x)
    torch.testing.assert_close(y, expected)
    assert list(trace) == [("encoder", 0, "forward")]
    torch.testing.assert_close(model.head(trace["encoder", 0, "forward"].h), expected)
    y.sum().backward()
    assert model.encoder.weight_hh_l0.grad.abs().sum() > 0
    assert type(model.encoder) is kinds[family]
    torch.testing.assert_close(model(x), expected)
    assert len(trace) == 1


@pytest.mark.parametrize("kinds", [OURS, THEIRS], ids=["ours", "torch"])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_layer_called_twice_has_its_calls_listed(family, kinds):
    model = Tagger(kinds[family](3, 5), twice=True)
    with holdfast.record(model) as trace:
        model(torch.randn(6, 2, 3))
    first, second = trace.calls("encoder")
    torch.testing.assert_close(second[0, "forward"].h0, first[0, "forward"].h[-1])
    with pytest.raises(LookupError, match="called 2 times"):
        _ = trace["encoder", 0, "forward"]
    with pytest.raises(KeyError, match="encoder"):
        trace.calls("decoder")


@pytest.mark.parametrize("kinds", [OURS, THEIRS], ids=["ours", "torch"])
def test_recording_ends_when_the_block_fails_and_hooks_run_once(kinds):
    model, calls = Tagger(kinds["lstm"](3, 5)), []
    model.encoder.register_forward_hook(lambda *args: calls.append(1))
    with pytest.raises(RuntimeError), holdfast.record(model):
        model(torch.randn(2, 1, 7))
    assert not calls
    with holdfast.record(model) as trace:
        model(torch.randn(2, 1, 3))
    assert len(trace) == len(calls) == 1


def test_cells_are_left_alone():
    model = nn.ModuleDict({"theirs": nn.LSTMCell(3, 5), "ours": holdfast.LSTMCell(3, 5), "layer": nn.GRU(3, 5)})
    with holdfast.record(model) as trace:
        for part in model.values():
            part(torch.zeros(2, 3))
    assert list(trace) == [("layer", 0, "forward")]


@pytest.mark.parametrize("kind", [holdfast.LSTM, nn.LSTM])
def test_recording_twice_at_once_is_refused(kind):
    model = Tagger(kind(3, 5))
    with holdfast.record(model), pytest.raises(HoldfastError, match="being recorded"), holdfast.record(model):
        pass
    with holdfast.record(model):
        model(torch.randn(2, 1, 3))


@pytest.mark.parametrize("kind", [holdfast.LSTM, nn.LSTM])
def test_a_copy_made_while_recording_computes_with_its_own_weights(kind):
    model = Tagger(kind(3, 5))
    with holdfast.record(model) as trace:
        twin = copy.deepcopy(model)
        with torch.no_grad():
            for parameter in twin.parameters():
                parameter.zero_()
        assert not twin.encoder(torch.randn(2, 1, 3))[0].any()
    assert not len(trace)


def test_explain_names_the_backend_and_the_reasons():
    model = Tagger(holdfast.LSTM(3, 5, peephole=True))
    text = holdfast.explain(model, torch.zeros(6, 2, 3))
    assert text.startswith("encoder layer 0 forward (lstm peephole=True, T=6 B=2 I=3 H=5): ")
    rowless = holdfast.explain(model, torch.zeros(6, 0, 3))
    assert rowless.splitlines()[0].endswith(": reference")
    assert "not cpu: " in rowless
    assert "not vendor: oneDNN has the plain LSTM only" in rowless
    both = holdfast.explain(holdfast.LSTM(3, 5, num_layers=2, bidirectional=True), torch.zeros(6, 2, 3))
    assert [line.split(" (")[0] for line in both.splitlines() if "layer" in line] == [
        "LSTM layer 0 both",
        "LSTM layer 1 both",
    ]
    assert "holdfast.convert" in holdfast.explain(nn.Linear(2, 2), torch.zeros(1, 2))


def test_explain_leaves_a_record_running():
    model = Tagger(holdfast.LSTM(3, 5))
    with holdfast.record(model) as trace:
        holdfast.explain(model, torch.randn(2, 1, 3))
        assert not len(trace)
        model(torch.randn(2, 1, 3))
    assert list(trace) == [("encoder", 0, "forward")]


def test_explain_draws_no_random_number_of_the_callers():
    layer = holdfast.LSTM(3, 5, zoneout=(0.1, 0.1))
    before = torch.get_rng_state()
    holdfast.explain(layer, torch.zeros(6, 2, 3))
    assert torch.equal(before, torch.get_rng_state())
