"""Module against module: everything torch.nn's recurrent layers document."""

from __future__ import annotations

import inspect

import pytest
import torch
from torch.nn.utils.rnn import pack_padded_sequence, pack_sequence, pad_packed_sequence

from tests.cases import FAMILIES, OUR_CELLS, OURS, THEIR_CELLS, THEIRS, as_tuple

# torch's own note about its own layer, once a process.
pytestmark = pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN:UserWarning")

STACKS = [
    {},
    {"num_layers": 3},
    {"bidirectional": True, "num_layers": 2},
    {"bias": False, "batch_first": True},
    {"proj_size": 2, "num_layers": 2, "bidirectional": True},
    {"nonlinearity": "relu", "num_layers": 2},
]
CASES = [
    pytest.param(family, stack, id=f"{family}-{stack}")
    for family in FAMILIES
    for stack in STACKS
    if not ("proj_size" in stack and family != "lstm") and not ("nonlinearity" in stack and family != "rnn")
]


def pair(family, stack, **options):
    torch.manual_seed(11)
    theirs = THEIRS[family](3, 5, **stack, **options)
    torch.manual_seed(11)
    return theirs, OURS[family](3, 5, **stack, **options)


def draw_state(layer, rows=(4,)):
    count = layer.num_layers * (2 if layer.bidirectional else 1)
    sizes = (layer.proj_size or layer.hidden_size, layer.hidden_size)[: 2 if isinstance(layer, THEIRS["lstm"]) else 1]
    state = tuple(torch.randn(count, *rows, size, dtype=layer.weight_ih_l0.dtype) for size in sizes)
    return state if len(state) == 2 else state[0]


@pytest.mark.parametrize(("family", "stack"), CASES)
def test_one_seed_gives_the_same_weights_under_the_same_names(family, stack):
    theirs, ours = pair(family, stack)
    assert list(theirs.state_dict()) == list(ours.state_dict())
    assert all(torch.equal(a, b) for a, b in zip(theirs.parameters(), ours.parameters(), strict=True))
    torch.manual_seed(3)
    theirs.reset_parameters()
    torch.manual_seed(3)
    ours.reset_parameters()
    assert all(torch.equal(a, b) for a, b in zip(theirs.parameters(), ours.parameters(), strict=True))
    for group, own in zip(theirs.all_weights, ours.all_weights, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(group, own, strict=True))


@pytest.mark.parametrize(("family", "stack"), CASES)
def test_state_dict_goes_both_ways(family, stack):
    theirs, ours = THEIRS[family](3, 5, **stack), OURS[family](3, 5, **stack)
    x = torch.randn(4, 4, 3)
    ours.load_state_dict(theirs.state_dict())
    torch.testing.assert_close(ours(x)[0], theirs(x)[0])
    fresh = OURS[family](3, 5, **stack)
    theirs.load_state_dict(fresh.state_dict())
    torch.testing.assert_close(fresh(x)[0], theirs(x)[0])


@pytest.mark.parametrize("form", ["batched", "given state", "unbatched", "packed", "packed sorted"])
@pytest.mark.parametrize(("family", "stack"), CASES)
def test_outputs_states_and_gradients_are_torchs(family, stack, form):
    theirs, ours = pair(family, stack, dtype=torch.float64)
    x = torch.randn(4, 4, 3, dtype=torch.float64)
    state = None if form == "batched" else draw_state(theirs)
    if form == "unbatched":
        x, state = x[0], draw_state(theirs, ())
    elif form == "packed":
        x = pack_padded_sequence(x, [2, 4, 1, 3], theirs.batch_first, enforce_sorted=False)
    elif form == "packed sorted":
        x = pack_sequence([torch.randn(length, 3, dtype=torch.float64) for length in (4, 4, 2, 1)])
    results = []
    for layer in (theirs, ours):
        y, last = layer(x, state)
        flat = y.data if isinstance(y, torch.nn.utils.rnn.PackedSequence) else y
        grads = torch.autograd.grad(
            flat.square().sum() + sum(s.sin().sum() for s in as_tuple(last)), layer.parameters()
        )
        results.append((flat, *as_tuple(last), *grads))
    torch.testing.assert_close(results[1], results[0])
    if "packed" in form:
        unpacked, lengths = pad_packed_sequence(ours(x, state)[0])
        expected, expected_lengths = pad_packed_sequence(theirs(x, state)[0])
        torch.testing.assert_close(unpacked, expected)
        assert torch.equal(lengths, expected_lengths)


