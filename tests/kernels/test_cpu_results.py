"""The `cpu` kernels against the reference in float64: outputs, states, gates and every gradient, of every cell.

All cells, kinds of raggedness, sizes, directions, modes and dtypes at once would be some 500,000 calls. Every cell runs
with every kind, in both dtypes; sizes, directions and mode are drawn, the same ones each time. Every flag alone runs
with every size of a list as well. torch.empty holds NaN here (conftest), and so does padding.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from holdfast.kernels import cpu, cpu_level
from holdfast.spec import CellSpec
from tests.budget import assert_within_budget, worst
from tests.cases import FAMILIES, SINGLE_FLAGS, SPECS
from tests.kernels.layers import draw_layer, to_dtype
from tests.kernels.ragged import (
    KINDS,
    assert_equal_bits,
    assert_right,
    cpu_results,
    draw_ragged,
    draw_seeds,
    draw_sizes,
    exact_results,
    less,
)

FOUND = cpu_level.load()
pytestmark = pytest.mark.skipif(FOUND.module is None, reason=f"no compiled kernels: {FOUND.reason}")

SIZES = [  # T, B, I, H
    (1, 3, 7, 65),
    (2, 17, 3, 7),
    (4, 6, 63, 63),
    (5, 1, 65, 130),
    (3, 8, 130, 33),
    (2, 2, 7, 300),
]
PLAIN = {key: spec for key, spec in SINGLE_FLAGS.items() if not spec.layer_norm}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_every_cell_is_right(spec, kind):
    shape, directions, train = draw_sizes(spec, kind)
    assert_right(draw_ragged(spec, shape, kind, directions=directions, train=train))


@pytest.mark.parametrize("shape", SIZES, ids=str)
@pytest.mark.parametrize("spec", SINGLE_FLAGS.values(), ids=SINGLE_FLAGS)
def test_every_size_is_right(spec, shape):
    assert_right(draw_ragged(spec, shape, "dense", directions=2))


@pytest.mark.parametrize("spec", [spec for spec in SINGLE_FLAGS.values() if spec.needs_masks], ids=lambda s: s.key)
def test_evaluation_and_later_layers_are_right(spec):
    call = draw_ragged(spec, (5, 3, 7, 33), "lengths and resets", directions=2)
    assert_right(call._replace(layer=3))
    assert_right(call._replace(seed=None))


@pytest.mark.parametrize("spec", SINGLE_FLAGS.values(), ids=SINGLE_FLAGS)
def test_backward_needs_no_zeros_in_padding(spec):
    """`save=1` leaves what is kept of a row beyond its end unwritten, which here is NaN."""
    call = draw_ragged(spec, (5, 4, 7, 33), "lengths", directions=2)
    full, kept = cpu_results(call), cpu_results(call, save=1)
    assert_equal_bits(less(kept, ("gates", "cells")), less(full, ("gates", "cells")))


@pytest.mark.parametrize("spec", SINGLE_FLAGS.values(), ids=SINGLE_FLAGS)
def test_a_single_number_is_right(spec):
    """No budget is fair here: torch's few roundings may all be exact. Layer norm multiplies ours by up to eps^-1/2."""
    call = draw_ragged(spec, (1, 1, 1, 1), "dense", directions=2)
    found, limit = cpu_results(call), 316e-6 if spec.layer_norm else 1e-6
    for name, value in exact_results(to_dtype(call, torch.float64)).items():
        assert worst(found[name], value) <= limit, name


@pytest.mark.parametrize("scale", [100.0, -100.0])
@pytest.mark.parametrize("spec", PLAIN.values(), ids=PLAIN)
def test_saturated_gates_are_right(spec, scale):
    """Where tanh is all but 1, its derivative is what the last places of tanh leave, so eight draws are judged as one.

    The factor is 4: our tanh may be 2 ulp off (test_activations.py), torch's is off by half of one where it is lucky.
    """
    found, single, exact = [], [], []
    for _ in range(8):
        call = draw_layer(spec, (4, 3, 5, 17), torch.float32)
        call.x.fill_(scale)
        found.append(cpu_results(call))
        single.append(exact_results(call))
        exact.append(exact_results(to_dtype(call, torch.float64)))
    assert all(value.isfinite().all() for run in found for value in run.values())
    stacked = [{name: torch.stack([run[name] for run in runs]) for name in exact[0]} for runs in (found, single, exact)]
    assert_within_budget(*stacked, factor=4.0)


