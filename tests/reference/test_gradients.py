"""gradcheck and gradgradcheck of the reference, for every flag and every legal pair of flags."""

from __future__ import annotations

import pytest
import torch

from holdfast.reference.sequence import Place, run_sequence
from tests.cases import SINGLE_FLAGS, SPECS, draw_call

SHAPE = (2, 2, 2, 3)


def as_function(call, spec, **extras):
    def run(*tensors):
        x, state, params = call.split(tensors)
        result = run_sequence(x, state, params, spec, seed=call.seed, **extras)
        cells = () if result.cells is None else (result.cells,)
        return (result.output, *result.state, result.gates, *cells)

    return run


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_first_and_second_derivatives_are_right(spec):
    call = draw_call(spec, SHAPE, grad=True)
    run = as_function(call, spec)
    assert torch.autograd.gradcheck(run, call.tensors, fast_mode=True)
    assert torch.autograd.gradgradcheck(run, call.tensors, fast_mode=True)


@pytest.mark.parametrize("spec", SINGLE_FLAGS.values(), ids=SINGLE_FLAGS)
def test_every_entry_is_right_with_lengths_resets_and_reversal(spec):
    call = draw_call(spec, (3, 2, 2, 3), grad=True)
    lengths = torch.tensor([3, 1])
    resets = torch.tensor([[False, True], [False, False], [True, False]])
    run = as_function(call, spec, lengths=lengths, resets=resets, place=Place(0, 1))
    assert torch.autograd.gradcheck(run, call.tensors)


@pytest.mark.parametrize("spec", [spec for spec in SINGLE_FLAGS.values() if spec.needs_masks], ids=lambda s: s.key)
def test_evaluation_is_differentiable_too(spec):
    call = draw_call(spec, SHAPE, grad=True)
    call.seed = None
    assert torch.autograd.gradcheck(as_function(call, spec), call.tensors, fast_mode=True)


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_every_tensor_gets_a_gradient(spec):
    call = draw_call(spec, (3, 2, 2, 3), grad=True)
    resets = torch.tensor([[False, False], [True, False], [False, False]])  # so that a learned start is read
    x, state, params = call.split(call.tensors)
    result = run_sequence(x, state, params, spec, seed=call.seed, resets=resets)
    grads = torch.autograd.grad(result.output.square().sum(), call.tensors)
    assert all(grad.abs().sum() > 0 for grad in grads)
