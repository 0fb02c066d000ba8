"""record(gradients=True): the gradient of every state of every layer, from the user's own backward pass."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence

import holdfast
from holdfast.errors import HoldfastError
from holdfast.reference.sequence import Place, run_sequence
from tests.cases import FAMILIES, OURS, SINGLE_FLAGS, THEIRS, as_tuple, make_module

DIRECTIONS = ("forward", "backward")


def loss_of(y, state):
    return y.sin().sum() + sum(part.square().sum() for part in as_tuple(state))


@pytest.mark.parametrize("spec", SINGLE_FLAGS.values(), ids=SINGLE_FLAGS)
def test_gradients_are_those_of_the_reference(spec):
    module = make_module(spec, bidirectional=True, dtype=torch.float64).eval()
    x, lengths = torch.randn(5, 2, 3, dtype=torch.float64), torch.tensor([5, 2])
    trace = module.trace(x, lengths=lengths, gradients=True)
    loss_of(trace.output, trace.state).backward()
    outputs, states, shifts = [], [], []
    for direction, label in enumerate(DIRECTIONS):
        traced = trace["", 0, label]
        zeros = [torch.zeros_like(traced.h), torch.zeros_like(traced.c) if spec.family == "lstm" else None]
        shifts.append([part.requires_grad_() for part in zeros if part is not None])
        start = (traced.h0,) if traced.c0 is None else (traced.h0, traced.c0)
        place = Place(0, direction)
        result = run_sequence(
            x, start, module.direction_parameters(place), spec, lengths=lengths, place=place, shifts=tuple(zeros)
        )
        outputs.append(result.output)
        states.append(result.state)
    loss = loss_of(torch.cat(outputs, dim=-1), tuple(torch.stack(parts) for parts in zip(*states, strict=True)))
    expected = torch.autograd.grad(loss, [part for own in shifts for part in own])
    found = [getattr(trace["", 0, label], f"d_{name}") for label in DIRECTIONS for name in spec.states]
    torch.testing.assert_close(found, list(expected))


@pytest.mark.parametrize("kinds", [OURS, THEIRS], ids=["ours", "torch"])
@pytest.mark.parametrize("family", FAMILIES)
def test_recording_changes_no_result_and_reaches_every_layer(family, kinds):
    model = nn.ModuleDict({"encoder": kinds[family](3, 5, num_layers=2, bidirectional=True, batch_first=True)})
    x = torch.randn(2, 6, 3)
    with holdfast.record(model, gradients=True) as trace:
        recorded = model["encoder"](x)
    loss_of(*recorded).backward()
    grads = [parameter.grad.clone() for parameter in model.parameters()]
    model.zero_grad()
    loss_of(*model["encoder"](x)).backward()
    torch.testing.assert_close(grads, [parameter.grad for parameter in model.parameters()])
    assert len(trace) == 4
    for key in trace:
        assert trace[key].d_h.shape == (6, 2, 5)
        assert trace[key].d_h.abs().sum() > 0
        assert hasattr(trace[key], "d_c") == (family == "lstm")
    h_n = as_tuple(recorded[1])[0]
    last = trace["encoder", 1, "forward"]
    torch.testing.assert_close(last.d_h[-1], recorded[0][:, -1, :5].cos() + 2 * h_n[2])


@pytest.mark.parametrize("family", FAMILIES)
def test_a_packed_call_gives_padded_gradients_in_the_callers_order(family):
    module = OURS[family](3, 5, bidirectional=True)
    x, lengths = torch.randn(4, 3, 3), torch.tensor([2, 4, 1])
    padded = module.trace(x, lengths=lengths, gradients=True)
    padded.output.sin().sum().backward()
    packed = module.trace(pack_padded_sequence(x, lengths, enforce_sorted=False), gradients=True)
    packed.output.data.sin().sum().backward()
    for label in DIRECTIONS:
        found, expected = packed["", 0, label], padded["", 0, label]
        assert found.lengths.tolist() == [2, 4, 1]
        for name in (*expected.values, "d_h", *(["d_c"] if family == "lstm" else [])):
            torch.testing.assert_close(getattr(found, name), getattr(expected, name))


def test_what_is_not_there_yet_says_when_it_will_be():
    layer, x = holdfast.LSTM(3, 5), torch.randn(4, 2, 3)
    trace = layer.trace(x, gradients=True)
    with pytest.raises(AttributeError, match="backward pass"):
        _ = trace["", 0, "forward"].d_h
    with pytest.raises(AttributeError, match="gradients=True"):
        _ = layer.trace(x)["", 0, "forward"].d_c
    trace.output.sum().backward(retain_graph=True)
    first = trace["", 0, "forward"].d_h
    (2 * trace.output).sum().backward()
    torch.testing.assert_close(trace["", 0, "forward"].d_h, 2 * first)
    gru = holdfast.GRU(3, 5).trace(x, gradients=True)
    gru.output.sum().backward()
    with pytest.raises(AttributeError, match="this trace has"):
        _ = gru["", 0, "forward"].d_c


def test_gradients_with_attach_or_inside_a_compiled_graph_are_refused():
    layer, x = holdfast.LSTM(3, 5), torch.randn(4, 2, 3)
    with pytest.raises(HoldfastError, match="attach"):
        layer.trace(x, attach=True, gradients=True)
    torch._dynamo.reset()
    with holdfast.record(layer, gradients=True), pytest.raises(Exception, match="uncompiled"):
        torch.compile(layer, backend="eager", fullgraph=True)(x)
    torch._dynamo.reset()


def test_a_model_without_gradients_records_none():
    layer = holdfast.LSTM(3, 5)
    with torch.no_grad():
        trace = layer.trace(torch.randn(4, 2, 3), gradients=True)
    with pytest.raises(AttributeError, match="none has run"):
        _ = trace["", 0, "forward"].d_h
