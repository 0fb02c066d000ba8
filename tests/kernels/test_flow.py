"""The gradients of every step: total derivatives of a loss by each h(t) and c(t), on every backend that gives them."""

from __future__ import annotations

import pytest
import torch

from holdfast.kernels.call import LayerCall
from holdfast.kernels.dispatch import CallRequest, unsupported
from holdfast.reference.packing import repack, unpack
from holdfast.reference.sequence import run_sequence
from holdfast.spec import CellSpec
from tests.cases import FAMILIES, SINGLE_FLAGS
from tests.kernels.layers import by_reference, draw_layer, inputs_of, through_function

BACKENDS = ("reference", "cpu")


def need(backend: str, call: LayerCall) -> None:
    """Skip where the backend does not run this call, with its own reason."""
    request = CallRequest(
        spec=call.spec, dtype=call.x.dtype, device=call.x.device, time=call.steps, batch=call.batch,
        input_size=call.x.shape[-1], hidden_size=call.hidden_size, directions=call.directions,
        lengths=call.lengths is not None and not call.packed, resets=call.resets is not None, packed=call.packed,
        masks=call.seed is not None, trace=False, grad=True, flow=True,
    )  # fmt: skip
    reason = unsupported(request, backend)
    if reason is not None:
        pytest.skip(f"{backend}: {reason}")


def draw_gradients(outputs):
    generator = torch.Generator().manual_seed(3)
    return [torch.randn(out.shape, generator=generator, dtype=out.dtype) for out in outputs]


def flow_of(call, backend):
    """Return what the backward pass of one backend hands to its sink, and the usual gradients."""
    found: list[list[torch.Tensor]] = []
    inputs = [tensor.detach().requires_grad_() for tensor in inputs_of(call)]
    outputs = through_function(call, backend, save=1, sink=found.append)(*inputs)
    grads = torch.autograd.grad(outputs, inputs, draw_gradients(outputs))
    assert len(found) == 1
    return found[0], grads


def zero_shifts(call):
    lead = (call.directions, *call.x.shape[:-1])
    sizes = (call.out_size, call.hidden_size)[: call.num_states]
    return [torch.zeros(*lead, size, dtype=call.wide, requires_grad=True) for size in sizes]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("spec", SINGLE_FLAGS.values(), ids=SINGLE_FLAGS)
