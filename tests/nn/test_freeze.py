"""A frozen layer gives the bits of the layer it was made from, in every variant and form, and refuses the rest."""

from __future__ import annotations

import copy
import io
import os
import pickle
import subprocess
import sys

import pytest
import torch
from torch.autograd import forward_ad
from torch.nn.utils.rnn import pack_padded_sequence

import holdfast
from holdfast.errors import BackendError, DtypeError, ShapeError
from holdfast.kernels import cpu, cpu_level
from tests.cases import SINGLE_FLAGS, SPECS, as_tuple, make_module

FOUND = cpu_level.load()
pytestmark = pytest.mark.skipif(FOUND.module is None, reason=f"no compiled kernels: {FOUND.reason}")

LENGTHS = torch.tensor([4, 0, 7])


def assert_same(left, right):
    """Compare two (output, state) bit for bit."""
    for mine, other in zip((left[0], *as_tuple(left[1])), (right[0], *as_tuple(right[1])), strict=True):
        assert mine.dtype == other.dtype
        assert torch.equal(mine, other)


def draw_states(layer, batch: int):
    sizes = (layer.proj_size or layer.hidden_size, layer.hidden_size)[: len(layer.spec.states)]
    count = layer.num_layers * layer.num_directions
    states = tuple(torch.randn(count, batch, size, dtype=layer.dtype) for size in sizes)
    return states if len(states) == 2 else states[0]


@pytest.mark.parametrize("key", SPECS)
def test_every_variant_gives_the_layers_bits(key):
    layer = make_module(SPECS[key], num_layers=2, bidirectional=True, backend="cpu").eval()
    frozen, x = layer.freeze(), torch.randn(7, 3, 3)
    hx = draw_states(layer, 3)
    with torch.no_grad():
        assert_same(frozen(x), layer(x))
        assert_same(frozen(x, hx, lengths=LENGTHS), layer(x, hx, lengths=LENGTHS))
        resets = torch.rand(7, 3) < 0.4
        assert_same(frozen(x, hx, resets=resets), layer(x, hx, resets=resets))


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("family", ["lstm", "gru", "rnn"])
def test_every_dtype_gives_the_layers_bits(family, dtype):
    layer = make_module(SPECS[family], num_layers=2, backend="cpu").to(dtype).eval()
    frozen, x, hx = layer.freeze(), torch.randn(7, 3, 3, dtype=dtype), draw_states(layer, 3)
    with torch.no_grad():
        assert_same(frozen(x), layer(x))
        assert_same(frozen(x, hx), layer(x, hx))


@pytest.mark.parametrize("family", ["lstm", "gru", "rnn"])
def test_every_form_of_input_comes_back_in_its_form(family):
    layer = make_module(SPECS[family], bidirectional=True, batch_first=True, backend="cpu").eval()
    frozen, x = layer.freeze(), torch.randn(3, 7, 3)
    with torch.no_grad():
        assert_same(frozen(x), layer(x))
        assert_same(frozen(x, lengths=LENGTHS.int()), layer(x, lengths=LENGTHS))
        resets = torch.rand(3, 7) < 0.4
        assert_same(frozen(x, resets=resets), layer(x, resets=resets))
        assert_same(frozen(x[0]), layer(x[0]))
        one = tuple(state[:, 0] for state in as_tuple(draw_states(layer, 1)))
        one = one if family == "lstm" else one[0]
        assert_same(frozen(x[0], one), layer(x[0], one))
        packed = pack_padded_sequence(x, torch.tensor([2, 7, 5]), batch_first=True, enforce_sorted=False)
        mine, other = frozen(packed), layer(packed)
        assert_same((mine[0].data, mine[1]), (other[0].data, other[1]))
        assert torch.equal(mine[0].batch_sizes, other[0].batch_sizes)


@pytest.mark.parametrize("key", SINGLE_FLAGS)
def test_steps_one_by_one_give_the_bits_of_the_whole(key):
    layer = make_module(SPECS[key], num_layers=2)
    frozen, x, state = layer.freeze(), torch.randn(7, 3, 3), None
    whole, last = frozen(x)
    for t in range(7):
        y, state = frozen(x[t : t + 1], state)
        assert torch.equal(y[0], whole[t])
    assert_same((y, state), (whole[-1:], last))


