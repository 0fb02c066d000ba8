"""The operators and the autograd Functions around them, on every backend, against the reference."""

from __future__ import annotations

import pytest
import torch

from holdfast.kernels import cpu_level, vendor
from holdfast.spec import CellSpec
from tests.budget import assert_within_budget
from tests.cases import SHAPES, SINGLE_FLAGS
from tests.kernels.layers import (
    by_reference,
    draw_layer,
    inputs_of,
    operator_args,
    through_function,
    to_dtype,
    values_and_gradients,
)

NO_KERNELS = cpu_level.load().reason
needs_kernels = pytest.mark.skipif(NO_KERNELS is not None, reason=f"no compiled kernels: {NO_KERNELS}")
needs_onednn = pytest.mark.skipif(not vendor._AVAILABLE, reason="this PyTorch has no oneDNN")

RUNS = [  # backend, spec
    *[pytest.param("reference", spec, id=f"reference-{spec.key}") for spec in SINGLE_FLAGS.values()],
    *[pytest.param("cpu", spec, marks=needs_kernels, id=f"cpu-{spec.key}") for spec in SINGLE_FLAGS.values()],
    *[
        pytest.param("vendor", spec, marks=needs_onednn, id=f"vendor-{spec.key}")
        for spec in (CellSpec(), CellSpec(bias=False))
    ],
]
VENDOR = [run for run in RUNS if run.values[0] == "vendor"]  # test_cpu_results.py has as much and more of `cpu`


