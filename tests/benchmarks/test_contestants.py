"""Every contestant does the work of its case: its outputs and gradients are those of the reference."""

import importlib.util
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import holdfast
from benchmarks.check import CAP, Oracle, judge, relative_error
from benchmarks.layer_calls import NUDGE
from benchmarks.peers import ours, peer_module
from benchmarks.problem import AbsentError, make_problem
from benchmarks.registry import VARIANTS, Case

ROOT = Path(__file__).resolve().parents[2]
TINY = Case("train", 3, 6, 4, 5)
PLAIN = [
    TINY,
    replace(TINY, work="infer"),
    replace(TINY, family="gru"),
    replace(TINY, family="rnn"),
    replace(TINY, bidirectional=True, layers=2),
    replace(TINY, proj_size=2),
    replace(TINY, feed="packed"),
]
OWN = [replace(TINY, feed="lengths"), replace(TINY, feed="resets")]
LOOPS = [replace(TINY, variant=variant) for variant in VARIANTS if variant]


def contestant(peer, case):
    (one,) = peer_module(peer).contestants(make_problem(case), 1)
    return one


def assert_right(one):
    verdict = Oracle().judge(one)
    assert verdict.red == ""
    assert 0 < verdict.error <= CAP / 10


@pytest.mark.parametrize("case", [*PLAIN, *OWN, *LOOPS], ids=lambda case: case.name)
def test_ours_is_right(case):
    one = ours.automatic(make_problem(case))
    assert_right(one)
    assert one.backend in ("cpu", "vendor", "reference")
    one.call()


@pytest.mark.parametrize("case", PLAIN, ids=lambda case: case.name)
@pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")
def test_torch_is_right(case):
    one = contestant("torch", case)
    assert_right(one)
    one.call()


@pytest.mark.parametrize("case", LOOPS, ids=lambda case: case.name)
def test_python_loop_is_right(case):
    one = contestant("loop", case)
    assert_right(one)
    one.call()  # with masks of its own


def test_loop_over_resets_is_right():
    # More resets than the 2 % of the table, which would be none here.
    problem = make_problem(replace(TINY, feed="resets"))
    problem = replace(problem, resets=torch.rand(6, 3) < 0.5)
    (one,) = peer_module("sb3").contestants(problem, 1)
    assert_right(one)


def test_yardsticks_do_their_own_work():
    lengths, peephole = make_problem(replace(TINY, feed="lengths")), make_problem(replace(TINY, variant="peephole"))
    assert_right(ours.padded(lengths))
    assert_right(ours.plain(peephole))
    assert ours.padded(lengths).problem.steps == 18 > lengths.steps


def test_frozen_layer_is_right_or_absent(monkeypatch):
    problem = make_problem(replace(TINY, work="infer"))
    monkeypatch.setattr(holdfast.LSTM, "freeze", lambda self: self, raising=False)
    assert_right(ours.frozen(problem))
    monkeypatch.delattr(holdfast.LSTM, "freeze")
    if not hasattr(holdfast.LSTM, "freeze"):
        with pytest.raises(AbsentError, match="freeze"):
            ours.frozen(problem)


def test_peer_that_cannot_says_so():
    with pytest.raises(AbsentError, match="layer norm"):
        contestant("torch", replace(TINY, variant="layer norm"))


def test_touch_changes_the_weights_and_then_puts_them_back():
    one = contestant("torch", TINY)
    before = one.results()["d_x"]
    one.touch()
    assert 0 < relative_error(one.results()["d_x"], before) < 100 * NUDGE
    one.touch()
    assert relative_error(one.results()["d_x"], before) < CAP


def test_wrong_or_missing_results_are_red():
    exact = Oracle().results(make_problem(TINY), masked=False)
    assert judge(exact, exact).red == ""
    assert "d_x" in judge({name: value for name, value in exact.items() if name != "d_x"}, exact).red
    assert "wrong: y" in judge({**exact, "y": exact["y"].flip(0)}, exact).red
    assert judge({**exact, "y": exact["y"] * float("nan")}, exact).red
    assert judge({**exact, "y": exact["y"][:-1]}, exact).red


LIBRARIES = """
import sys
from dataclasses import replace
from benchmarks.check import Oracle
from benchmarks.peers import peer_module
from benchmarks.problem import make_problem
from benchmarks.registry import Case
tiny, oracle = Case("infer", 3, 6, 4, 5), Oracle()
if sys.argv[1] == "jax":  # compiling takes it longest, so few cases
    trainer = replace(tiny, work="train")
    cases = [replace(tiny, proj_size=2), replace(trainer, layers=2, bidirectional=True)]
    cases += [replace(trainer, family=family) for family in ("gru", "rnn")]
else:
    cases = [replace(tiny, family=family) for family in ("lstm", "gru", "rnn")] + [replace(tiny, bidirectional=True)]
for case in cases:
    for one in peer_module(sys.argv[1]).contestants(make_problem(case), 1):
        verdict = oracle.judge(one)
        assert not verdict.red and 0 < verdict.error < 1e-5, (case, one.name, verdict)
        one.touch()
        one.call()
"""


@pytest.mark.parametrize("peer", ["onnxruntime", "openvino", "jax"])
def test_library_is_right(peer):
    for package in (peer, *(["onnx"] if peer != "jax" else [])):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed: it comes with make bench")
    # In a process of its own: JAX's threads would make every later fork in this one a warning.
    command = [sys.executable, "-c", LIBRARIES, peer]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
