"""The operators and the autograd Functions around them, on every backend, against the reference."""

from __future__ import annotations

import pytest
import torch

from holdfast.kernels import cpu_level, ops, vendor
from holdfast.reference.sequence import Place, run_sequence
from holdfast.spec import CellSpec
from tests.budget import assert_within_budget
from tests.cases import SHAPES, SINGLE_FLAGS, draw_call

NO_KERNELS = cpu_level.load().reason
needs_kernels = pytest.mark.skipif(NO_KERNELS is not None, reason=f"no compiled kernels: {NO_KERNELS}")
needs_onednn = pytest.mark.skipif(not vendor._AVAILABLE, reason="this PyTorch has no oneDNN")

RUNS = [  # backend, spec
    *[pytest.param("reference", spec, id=f"reference-{spec.key}") for spec in SINGLE_FLAGS.values()],
    *[
        pytest.param("cpu", spec, marks=needs_kernels, id=f"cpu-{spec.key}")
        for spec in SINGLE_FLAGS.values()
        if spec.plain and not spec.projected
    ],
    *[
        pytest.param("vendor", spec, marks=needs_onednn, id=f"vendor-{spec.key}")
        for spec in (CellSpec(), CellSpec(bias=False))
    ],
]


def operator_args(call, spec, backend, *, save=False, lengths=None, resets=None, direction=0):
    none = call.x.new_empty(0)
    extras = [none if extra is None else extra for extra in (lengths, resets, call.seed)]
    return (call.x, *extras, spec.key, backend, 0, direction, save)


def through_function(call, spec, backend, *, save=False, lengths=None, resets=None, direction=0):
    """Return a function of the flat tensors that goes through SequenceFunction on one backend."""

    def run(*tensors):
        x, *rest = tensors
        args = operator_args(call, spec, backend, save=save, lengths=lengths, resets=resets, direction=direction)
        y, h, c, _, _ = ops.SequenceFunction.apply(x, *args[1:], *rest)
        return (y, h, c) if len(spec.states) == 2 else (y, h)

    return run


def by_reference(call, spec, direction=0, **extras):
    def run(*tensors):
        x, state, params = call.split(tensors)
        result = run_sequence(x, state, params, spec, seed=call.seed, place=Place(0, direction), **extras)
        return (result.output, *result.state)

    return run


def values_and_gradients(run, call):
    inputs = [tensor.detach().requires_grad_() for tensor in call.tensors]
    outputs = run(*inputs)
    generator = torch.Generator().manual_seed(3)
    seeds = [torch.randn(out.shape, generator=generator, dtype=torch.float64).to(out.dtype) for out in outputs]
    grads = torch.autograd.grad(outputs, inputs, seeds)
    return {f"value {k}": value.detach() for k, value in enumerate((*outputs, *grads))}


