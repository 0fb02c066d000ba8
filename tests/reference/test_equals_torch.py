"""The reference against torch.nn in float64, for everything torch.nn has."""

from __future__ import annotations

import pytest
import torch

from holdfast.reference.sequence import Place, run_sequence
from holdfast.spec import CellSpec
from tests.cases import SHAPES, THEIRS, as_tuple

PLAIN = {
    "lstm": CellSpec(),
    "lstm no bias": CellSpec(bias=False),
    "lstm projected": CellSpec(projected=True),
    "lstm projected no bias": CellSpec(projected=True, bias=False),
    "gru": CellSpec("gru"),
    "gru no bias": CellSpec("gru", bias=False),
    "rnn": CellSpec("rnn"),
    "rnn relu": CellSpec("rnn", nonlinearity="relu"),
    "rnn relu no bias": CellSpec("rnn", nonlinearity="relu", bias=False),
}


def torch_layer(spec: CellSpec, input_size: int, hidden_size: int):
    options = {"nonlinearity": spec.nonlinearity} if spec.family == "rnn" else {}
    if spec.projected:
        options["proj_size"] = max(1, hidden_size // 2)
    return THEIRS[spec.family](input_size, hidden_size, bias=spec.bias, dtype=torch.float64, **options)


def draw_state(layer, rows: int):
    out_size = layer.proj_size or layer.hidden_size
    sizes = (out_size, layer.hidden_size) if isinstance(layer, torch.nn.LSTM) else (out_size,)
    return tuple(torch.randn(rows, size, dtype=torch.float64, requires_grad=True) for size in sizes)


@pytest.mark.parametrize("reverse", [False, True], ids=["forward", "reverse"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("spec", PLAIN.values(), ids=PLAIN)
def test_outputs_states_and_gradients_equal_torch(spec, shape, reverse):
    steps, rows, input_size, hidden_size = shape
    if spec.projected and hidden_size == 1:
        hidden_size = 2
    layer = torch_layer(spec, input_size, hidden_size)
    x = torch.randn(steps, rows, input_size, dtype=torch.float64, requires_grad=True)
    state = draw_state(layer, rows)
    packed = tuple(s[None] for s in state)
    y, last = layer(x.flip(0) if reverse else x, packed if len(packed) == 2 else packed[0])
    y = y.flip(0) if reverse else y
    ours = run_sequence(x, state, tuple(layer.parameters()), spec, place=Place(0, int(reverse)))
    expected = (y, *(s[0] for s in as_tuple(last)))
    found = (ours.output, *ours.state)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    inputs = (x, *state, *layer.parameters())
    seeds = [torch.randn_like(value) for value in expected]
    torch.testing.assert_close(
        torch.autograd.grad(found, inputs, seeds),
        torch.autograd.grad(expected, inputs, seeds),
        rtol=1e-10,
        atol=1e-10,
    )


@pytest.mark.parametrize("size", [1.0, 100.0, -100.0, 1e4])
@pytest.mark.parametrize("family", ["lstm", "gru", "rnn"])
def test_saturated_gates_equal_torch(family, size):
    layer = torch_layer(CellSpec(family), 3, 4)
    x = size * torch.randn(4, 2, 3, dtype=torch.float64)
    state = tuple(s.detach() for s in draw_state(layer, 2))
    y, _ = layer(x, tuple(s[None] for s in state) if len(state) == 2 else state[0][None])
    ours = run_sequence(x, state, tuple(layer.parameters()), CellSpec(family))
    assert ours.output.isfinite().all()
    torch.testing.assert_close(ours.output, y, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("family", ["lstm", "gru", "rnn"])
def test_two_directions_equal_torch_bidirectional(family):
    layer = THEIRS[family](3, 5, bidirectional=True, dtype=torch.float64)
    x = torch.randn(6, 2, 3, dtype=torch.float64)
    y, _ = layer(x)
    params = list(layer.parameters())
    zeros = tuple(torch.zeros(2, 5, dtype=torch.float64) for _ in CellSpec(family).states)
    half = len(params) // 2
    ways = [tuple(params[:half]), tuple(params[half:])]
    outputs = [
        run_sequence(x, zeros, way, CellSpec(family), place=Place(0, direction)).output
        for direction, way in enumerate(ways)
    ]
    torch.testing.assert_close(torch.cat(outputs, dim=-1), y, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("family", ["lstm", "gru", "rnn"])
def test_half_precision_keeps_its_dtypes_and_stays_close(family, dtype):
    layer = torch_layer(CellSpec(family), 8, 16)
    x = torch.randn(12, 3, 8, dtype=torch.float64)
    state = tuple(s.detach() for s in draw_state(layer, 3))
    exact = run_sequence(x, state, tuple(layer.parameters()), CellSpec(family))
    half = run_sequence(
        x.to(dtype), tuple(s.to(dtype) for s in state), tuple(p.to(dtype) for p in layer.parameters()), CellSpec(family)
    )
    assert {half.output.dtype, *(s.dtype for s in half.state)} == {dtype}
    assert half.gates.dtype == torch.float32
    assert half.cells is None or half.cells.dtype == torch.float32
    torch.testing.assert_close(half.output.double(), exact.output, rtol=0.05, atol=0.05)
