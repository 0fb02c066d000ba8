"""Force a gate or a state to a value and run the model again: what changes was caused by it, not merely coloured."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from holdfast.errors import ConfigError, ShapeError
from holdfast.kernels.call import LayerCall
from holdfast.nn.base import AbstractRecurrent
from holdfast.nn.stand_in import recurrent_layers
from holdfast.nn.trace import DIRECTIONS
from holdfast.reference.sequence import Forced
from holdfast.spec import GATES, CellSpec

Places = Sequence[int] | int | None
"""Some numbers, one number, or None for all; negative ones count from the end."""


@dataclass(frozen=True)
class Clamp:
    """Which gate or state to force, where, and to what.

    Args:
        name: The layer's path in the model, as in a trace; "" for a bare layer.
        layer: Which layer of the stack.
        direction: "forward" or "backward".
        gate: One of `i f g o c h` of an LSTM, `r z n h` of a GRU, `h` of an RNN, after activation. A tied f follows i
            unless it is clamped itself. c is forced before the output gate reads it; h is what the layer gives out.
        units: Which units.
        steps: Which steps t of each call, as a trace counts them; those of a row's padding do nothing.
        value: A number, or a tensor that broadcasts to [steps, rows, units]; gradients reach it.
        rows: Which rows of the batch.
    """

    name: str
    layer: int
    direction: str
    gate: str
    units: Places
    steps: Places
    value: float | Tensor
    rows: Places = None


@contextmanager
def clamp(model: Any, clamps: Sequence[Clamp]) -> Iterator[None]:
    """Force gates or states of `model`, torch.nn's layers included, in every call while the block runs.

    The rest of each step is computed exactly, by the layer's own equations, and gradients flow around the clamped
    values. A layer that has a clamp runs on `reference`, a loop over the steps; the others run as ever. Blocks may lie
    inside each other and inside or around `record`; of two clamps on one place the later holds.

    Args:
        model: A module, or an estimator with its network as `.model`.
        clamps: What to force; none leaves the model as it is.

    Raises:
        ConfigError: there is no such layer, direction or gate.
        ShapeError: inside the block, where a call has no such step, unit or row, or the value does not fit.

    Example:
        >>> import torch, holdfast
        >>> from holdfast.inside import Clamp, clamp
        >>> lstm = holdfast.LSTM(3, 5)
        >>> with clamp(lstm, [Clamp("", 0, "forward", "f", units=2, steps=4, value=0.0)]):
        ...     trace = lstm.trace(torch.randn(7, 1, 3))
        >>> trace["", 0, "forward"].f[4, 0, 2].item()
        0.0
    """
    module = model if isinstance(model, nn.Module) else getattr(model, "model", None)
    if not isinstance(module, nn.Module):
        raise ConfigError(f"clamp needs a module or a trained estimator, got {type(model).__name__}.")
    with recurrent_layers(module) as layers, ExitStack() as stack:
        for one in clamps:
            _check(one, layers)
        for name, layer in layers.items():
            own = tuple(one for one in clamps if one.name == name)
            if own:
                stack.callback(setattr, layer, "_forcing", layer._forcing)
                before = layer._forcing.clamps if isinstance(layer._forcing, _Forcing) else ()
                layer._forcing = _Forcing((*before, *own))
        yield


@dataclass(frozen=True)
class _Forcing:
    """What a layer asks at each call: the forced values of both directions."""

    clamps: tuple[Clamp, ...]

    def __call__(self, call: LayerCall) -> list[Forced] | None:
        own = [one for one in self.clamps if one.layer == call.layer]
        if not own:
            return None
        directions: list[dict[str, tuple[Tensor, Tensor]]] = [{} for _ in range(call.directions)]
        for one in own:
            forced = directions[DIRECTIONS.index(one.direction)]
            forced[one.gate] = _add(one, call, forced.get(one.gate))
        return list(directions)


def _add(one: Clamp, call: LayerCall, before: tuple[Tensor, Tensor] | None) -> tuple[Tensor, Tensor]:
    """Return where and to what a gate is forced, [T, B, units] each, with one clamp more."""
    steps, rows = call.steps, call.batch
    units = call.out_size if one.gate == "h" else call.hidden_size
    if before is None:
        mask = torch.zeros(steps, rows, units, dtype=torch.bool, device=call.x.device)
        before = mask, call.x.new_zeros(steps, rows, units, dtype=call.wide)
    t, b, u = (
        _chosen(one, label, given, size, call.x.device)
        for label, given, size in (("steps", one.steps, steps), ("rows", one.rows, rows), ("units", one.units, units))
    )
    place = (t[:, None, None], b[None, :, None], u[None, None, :])
    value = torch.as_tensor(one.value).to(before[1])
    shape = (len(t), len(b), len(u))
    try:
        value = value.expand(shape)
    except RuntimeError as error:
        raise ShapeError(
            f"The value of the clamp on {one.gate!r} has shape {tuple(value.shape)}, which does not broadcast to "
            f"[steps, rows, units] = {list(shape)}."
        ) from error
    where = before[0].index_put(place, torch.tensor(True, device=call.x.device))
    return where, before[1].index_put(place, value)


def _chosen(one: Clamp, label: str, given: Places, size: int, device: torch.device) -> Tensor:
    if given is None:
        return torch.arange(size, device=device)
    numbers = torch.as_tensor([given] if isinstance(given, int) else list(given), dtype=torch.long, device=device)
    if bool(((numbers < -size) | (numbers >= size)).any()):
        raise ShapeError(
            f"The clamp on {one.gate!r} of layer {one.layer} of {one.name!r} asks for {label} {numbers.tolist()}, but "
            f"this call has {size} of them."
        )
    return numbers % max(size, 1)


def _check(one: Clamp, layers: dict[str, AbstractRecurrent]) -> None:
    if one.name not in layers:
        raise ConfigError(f"No recurrent layer is named {one.name!r}; the model has {sorted(layers)}.")
    layer = layers[one.name]
    if not 0 <= one.layer < layer.num_layers:
        raise ConfigError(f"{one.name!r} has {layer.num_layers} layers, counted from 0, and no layer {one.layer}.")
    if one.direction not in DIRECTIONS[: layer.num_directions]:
        raise ConfigError(f"{one.name!r} reads {DIRECTIONS[: layer.num_directions]}, not {one.direction!r}.")
    if one.gate not in gate_names(layer.spec):
        raise ConfigError(
            f"The {layer.name} has the gates and states {' '.join(gate_names(layer.spec))}, not {one.gate!r}."
        )


def gate_names(spec: CellSpec) -> tuple[str, ...]:
    """Return the names of the gates and states of a family, as its traces list them."""
    return tuple(dict.fromkeys((*GATES[spec.family], *reversed(spec.states))))
