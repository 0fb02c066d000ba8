"""Frames: the parts sum to the gates of the trace, in every variant, both directions, at every depth."""

from __future__ import annotations

import json
import math

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence

import holdfast
from holdfast.errors import ConfigError, HoldfastError, ShapeError
from holdfast.inside.clamping import Clamp, clamp
from holdfast.inside.frames import frame, frame_of
from holdfast.spec import CellSpec
from tests.cases import FAMILIES, SINGLE_FLAGS, SPECS, THEIRS, make_module

VARIANTS = SINGLE_FLAGS | {
    key: SPECS[key]
    for key in (
        "lstm peephole=True layer_norm=ba2016",
        "lstm peephole=True coupled=True",
        "lstm layer_norm=state zoneout_c=0.3",
        "lstm layer_norm=ba2016 projected=True",
        "gru layer_norm=ba2016 reset_order=before",
        "rnn layer_norm=ba2016 nonlinearity=relu",
    )
}


def squashed(spec: CellSpec, letter: str, total: float) -> float:
    if letter == "h" and spec.nonlinearity == "relu":
        return max(0.0, total)
    return math.tanh(total) if letter in "gnh" else 1 / (1 + math.exp(-total))


@pytest.mark.parametrize("spec", VARIANTS.values(), ids=VARIANTS)
def test_parts_sum_to_the_gates_of_the_trace(spec):
    module = make_module(spec, num_layers=2, bidirectional=True, batch_first=True).eval()
    x, lengths = torch.randn(2, 5, 3), torch.tensor([5, 3])
    trace = module.trace(x, lengths=lengths)
    for layer in range(2):
        for direction in ("forward", "backward"):
            traced = trace["", layer, direction]
            for row, t, unit in ((0, 0, 0), (0, 4, 1), (1, 2, 4), (1, 1, 3)):
                found = frame_of(trace, module, x, layer=layer, direction=direction, row=row, t=t, unit=unit)
                assert json.loads(json.dumps(found)) == found
                assert set(found["pre"]) == set(spec.gates) == set(found["push"])
                for letter, parts in found["pre"].items():
                    value = squashed(spec, letter, sum(parts.values()))
                    if letter == "h" and spec.zoneout_h:
                        value = found["h_new"]
                    expected = found["gates"][letter]
                    assert value == pytest.approx(expected, abs=2e-6)
                    if letter != "h" or not spec.zoneout_h:
                        assert expected == float(traced.values[letter][t, row, unit])
                _check_states(spec, found, traced, t, row, unit)


def _check_states(spec, found, traced, t, row, unit):
    gates = found["gates"]
    if spec.family == "lstm":
        assert found["c"] == float(traced.c[t, row, unit])
        added = found.get("ln_c", 0.0) if spec.layer_norm == "state" else 0.0
        new = gates["f"] * found["c0"] + gates["i"] * gates["g"] + added
        assert found.get("c_new", found["c"]) == pytest.approx(new, abs=2e-6)
        said = found.get("h_new", found["h"])
        assert said == pytest.approx(gates["o"] * found["tanh_c"], abs=2e-6)
        normed = found.get("ln_c", 0.0) if spec.layer_norm == "ba2016" else 0.0
        assert found["tanh_c"] == pytest.approx(math.tanh(found.get("c_new", found["c"]) + normed), abs=2e-6)
        assert ("h0" in found) == (not spec.projected)
    if spec.family == "gru":
        new = (1 - gates["z"]) * gates["n"] + gates["z"] * found["h0"]
        assert found.get("h_new", found["h"]) == pytest.approx(new, abs=2e-6)
        if spec.reset_order == "after":
            ln = found["pre"]["n"].get("ln", 0.0)
            raw = found["inner"]["n"] * gates["r"]
            assert ln != 0.0 or found["pre"]["n"]["h"] == pytest.approx(raw, abs=2e-6)


@pytest.mark.parametrize("family", FAMILIES)
def test_parts_are_products_of_weights_and_torch_layers_have_frames_too(family):
    layer = THEIRS[family](3, 7)
    x, lengths = torch.randn(4, 2, 3), torch.tensor([2, 4])
    packed = pack_padded_sequence(x, lengths, enforce_sorted=False)
    with holdfast.record(layer) as trace:
        layer(packed)
    found = frame_of(trace, layer, packed, row=1, t=2, unit=5)
    layer.requires_grad_(False)
    h_prev = trace["", 0, "forward"].h[1, 1]
    for number, letter in enumerate(found["pre"]):
        index = number * 7 + 5
        parts, pushes = found["pre"][letter], layer.weight_hh_l0[index] * h_prev
        assert parts["x"] == pytest.approx(float(layer.weight_ih_l0[index] @ x[2, 1]), abs=1e-6)
        if letter == "n":
            inner = float(pushes.sum() + layer.bias_hh_l0[index])
            assert found["inner"]["n"] == pytest.approx(inner, abs=1e-6)
            assert parts["h"] == pytest.approx(found["gates"]["r"] * inner, abs=1e-6)
            assert parts["b"] == pytest.approx(float(layer.bias_ih_l0[index]))
        else:
            assert parts["h"] == pytest.approx(float(pushes.sum()), abs=1e-6)
            assert parts["b"] == pytest.approx(float(layer.bias_ih_l0[index] + layer.bias_hh_l0[index]))
        strongest = found["push"][letter]
        assert [unit for unit, _ in strongest] == pushes.abs().argsort(descending=True)[:5].tolist()
        assert [value for _, value in strongest] == pytest.approx(pushes[[unit for unit, _ in strongest]].tolist())


@pytest.mark.parametrize("gate", ["f", "c", "h"])
def test_a_clamped_run_has_the_frame_of_what_it_computed(gate):
    lstm, x = holdfast.LSTM(3, 5), torch.randn(4, 2, 3)
    with clamp(lstm, [Clamp("", 0, "forward", gate, units=1, steps=2, value=0.125)]):
        trace = lstm.trace(x)
    found = frame_of(trace, lstm, x, t=2, unit=1, clamped=True)
    assert (found["gates"] | found)[gate] == 0.125
    assert found["c"] == float(trace["", 0, "forward"].c[2, 0, 1])
    assert found["tanh_c"] == pytest.approx(math.tanh(found["c"]))
    if gate == "f":
        with pytest.raises(HoldfastError, match="clamped=True"):
            frame_of(trace, lstm, x, t=2, unit=1)


def test_what_is_not_there_or_not_this_run_is_refused():
    lstm, x = holdfast.LSTM(3, 5), torch.randn(4, 2, 3)
    trace = lstm.trace(x)
    with pytest.raises(HoldfastError, match="recorded run"):
        frame_of(trace, lstm, x + 1, t=2)
    for change, message in (
        ({"t": 4}, "steps 0 to 3"), ({"row": 2}, "rows 0 to 1"), ({"unit": 5}, "units 0 to 4"),
        ({"layer": 1}, "layer"), ({"direction": "backward"}, "direction"),
    ):  # fmt: skip
        with pytest.raises(ConfigError, match=message):
            frame_of(trace, lstm, x, **change)
    with pytest.raises(ShapeError, match=r"x must have the shape \(3,\)"):
        frame(lstm, torch.zeros(4), torch.zeros(5), torch.zeros(5))
    with pytest.raises(ConfigError, match="recurrent layer"):
        frame(nn.Linear(3, 5), torch.zeros(3), torch.zeros(5))
    with pytest.raises(ConfigError, match="no layer 1"):
        frame(lstm, torch.zeros(3), torch.zeros(5), torch.zeros(5), layer=1)