@pytest.mark.parametrize("direction", [0, 1], ids=["forward", "reverse"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize(("backend", "spec"), [run for run in RUNS if run.values[0] != "reference"])
def test_values_and_gradients_are_within_budget(backend, spec, shape, direction):
    exact = draw_call(spec, shape)
    single = exact.to(torch.float32)
    exact = single.to(torch.float64)  # the same numbers
    assert_within_budget(
        values_and_gradients(through_function(single, spec, backend, save=True, direction=direction), single),
        values_and_gradients(by_reference(single, spec, direction), single),
        values_and_gradients(by_reference(exact, spec, direction), exact),
    )


@pytest.mark.parametrize("scale", [100.0, -100.0])
@pytest.mark.parametrize(("backend", "spec"), [run for run in RUNS if run.values[0] != "reference"])
def test_saturated_gates_are_within_budget(backend, spec, scale):
    single = draw_call(spec, (4, 3, 5, 17)).to(torch.float32)
    single.x.fill_(scale)
    exact = single.to(torch.float64)
    assert_within_budget(
        values_and_gradients(through_function(single, spec, backend, save=True), single),
        values_and_gradients(by_reference(single, spec), single),
        values_and_gradients(by_reference(exact, spec), exact),
    )


@pytest.mark.skipif(not vendor._BF16, reason="oneDNN has no bfloat16 on this CPU")
def test_vendor_in_bfloat16_is_within_budget():
    half = draw_call(CellSpec(), (6, 4, 16, 32)).to(torch.bfloat16)
    exact = half.to(torch.float64)
    assert_within_budget(
        values_and_gradients(through_function(half, CellSpec(), "vendor", save=True), half),
        values_and_gradients(by_reference(half, CellSpec()), half),
        values_and_gradients(by_reference(exact, CellSpec()), exact),
        factor=4.0,  # oneDNN rounds the stored gates to bfloat16; ours keeps float32 inside
    )


@pytest.mark.skipif(cpu_level.load().module is None, reason="no compiled kernels here")
@pytest.mark.parametrize("spec", [CellSpec(), CellSpec("gru"), CellSpec("rnn")], ids=lambda spec: spec.family)
def test_cpu_kernels_in_bfloat16_are_within_budget(spec):
    half = draw_call(spec, (6, 4, 16, 32)).to(torch.bfloat16)
    exact = half.to(torch.float64)
    assert_within_budget(
        values_and_gradients(through_function(half, spec, "cpu", save=True), half),
        values_and_gradients(by_reference(half, spec), half),
        values_and_gradients(by_reference(exact, spec), exact),
    )


def operator_case(backend, spec):
    dtype = torch.float64 if backend == "reference" else torch.float32
    call = draw_call(spec, (3, 2, 3, 5), dtype)
    extras = {}
    if backend == "reference":
        extras = {"lengths": torch.tensor([3, 1]), "resets": torch.tensor([[False, True]] * 3)}
    return call, extras


# Functionalisation of raw operators needs no autograd registration here: the derivative lives in the Functions.
CHECKS = ("test_schema", "test_faketensor", "test_aot_dispatch_dynamic")


@pytest.mark.parametrize(("backend", "spec"), RUNS)
def test_opcheck_of_the_forward_operator(backend, spec):
    call, extras = operator_case(backend, spec)
    args = (*operator_args(call, spec, backend, save=backend != "vendor", **extras), [*call.state, *call.params])
    torch.library.opcheck(torch.ops.holdfast.sequence_forward.default, args, test_utils=CHECKS)


# The reference's backward operator differentiates with torch.func, which opcheck's modes cannot look into; the test
# after this one calls it directly, and the compiled modules run it.
@pytest.mark.parametrize(("backend", "spec"), [run for run in RUNS if run.values[0] != "reference"])
def test_opcheck_of_the_backward_operator(backend, spec):
    call, extras = operator_case(backend, spec)
    args = operator_args(call, spec, backend, save=True, **extras)
    tensors = [*call.state, *call.params]
    outputs = torch.ops.holdfast.sequence_forward(*args, tensors)
    seeds = [torch.randn_like(out) for out in outputs[:3]]
    needs = (1 << (1 + len(tensors))) - 1
    # oneDNN scribbles in its own workspace; that a second backward gives the same is tested below.
    checks = CHECKS[1:] if backend == "vendor" else CHECKS
    backward_args = (*seeds, *args[:4], *outputs, *args[4:8], needs, tensors)
    torch.library.opcheck(torch.ops.holdfast.sequence_backward.default, backward_args, test_utils=checks)


@pytest.mark.parametrize("spec", SINGLE_FLAGS.values(), ids=SINGLE_FLAGS)
def test_backward_operator_of_the_reference_equals_autograd(spec):
    call, extras = operator_case("reference", spec)
    args = operator_args(call, spec, "reference", **extras)
    tensors = [*call.state, *call.params]
    outputs = torch.ops.holdfast.sequence_forward(*args, tensors)
    seeds = [torch.randn_like(out) for out in outputs[:3]]
    needs = (1 << (1 + len(tensors))) - 1
    found = torch.ops.holdfast.sequence_backward(*seeds, *args[:4], *outputs, *args[4:8], needs, tensors)
    inputs = [tensor.detach().requires_grad_() for tensor in call.tensors]
    values = by_reference(call, spec, **extras)(*inputs)
    expected = torch.autograd.grad(values, inputs, seeds[: len(values)], materialize_grads=True)
    torch.testing.assert_close(tuple(found), expected)


@pytest.mark.parametrize("spec", SINGLE_FLAGS.values(), ids=SINGLE_FLAGS)
def test_gradcheck_through_the_function(spec):
    call = draw_call(spec, (2, 2, 2, 3), grad=True)
    lengths, resets = torch.tensor([2, 1]), torch.tensor([[False, True], [True, False]])
    run = through_function(call, spec, "reference", lengths=lengths, resets=resets)
    assert torch.autograd.gradcheck(run, call.tensors, fast_mode=True)
    assert torch.autograd.gradgradcheck(run, call.tensors, fast_mode=True)


@pytest.mark.parametrize(("backend", "spec"), RUNS)
def test_double_backward_equals_the_reference(backend, spec):
    dtype = torch.float64 if backend == "reference" else torch.float32
    call = draw_call(spec, (3, 2, 3, 5), dtype)

    def second(run):
        inputs = [tensor.detach().requires_grad_() for tensor in call.tensors]
        loss = sum(out.square().sum() for out in run(*inputs))
        grads = torch.autograd.grad(loss, inputs, create_graph=True, materialize_grads=True)
        return torch.autograd.grad(sum(grad.square().sum() for grad in grads), inputs, materialize_grads=True)

    found = second(through_function(call, spec, backend, save=True))
    torch.testing.assert_close(found, second(by_reference(call, spec)), rtol=2e-4, atol=2e-4)


@pytest.mark.parametrize(("backend", "spec"), RUNS)
def test_backward_runs_twice_over_a_retained_graph(backend, spec):
    dtype = torch.float64 if backend == "reference" else torch.float32
    call = draw_call(spec, (7, 5, 3, 33), dtype, grad=True)
    loss = sum(out.sum() for out in through_function(call, spec, backend, save=True)(*call.tensors))
    first = torch.autograd.grad(loss, call.tensors, retain_graph=True)
    assert all(torch.equal(a, b) for a, b in zip(first, torch.autograd.grad(loss, call.tensors), strict=True))


@pytest.mark.parametrize(("backend", "spec"), RUNS)
def test_only_the_needed_gradients_come_back(backend, spec):
    dtype = torch.float64 if backend == "reference" else torch.float32
    call = draw_call(spec, (3, 2, 3, 5), dtype)
    run = through_function(call, spec, backend, save=True)
    whole = [tensor.detach().requires_grad_() for tensor in call.tensors]
    expected = torch.autograd.grad(sum(out.sum() for out in run(*whole)), whole)
    for k in range(len(call.tensors)):
        alone = [tensor.detach().requires_grad_(j == k) for j, tensor in enumerate(call.tensors)]
        (found,) = torch.autograd.grad(sum(out.sum() for out in run(*alone)), [alone[k]])
        torch.testing.assert_close(found, expected[k])


@pytest.mark.parametrize(("backend", "spec"), RUNS)
def test_outputs_share_no_memory_with_inputs(backend, spec):
    dtype = torch.float64 if backend == "reference" else torch.float32
    call = draw_call(spec, (1, 2, 3, 5), dtype)
    lengths = torch.tensor([0, 0]) if backend == "reference" else None
    args = operator_args(call, spec, backend, lengths=lengths)
    outputs = torch.ops.holdfast.sequence_forward(*args, [*call.state, *call.params])
    before = [tensor.clone() for tensor in call.tensors]
    for out in outputs:
        out.zero_()
    assert all(torch.equal(a, b) for a, b in zip(call.tensors, before, strict=True))


@pytest.mark.parametrize(("backend", "spec"), RUNS)
def test_inputs_of_any_layout_give_the_same(backend, spec):
    dtype = torch.float64 if backend == "reference" else torch.float32
    call = draw_call(spec, (4, 3, 5, 9), dtype)
    strided = [
        tensor.transpose(0, 1).contiguous().transpose(0, 1) if tensor.dim() > 1 else tensor.repeat_interleave(2)[::2]
        for tensor in call.tensors
    ]
    run = through_function(call, spec, backend)
    torch.testing.assert_close(run(*strided), run(*call.tensors))
