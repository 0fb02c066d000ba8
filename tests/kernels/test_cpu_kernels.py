"""The `cpu` backend as a callee: what it refuses, returns and reads; and the numeric tests at other CPU levels."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import holdfast
from holdfast.kernels import cpu, cpu_level
from holdfast.kernels.call import Needs
from holdfast.spec import CellSpec
from tests.cases import OURS, SINGLE_FLAGS
from tests.kernels.layers import operator_args
from tests.kernels.ragged import KINDS, assert_equal_bits, cpu_results, draw_ragged, draw_seeds

FOUND = cpu_level.load()
pytestmark = pytest.mark.skipif(FOUND.module is None, reason=f"no compiled kernels: {FOUND.reason}")
FOLDER = Path(__file__).resolve().parent


def run_operator(call, save=0):
    return torch.ops.holdfast.sequence_forward(*operator_args(call, "cpu", save), list(call.tensors))


@pytest.mark.parametrize("wrong", [[5, 1, 2], [4, -1, 2], [2**62, 1, 1]])
def test_lengths_outside_the_steps_are_refused_before_memory_is_touched(wrong):
    call = draw_ragged(CellSpec(), (4, 3, 5, 9), "lengths")
    outside = call._replace(lengths=torch.tensor(wrong))
    with pytest.raises(ValueError, match=r"lengths must lie in 0\.\.T"):
        run_operator(outside)
    result = cpu.forward(call, 1)
    needs = Needs(1, len(call.tensors))
    with pytest.raises(ValueError, match=r"lengths must lie in 0\.\.T"):
        cpu.backward(outside, result, *draw_seeds(call), needs)


@pytest.mark.parametrize(
    ("lengths", "rows", "words"),
    [
        ([4, 1, 2], [0, 1, 2], "descend"),
        ([4, 2, 2], [0, 1, 2], "one row for each step"),
        ([4, 1, 1], [0, 1, 2], "one row for each step"),
        ([4, 2, 1], [0, 1, 3], r"rows .* 0\.\.B-1"),
        ([4, 2, 1], [0, -1, 2], r"rows .* 0\.\.B-1"),
        ([-1, -1, -1], [0, 1, 2], "lengths must lie"),
    ],
)
def test_packed_data_that_does_not_add_up_is_refused(lengths, rows, words):
    call = draw_ragged(CellSpec(), (4, 3, 5, 9), "packed")
    call = call._replace(x=torch.randn(7, 5), lengths=torch.tensor(lengths), rows=torch.tensor(rows))
    with pytest.raises(ValueError, match=words):
        run_operator(call)


def test_a_list_of_another_size_is_refused():
    with pytest.raises(ValueError, match="number of fields"):
        FOUND.module.forward(False, [0] * 7, 1)


@pytest.mark.parametrize("dtype", [torch.int32, torch.int16, torch.uint8])
def test_lengths_of_any_integer_count(dtype):
    call = draw_ragged(CellSpec("gru"), (4, 3, 5, 9), "lengths")
    assert_equal_bits(cpu_results(call._replace(lengths=call.lengths.to(dtype))), cpu_results(call))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("spec", SINGLE_FLAGS.values(), ids=SINGLE_FLAGS)
def test_only_what_is_needed_comes_back(spec, kind):
    call = draw_ragged(spec, (3, 2, 5, 9), kind, directions=2)
    count, seeds = len(call.tensors), draw_seeds(call)
    result, size = cpu.forward(call, 2), 1 + count + call.num_states
    whole = cpu.backward(call, result, *seeds, Needs((1 << size) - 1, count))
    some = [0, *[1 << k for k in range(size)], *torch.randint(1, 1 << min(size, 60), (5,)).tolist()]
    for bits in some:
        found = cpu.backward(call, result, *seeds, Needs(bits, count))
        expected = [grad for k, grad in enumerate(whole) if bits >> k & 1]
        assert len(found) == len(expected)
        assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True)), f"needs {bits:b}"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("spec", SINGLE_FLAGS.values(), ids=SINGLE_FLAGS)
def test_a_gradient_that_is_absent_counts_as_zero(spec, kind):
    call = draw_ragged(spec, (3, 2, 5, 9), kind, directions=2)
    count, seeds, result = len(call.tensors), draw_seeds(call), cpu.forward(call, 2)
    needs = Needs((1 << (1 + count + call.num_states)) - 1, count)
    for present in ((0,), (1,), (2,), (0, 2)):
        absent = [seed if k in present else None for k, seed in enumerate(seeds)]
        zeros = [seed if k in present else torch.zeros_like(seed) for k, seed in enumerate(seeds)]
        found, expected = cpu.backward(call, result, *absent, needs), cpu.backward(call, result, *zeros, needs)
        assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True)), present


@pytest.mark.parametrize("spec", SINGLE_FLAGS.values(), ids=SINGLE_FLAGS)
def test_a_call_leaves_what_it_reads(spec):
    call = draw_ragged(spec, (4, 3, 5, 9), "lengths and resets", directions=2)
    read = [call.x, *call.tensors, call.lengths, call.resets, *draw_seeds(call)]
    before = [tensor.clone() for tensor in read]
    cpu_results(call, read[-3:])
    assert all(torch.equal(a, b) for a, b in zip(read, before, strict=True))


def test_strided_tensors_are_read_as_they_are():
    call = draw_ragged(CellSpec(), (4, 3, 5, 9), "lengths and resets", directions=2)

    def strided(tensor):
        return tensor.repeat_interleave(2, dim=-1)[..., ::2]

    seeds = draw_seeds(call)
    apart = call._replace(
        x=strided(call.x), lengths=strided(call.lengths), resets=strided(call.resets),
        tensors=[strided(tensor) for tensor in call.tensors],
    )  # fmt: skip
    assert_equal_bits(cpu_results(apart, [strided(seed) for seed in seeds]), cpu_results(call, seeds))


@pytest.mark.parametrize("family", OURS)
def test_a_weight_edited_in_place_is_seen_at_the_next_call(family):
    layer, x = OURS[family](3, 5, backend="cpu"), torch.randn(4, 2, 3)
    before = layer(x)[0].detach()
    for name, parameter in layer.named_parameters():
        parameter.data.add_(0.1)
        twin = OURS[family](3, 5, backend="cpu")
        twin.load_state_dict(layer.state_dict())
        after = layer(x)[0].detach()
        assert torch.equal(after, twin(x)[0]), name
        assert not torch.equal(after, before), name
        before = after


def test_a_call_inside_inference_mode_equals_one_outside():
    layer, x = holdfast.LSTM(3, 5, backend="cpu"), torch.randn(4, 2, 3)
    with torch.inference_mode():
        inside = layer(x)[0]
    assert torch.equal(inside.clone(), layer(x)[0])


def rerun(level: str, *words: str) -> None:
    """Run tests of results and bits in a process of their own, whose allocator fills memory with huge numbers."""
    files = [str(FOLDER / name) for name in ("test_cpu_results.py", "test_cpu_bits.py")]
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-p", "no:xdist", *files, *words]
    environment = {**os.environ, cpu_level.VARIABLE: level, "MALLOC_PERTURB_": "128"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout[-3000:]


def other_levels():
    return [level for level in (FOUND.module.runnable_levels() if FOUND.module else []) if level != FOUND.level]


@pytest.mark.skipif(not other_levels() or cpu_level.VARIABLE in os.environ, reason="one level runs here")
@pytest.mark.parametrize("level", other_levels())
def test_every_other_level_passes_these_tests(level):
    rerun(level, "-k", "every_cell or change_no_bit or packed_equals or blocks_equal or saturated")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="MALLOC_PERTURB_ is glibc's")
def test_scratch_memory_is_written_before_it_is_read():
    rerun(FOUND.level or "", "-k", "every_cell and (resets or packed) or (threads and many)")
