"""What changes no bit of the `cpu` backend: threads, blocks, the rows beside a row, packing, saving, other callers."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import threading

import pytest
import torch

from holdfast.kernels import cpu, cpu_level
from holdfast.kernels.call import LayerCall
from holdfast.reference.packing import callers_order, repack, unpack
from holdfast.spec import CellSpec
from tests.cases import FAMILIES, SINGLE_FLAGS
from tests.kernels.layers import to_dtype
from tests.kernels.ragged import (
    KINDS,
    assert_equal_bits,
    cpu_results,
    draw_ragged,
    draw_seeds,
    less,
    spoil_padding,
)

FOUND = cpu_level.load()
pytestmark = pytest.mark.skipif(FOUND.module is None, reason=f"no compiled kernels: {FOUND.reason}")

SPLIT_FROM = 1.5e6  # csrc/run.cpp
THREADS = (2, 4, 7)
SPLITS = {  # T, B, I, H: which axis the threads divide
    "units of one row": (3, 1, 5, 130),
    "many units of one row": (2, 1, 3, 300),
    "rows": (4, 13, 7, 65),
    "rows and units": (3, 3, 65, 33),
}


@pytest.fixture
def split_always():
    """Let small calls run on several threads too."""
    FOUND.module.set_split_from(0.0)
    yield
    FOUND.module.set_split_from(SPLIT_FROM)


def kind_of(spec: CellSpec, shape: tuple[int, ...]) -> str:
    """Return one of the kinds, so that over cells and shapes all of them come up."""
    return KINDS[(len(spec.key) + sum(shape)) % len(KINDS)]


@pytest.mark.usefixtures("split_always")
@pytest.mark.parametrize("shape", SPLITS.values(), ids=SPLITS)
@pytest.mark.parametrize("spec", SINGLE_FLAGS.values(), ids=SINGLE_FLAGS)
def test_threads_change_no_bit(spec, shape):
    call = draw_ragged(spec, shape, kind_of(spec, shape), directions=2)
    expected = cpu_results(call)
    for threads in THREADS:
        torch.set_num_threads(threads)
        assert_equal_bits(cpu_results(call), expected)


@pytest.mark.usefixtures("split_always")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("directions", [1, 2])
@pytest.mark.parametrize(
    "spec",
    [
        *[CellSpec(family) for family in FAMILIES],
        CellSpec(layer_norm="state", projected=True),
        CellSpec("gru", layer_norm="ba2016", reset_order="before"),
    ],
    ids=lambda spec: spec.key,
)
def test_threads_change_no_bit_in_float64_and_one_direction(spec, directions, kind):
    call = to_dtype(draw_ragged(spec, (5, 2, 9, 70), kind, directions=directions), torch.float64)
    expected = cpu_results(call)
    for threads in THREADS:
        torch.set_num_threads(threads)
        assert_equal_bits(cpu_results(call), expected)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_large_call_splits_by_itself_and_keeps_its_bits(family):
    call = draw_ragged(CellSpec(family), (20, 17, 16, 96), "dense", directions=2)
    expected = cpu_results(call)
    for threads in THREADS:
        torch.set_num_threads(threads)
        assert_equal_bits(cpu_results(call), expected)


def run_from(call: LayerCall, states, first: int, last: int):
    """Run the steps from first to last, begun from given states."""
    tensors = [*states, *call.tensors[call.num_states :]]
    resets = None if call.resets is None else call.resets[first:last]
    result = cpu.forward(call._replace(x=call.x[first:last], resets=resets, tensors=tensors), 0)
    return result.y, (result.h, result.c)[: call.num_states]


@pytest.mark.parametrize("batch", [1, 5, 13])
@pytest.mark.parametrize("spec", SINGLE_FLAGS.values(), ids=SINGLE_FLAGS)
def test_steps_and_blocks_equal_the_whole(spec, batch):
    call = draw_ragged(spec, (7, batch, 9, 65), "resets" if batch == 5 else "dense", train=False)
    start = tuple(call.tensors[: call.num_states])
    y, last = run_from(call, start, 0, 7)
    for cuts in ([0, 3, 7], [0, 1, 2, 3, 4, 5, 6, 7]):
        states, parts = start, []
        for first, end in itertools.pairwise(cuts):
            part, states = run_from(call, states, first, end)
            parts.append(part)
        assert torch.equal(torch.cat(parts), y)
        assert all(torch.equal(a, b) for a, b in zip(states, last, strict=True))


@pytest.mark.parametrize("spec", SINGLE_FLAGS.values(), ids=SINGLE_FLAGS)
def test_a_row_alone_equals_the_row_in_a_batch(spec):
    call = draw_ragged(spec, (4, 13, 9, 65), "lengths", directions=2, train=False)
    whole = cpu.forward(call, 0)
    for row in (1, 2, 7, 12):
        length = int(call.lengths[row])
        if length == 0:
            continue
        own = [state[:, row : row + 1] for state in call.tensors[: call.num_states]]
        tensors = [*own, *call.tensors[call.num_states :]]
        alone = cpu.forward(call._replace(x=call.x[:length, row : row + 1], lengths=None, tensors=tensors), 0)
        assert torch.equal(alone.y[:, 0], whole.y[:length, row])
        assert torch.equal(alone.h[:, 0], whole.h[:, row])


@pytest.mark.parametrize("spec", SINGLE_FLAGS.values(), ids=SINGLE_FLAGS)
def test_packed_equals_lengths(spec):
    """To the bit in all that belongs to a row; a parameter's gradient sums over rows, which packing has sorted."""
    packed = draw_ragged(spec, (6, 5, 9, 33), "packed", directions=2)
    lengths, rows = packed.lengths, packed.rows
    dense = packed._replace(x=unpack(packed.x, lengths, rows), lengths=callers_order(lengths, rows), rows=None)
    seeds = draw_seeds(packed)
    found = cpu_results(packed, seeds)
    spoilt = dense._replace(x=spoil_padding(dense, dense.x))
    d_y = spoil_padding(dense, unpack(seeds[0], lengths, rows))
    padded = cpu_results(spoilt, [d_y, *seeds[1:]])
    for name, value in padded.items():
        if name in ("y", "d x"):
            padded[name] = repack(value, lengths, rows)
        elif name in ("gates", "cells") or name.startswith("d every"):
            padded[name] = torch.stack([repack(part, lengths, rows) for part in value])
    summed = {name for name in found if name.endswith((" 0", " 1"))}
    assert_equal_bits(less(found, summed), less(padded, summed))
    for name in summed:
        torch.testing.assert_close(found[name], padded[name], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize("spec", SINGLE_FLAGS.values(), ids=SINGLE_FLAGS)
def test_saving_changes_no_bit(spec, train):
    call = draw_ragged(spec, (5, 4, 9, 33), "lengths and resets", directions=2, train=train)
    runs = [cpu.forward(call, save) for save in (0, 1, 2)]
    assert all(part.numel() == 0 for part in runs[0][3:])
    for run in runs[1:]:
        assert all(torch.equal(a, b) for a, b in zip(run[:3], runs[0][:3], strict=True))
    ended = torch.arange(5)[:, None] >= call.lengths
    assert not runs[2].gates[:, ended].any()


@pytest.mark.usefixtures("split_always")
def test_two_callers_at_once_get_their_own_results():
    torch.set_num_threads(2)
    calls = [draw_ragged(CellSpec(family), (6, 5, 9, 65), "dense", directions=2) for family in ("lstm", "gru")]
    expected = [cpu_results(call) for call in calls]
    wrong: list[BaseException] = []

    def repeat(call, results):
        try:
            torch.set_num_threads(2)
            for _ in range(15):
                assert_equal_bits(cpu_results(call), results)
        except BaseException as error:
            wrong.append(error)

    callers = [threading.Thread(target=repeat, args=pair) for pair in zip(calls, expected, strict=True)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(timeout=60)
    assert not any(caller.is_alive() for caller in callers)
    assert not wrong, wrong


FORK = """
import os, torch, holdfast
from holdfast.kernels import cpu_level
cpu_level.load().module.set_split_from(0.0)
torch.set_num_threads(2)
layer, x = holdfast.LSTM(16, 48, bidirectional=True, backend="cpu"), torch.ones(9, 3, 16)
def run():
    layer.zero_grad()
    y = layer(x)[0]
    y.sum().backward()
    return [y.detach(), *(p.grad.clone() for p in layer.parameters())]
before = run()
child = os.fork()
if child == 0:
    same = all(torch.equal(a, b) for a, b in zip(before, run()))
    os._exit(0 if same else 3)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert all(torch.equal(a, b) for a, b in zip(before, run()))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_computes_the_same():
    subprocess.run([sys.executable, "-W", "ignore", "-c", FORK], check=True, timeout=60)


@pytest.mark.parametrize("save", [0, 2])
def test_running_twice_gives_the_same(save):
    call = draw_ragged(CellSpec(), (5, 7, 9, 65), "lengths and resets", directions=2)
    first, second = (cpu.forward(call, save) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first[:5], second[:5], strict=True))
    assert_equal_bits(cpu_results(call), cpu_results(call))
