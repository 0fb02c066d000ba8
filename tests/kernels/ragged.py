"""Layers drawn at random over every size, kind of raggedness and mode, and all that they give, on `cpu` and exactly."""

from __future__ import annotations

import itertools
import random
from collections.abc import Collection

import torch
from torch import Tensor

from holdfast.kernels import cpu, reference
from holdfast.kernels.call import LayerCall, Needs
from holdfast.reference.packing import repack
from holdfast.spec import CellSpec, parameter_table
from tests.budget import assert_within_budget
from tests.kernels.layers import draw_layer, inputs_of, to_dtype

KINDS = ("dense", "lengths", "resets", "lengths and resets", "packed")
TIMES, ROWS, INPUTS, HIDDEN = (1, 2, 4, 6), (1, 2, 3, 7, 13), (1, 3, 7, 65), (1, 7, 33, 63, 65, 130)
Shape = tuple[int, int, int, int]

SINGLE_TO_DOUBLE = 2.0**-29
"""eps of float64 by that of float32: what an error of float32 becomes where the same is computed in float64."""

Results = dict[str, Tensor]


def draw_sizes(spec: CellSpec, kind: str) -> tuple[Shape, int, bool]:
    """Return T, B, I, H, the directions, and whether it is a training call: the same ones for the same cell and kind.

    A single number, or one that layer norm makes out of nearly equal ones, has lost most of its digits in any
    arithmetic; those sizes are tested apart.
    """
    drawn = random.Random(f"{spec.key} {kind}")
    steps, batch = drawn.choice(TIMES), drawn.choice(ROWS)
    input_size, hidden_size = drawn.choice(INPUTS), drawn.choice(HIDDEN)
    if spec.layer_norm:
        input_size, hidden_size = max(3, input_size), max(7, hidden_size)
    if hidden_size == 1:
        steps, batch = max(4, steps), max(3, batch)
    return (steps, batch, input_size, hidden_size), drawn.choice((1, 2, 2)), drawn.random() < 0.7


def draw_ragged(spec: CellSpec, shape: Shape, kind: str, *, directions: int = 1, train: bool = True) -> LayerCall:
    """Draw a float32 layer of one kind, its gates not saturated.

    A dense batch with lengths has a row of none; torch's packed sequences cannot.
    """
    call = draw_layer(spec, shape, torch.float32, directions=directions)
    call = call if train else call._replace(seed=None)
    steps, batch, input_size, _ = shape
    call.x.mul_(2 / max(4, input_size) ** 0.5)
    if "resets" in kind:
        call = call._replace(resets=torch.rand(steps, batch) < 0.3)
    if "lengths" in kind:
        lengths = torch.randint(0, steps + 1, (batch,))
        if batch > 1:
            lengths[:2] = torch.tensor([0, steps])
        call = call._replace(lengths=lengths)
    if kind == "packed":
        lengths = torch.randint(1, steps + 1, (batch,)).sort(descending=True)[0]
        lengths[0] = steps
        rows = torch.randperm(batch)
        call = call._replace(x=repack(call.x, lengths, rows), lengths=lengths, rows=rows)
    return call


def draw_seeds(call: LayerCall) -> list[Tensor]:
    """Draw the gradients of y, h and c; the same ones for every dtype."""
    generator = torch.Generator().manual_seed(3)
    shapes = [
        (*call.x.shape[:-1], call.directions * call.out_size),
        *[s.shape for s in call.tensors[: call.num_states]],
    ]
    seeds = [torch.randn(shape, generator=generator, dtype=torch.float32).to(call.x.dtype) for shape in shapes]
    return seeds if len(seeds) == 3 else [*seeds, call.x.new_empty(0)]


def names_of(call: LayerCall) -> list[str]:
    """Return the names of outputs, then of gradients, in the order of a backend's results."""
    states = call.spec.states
    params = [p.name for p in parameter_table(call.spec, 1, 1, 1 if call.spec.projected else 0)]
    directed = [f"{name} {way}" for way in range(call.directions) for name in params]
    gradients = ["x", *(f"{s}0" for s in states), *directed, *(f"every {s}" for s in states)]
    return ["y", *(f"{s}_n" for s in states), "gates", *["cells"][: len(states) - 1], *(f"d {n}" for n in gradients)]