@pytest.mark.parametrize("kind", ["dense", "lengths", "packed"])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("family", FAMILIES)
def test_half_precision_is_right(family, dtype, kind):
    half = to_dtype(draw_ragged(CellSpec(family), (6, 4, 16, 32), kind, directions=2), dtype)
    found = cpu_results(half)
    assert {name: value.dtype for name, value in found.items() if value.dtype != dtype}.keys() <= {
        "gates", "cells", "d every h", "d every c",
    }  # fmt: skip
    assert_within_budget(found, exact_results(half), exact_results(to_dtype(half, torch.float64)))


@pytest.mark.parametrize("spec", SINGLE_FLAGS.values(), ids=SINGLE_FLAGS)
def test_nan_in_one_row_stays_in_that_row(spec):
    call = draw_ragged(replace(spec, zoneout_h=0.0, zoneout_c=0.0), (4, 7, 3, 17), "dense", directions=1)
    clean = cpu_results(call)
    x = call.x.clone()
    x[1, 2] = float("nan")
    found = cpu_results(call._replace(x=x))
    others = [row for row in range(7) if row != 2]
    assert found["y"][1:, 2].isnan().all()
    assert found["h_n"][:, 2].isnan().all()
    for name in ("y", "h_n", "d x", "d h0"):
        assert torch.equal(found[name][:, others], clean[name][:, others]), name


@pytest.mark.parametrize("spec", SINGLE_FLAGS.values(), ids=SINGLE_FLAGS)
def test_a_reset_ends_a_nan_but_not_its_gradient(spec):
    """A state after the reset does not know what went before. A weight's gradient does, as in torch: it sums over all
    steps, and a step whose gates are NaN gives 0 * NaN even where no loss depends on it."""
    call = draw_ragged(spec, (5, 3, 4, 9), "dense")
    x, resets = call.x.clone(), torch.zeros(5, 3, dtype=torch.bool)
    x[1, 2], resets[3, 2] = float("nan"), True
    call = call._replace(x=x, resets=resets)
    d_y, *d_states = draw_seeds(call)
    d_y[:3, 2] = 0.0
    found = cpu_results(call, [d_y, *d_states])
    assert found["y"][3:].isfinite().all()
    assert found["y"][:, :2].isfinite().all()
    assert all(found[f"{state}_n"].isfinite().all() for state in spec.states)
    assert found["d x"][3:, 2].isfinite().all()
    assert found["d weight_ih 0"].isnan().any()
    assert exact_results(call)["d weight_ih 0"].isnan().any()


def test_a_state_that_a_reset_replaces_is_not_read():
    call = draw_ragged(CellSpec(), (3, 2, 4, 9), "dense")
    call = call._replace(resets=torch.tensor([[True, False], [False, False], [False, False]]))
    expected = cpu_results(call)
    assert not expected["d h0"][0, 0].any()
    spoilt = [tensor.clone() for tensor in call.tensors]
    spoilt[0][0, 0], spoilt[1][0, 0] = float("nan"), float("inf")
    assert_equal_bits(cpu_results(call._replace(tensors=spoilt)), expected)


def test_a_row_of_no_steps_hands_its_state_through():
    call = draw_ragged(CellSpec(), (3, 4, 5, 9), "lengths", directions=2)
    call = call._replace(lengths=torch.zeros(4, dtype=torch.int64))
    result = cpu.forward(call._replace(x=torch.full_like(call.x, torch.nan)), 2)
    assert not result.y.any()
    assert torch.equal(result.h, call.tensors[0])
    assert torch.equal(result.c, call.tensors[1])
