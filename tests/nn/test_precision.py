"""Half precision, autocast and the meta device, for every variant."""

from __future__ import annotations

import pytest
import torch

import holdfast
from holdfast.errors import DtypeError
from tests.cases import FAMILIES, OUR_CELLS, OURS, SINGLE_FLAGS, make_module


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=["bfloat16", "float16"])
@pytest.mark.parametrize("spec", SINGLE_FLAGS.values(), ids=SINGLE_FLAGS)
def test_half_precision_stays_near_float64(spec, dtype):
    half = make_module(spec, dtype=dtype, num_layers=2, bidirectional=True).eval()
    exact = make_module(spec, dtype=torch.float64, num_layers=2, bidirectional=True).eval()
    exact.load_state_dict(half.state_dict())
    x = torch.randn(5, 2, half.input_size).to(dtype)
    y = half(x)[0]
    assert y.dtype == dtype
    torch.testing.assert_close(y.double(), exact(x.double())[0], atol=0.05, rtol=0.05)
    y.float().sum().backward()
    assert all(p.grad.isfinite().all() for p in half.parameters() if p.grad is not None)


@pytest.mark.parametrize("spec", SINGLE_FLAGS.values(), ids=SINGLE_FLAGS)
def test_autocast_gives_bfloat16_and_float32_gradients(spec):
    module = make_module(spec, num_layers=2)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y, state = module(torch.randn(5, 2, module.input_size))
    states = state if isinstance(state, tuple) else (state,)
    assert {tensor.dtype for tensor in (y, *states)} == {torch.bfloat16}
    y.float().sum().backward()
    grads = [p.grad for p in module.parameters() if p.grad is not None]
    assert grads
    assert all(grad.dtype == torch.float32 and grad.isfinite().all() for grad in grads)


@pytest.mark.parametrize("kinds", [OURS, OUR_CELLS], ids=["layer", "cell"])
@pytest.mark.parametrize("family", FAMILIES)
def test_autocast_takes_no_integers(family, kinds):
    with torch.autocast("cpu", dtype=torch.bfloat16), pytest.raises(DtypeError, match="int64"):
        kinds[family](3, 5)(torch.ones(2, 3, dtype=torch.int64))


@pytest.mark.parametrize("family", FAMILIES)
def test_the_meta_device_gives_shapes(family):
    layer = OURS[family](3, 5, num_layers=2, bidirectional=True, device="meta")
    x = torch.zeros(4, 2, 3, device="meta")
    assert layer(x)[0].shape == (4, 2, 10)
    assert layer(x, lengths=torch.tensor([4, 1], device="meta"))[0].shape == (4, 2, 10)
    h = OUR_CELLS[family](3, 5, device="meta")(x[0])
    assert (h[0] if isinstance(h, tuple) else h).shape == (2, 5)


@pytest.mark.parametrize("backend", ["auto", "reference"])
def test_cell_state_is_float32_inside_autocast(backend):
    """A thousand updates of 0.002 reach 2; a c that is rounded to bfloat16 at each step stops at 1."""
    lstm = holdfast.LSTM(4, 8, backend=backend)
    with torch.no_grad():
        for parameter in lstm.parameters():
            parameter.zero_()
        lstm.bias_ih_l0[:16] = 20.0  # both the input and the forget gate open
        lstm.bias_ih_l0[16:24] = 0.002
    with torch.autocast("cpu", dtype=torch.bfloat16):
        c_n = lstm(torch.zeros(1000, 2, 4))[1][1]
    torch.testing.assert_close(c_n.float(), torch.full_like(c_n, 2.0).float(), rtol=0.01, atol=0)