@pytest.mark.parametrize("directions", [1, 2], ids=["forward", "both"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize(("backend", "spec"), VENDOR)
def test_values_and_gradients_are_within_budget(backend, spec, shape, directions):
    single = draw_layer(spec, shape, torch.float32, directions=directions)
    exact = to_dtype(single, torch.float64)  # the same numbers
    assert_within_budget(
        values_and_gradients(through_function(single, backend, save=1), single),
        values_and_gradients(by_reference(single), single),
        values_and_gradients(by_reference(exact), exact),
    )


@pytest.mark.parametrize("scale", [100.0, -100.0])
@pytest.mark.parametrize(("backend", "spec"), VENDOR)
def test_saturated_gates_are_within_budget(backend, spec, scale):
    single = draw_layer(spec, (4, 3, 5, 17), torch.float32)
    single.x.fill_(scale)
    exact = to_dtype(single, torch.float64)
    assert_within_budget(
        values_and_gradients(through_function(single, backend, save=1), single),
        values_and_gradients(by_reference(single), single),
        values_and_gradients(by_reference(exact), exact),
    )


@pytest.mark.skipif(not vendor._BF16, reason="oneDNN has no bfloat16 on this CPU")
def test_vendor_in_bfloat16_is_within_budget():
    half = draw_layer(CellSpec(), (6, 4, 16, 32), torch.bfloat16)
    exact = to_dtype(half, torch.float64)
    assert_within_budget(
        values_and_gradients(through_function(half, "vendor", save=1), half),
        values_and_gradients(by_reference(half), half),
        values_and_gradients(by_reference(exact), exact),
        factor=4.0,  # oneDNN rounds the stored gates to bfloat16; ours keeps float32 inside
    )


def dtype_of(backend):
    return torch.float32 if backend == "vendor" else torch.float64


def operator_case(backend, spec, directions=2):
    extras = {}
    if backend != "vendor":
        extras = {"lengths": torch.tensor([3, 1]), "resets": torch.tensor([[False, True]] * 3)}
    return draw_layer(spec, (3, 2, 3, 5), dtype_of(backend), directions=directions, **extras)


def run_operators(call, backend):
    """Run both operators for every gradient; returns the output gradients used, and the backward's arguments."""
    args = operator_args(call, backend, save=0 if backend == "reference" else 1)
    outputs = torch.ops.holdfast.sequence_forward(*args, list(call.tensors))
    seeds = [torch.randn_like(out) for out in outputs[:3]]
    needs = (1 << (1 + len(call.tensors))) - 1
    return seeds, (*seeds, *args[:5], *outputs, *args[5:9], needs, list(call.tensors))


# Functionalisation of raw operators needs no autograd registration here: the derivative lives in the Functions.
CHECKS = ("test_schema", "test_faketensor", "test_aot_dispatch_dynamic")


@pytest.mark.parametrize(("backend", "spec"), RUNS)
def test_opcheck_of_the_forward_operator(backend, spec):
    call = operator_case(backend, spec)
    operator = torch.ops.holdfast.sequence_forward.default
    for save in {"reference": (2,), "cpu": (0, 2), "vendor": (0,)}[backend]:
        args = (*operator_args(call, backend, save), list(call.tensors))
        # `cpu` leaves some of its workspace unwritten, NaN here, and that is not equal to itself when it is compared.
        torch.library.opcheck(operator, args, test_utils=CHECKS[:2] if save and backend == "cpu" else CHECKS)


# The reference's backward operator differentiates with torch.func, which opcheck's modes cannot look into; the test
# after this one calls it directly, and the compiled modules run it.
@pytest.mark.parametrize(("backend", "spec"), [run for run in RUNS if run.values[0] != "reference"])
def test_opcheck_of_the_backward_operator(backend, spec):
    _, args = run_operators(operator_case(backend, spec), backend)
    # oneDNN scribbles in its own workspace; that a second backward gives the same is tested below.
    checks = CHECKS[1:] if backend == "vendor" else CHECKS
    torch.library.opcheck(torch.ops.holdfast.sequence_backward.default, args, test_utils=checks)


@pytest.mark.parametrize("spec", SINGLE_FLAGS.values(), ids=SINGLE_FLAGS)
def test_backward_operator_of_the_reference_equals_autograd(spec):
    call = operator_case("reference", spec)
    seeds, args = run_operators(call, "reference")
    found = torch.ops.holdfast.sequence_backward(*args)
    inputs = [tensor.detach().requires_grad_() for tensor in inputs_of(call)]
    values = by_reference(call)(*inputs)
    expected = torch.autograd.grad(values, inputs, seeds[: len(values)], materialize_grads=True)
    torch.testing.assert_close(tuple(found), expected)


@pytest.mark.parametrize("spec", SINGLE_FLAGS.values(), ids=SINGLE_FLAGS)
def test_gradcheck_through_the_function(spec):
    lengths, resets = torch.tensor([2, 1]), torch.tensor([[False, True], [True, False]])
    call = draw_layer(spec, (2, 2, 2, 3), grad=True, lengths=lengths, resets=resets)
    run = through_function(call, "reference")
    assert torch.autograd.gradcheck(run, inputs_of(call), fast_mode=True)
    assert torch.autograd.gradgradcheck(run, inputs_of(call), fast_mode=True)


@pytest.mark.parametrize(("backend", "spec"), RUNS)
def test_double_backward_equals_the_reference(backend, spec):
    call = draw_layer(spec, (3, 2, 3, 5), dtype_of(backend), directions=2)

    def second(run):
        inputs = [tensor.detach().requires_grad_() for tensor in inputs_of(call)]
        loss = sum(out.square().sum() for out in run(*inputs))
        grads = torch.autograd.grad(loss, inputs, create_graph=True, materialize_grads=True)
        return torch.autograd.grad(sum(grad.square().sum() for grad in grads), inputs, materialize_grads=True)

    found = second(through_function(call, backend, save=1))
    tolerance = 2e-4 if dtype_of(backend) == torch.float32 else 1e-9
    torch.testing.assert_close(found, second(by_reference(call)), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(("backend", "spec"), RUNS)
def test_backward_runs_twice_over_a_retained_graph(backend, spec):
    call = draw_layer(spec, (7, 5, 3, 33), dtype_of(backend), directions=2, grad=True)
    inputs = inputs_of(call)
    loss = sum(out.sum() for out in through_function(call, backend, save=1)(*inputs))
    first = torch.autograd.grad(loss, inputs, retain_graph=True)
    assert all(torch.equal(a, b) for a, b in zip(first, torch.autograd.grad(loss, inputs), strict=True))


@pytest.mark.parametrize(("backend", "spec"), RUNS)
def test_only_the_needed_gradients_come_back(backend, spec):
    call = draw_layer(spec, (3, 2, 3, 5), dtype_of(backend), directions=2)
    run, inputs = through_function(call, backend, save=1), inputs_of(call)
    whole = [tensor.detach().requires_grad_() for tensor in inputs]
    expected = torch.autograd.grad(sum(out.sum() for out in run(*whole)), whole)
    for k in range(len(inputs)):
        alone = [tensor.detach().requires_grad_(j == k) for j, tensor in enumerate(inputs)]
        (found,) = torch.autograd.grad(sum(out.sum() for out in run(*alone)), [alone[k]])
        torch.testing.assert_close(found, expected[k])


@pytest.mark.parametrize("directions", [1, 2])
@pytest.mark.parametrize(("backend", "spec"), RUNS)
def test_outputs_share_no_memory_with_inputs(backend, spec, directions):
    lengths = None if backend == "vendor" else torch.tensor([0, 0])
    call = draw_layer(spec, (1, 2, 3, 5), dtype_of(backend), directions=directions, lengths=lengths)
    outputs = torch.ops.holdfast.sequence_forward(*operator_args(call, backend, save=1), list(call.tensors))
    before = [tensor.clone() for tensor in inputs_of(call)]
    for out in outputs:
        out.zero_()
    assert all(torch.equal(a, b) for a, b in zip(inputs_of(call), before, strict=True))
    filled = [out.untyped_storage().data_ptr() for out in outputs if out.numel()]
    assert len(set(filled)) == len(filled)


@pytest.mark.parametrize(("backend", "spec"), RUNS)
def test_inputs_of_any_layout_give_the_same(backend, spec):
    call = draw_layer(spec, (4, 3, 5, 9), dtype_of(backend), directions=2)
    strided = [
        tensor.transpose(0, 1).contiguous().transpose(0, 1) if tensor.dim() > 1 else tensor.repeat_interleave(2)[::2]
        for tensor in inputs_of(call)
    ]
    run = through_function(call, backend)
    torch.testing.assert_close(run(*strided), run(*inputs_of(call)))
