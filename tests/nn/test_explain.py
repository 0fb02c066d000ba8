"""`explain` names what ran each layer, cell or frozen layer, and the measured rule that put the backends in order."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import holdfast
from holdfast.kernels import cpu_level, dispatch, vendor

BOTH = cpu_level.load().module is not None and vendor._AVAILABLE
needs_both = pytest.mark.skipif(not BOTH, reason="the choice is between compiled kernels and oneDNN")


@pytest.fixture
def table(monkeypatch):
    """A table with an edge of every kind."""
    regions = {"inference": (dispatch.Region(batch=4, hidden=8),), "training": (dispatch.Region(product=100),)}
    monkeypatch.setattr(dispatch, "VENDOR_FASTER", regions)


@needs_both
@pytest.mark.parametrize(
    ("batch", "hidden", "infers_on", "trains_on"),
    [(4, 8, "vendor", "cpu"), (3, 8, "cpu", "cpu"), (4, 7, "cpu", "cpu"), (5, 20, "vendor", "cpu"),
     (1, 101, "cpu", "vendor")],
)  # fmt: skip
def test_the_table_chooses_for_training_and_inference_apart(table, batch, hidden, infers_on, trains_on):
    layer, x = holdfast.LSTM(3, hidden), torch.zeros(2, batch, 3)
    with torch.no_grad():
        assert holdfast.explain(layer, x).splitlines()[0].endswith(f": {infers_on}")
    assert holdfast.explain(layer, x).splitlines()[0].endswith(f": {trains_on}")


@needs_both
def test_the_rule_is_printed_with_its_script(table):
    with torch.no_grad():
        text = holdfast.explain(holdfast.LSTM(3, 8), torch.zeros(2, 4, 3))
    head, rule = text.splitlines()
    assert head == "LSTM layer 0 forward (lstm, T=2 B=4 I=3 H=8): vendor"
    where = "B >= 4, H >= 8 (benchmarks/dispatch.py)"
    assert rule == f"    vendor before cpu: plain LSTM, inference, B*H = 32; oneDNN wins at {where}"
    text = holdfast.explain(holdfast.LSTM(3, 8), torch.zeros(2, 4, 3))
    assert "cpu before vendor: plain LSTM, training, B*H = 32; oneDNN wins at B*H > 100" in text


@needs_both
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_the_table_is_for_float32_alone(table, dtype):
    layer = holdfast.LSTM(3, 101, dtype=dtype)
    text = holdfast.explain(layer, torch.zeros(2, 4, 3, dtype=dtype))
    assert text.splitlines()[0].endswith(": cpu")
    assert "B*H" not in text


def test_a_backend_asked_for_is_said_to_be():
    text = holdfast.explain(holdfast.GRU(3, 5, backend="reference"), torch.zeros(2, 4, 3))
    assert text.splitlines()[1] == "    asked for with backend='reference'"


@pytest.mark.parametrize("kind", ["LSTMCell", "GRUCell", "RNNCell"])
def test_cells_are_explained(kind):
    cell = getattr(holdfast, kind)(3, 5, backend="reference")
    alone, inside = holdfast.explain(cell, torch.zeros(2, 3)), holdfast.explain(nn.Sequential(cell), torch.zeros(2, 3))
    family = kind.removesuffix("Cell").lower()
    assert alone.splitlines()[0].startswith(f"{kind} ({family}")
    assert alone.splitlines()[0].endswith("B=2 I=3 H=5): reference")
    assert inside.splitlines()[0].startswith(f"0 ({family}")
    assert cell._recorder is None


@pytest.mark.skipif(cpu_level.load().module is None, reason="freeze() needs compiled kernels")
def test_frozen_layers_are_named():
    model = nn.ModuleDict({"encoder": holdfast.LSTM(3, 5).freeze()})
    model.forward = lambda x: model["encoder"](x)  # type: ignore[method-assign]
    assert holdfast.explain(model, torch.zeros(7, 2, 3)) == "encoder (frozen): cpu"
