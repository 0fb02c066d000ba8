"""Packed sequences go to the kernels as they are: the same numbers as padding with lengths, and as one row alone."""

from __future__ import annotations

import pytest
import torch
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence

import holdfast
from holdfast.errors import BackendError
from tests.cases import FAMILIES, OURS, SINGLE_FLAGS, as_tuple, make_module

BACKENDS = ("reference", "cpu")
LENGTHS = [3, 7, 1, 5]
STACKS = {"one layer": {}, "two ways two layers": {"bidirectional": True, "num_layers": 2}}


def pack(x, enforce_sorted=False):
    return pack_padded_sequence(x, torch.tensor(LENGTHS), enforce_sorted=enforce_sorted)


def run(module, x, hx=None, **call):
    """Return outputs and gradients of a training call; those of a packed one in the layout of its data."""
    torch.manual_seed(5)
    module.zero_grad()
    x = x.detach().requires_grad_()
    given = pack(x) if not call else x
    try:
        y, state = module(given, hx, **call)
    except BackendError as error:
        pytest.skip(str(error))
    y = y.data if isinstance(y, PackedSequence) else pack(y).data
    (y.sin().sum() + sum(part.square().sum() for part in as_tuple(state))).backward()
    return [y, *as_tuple(state), x.grad, *(parameter.grad.clone() for parameter in module.parameters())]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("stack", STACKS.values(), ids=STACKS)
@pytest.mark.parametrize("spec", SINGLE_FLAGS.values(), ids=SINGLE_FLAGS)
def test_packed_equals_lengths_to_the_bit(spec, stack, backend):
    """While training as well: a mask belongs to the caller's row, wherever that row stands in the data."""
    module = make_module(spec, backend=backend, **stack)
    x = torch.randn(7, 4, 3)
    for found, expected in zip(run(module, x), run(module, x, lengths=torch.tensor(LENGTHS)), strict=True):
        assert torch.equal(found, expected)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("family", FAMILIES)
def test_given_states_stand_in_the_callers_order(family, backend):
    module = OURS[family](3, 5, bidirectional=True, backend=backend)
    x, h, c = torch.randn(7, 4, 3), torch.randn(2, 4, 5), torch.randn(2, 4, 5)
    hx = (h, c) if family == "lstm" else h
    packed, padded = run(module, x, hx), run(module, x, hx, lengths=torch.tensor(LENGTHS))
    assert all(torch.equal(found, expected) for found, expected in zip(packed, padded, strict=True))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("spec", SINGLE_FLAGS.values(), ids=SINGLE_FLAGS)
def test_packed_equals_each_row_alone(spec, backend):
    module = make_module(spec, backend=backend, bidirectional=True).eval()
    x = torch.randn(7, 4, 3)
    try:
        y, state = module(pack(x))
    except BackendError as error:
        pytest.skip(str(error))
    padded = torch.nn.utils.rnn.pad_packed_sequence(y)[0]
    for row, length in enumerate(LENGTHS):
        alone, last = module(x[:length, row])
        pairs = [(padded[:length, row], alone)]
        pairs += [(part[:, row], own) for part, own in zip(as_tuple(state), as_tuple(last), strict=True)]
        for found, expected in pairs:
            if backend == "cpu":  # its order of summation is fixed
                assert torch.equal(found, expected)
            torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_layout_of_a_packed_sequence_is_read(family):
    module = OURS[family](3, 5, dtype=torch.float64)
    order = torch.tensor(LENGTHS).argsort(descending=True)
    x = torch.randn(7, 4, 3, dtype=torch.float64)[:, order]
    lengths = torch.tensor(LENGTHS)[order]
    plain = pack_padded_sequence(x, lengths)  # sorted already: no indices at all
    ours, state = module(plain)
    padded, same = module(x, lengths=lengths)
    torch.testing.assert_close(torch.nn.utils.rnn.pad_packed_sequence(ours)[0], padded)
    torch.testing.assert_close(as_tuple(state), as_tuple(same))
    bare, _ = module(PackedSequence(plain.data, plain.batch_sizes))
    assert torch.equal(bare.data, ours.data)


def test_dropout_between_layers_acts_on_the_data():
    module = holdfast.LSTM(3, 5, num_layers=2, dropout=0.5)
    torch.manual_seed(1)
    packed, _ = module(pack(torch.ones(7, 4, 3)))
    torch.manual_seed(1)
    again, _ = module(pack(torch.ones(7, 4, 3)))
    assert packed.data.shape == (sum(LENGTHS), 5)
    assert torch.equal(packed.data, again.data)
    assert not torch.equal(packed.data, module.eval()(pack(torch.ones(7, 4, 3)))[0].data)


def test_functional_transforms_run_over_packed_data():
    module = holdfast.LSTM(3, 5, bidirectional=True, dtype=torch.float64)
    template = pack(torch.zeros(7, 4, 3, dtype=torch.float64))

    def loss(data):
        return module(PackedSequence(data, *template[1:]))[0].data.sin().sum()

    data = torch.randn(2, *template.data.shape, dtype=torch.float64)
    found = torch.func.vmap(torch.func.grad(loss))(data)
    for one, gradient in zip(data, found, strict=True):
        leaf = one.clone().requires_grad_()
        torch.testing.assert_close(torch.autograd.grad(loss(leaf), leaf)[0], gradient)
    leaf = data[0].clone().requires_grad_()
    assert torch.autograd.gradgradcheck(loss, leaf, fast_mode=True)
