"""One frame: everything about one unit at one step, in the numbers that the network computed with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from holdfast.errors import ConfigError

if TYPE_CHECKING:
    from holdfast.studio.run import Run

PUSHES = 5


def frame_of(run: Run, layer: int, direction: str, t: int, unit: int) -> dict[str, Any]:
    """Return the frame of one unit at step t.

    Raises:
        ConfigError: there is no such layer, direction, step or unit.
    """
    from holdfast.spec import GATES
    from holdfast.studio.description import variant_of

    traced, place = run.layer(layer, direction), run.subject.description.places[layer]
    if not 0 <= t < len(run) or not 0 <= unit < place.hidden:
        raise ConfigError(f"There is no step {t} or no unit {unit}: {len(run)} steps, {place.hidden} units.")
    h_prev, c_prev = _states_before(run, layer, direction, t)
    gates = {name: float(traced.values[name][t, 0, unit]) for name in GATES[place_spec(run).family]}
    states: dict[str, float] = {"h0": float(h_prev[unit]), "h": float(traced.h[t, 0, unit])}
    if c_prev is not None:
        c = traced.c[t, 0, unit]
        states |= {"c0": float(c_prev[unit]), "c": float(c), "tanh_c": float(c.tanh())}
    pre, push = _sums(run, layer, direction, t, unit, h_prev)
    spec = place_spec(run)
    own = {"t": t, "unit": unit, "family": spec.family, "variant": variant_of(spec)}
    return {**own, "gates": gates, **states, "pre": pre, "push": push}


def place_spec(run: Run) -> Any:
    """Return the cell that was run."""
    return run.subject.description.spec


def _states_before(run: Run, layer: int, direction: str, t: int) -> tuple[Any, Any]:
    """Return h [H or P] and, of an LSTM, c [H] before step t in reading order."""
    traced = run.layer(layer, direction)
    before = t + 1 if direction == "backward" else t - 1
    if not 0 <= before < len(run):
        return traced.h0[0], None if traced.c0 is None else traced.c0[0]
    return traced.h[before, 0], None if traced.c0 is None else traced.c[before, 0]


def _input(run: Run, layer: int, t: int) -> Any:
    """Return what a layer reads at step t [I]."""
    import torch

    place = run.subject.description.places[layer]
    if place.layer == 0:
        return run.inputs[place.module][t, 0]
    below = ("forward", "backward")[: place.directions]
    return torch.cat([run.trace[place.module, place.layer - 1, direction].h[t, 0] for direction in below])


def _sums(run: Run, layer: int, direction: str, t: int, unit: int, h_prev: Any) -> tuple[Any, Any]:
    """Return by gate what its sum is made of, and the units that pushed it most."""
    place = run.subject.description.places[layer]
    module: Any = dict(run.subject.recurrent)[place.module]
    spec, suffix = module.spec, f"_l{place.layer}" + ("_reverse" if direction == "backward" else "")
    x = _input(run, layer, t)
    weight_ih, weight_hh = (getattr(module, f"weight_{side}{suffix}").detach() for side in ("ih", "hh"))
    biases = [getattr(module, f"bias_{side}{suffix}").detach() for side in ("ih", "hh") if spec.bias]
    pre, push = {}, {}
    for number, name in enumerate(spec.gates):
        row = number * place.hidden + unit
        pushes = weight_hh[row] * h_prev
        strongest = pushes.abs().topk(min(PUSHES, len(pushes))).indices.tolist()
        push[name] = [[n, float(pushes[n])] for n in strongest]
        bias = sum(float(one[row]) for one in biases)
        pre[name] = {"x": float(weight_ih[row] @ x), "h": float(pushes.sum()), "b": bias}
    return pre, push
