"""torch.func through the operators: grad, vmap, jacrev over inputs and weights, and forward mode."""

from __future__ import annotations

import pytest
import torch
from torch.autograd import forward_ad
from torch.func import functional_call, grad, hessian, jacfwd, jacrev, jvp, vjp, vmap

from holdfast.kernels import cpu_level, vendor
from tests.cases import FAMILIES, OURS, as_tuple

# The first forward-mode call makes torch compile its own decompositions with torch.jit.script.
pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:DeprecationWarning")

NO_KERNELS = cpu_level.load().reason
BACKENDS = [
    pytest.param("reference", id="reference"),
    pytest.param(
        "cpu", id="cpu", marks=pytest.mark.skipif(NO_KERNELS is not None, reason=f"no compiled kernels: {NO_KERNELS}")
    ),
]
VENDOR = pytest.param(
    "lstm", "vendor", id="lstm-vendor",
    marks=pytest.mark.skipif(not vendor._AVAILABLE, reason="this PyTorch has no oneDNN"),
)  # fmt: skip
RUNS = [
    *[pytest.param(f, b.values[0], id=f"{f}-{b.id}", marks=b.marks) for f in FAMILIES for b in BACKENDS],
    VENDOR,
]
TOLERANCE = {"rtol": 1e-4, "atol": 1e-5}


class Problem:
    """A small layer on one backend, its loss as a function of (weights, x), and the same in float64."""

    def __init__(self, family: str, backend: str):
        self.layer = OURS[family](2, 3, num_layers=2, backend=backend)
        self.exact = OURS[family](2, 3, num_layers=2, backend="reference", dtype=torch.float64)
        self.exact.load_state_dict(self.layer.state_dict())
        self.weights = {name: p.detach() for name, p in self.layer.named_parameters()}
        self.exact_weights = {name: p.detach() for name, p in self.exact.named_parameters()}
        self.x = torch.randn(3, 2, 2)

    def loss(self, weights, x):
        y, state = functional_call(self.layer, weights, (x,))
        return y.square().sum() + sum(part.sin().sum() for part in as_tuple(state))

    def exact_loss(self, weights, x):
        y, state = functional_call(self.exact, weights, (x,))
        return y.square().sum() + sum(part.sin().sum() for part in as_tuple(state))


def same(found, expected):
    torch.testing.assert_close(found, torch.utils._pytree.tree_map(lambda t: t.float(), expected), **TOLERANCE)


@pytest.mark.parametrize(("family", "backend"), RUNS)
def test_grad_over_weights_and_input_is_right(family, backend):
    problem = Problem(family, backend)
    found = grad(problem.loss, argnums=(0, 1))(problem.weights, problem.x)
    exact = {name: value.requires_grad_() for name, value in problem.exact_weights.items()}
    x = problem.x.double().requires_grad_()
    expected = torch.autograd.grad(problem.exact_loss(exact, x), [*exact.values(), x])
    same([*found[0].values(), found[1]], list(expected))


@pytest.mark.parametrize(("family", "backend"), RUNS)
def test_vmap_of_grad_gives_each_examples_gradient(family, backend):
    problem = Problem(family, backend)
    examples = torch.randn(4, 3, 1, 2)
    found = vmap(grad(problem.loss), in_dims=(None, 0))(problem.weights, examples)
    for k, example in enumerate(examples):
        alone = grad(problem.loss)(problem.weights, example)
        same({name: value[k] for name, value in found.items()}, {n: v.double() for n, v in alone.items()})


@pytest.mark.parametrize(("family", "backend"), RUNS)
def test_vmap_over_weights_runs_an_ensemble(family, backend):
    problem = Problem(family, backend)
    stacked = {name: torch.stack([value, 2 * value]) for name, value in problem.weights.items()}
    found = vmap(problem.loss, in_dims=(0, None))(stacked, problem.x)
    doubled = {name: 2 * value for name, value in problem.weights.items()}
    same(found, torch.stack([problem.loss(problem.weights, problem.x), problem.loss(doubled, problem.x)]).double())


@pytest.mark.parametrize(("family", "backend"), RUNS)
def test_jacrev_of_grad_is_the_hessian_over_input_and_a_weight(family, backend):
    problem = Problem(family, backend)

    def at(loss, weights):
        def run(x, weight):
            return loss({**weights, "weight_hh_l0": weight}, x)

        return run

    for k in (0, 1):
        run, exact = at(problem.loss, problem.weights), at(problem.exact_loss, problem.exact_weights)
        args = (problem.x, problem.weights["weight_hh_l0"])
        found = jacrev(grad(run, argnums=k), argnums=k)(*args)
        expected = jacrev(grad(exact, argnums=k), argnums=k)(*(arg.double() for arg in args))
        assert found.abs().max() > 0
        same(found, expected)


@pytest.mark.parametrize(("family", "backend"), RUNS)
def test_vjp_and_jacrev_equal_autograd(family, backend):
    problem = Problem(family, backend)

    def run(x):
        return functional_call(problem.layer, problem.weights, (x,))[0]

    y, pull = vjp(run, problem.x)
    x = problem.x.clone().requires_grad_()
    (expected,) = torch.autograd.grad(run(x), x, torch.ones_like(y))
    same(pull(torch.ones_like(y))[0], expected.double())
    same(jacrev(run)(problem.x).sum((0, 1, 2)), expected.double())


@pytest.mark.parametrize(("family", "backend"), RUNS)
def test_forward_mode_gives_the_directional_derivative(family, backend):
    """Never a silent zero: forward mode runs on the reference whatever the backend."""
    problem = Problem(family, backend)
    direction = torch.randn_like(problem.x)
    expected = (grad(problem.loss, argnums=1)(problem.weights, problem.x) * direction).sum()
    _, found = jvp(lambda x: problem.loss(problem.weights, x), (problem.x,), (direction,))
    assert found.abs() > 0
    same(found, expected.double())
    with forward_ad.dual_level():
        out = problem.loss(problem.weights, forward_ad.make_dual(problem.x, direction))
        same(forward_ad.unpack_dual(out).tangent, expected.double())


@pytest.mark.parametrize(("family", "backend"), RUNS)
def test_forward_mode_over_weights_and_nested_in_reverse(family, backend):
    problem = Problem(family, backend)
    name = "weight_ih_l0"

    def run(weight):
        return problem.loss({**problem.weights, name: weight}, problem.x)

    weight = problem.weights[name]
    same(jacfwd(run)(weight), grad(run)(weight).double())
    same(hessian(run)(weight), jacrev(jacrev(run))(weight).double())


@pytest.mark.parametrize("family", FAMILIES)
def test_forward_over_reverse_with_lengths_and_resets(family):
    layer = OURS[family](2, 3, dtype=torch.float64)
    x, direction = torch.randn(2, 3, 2, 2, dtype=torch.float64)
    lengths, resets = torch.tensor([3, 1]), torch.rand(3, 2) < 0.3

    def run(x):
        return layer(x, lengths=lengths, resets=resets)[0].square().sum()

    _, found = jvp(run, (x,), (direction,))
    torch.testing.assert_close(found, (grad(run)(x) * direction).sum())
    each = vmap(lambda one: layer(one, lengths=lengths, resets=resets)[0])(torch.stack([x, direction]))
    torch.testing.assert_close(each[1], layer(direction, lengths=lengths, resets=resets)[0])