def test_flow_is_the_gradient_of_a_shift_of_each_state(spec, backend):
    lengths, resets = torch.tensor([4, 2, 1]), torch.tensor([[False, True, False]] * 4)
    call = draw_layer(spec, (4, 3, 2, 5), directions=2, lengths=lengths, resets=resets)
    need(backend, call)
    found, grads = flow_of(call, backend)
    shifts, inputs = zero_shifts(call), [tensor.detach().requires_grad_() for tensor in inputs_of(call)]
    outputs = by_reference(call, shifts)(*inputs)
    expected = torch.autograd.grad(outputs, [*shifts, *inputs], draw_gradients(outputs))
    torch.testing.assert_close([*found, *grads], list(expected))
    assert all(not flow[:, 2:, 1].any() for flow in found), "padding has no gradient"


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    "spec",
    [*(CellSpec(family) for family in FAMILIES), CellSpec(peephole=True), CellSpec(projected=True)],
    ids=lambda spec: spec.key,
)
def test_flow_by_h_is_that_of_a_run_begun_after_the_step(spec, backend):
    call = draw_layer(spec, (5, 3, 2, 4))
    need(backend, call)
    (flow_h, *_), _ = flow_of(call, backend)
    state, params = call.states(0), call.params(0)
    whole = run_sequence(call.x, state, params, spec)
    d_y, *d_last = draw_gradients((whole.output, *[part[None] for part in whole.state]))
    for t in range(4):
        h = whole.output[t].detach().requires_grad_()
        begun = (h,) if whole.cells is None else (h, whole.cells[t])
        later = run_sequence(call.x[t + 1 :], begun, params, spec)
        loss = (d_y[t] * h).sum() + (d_y[t + 1 :] * later.output).sum()
        loss = loss + sum((d_part[0] * part).sum() for d_part, part in zip(d_last, later.state, strict=True))
        torch.testing.assert_close(flow_h[0, t], torch.autograd.grad(loss, h)[0])
    torch.testing.assert_close(flow_h[0, 4], d_y[4] + d_last[0][0])


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("spec", [CellSpec(), CellSpec(coupled=True), CellSpec(forget_gate=False)], ids=lambda s: s.key)
def test_flow_by_c_is_that_of_a_run_begun_in_the_step(spec, backend):
    call = draw_layer(spec, (5, 3, 2, 4))
    need(backend, call)
    (_, flow_c), _ = flow_of(call, backend)
    state, params = call.states(0), call.params(0)
    whole = run_sequence(call.x, state, params, spec)
    d_y, *d_last = draw_gradients((whole.output, *[part[None] for part in whole.state]))
    for t in range(4):
        c = whole.cells[t].detach().requires_grad_()
        h = whole.gates[t, :, 3] * c.tanh()  # the output gate reads c(t) too
        later = run_sequence(call.x[t + 1 :], (h, c), params, spec)
        loss = (d_y[t] * h).sum() + (d_y[t + 1 :] * later.output).sum()
        loss = loss + sum((d_part[0] * part).sum() for d_part, part in zip(d_last, later.state, strict=True))
        torch.testing.assert_close(flow_c[0, t], torch.autograd.grad(loss, c)[0])


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("rows", [None, torch.tensor([2, 0, 1])], ids=["sorted", "unsorted"])
@pytest.mark.parametrize("family", FAMILIES)
def test_packed_flow_is_the_dense_one_in_the_order_of_the_data(family, rows, backend):
    lengths = torch.tensor([4, 2, 1])
    dense = draw_layer(CellSpec(family), (4, 3, 2, 5), directions=2)
    packed = dense._replace(x=repack(dense.x, lengths, rows), lengths=lengths, rows=rows)
    own = lengths if rows is None else lengths.new_empty(3).index_copy_(0, rows, lengths)
    dense = dense._replace(x=unpack(packed.x, lengths, rows), lengths=own)
    need(backend, packed)
    found, expected = [], []
    for call, sink in ((packed, found), (dense, expected)):
        inputs = [tensor.detach().requires_grad_() for tensor in inputs_of(call)]
        y, *states = through_function(call, backend, save=1, sink=sink.append)(*inputs)
        y = y if call is packed else repack(y, lengths, rows)
        torch.autograd.grad((y, *states), inputs, draw_gradients((y, *states)))
    for flow, padded in zip(found[0], expected[0], strict=True):
        assert torch.equal(flow, torch.stack([repack(part, lengths, rows) for part in padded]))


@pytest.mark.parametrize("backend", BACKENDS)
def test_half_precision_has_a_wide_flow(backend):
    call = draw_layer(CellSpec(), (3, 2, 4, 8), torch.bfloat16)
    need(backend, call)
    found, _ = flow_of(call, backend)
    assert {flow.dtype for flow in found} == {torch.float32}


def test_a_second_derivative_passes_through_a_call_with_flow():
    call = draw_layer(CellSpec(), (3, 2, 2, 3))
    found: list[list[torch.Tensor]] = []

    def second(sink):
        inputs = [tensor.detach().requires_grad_() for tensor in inputs_of(call)]
        loss = sum(out.square().sum() for out in through_function(call, "reference", sink=sink)(*inputs))
        grads = torch.autograd.grad(loss, inputs, create_graph=True)
        return torch.autograd.grad(sum(grad.square().sum() for grad in grads), inputs)

    torch.testing.assert_close(second(found.append), second(None))
    assert not any(flow.requires_grad for flow in found[0])