def cpu_results(call: LayerCall, seeds: list[Tensor] | None = None, *, save: int = 2) -> Results:
    """Run forward and backward on the kernels for all that they can give."""
    count, num_states = len(call.tensors), call.num_states
    result = cpu.forward(call, save)
    needs = Needs((1 << (1 + count + num_states)) - 1, count)
    grads = cpu.backward(call, result, *(draw_seeds(call) if seeds is None else seeds), needs)
    outputs = [result.y, result.h, result.c, result.gates, result.cells]
    kept = [part for part, has in zip(outputs, (1, 1, num_states == 2, 1, num_states == 2), strict=True) if has]
    return dict(zip(names_of(call), [*kept, *grads], strict=True))


def exact_results(call: LayerCall) -> Results:
    """Return the same by the reference, which torch differentiates, in the dtype of the call."""
    leaves = [tensor.detach().requires_grad_() for tensor in inputs_of(call)]
    shifts = [zeros.requires_grad_() for zeros in reference._zero_shifts(call)]
    own = (shifts[0], shifts[1] if len(shifts) == 2 else None)
    y, h, c, gates, cells, _ = reference.run(call._replace(x=leaves[0], tensors=leaves[1:]), save=True, shifts=own)
    outputs = [y, h, c][: 1 + call.num_states]
    grads = torch.autograd.grad(outputs, [*leaves, *shifts], draw_seeds(call)[: len(outputs)], materialize_grads=True)
    traced = [gates, cells][: call.num_states]
    return dict(zip(names_of(call), [part.detach() for part in (*outputs, *traced, *grads)], strict=True))


def torch_results(call: LayerCall, exact: Results) -> Results:
    """Return for each number the worst that plain torch gives in the dtype of the call, given inputs one place off.

    One run may be right by luck where few numbers are summed or most digits cancel, as layer norm makes them; several
    runs show what torch's result can be relied upon for.
    """
    lucky = call.hidden_size <= 2 or call.steps * call.batch == 1 or call.spec.layer_norm
    runs = [exact_results(call), *[exact_results(_moved(call)) for _ in range(12 if lucky else 4)]]
    worst = dict(runs[0])
    for run, (name, value) in itertools.product(runs[1:], exact.items()):
        further = (run[name] - value).abs() > (worst[name] - value).abs()
        worst[name] = torch.where(further, run[name], worst[name])
    return worst


def assert_right(call: LayerCall, save: int = 2) -> None:
    """Check all that the kernels give for a float32 call, and for the same numbers in float64, by the budget.

    Padding holds NaN, in x as in the gradient of y. The oracle of float64 is itself off by what torch is, hence 3.
    """
    double = to_dtype(call, torch.float64)
    exact = exact_results(double)
    single = torch_results(call, exact)
    scaled = {name: value + (single[name] - value) * SINGLE_TO_DOUBLE for name, value in exact.items()}
    for own, baseline, factor in ((call, single, 2.0), (double, scaled, 3.0)):
        d_y, *d_states = draw_seeds(own)
        spoilt = own._replace(x=spoil_padding(own, own.x))
        found = cpu_results(spoilt, [spoil_padding(own, d_y), *d_states], save=save)
        assert_within_budget(found, baseline, exact, factor)


def less(results: Results, names: Collection[str]) -> Results:
    """Return the results but those of the given names."""
    return {name: value for name, value in results.items() if name not in names}


def assert_equal_bits(found: Results, expected: Results) -> None:
    assert set(found) == set(expected)
    for name, value in expected.items():
        assert torch.equal(found[name], value), f"{name}: off by {(found[name] - value).abs().max():.1e}"


def spoil_padding(call: LayerCall, values: Tensor) -> Tensor:
    """Return values [T, B, ...] with NaN where a row has ended."""
    if call.lengths is None or call.packed:
        return values
    ended = torch.arange(call.steps)[:, None] >= call.lengths
    return values.masked_fill(ended[..., None], float("nan"))


def _moved(call: LayerCall) -> LayerCall:
    """Return the call with every number moved to one of its two neighbours."""
    x, *tensors = [
        torch.nextafter(value, torch.where(torch.rand_like(value) < 0.5, torch.inf, -torch.inf))
        for value in inputs_of(call)
    ]
    return call._replace(x=x, tensors=tensors)
