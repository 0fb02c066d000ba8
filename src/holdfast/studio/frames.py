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
    import torch

    from holdfast.spec import GATES
    from holdfast.studio.description import variant_of

    traced, place = run.layer(layer, direction), run.subject.description.places[layer]
    if not 0 <= t < len(run) or not 0 <= unit < place.hidden:
        raise ConfigError(f"There is no step {t} or no unit {unit}: {len(run)} steps, {place.hidden} units.")
    module: Any = dict(run.subject.recurrent)[place.module]
    spec, backward = module.spec, direction == "backward"
    suffix = f"_l{place.layer}" + ("_reverse" if backward else "")
    before = t + 1 if backward else t - 1
    first = not 0 <= before < len(run)
    h_prev = traced.h0[0] if first else traced.h[before, 0]
    if place.layer == 0:
        x = run.inputs[place.module][t, 0]
    else:
        below = [run.trace[place.module, place.layer - 1, d].h[t, 0] for d in ("forward", "backward")[: place.directions]]
        x = torch.cat(below)
    rows = torch.arange(len(spec.gates)) * place.hidden + unit
    weight_ih, weight_hh = (getattr(module, f"weight_{side}{suffix}").detach() for side in ("ih", "hh"))
    bias = getattr(module, f"bias_ih{suffix}") + getattr(module, f"bias_hh{suffix}") if spec.bias else None
    pre, push = {}, {}
    for name, row in zip(spec.gates, rows.tolist(), strict=True):
        pushes = weight_hh[row] * h_prev
        strongest = pushes.abs().topk(min(PUSHES, len(pushes))).indices.tolist()
        push[name] = [[n, float(pushes[n])] for n in strongest]
        b = 0.0 if bias is None else float(bias[row])
        pre[name] = {"x": float(weight_ih[row] @ x), "h": float(pushes.sum()), "b": b}
    gates = {name: float(traced.values[name][t, 0, unit]) for name in GATES[spec.family]}
    states: dict[str, float] = {"h0": float(h_prev[unit]), "h": float(traced.h[t, 0, unit])}
    if spec.family == "lstm":
        c_prev = traced.c0 if first else traced.c[before]
        c = traced.c[t, 0, unit]
        states |= {"c0": float(c_prev[0, unit]), "c": float(c), "tanh_c": float(c.tanh())}  # type: ignore[index]
    variant = variant_of(spec)
    return {"t": t, "unit": unit, "family": spec.family, "gates": gates, "pre": pre, "push": push, **states, "variant": variant}
