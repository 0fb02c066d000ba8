"""Every error torch.nn's layers raise is ours too, of a class that whoever catches torch's catches."""

from __future__ import annotations

import pytest
import torch
from torch.nn.utils.rnn import pack_padded_sequence

import holdfast
from holdfast.errors import BackendError, DtypeError, HoldfastError, ShapeError, SpecError
from tests.cases import FAMILIES, OUR_CELLS, OURS, THEIR_CELLS, THEIRS


def state(*shape, dtype=torch.float32):
    def make(family):
        part = torch.zeros(*shape, dtype=dtype)
        return (part, part) if family == "lstm" else part

    return make


def nothing(family):
    return None


CALLS = {  # name: x, state
    "wrong features": (torch.zeros(4, 2, 7), nothing),
    "four axes": (torch.zeros(4, 2, 3, 1), nothing),
    "one axis": (torch.zeros(3), nothing),
    "no steps": (torch.zeros(0, 2, 3), nothing),
    "wrong dtype": (torch.zeros(4, 2, 3, dtype=torch.float64), nothing),
    "integers": (torch.zeros(4, 2, 3, dtype=torch.int64), nothing),
    "state of another batch": (torch.zeros(4, 2, 3), state(1, 5, 5)),
    "state of another size": (torch.zeros(4, 2, 3), state(1, 2, 6)),
    "state of more layers": (torch.zeros(4, 2, 3), state(2, 2, 5)),
    "state without batch": (torch.zeros(4, 2, 3), state(1, 5)),
    "batched state, unbatched input": (torch.zeros(4, 3), state(1, 1, 5)),
    "state of another dtype": (torch.zeros(4, 2, 3), state(1, 2, 5, dtype=torch.float64)),
    "packed with wrong features": (pack_padded_sequence(torch.zeros(4, 2, 7), [4, 2]), nothing),
}


def error_of(run):
    try:
        run()
    except Exception as error:
        return error
    return None


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("name", CALLS)
def test_calls_fail_with_torchs_class(family, name):
    x, make_state = CALLS[name]
    theirs = error_of(lambda: THEIRS[family](3, 5)(x, make_state(family)))
    ours = error_of(lambda: OURS[family](3, 5)(x, make_state(family)))
    assert theirs is not None, "torch takes this call: it belongs into another test"
    assert isinstance(ours, HoldfastError), ours
    assert isinstance(ours, type(theirs)), f"torch raises {type(theirs).__name__}, we raise {type(ours).__mro__}"
    assert len(str(ours)) > 30


CONSTRUCTIONS = [
    {"dropout": 1.5},
    {"dropout": -0.1},
    {"dropout": True},
    {"dropout": "half"},
    {"hidden_size": 0},
    {"hidden_size": -1},
    {"hidden_size": 2.0},
    {"input_size": 3.0},
    {"num_layers": 0},
    {"num_layers": -1},
    {"proj_size": -1},
    {"proj_size": 5},
    {"proj_size": 9},
    {"nonlinearity": "sigmoid"},
    {"unknown": 1},
]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("wrong", CONSTRUCTIONS, ids=str)
def test_constructors_fail_with_torchs_class(family, wrong):
    options = {"input_size": 3, "hidden_size": 5, **wrong}
    theirs = error_of(lambda: THEIRS[family](**options))
    ours = error_of(lambda: OURS[family](**options))
    assert theirs is not None
    assert isinstance(ours, type(theirs)), f"torch raises {type(theirs).__name__}, we raise {ours!r}"


@pytest.mark.parametrize("family", FAMILIES)
def test_an_lstm_state_must_be_a_pair_and_the_others_a_tensor(family):
    wrong = torch.zeros(1, 2, 5) if family == "lstm" else (torch.zeros(1, 2, 5),) * 2
    with pytest.raises(ShapeError, match="hx"):
        OURS[family](3, 5)(torch.zeros(4, 2, 3), wrong)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    ("x", "make_state"),
    [
        (torch.zeros(2, 7), nothing),
        (torch.zeros(2, 2, 2, 3), nothing),
        (torch.zeros(2, 3), state(3, 5)),
        (torch.zeros(2, 3), state(2, 6)),
        (torch.zeros(2, 3, dtype=torch.float64), nothing),
    ],
)
def test_cells_fail_with_torchs_class(family, x, make_state):
    theirs = error_of(lambda: THEIR_CELLS[family](3, 5)(x, make_state(family)))
    ours = error_of(lambda: OUR_CELLS[family](3, 5)(x, make_state(family)))
    assert theirs is not None
    assert isinstance(ours, HoldfastError)
    assert isinstance(ours, type(theirs)), f"torch raises {type(theirs).__name__}, we raise {type(ours).__name__}"