def test_a_layer_in_train_mode_freezes_as_in_evaluation():
    layer = holdfast.LSTM(3, 5, 2, dropout=0.5, zoneout=(0.3, 0.2), recurrent_dropout=0.4, weight_drop=0.5)
    frozen, x = layer.freeze(), torch.randn(7, 3, 3)
    before = torch.get_rng_state()
    y = frozen.train()(x)
    assert torch.equal(before, torch.get_rng_state())
    layer.backend = "cpu"
    with torch.no_grad():
        assert_same(y, layer.eval()(x))


def test_weights_are_copied():
    layer = holdfast.LSTM(3, 5, layer_norm="ba2016", peephole=True, initial_state="learned")
    frozen, x = layer.freeze(), torch.randn(7, 3, 3)
    before = frozen(x)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.fill_(torch.nan)
    assert_same(frozen(x), before)
    assert not list(frozen.parameters())


def test_parametrized_weights_freeze_as_they_are_computed():
    layer = torch.nn.utils.parametrizations.weight_norm(holdfast.LSTM(3, 5, backend="cpu"), "weight_hh_l0")
    frozen, x = layer.freeze(), torch.randn(7, 3, 3)
    with torch.no_grad():
        assert_same(frozen(x), layer(x))


def test_results_of_one_call_are_not_those_of_the_next():
    frozen, x = holdfast.LSTM(3, 5, initial_state="learned").freeze(), torch.randn(7, 3, 3)
    y, (h, c) = frozen(x)
    kept = [tensor.clone() for tensor in (y, h, c)]
    frozen(torch.randn(7, 3, 3))
    frozen(torch.randn(7, 2, 3))
    assert all(torch.equal(now, then) for now, then in zip((y, h, c), kept, strict=True))
    h.zero_()
    assert_same(frozen(x), (kept[0], (kept[1], kept[2])))


def test_an_empty_batch_comes_back_empty():
    y, (h, c) = holdfast.LSTM(3, 5).freeze()(torch.randn(7, 0, 3))
    assert y.shape == (7, 0, 5)
    assert h.shape == c.shape == (1, 0, 5)


def test_memory_in_any_order_is_read_right():
    layer = holdfast.LSTM(3, 5, backend="cpu").eval()
    frozen = layer.freeze()
    z = torch.randn(7, 2, 3, dtype=torch.complex64)
    hx = tuple(torch.randn(5, 2, 1).permute(2, 1, 0) for _ in range(2))
    with torch.no_grad():
        assert_same(frozen(z.conj().imag, hx), layer(-z.imag, tuple(state.clone() for state in hx)))
        assert_same(frozen(torch._neg_view(z.imag.contiguous())), layer(-z.imag))


@pytest.mark.parametrize("threads", [2, 7])
def test_threads_change_no_bit(threads):
    frozen, x = holdfast.LSTM(5, 40, bidirectional=True).freeze(), torch.randn(6, 9, 5)
    one = frozen(x)
    before = torch.get_num_threads()
    FOUND.module.set_split_from(0.0)
    torch.set_num_threads(threads)
    try:
        assert_same(frozen(x), one)
    finally:
        FOUND.module.set_split_from(1.5e6)
        torch.set_num_threads(before)


def test_autocast_rounds_the_results_alone():
    frozen, x = holdfast.LSTM(3, 5).freeze(), torch.randn(7, 3, 3)
    y, (h, c) = frozen(x)
    with torch.autocast("cpu", torch.bfloat16):
        rounded = frozen(x)
        from_half = frozen(x.bfloat16())
    assert_same(rounded, (y.bfloat16(), (h.bfloat16(), c.bfloat16())))
    assert_same(from_half, tree_bfloat16(frozen(x.bfloat16().float())))


def tree_bfloat16(result):
    return result[0].bfloat16(), tuple(state.bfloat16() for state in result[1])


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:DeprecationWarning")  # torch's own forward mode
def test_a_gradient_that_would_be_lost_is_refused():
    frozen, x = holdfast.LSTM(3, 5).freeze(), torch.randn(7, 3, 3, requires_grad=True)
    with pytest.raises(BackendError, match=r"no gradients.*no_grad"):
        frozen(x)
    with pytest.raises(BackendError, match="no gradients"):
        frozen(x.detach(), (torch.zeros(1, 3, 5, requires_grad=True), torch.zeros(1, 3, 5)))
    with torch.no_grad():
        assert not frozen(x)[0].requires_grad
    with forward_ad.dual_level():
        assert_same(frozen(x.detach()), frozen(x.detach()))
        with pytest.raises(BackendError, match="no gradients"), torch.no_grad():
            frozen(forward_ad.make_dual(x.detach(), torch.ones(7, 3, 3)))


