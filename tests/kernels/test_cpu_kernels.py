"""The compiled sweeps against torch.nn in float64: outputs, states, and every gradient."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch

from holdfast.kernels import cpu, cpu_level
from holdfast.spec import CellSpec
from tests.budget import assert_within_budget

FOUND = cpu_level.load()
pytestmark = pytest.mark.skipif(FOUND.module is None, reason=f"no compiled kernels: {FOUND.reason}")

SPECS = {
    "lstm": CellSpec(),
    "lstm without bias": CellSpec(bias=False),
    "gru": CellSpec(family="gru"),
    "gru without bias": CellSpec(family="gru", bias=False),
    "rnn": CellSpec(family="rnn"),
    "rnn relu": CellSpec(family="rnn", nonlinearity="relu"),
}
SIZES = [  # T, B, I, H
    (1, 1, 1, 1),
    (1, 3, 7, 65),
    (2, 17, 1, 7),
    (4, 6, 63, 63),
    (5, 1, 65, 130),
    (9, 13, 7, 65),
    (3, 8, 130, 33),
]


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.manual_seed(0)
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def torch_module(spec, input_size, hidden, dtype):
    kinds = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU, "rnn": torch.nn.RNN}
    options = {"nonlinearity": spec.nonlinearity} if spec.family == "rnn" else {}
    return kinds[spec.family](input_size, hidden, bias=spec.bias, dtype=dtype, **options)


def draw(spec, steps, batch, input_size, hidden):
    params = tuple(p.detach() for p in torch_module(spec, input_size, hidden, torch.float32).parameters())
    x = torch.randn(steps, batch, input_size)
    state = tuple(torch.randn(batch, hidden) for _ in spec.states)
    d_y = torch.randn(steps, batch, hidden)
    d_state = tuple(torch.randn(batch, hidden) for _ in spec.states)
    return x, state, params, d_y, d_state


def names(spec):
    params = ["weight_ih", "weight_hh", *(["bias_ih", "bias_hh"] if spec.bias else [])]
    return ["y", *(f"{s}_n" for s in spec.states), *(f"d_{n}" for n in ["x", *spec.states, *params])]


def run_torch(spec, x, state, params, d_y, d_state, reverse, dtype):
    module = torch_module(spec, x.shape[2], params[1].shape[1], dtype)
    with torch.no_grad():
        for own, given in zip(module.parameters(), params, strict=True):
            own.copy_(given)
    x = x.to(dtype).requires_grad_()
    state = tuple(s.to(dtype).requires_grad_() for s in state)
    packed = tuple(s[None] for s in state) if spec.family == "lstm" else state[0][None]
    y, final = module(x.flip(0) if reverse else x, packed)
    y = y.flip(0) if reverse else y
    final = tuple(s[0] for s in (final if spec.family == "lstm" else (final,)))
    grads = torch.autograd.grad([y, *final], [x, *state, *module.parameters()], [g.to(dtype) for g in (d_y, *d_state)])
    return dict(zip(names(spec), (y.detach(), *(s.detach() for s in final), *grads), strict=True))


def run_cpu(spec, x, state, params, d_y, d_state, reverse):
    y, final, saved = cpu._forward_direction(x, state, params, spec, reverse=reverse, save=True)
    needs = [True] * (1 + len(state) + len(params))
    d_x, d_states, d_params = cpu._backward_direction(
        d_y, d_state, x, state, params, y, saved, spec, reverse=reverse, needs=needs
    )
    return dict(zip(names(spec), (y, *final, d_x, *d_states, *d_params), strict=True))


@pytest.mark.parametrize("reverse", [False, True], ids=["forward", "reverse"])
@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_results_and_gradients_equal_float64(spec, size, reverse):
    call = draw(spec, *size)
    assert_within_budget(
        run_cpu(spec, *call, reverse),
        run_torch(spec, *call, reverse, torch.float32),
        run_torch(spec, *call, reverse, torch.float64),
    )


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_saving_changes_no_bit(spec):
    x, state, params, _, _ = draw(spec, 4, 5, 9, 33)
    y, final, saved = cpu._forward_direction(x, state, params, spec, reverse=False, save=True)
    y_only, final_only, nothing = cpu._forward_direction(x, state, params, spec, reverse=False, save=False)
    assert nothing == ()
    assert saved[0].shape == (4, 5, len(spec.gates), 33)
    assert torch.equal(y, y_only)
    assert all(torch.equal(a, b) for a, b in zip(final, final_only, strict=True))


@pytest.mark.parametrize("spec", [SPECS["lstm"], SPECS["gru"], SPECS["rnn"]], ids=["lstm", "gru", "rnn"])
def test_threads_change_no_bit(spec):
    call = draw(spec, 40, 17, 16, 96)  # large enough to be split
    one = run_cpu(spec, *call, False)
    torch.set_num_threads(2)
    two = run_cpu(spec, *call, False)
    for name in ("y", "h_n", "d_h"):
        assert torch.equal(one[name], two[name]), name


@pytest.mark.parametrize("scale", [100.0, -100.0])
@pytest.mark.parametrize("spec", [SPECS["lstm"], SPECS["gru"], SPECS["rnn"]], ids=["lstm", "gru", "rnn"])
def test_saturated_gates_stay_right(spec, scale):
    x, state, params, d_y, d_state = draw(spec, 3, 4, 5, 17)
    params = (torch.full_like(params[0], scale), *params[1:])
    call = (torch.ones_like(x), state, params, d_y, d_state)
    actual = run_cpu(spec, *call, False)
    assert all(value.isfinite().all() for value in actual.values())
    assert_within_budget(
        actual, run_torch(spec, *call, False, torch.float32), run_torch(spec, *call, False, torch.float64)
    )


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_nan_in_one_row_stays_in_that_row(spec):
    x, state, params, _, _ = draw(spec, 4, 7, 3, 17)
    x[1, 2] = float("nan")
    y, final, _ = cpu._forward_direction(x, state, params, spec, reverse=False, save=False)
    assert y[1:, 2].isnan().all()
    assert final[0][2].isnan().all()
    clean = [row for row in range(7) if row != 2]
    assert y[:, clean].isfinite().all()


def test_only_what_is_needed_comes_back():
    spec = CellSpec()
    x, state, params, d_y, _ = draw(spec, 3, 2, 5, 9)
    y, _, saved = cpu._forward_direction(x, state, params, spec, reverse=False, save=True)
    needs = [False, True, False, False, True, False, True]
    d_x, d_state, d_params = cpu._backward_direction(
        d_y, (None, None), x, state, params, y, saved, spec, reverse=False, needs=needs
    )
    assert [part is not None for part in (d_x, *d_state, *d_params)] == needs


def test_missing_gradients_count_as_zero():
    spec = CellSpec()
    x, state, params, d_y, d_state = draw(spec, 3, 2, 5, 9)
    zero_state = tuple(torch.zeros_like(d) for d in d_state)
    y, _, saved = cpu._forward_direction(x, state, params, spec, reverse=True, save=True)
    rest = (x, state, params, y, saved, spec)
    given = cpu._backward_direction(d_y, zero_state, *rest, reverse=True, needs=[True] * 7)
    absent = cpu._backward_direction(d_y, (None, None), *rest, reverse=True, needs=[True] * 7)
    assert torch.equal(given[0], absent[0])
    only_state = cpu._backward_direction(None, d_state, *rest, reverse=True, needs=[True] * 7)
    zero_y = cpu._backward_direction(torch.zeros_like(d_y), d_state, *rest, reverse=True, needs=[True] * 7)
    assert torch.equal(only_state[0], zero_y[0])


def test_strided_inputs_are_read_as_they_are():
    spec = CellSpec()
    x, state, params, _, _ = draw(spec, 4, 3, 5, 9)
    y, _, _ = cpu._forward_direction(x, state, params, spec, reverse=False, save=False)
    strided = (x.transpose(0, 1).contiguous().transpose(0, 1), tuple(s.t().contiguous().t() for s in state))
    params_t = tuple(p.t().contiguous().t() if p.ndim == 2 else p for p in params)
    again, _, _ = cpu._forward_direction(*strided, params_t, spec, reverse=False, save=False)
    torch.testing.assert_close(y, again)


def test_final_state_shares_no_memory_with_output():
    x, state, params, _, _ = draw(CellSpec(), 2, 3, 4, 5)
    y, (h_n, _), _ = cpu._forward_direction(x, state, params, CellSpec(), reverse=False, save=False)
    h_n.zero_()
    assert y[-1].abs().sum() > 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_still_computes():
    script = (
        "import os, torch; from holdfast.kernels import cpu; from holdfast.spec import CellSpec\n"
        "torch.set_num_threads(2); m = torch.nn.LSTM(64, 96); p = [q.detach() for q in m.parameters()]\n"
        "x = torch.ones(50, 16, 64); s = [torch.zeros(16, 96)] * 2\n"
        "pre = cpu._forward_direction(x, s, p, CellSpec(), reverse=False, save=False)[0]\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    torch.set_num_threads(1)\n"
        "    y = cpu._forward_direction(x, s, p, CellSpec(), reverse=False, save=False)[0]\n"
        "    os._exit(0 if torch.allclose(y, pre) else 3)\n"
        "assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0\n"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", script], check=True, timeout=60)


def other_levels():
    return [level for level in (FOUND.module.runnable_levels() if FOUND.module else []) if level != FOUND.level]


@pytest.mark.skipif(not other_levels() or cpu_level.VARIABLE in os.environ, reason="one level runs here")
@pytest.mark.parametrize("level", other_levels())
def test_every_other_level_passes_these_tests(level):
    environment = {**os.environ, cpu_level.VARIABLE: level}
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-p", "no:xdist", __file__]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout[-3000:]