X = torch.zeros(4, 2, 3)
EXTRAS = {
    "too long": ({"lengths": torch.tensor([5, 1])}, ShapeError),
    "negative": ({"lengths": torch.tensor([-1, 1])}, ShapeError),
    "too few": ({"lengths": torch.tensor([1])}, ShapeError),
    "fractions": ({"lengths": torch.tensor([1.0, 2.0])}, DtypeError),
    "resets of integers": ({"resets": torch.zeros(4, 2, dtype=torch.int64)}, DtypeError),
    "resets transposed": ({"resets": torch.zeros(2, 4, dtype=torch.bool)}, ShapeError),
}


@pytest.mark.parametrize(("extra", "error"), EXTRAS.values(), ids=EXTRAS)
@pytest.mark.parametrize("family", FAMILIES)
def test_wrong_lengths_and_resets_are_refused(family, extra, error):
    with pytest.raises(error, match=r"lengths|resets"):
        OURS[family](3, 5)(X, **extra)


@pytest.mark.parametrize("family", FAMILIES)
def test_lengths_and_resets_may_be_lists(family):
    layer, lengths, resets = OURS[family](3, 5), [4, 2], [[False, True], [True, False]] * 2
    x = torch.randn(4, 2, 3)
    as_tensors = layer(x, lengths=torch.tensor(lengths), resets=torch.tensor(resets))
    torch.testing.assert_close(layer(x, lengths=lengths, resets=resets), as_tensors, rtol=0, atol=0)


@pytest.mark.parametrize("extra", [{"lengths": torch.tensor([4, 2])}, {"resets": torch.zeros(4, 2, dtype=torch.bool)}])
def test_packed_input_takes_neither_lengths_nor_resets(extra):
    with pytest.raises(ShapeError, match=r"PackedSequence.*pad_packed_sequence"):
        holdfast.LSTM(3, 5)(pack_padded_sequence(X, [4, 2]), **extra)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"coupled": True, "forget_gate": False}, "contradicts"),
        ({"layer_norm": "batch"}, "layer_norm"),
        ({"zoneout": (1.0, 0.0)}, "zoneout_h"),
        ({"zoneout": 0.1}, "two chances"),
        ({"recurrent_dropout": -0.5}, "recurrent_dropout"),
        ({"weight_drop": 1.0}, "weight_drop"),
        ({"initial_state": "random"}, "initial_state"),
        ({"init": "xavier"}, "init"),
        ({"init": ("chrono", 5.0, 2.0)}, "chrono"),
        ({"init": ("chrono", 5.0)}, "init must be"),
        ({"init": None}, "init must be"),
        ({"init": "chrono", "bias": False}, "chrono"),
        ({"backend": "cudnn"}, "backend"),
    ],
)
def test_wrong_variants_are_refused(options, words):
    with pytest.raises(SpecError, match=words):
        holdfast.LSTM(3, 5, **options)


@pytest.mark.parametrize(
    ("make", "call", "reason"),
    [
        (lambda: holdfast.LSTM(3, 5, backend="vendor", peephole=True), {}, "plain LSTM only"),
        (lambda: holdfast.GRU(3, 5, backend="vendor"), {}, "plain LSTM only"),
        (lambda: holdfast.LSTM(3, 5, backend="vendor"), {"lengths": torch.tensor([4, 2])}, "lengths"),
        (lambda: holdfast.LSTM(3, 5, backend="vendor", dtype=torch.float64), {}, "not float64"),
        (lambda: holdfast.LSTM(3, 5, backend="cpu", device="meta"), {}, "on the CPU|compiled kernels"),
    ],
)
def test_a_forced_backend_that_cannot_says_why(make, call, reason):
    layer = make()
    with pytest.raises(BackendError, match=reason) as caught:
        layer(X.to(layer.weight_ih_l0), **call)
    assert "backend=" in str(caught.value)
    assert isinstance(caught.value, RuntimeError)