def test_other_devices_and_dtypes_are_refused():
    with pytest.raises(BackendError, match=r"freeze\(\).*on the CPU, got meta"):
        holdfast.LSTM(3, 5, device="meta").freeze()
    with pytest.raises(BackendError, match="at least one feature"):
        torch.nn.utils.skip_init(holdfast.LSTM, 0, 5).freeze()
    frozen = holdfast.LSTM(3, 5).freeze()
    with pytest.raises(BackendError, match="runs on the CPU, got a tensor on meta"):
        frozen(torch.zeros(7, 3, 3, device="meta"))
    with pytest.raises(BackendError, match="runs on the CPU"):
        frozen(torch.zeros(7, 3, 3), tuple(torch.zeros(1, 3, 5, device="meta") for _ in range(2)))
    with pytest.raises(DtypeError, match="does not match weight dtype"):
        frozen(torch.zeros(7, 3, 3, dtype=torch.float64))


def test_arguments_are_checked_as_the_layer_checks_them():
    frozen = holdfast.LSTM(3, 5).freeze()
    with pytest.raises(ShapeError, match="LSTM expects 3 features"):
        frozen(torch.zeros(7, 3, 4))
    with pytest.raises(ShapeError, match="Expected hidden state h_0"):
        frozen(torch.zeros(7, 3, 3), (torch.zeros(1, 2, 5), torch.zeros(1, 3, 5)))
    with pytest.raises(ShapeError, match="lengths must lie in"):
        frozen(torch.zeros(7, 3, 3), lengths=torch.tensor([1, 8, 2]))


def test_without_compiled_kernels_the_reason_is_given():
    script = (
        "import holdfast\n"
        "try:\n    holdfast.LSTM(3, 5).freeze()\n"
        "except holdfast.BackendError as error:\n    print(error)\n"
    )
    environment = {**os.environ, cpu_level.VARIABLE: "none"}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=120)
    assert "freeze() runs on the cpu kernels alone" in done.stdout, done.stderr
    assert "turns the compiled kernels off" in done.stdout


def test_saving_is_refused_and_a_copy_is_the_object_itself():
    frozen = holdfast.LSTM(3, 5).freeze()
    model = torch.nn.Sequential(frozen)
    assert copy.deepcopy(model)[0] is copy.copy(frozen) is frozen
    for save in (pickle.dumps, lambda it: torch.save(it, io.BytesIO()), lambda it: it.state_dict()):
        with pytest.raises(BackendError, match=r"cannot be saved.*freeze\(\) again"):
            save(model)


def test_a_compiled_model_runs_it_outside_the_graph():
    layer = holdfast.LSTM(3, 5, backend="cpu").eval()
    frozen, x = layer.freeze(), torch.randn(7, 3, 3)

    def model(x):
        y, state = frozen(x * 2)
        return y + 1, state

    torch.compiler.reset()
    assert_same(torch.compile(model, backend="eager")(x), model(x))
    torch.compiler.reset()
    with pytest.raises(torch._dynamo.exc.Unsupported):
        torch.compile(model, backend="eager", fullgraph=True)(x)


def test_the_places_that_a_call_fills_in_are_those_of_the_kernels():
    names: list[str] = []
    for name in FOUND.module.CALL_FIELDS.split():
        count = {"params": 2 * FOUND.module.NUM_PARAMETERS, "frozen": 2}.get(name, 1)
        names += [name] * count
    assert len(cpu.PARAMETERS) == FOUND.module.NUM_PARAMETERS
    assert names[cpu._STEPS : cpu._STEPS + 2] == ["T", "B"]
    assert names[cpu._POSITIONS] == "N"
    filled = ["packed", "x", "lengths", "rows", "resets", "seed", "h0", "c0"]
    assert names[cpu._PACKED : cpu._PARAMETERS_FROM] == filled
    assert names.index("params") == cpu._PARAMETERS_FROM
    assert names[cpu._OUTPUTS - 2 :] == ["frozen", "frozen", "y", "h_n", "c_n", "gates", "cells", "rest"]