@pytest.mark.parametrize("family", FAMILIES)
def test_dropout_between_layers_acts_in_training_only_and_as_torchs(family):
    theirs, ours = pair(family, {"num_layers": 3, "dropout": 0.5})
    x = torch.randn(6, 4, 3)
    torch.manual_seed(2)
    expected = theirs(x)[0]
    torch.manual_seed(2)
    torch.testing.assert_close(ours(x)[0], expected)
    assert not torch.equal(ours(x)[0], ours(x)[0])
    torch.testing.assert_close(ours.eval()(x)[0], theirs.eval()(x)[0])


@pytest.mark.parametrize("family", FAMILIES)
def test_dropout_on_one_layer_warns_as_torch_does(family):
    with pytest.warns(UserWarning, match="num_layers") as theirs:
        THEIRS[family](3, 5, dropout=0.5)
    with pytest.warns(UserWarning, match="num_layers") as ours:
        OURS[family](3, 5, dropout=0.5)
    assert len(theirs) == len(ours)
    assert ours[0].filename == __file__


@pytest.mark.parametrize("family", FAMILIES)
def test_the_torch_arguments_stand_in_torchs_order(family):
    """torch.nn.RNN takes nonlinearity after num_layers; the others have no such argument."""
    layer = OURS[family](3, 5, 2, *(("relu",) if family == "rnn" else ()), False, True, 0.25, True)
    theirs = THEIRS[family](3, 5, 2, *(("relu",) if family == "rnn" else ()), False, True, 0.25, True)
    for name in ("num_layers", "bias", "batch_first", "dropout", "bidirectional"):
        assert getattr(layer, name) == getattr(theirs, name), name
    assert list(layer.state_dict()) == list(theirs.state_dict())
    parameters = inspect.signature(OURS[family]).parameters.values()
    extras = [p for p in parameters if p.kind is p.KEYWORD_ONLY]
    assert {"layer_norm", "backend", "init"} <= {p.name for p in extras}


@pytest.mark.parametrize("family", FAMILIES)
def test_device_and_dtype_arguments(family):
    layer = OURS[family](3, 5, device="meta", dtype=torch.float16)
    assert {(p.device.type, p.dtype) for p in layer.parameters()} == {("meta", torch.float16)}
    cell = OUR_CELLS[family](3, 5, device="cpu", dtype=torch.float64)
    assert {(p.device.type, p.dtype) for p in cell.parameters()} == {("cpu", torch.float64)}
    moved = OURS[family](3, 5).double()
    assert moved(torch.randn(2, 1, 3, dtype=torch.float64))[0].dtype == torch.float64
    OURS[family](3, 5).flatten_parameters()


@pytest.mark.parametrize("given", [False, True], ids=["no state", "given state"])
@pytest.mark.parametrize("family", FAMILIES)
def test_autocast_gives_torchs_dtypes_and_nearly_its_numbers(family, given):
    theirs, ours = pair(family, {"num_layers": 2, "bidirectional": True})
    x = torch.randn(9, 4, 3)
    state = draw_state(theirs) if given else None
    exact = theirs(x, state)
    with torch.autocast("cpu", torch.bfloat16):
        y, last = theirs(x, state)
        y_ours, last_ours = ours(x, state)
    dtypes = [t.dtype for t in (y_ours, *as_tuple(last_ours))]
    assert set(dtypes) == {torch.bfloat16}
    if family != "gru":  # torch's GRU falls back to float32 under CPU autocast; on a GPU it gives bfloat16 too
        assert dtypes == [t.dtype for t in (y, *as_tuple(last))]
    torch.testing.assert_close(y_ours.float(), exact[0], rtol=0.03, atol=0.03)
    y_ours.float().sum().backward()
    assert all(p.grad.dtype == torch.float32 and p.grad.isfinite().all() for p in ours.parameters())


