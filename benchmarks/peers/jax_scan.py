"""JAX: one jitted lax.scan a layer and direction, the input projection before it; jax.vjp for training.

XLA sizes its thread pool by the processors the process may run on, and by nothing else; `benchmarks.run` narrows those
before JAX is loaded, for every contestant alike.
"""

from __future__ import annotations

from itertools import cycle

import numpy as np
import torch

from benchmarks.layer_calls import NUDGE
from benchmarks.problem import AbsentError, Contestant, Problem, Results
from benchmarks.registry import Case


def contestants(problem: Problem, threads: int) -> list[Contestant]:
    try:
        import jax
    except ImportError as error:
        raise AbsentError("jax is not installed: pip install -r benchmarks/requirements.txt") from error
    case = problem.case
    if case.variant or case.feed != "dense":
        raise AbsentError(f"no scan was written for {case.variant or case.feed}")
    run = make_scan(case)
    # Matrices are held transposed, [I, G*H], as JAX code has them: x @ w without a transpose.
    held = [{name: jax.numpy.asarray(turned(value.numpy())) for name, value in problem.weights.items()}]
    x, d_y = jax.numpy.asarray(problem.x.numpy()), jax.numpy.asarray(problem.d_y.numpy())

    @jax.jit
    def train(params, x, d_y):
        y, pull_back = jax.vjp(lambda params, x: run(params, x)[0], params, x)
        return y, *pull_back(d_y)

    infer, nudge = jax.jit(run), jax.jit(lambda params, step: jax.tree.map(lambda value: value + step, params))
    steps = cycle((NUDGE, -NUDGE))

    def touch() -> None:
        if case.work == "train":
            held[0] = jax.block_until_ready(nudge(held[0], next(steps)))

    def call():
        return jax.block_until_ready(train(held[0], x, d_y) if case.work == "train" else infer(held[0], x))

    def results() -> Results:
        if case.work == "infer":
            y, state = call()
            return as_torch({"y": y, **dict(zip(("h_n", "c_n"), state, strict=False))})
        y, d_params, d_x = call()
        turned_back = {f"d_{name}": turned(np.asarray(value)) for name, value in d_params.items()}
        return as_torch({"y": y, "d_x": d_x, **turned_back})

    return [Contestant("jax", f"jax.jit of lax.scan, {case.work}", problem, call, results, touch)]


def turned(value: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(value.T)


def as_torch(found: dict[str, object]) -> Results:
    return {name: torch.from_numpy(np.array(value)) for name, value in found.items()}


def make_scan(case: Case):
    """Return run(params, x [T, B, I]) -> y [T, B, D*P] and the final states, each [L*D, B, H or P]."""
    import jax.numpy as jnp
    from jax import lax

    make_step = STEPS[case.family]
    out_size = case.proj_size or case.hidden_size

    def run_direction(params, x, suffix: str):
        p = {name.removesuffix(suffix): value for name, value in params.items() if name.endswith(suffix)}
        h = jnp.zeros((case.batch, out_size), x.dtype)
        state = (h, jnp.zeros((case.batch, case.hidden_size), x.dtype)) if case.family == "lstm" else (h,)
        pre, step = make_step(p, x)
        return lax.scan(step, state, pre, reverse=suffix.endswith("_reverse"))

    def run(params, x):
        states = []
        for layer in range(case.layers):
            outputs = []
            for suffix in (f"_l{layer}", f"_l{layer}_reverse")[: 1 + case.bidirectional]:
                state, y = run_direction(params, x, suffix)
                states.append(state)
                outputs.append(y)
            x = jnp.concatenate(outputs, -1) if case.bidirectional else outputs[0]
        return x, tuple(jnp.stack(parts) for parts in zip(*states, strict=True))

    return run


def lstm_step(p, x):
    """Return the gate sums of every step and the function that advances (h, c) by one."""
    import jax
    import jax.numpy as jnp

    def step(state, pre):
        h, c = state
        i, f, g, o = jnp.split(pre + h @ p["weight_hh"], 4, axis=-1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        h = jax.nn.sigmoid(o) * jnp.tanh(c)
        h = h @ p["weight_hr"] if "weight_hr" in p else h
        return (h, c), h

    return x @ p["weight_ih"] + (p["bias_ih"] + p["bias_hh"]), step


def gru_step(p, x):
    import jax
    import jax.numpy as jnp

    def step(state, pre):
        (h,) = state
        r, z, n = jnp.split(pre, 3, axis=-1)
        r_h, z_h, n_h = jnp.split(h @ p["weight_hh"] + p["bias_hh"], 3, axis=-1)
        r, z = jax.nn.sigmoid(r + r_h), jax.nn.sigmoid(z + z_h)
        n = jnp.tanh(n + r * n_h)
        h = n + z * (h - n)
        return (h,), h

    return x @ p["weight_ih"] + p["bias_ih"], step


def rnn_step(p, x):
    import jax.numpy as jnp

    def step(state, pre):
        h = jnp.tanh(pre + state[0] @ p["weight_hh"])
        return (h,), h

    return x @ p["weight_ih"] + (p["bias_ih"] + p["bias_hh"]), step


STEPS = {"lstm": lstm_step, "gru": gru_step, "rnn": rnn_step}
