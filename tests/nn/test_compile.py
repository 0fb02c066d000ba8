"""torch.compile without a graph break, torch.export and ONNX: each works, or refuses and says what to do."""

from __future__ import annotations

import importlib.util

import pytest
import torch
from torch.nn.utils.rnn import pack_padded_sequence

import holdfast
from holdfast.errors import BackendError
from holdfast.kernels import cpu_level, vendor
from holdfast.spec import CellSpec
from tests.cases import FAMILIES, OUR_CELLS, OURS, SINGLE_FLAGS, as_tuple, make_module

# Torch's own compiler announces deprecations of torch inside torch.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning:torch.*"),
    pytest.mark.filterwarnings("ignore::FutureWarning:torch.*"),
]

AVAILABLE = {"reference": True, "cpu": cpu_level.load().module is not None, "vendor": vendor._AVAILABLE}


@pytest.fixture(autouse=True)
def fresh_compiler():
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


def flat(result):
    y, state = result
    return (y.data if isinstance(y, torch.nn.utils.rnn.PackedSequence) else y, *as_tuple(state))


def check(module, *args, backend="aot_eager", **kwargs):
    """The compiled module gives the values and the gradients of the eager one, in a single graph."""
    compiled = torch.compile(module, fullgraph=True, backend=backend)
    results = []
    for run in (module, compiled):
        module.zero_grad()
        torch.manual_seed(4)
        outputs = flat(run(*args, **kwargs))
        sum(out.square().sum() for out in outputs).backward()
        results.append((*outputs, *(p.grad.clone() for p in module.parameters() if p.grad is not None)))
    torch.testing.assert_close(results[1], results[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("spec", SINGLE_FLAGS.values(), ids=SINGLE_FLAGS)
def test_every_variant_compiles(spec):
    check(make_module(spec), torch.randn(3, 2, 3))


@pytest.mark.parametrize("backend", AVAILABLE)
@pytest.mark.parametrize("family", FAMILIES)
def test_every_backend_compiles(family, backend):
    if not AVAILABLE[backend] or (backend == "vendor" and family != "lstm"):
        pytest.skip(f"{backend} has no {family} here")
    check(OURS[family](3, 5, num_layers=2, bidirectional=True, backend=backend), torch.randn(4, 2, 3))


@pytest.mark.parametrize("family", FAMILIES)
def test_lengths_resets_and_a_given_state_compile(family):
    module = OURS[family](3, 5, batch_first=True)
    x = torch.randn(2, 4, 3)
    state = torch.randn(1, 2, 5)
    hx = (state, state.clone()) if family == "lstm" else state
    check(module, x, hx, lengths=torch.tensor([4, 2]), resets=torch.rand(2, 4) < 0.3)


@pytest.mark.parametrize("enforce_sorted", [True, False])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_packed_sequence_compiles(family, enforce_sorted):
    packed = pack_padded_sequence(torch.randn(4, 3, 3), [4, 2, 1], enforce_sorted=enforce_sorted)
    check(OURS[family](3, 5, num_layers=2), packed)


@pytest.mark.parametrize("family", FAMILIES)
def test_inductor_compiles_training_and_evaluation(family):
    module = OURS[family](3, 5, num_layers=2, dropout=0.0)
    check(module, torch.randn(4, 2, 3), backend="inductor")
    compiled = torch.compile(module, fullgraph=True, backend="inductor")
    with torch.no_grad():
        x = torch.randn(4, 2, 3)
        torch.testing.assert_close(flat(compiled(x)), flat(module(x)))


@pytest.mark.parametrize("family", FAMILIES)
def test_cells_and_autocast_compile(family):
    cell = torch.compile(OUR_CELLS[family](3, 5), fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(as_tuple(cell(torch.ones(2, 3))), as_tuple(cell._orig_mod(torch.ones(2, 3))))
    layer = OURS[family](3, 5)
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
    with torch.autocast("cpu", torch.bfloat16):
        found = flat(compiled(torch.ones(2, 2, 3)))
        expected = flat(layer(torch.ones(2, 2, 3)))
    assert {part.dtype for part in found} == {torch.bfloat16}
    torch.testing.assert_close(found, expected, rtol=0.02, atol=0.02)


def test_new_sizes_recompile_rightly():
    layer = holdfast.LSTM(3, 5)
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager", dynamic=True)
    for steps, rows in ((4, 2), (6, 3), (9, 5)):
        x = torch.randn(steps, rows, 3)
        torch.testing.assert_close(flat(compiled(x)), flat(layer(x)))


@pytest.mark.parametrize(
    "spec", [CellSpec(f) for f in FAMILIES] + [CellSpec(peephole=True, layer_norm="ba2016")], ids=lambda s: s.key
)
def test_torch_export_gives_a_program_that_computes_the_same(spec):
    module = make_module(spec, num_layers=2, bidirectional=True).eval()
    x = torch.randn(4, 2, 3)
    program = torch.export.export(module, (x,))
    other = torch.randn(4, 2, 3)
    torch.testing.assert_close(flat(program.module()(other)), flat(module(other)))


@pytest.mark.parametrize("family", FAMILIES)
def test_an_exported_program_takes_other_sizes_and_lengths(family):
    module = OURS[family](3, 5).eval()
    x, lengths = torch.randn(4, 2, 3), torch.tensor([4, 2])
    sizes = {0: torch.export.Dim("T", min=2), 1: torch.export.Dim("B", min=2)}
    dynamic = torch.export.export(module, (x,), dynamic_shapes={"x": sizes})
    other = torch.randn(9, 3, 3)
    torch.testing.assert_close(flat(dynamic.module()(other)), flat(module(other)))
    ragged = torch.export.export(module, (x,), {"lengths": lengths})
    shorter = torch.tensor([1, 3])
    torch.testing.assert_close(flat(ragged.module()(x, lengths=shorter)), flat(module(x, lengths=shorter)))


def test_onnx_export_of_a_holdfast_layer_says_what_to_do(monkeypatch):
    monkeypatch.setattr(torch.onnx, "is_in_onnx_export", lambda: True)
    with pytest.raises(BackendError, match=r"holdfast\.revert"):
        holdfast.LSTM(3, 5)(torch.randn(4, 2, 3))


@pytest.mark.skipif(
    importlib.util.find_spec("onnxscript") is None or importlib.util.find_spec("onnx") is None,
    reason="torch.onnx.export needs the packages onnx and onnxscript",
)
def test_onnx_export_of_a_reverted_layer_works(tmp_path):
    """ONNX knows torch's operators, not ours: revert first."""
    module = holdfast.revert(holdfast.LSTM(3, 5)).eval()
    torch.onnx.export(module, (torch.randn(4, 2, 3),), tmp_path / "lstm.onnx")
    assert (tmp_path / "lstm.onnx").stat().st_size > 0