@pytest.mark.parametrize("unbatched", [False, True], ids=["batched", "unbatched"])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("family", FAMILIES)
def test_cells_are_torchs(family, bias, unbatched):
    torch.manual_seed(4)
    theirs = THEIR_CELLS[family](3, 5, bias=bias)
    torch.manual_seed(4)
    ours = OUR_CELLS[family](3, 5, bias=bias)
    assert list(theirs.state_dict()) == list(ours.state_dict())
    rows = () if unbatched else (4,)
    x, h, c = torch.randn(*rows, 3), torch.randn(*rows, 5), torch.randn(*rows, 5)
    for state in (None, (h, c) if family == "lstm" else h):
        found, expected = as_tuple(ours(x, state)), as_tuple(theirs(x, state))
        torch.testing.assert_close(found, expected)
        grads = [torch.autograd.grad(sum(s.sum() for s in out), layer.parameters()) for out, layer in
                 ((found, ours), (expected, theirs))]  # fmt: skip
        torch.testing.assert_close(*grads)


def test_relu_cell_is_torchs():
    theirs, ours = torch.nn.RNNCell(3, 5, nonlinearity="relu"), OUR_CELLS["rnn"](3, 5, nonlinearity="relu")
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(4, 3)
    torch.testing.assert_close(ours(x), theirs(x))


@pytest.mark.parametrize("family", FAMILIES)
def test_cells_step_as_their_layer_runs(family):
    layer = OURS[family](3, 5, layer_norm="ba2016", initial_state="learned")
    cell = OUR_CELLS[family](3, 5, layer_norm="ba2016", initial_state="learned")
    cell.load_state_dict({name.removesuffix("_l0"): value for name, value in layer.state_dict().items()})
    x, state = torch.randn(6, 2, 3), None
    for x_t, y_t in zip(x, layer(x)[0], strict=True):
        state = cell(x_t, state)
        torch.testing.assert_close(as_tuple(state)[0], y_t)


@pytest.mark.parametrize("family", FAMILIES)
def test_inference_mode_and_no_grad(family):
    theirs, ours = pair(family, {"num_layers": 2})
    x = torch.randn(4, 2, 3)
    with torch.inference_mode():
        y, _ = ours(x)
        assert y.is_inference()
        torch.testing.assert_close(y, theirs(x)[0])
        packed = pack_padded_sequence(x, [4, 2])
        torch.testing.assert_close(ours(packed)[0].data, theirs(packed)[0].data)
    with torch.no_grad():
        assert not ours(x)[0].requires_grad


@pytest.mark.parametrize("family", FAMILIES)
def test_backward_runs_in_evaluation_mode(family):
    ours = OURS[family](3, 5).eval()
    x = torch.randn(4, 2, 3, requires_grad=True)
    ours(x)[0].sum().backward()
    assert x.grad.abs().sum() > 0


@pytest.mark.parametrize("family", FAMILIES)
def test_an_empty_batch_gives_empty_output_and_zero_gradients(family):
    ours = OURS[family](3, 5, num_layers=2, bidirectional=True)
    y, state = ours(torch.zeros(4, 0, 3))
    assert y.shape == (4, 0, 10)
    assert all(part.shape == (4, 0, 5) for part in as_tuple(state))
    y.sum().backward()
    assert not any(p.grad.any() for p in ours.parameters())


@pytest.mark.parametrize("family", FAMILIES)
def test_no_input_features_as_torch(family):
    theirs, ours = THEIRS[family](1, 5), OURS[family](1, 5)
    assert ours.weight_ih_l0.shape == theirs.weight_ih_l0.shape
    bare = OURS[family](0, 5)
    y, _ = bare(torch.zeros(4, 2, 0))
    y.sum().backward()
    assert y.isfinite().all()
    assert all(p.grad.isfinite().all() for p in bare.parameters())
