"""How long an input stays visible: change it at one step, and see how far the states k steps later are moved."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from holdfast.errors import ConfigError, ShapeError
from holdfast.inside.gradients import FLAT, log_slope
from holdfast.inside.modes import evaluation, module_of
from holdfast.nn.trace import Trace, record

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class LayerVisibility:
    """How far one layer's states were moved, k steps after the change in the order of reading.

    Attributes:
        name, layer, direction: Which, as in a trace.
        h: [K, H or P] the mean over rows and replacements of |h - h of the changed run| of each unit.
        c: [K, H] the same of c; None where there is none.
        norm_h: [K] the mean of the Euclidean norm over units of that difference.
        norm_c: [K] the same of c.
    """

    name: str
    layer: int
    direction: str
    h: Array
    c: Array | None
    norm_h: Array
    norm_c: Array | None

    def curve(self) -> Array:
        """Return the norm of the change of the state that carries the memory [K]: c, or h where there is no c."""
        return self.norm_h if self.norm_c is None else self.norm_c

    def half_life(self) -> float:
        """Return over how many steps the change halves, by a line fitted to its logarithm; negative where it grows."""
        slope = log_slope(self.curve())
        return math.nan if math.isnan(slope) else math.inf if abs(slope) < FLAT else -math.log(2) / slope

    def visible_steps(self, share: float = 0.1) -> int:
        """Return for how many steps the change stays above a share of its peak, from the changed step on."""
        curve = self.curve()
        above = curve > share * curve.max(initial=0.0)
        fallen = np.flatnonzero(~above & (np.arange(len(curve)) > curve.argmax()))
        return 0 if not above.any() else int(fallen[0]) if len(fallen) else len(curve)


@dataclass(frozen=True)
class Visibility:
    """What `visibility` returns: `seen[name, layer, direction]` is a LayerVisibility."""

    t: int
    layers: tuple[LayerVisibility, ...]

    def __getitem__(self, key: tuple[str, int, str]) -> LayerVisibility:
        for one in self.layers:
            if (one.name, one.layer, one.direction) == key:
                return one
        raise KeyError(f"no layer {key}; there are {[(one.name, one.layer, one.direction) for one in self.layers]}.")

    def __iter__(self) -> Iterator[LayerVisibility]:
        return iter(self.layers)


def visibility(
    model: Any,
    x: Tensor,
    t: int,
    *,
    replacements: Sequence[Any] | None = None,
    eps: float | None = None,
    samples: int = 8,
    seed: int = 0,
    batch_first: bool = False,
    run: Callable[[Any, Tensor], Any] | None = None,
) -> Visibility:
    """Run a model as it is and with its input at step t changed, and measure how far the states are moved after it.

    It runs in evaluation mode, without gradients, and leaves the model as it was.

    Args:
        model: A module, or a trained estimator, whose network is run.
        x: What the module reads: [T, B] ids or [T, B, I] numbers, time first unless `batch_first`.
        t: The step that is changed.
        replacements: What stands at step t instead, one run each: ids, or numbers [I].
        eps: Without replacements: the standard deviation of the noise that is added at step t, for inputs of numbers.
        samples, seed: How many draws of noise, and which.
        batch_first: The batch axis of x comes first.
        run: Takes (module, x) and runs it; None calls it with x.

    Raises:
        ConfigError: neither or both of replacements and eps, no replacement or draw at all, or the model called no
            recurrent layer, or one of them several times.
        ShapeError: there is no step t.

    Example:
        >>> import torch, holdfast
        >>> seen = visibility(holdfast.LSTM(3, 5), torch.randn(9, 2, 3), 2, eps=0.1)
        >>> seen["", 0, "forward"].norm_c.shape
        (7,)
    """
    module = module_of(model, "visibility")
    axis = 1 if batch_first else 0
    if not 0 <= t < x.shape[axis]:
        raise ShapeError(f"The input has steps 0 to {x.shape[axis] - 1}, not {t}.")
    calling = run or _call
    with evaluation(module), torch.no_grad():
        changed = list(_changed(x, t, axis, replacements, eps, (samples, seed)))
        if not changed:
            raise ConfigError("Nothing is changed: give one replacement or more, or samples=1 or more.")
        plain = _run(module, x, calling)
        others = [_run(module, one, calling) for one in changed]
    for name in dict.fromkeys(key[0] for key in plain):
        counts = [len(trace.calls(name)) if name in {key[0] for key in trace} else 0 for trace in (plain, *others)]
        if set(counts) != {1}:
            raise ConfigError(f"The module {name!r} must be called once in every run; its calls were {counts}.")
    layers = [_layer(key, t, plain, others) for key in plain]
    if not layers:
        raise ConfigError("The model called no recurrent layer: there is no state to look at.")
    return Visibility(t, tuple(layers))


def _call(module: Any, x: Tensor) -> Any:
    return module(x)


def _changed(
    x: Tensor, t: int, axis: int, replacements: Sequence[Any] | None, eps: float | None, draws: tuple[int, int]
) -> Iterator[Tensor]:
    if (replacements is None) == (eps is None):
        raise ConfigError("Give exactly one of replacements and eps.")
    if eps is None:
        for one in () if replacements is None else replacements:
            new = x.clone()
            new.select(axis, t).copy_(torch.as_tensor(one).to(x).expand_as(new.select(axis, t)))
            yield new
        return
    if not x.is_floating_point():
        raise ConfigError("Noise is for inputs of numbers; give ids to put in the place of this one as replacements.")
    generator = torch.Generator().manual_seed(draws[1])
    for _ in range(draws[0]):
        new = x.clone()
        place = new.select(axis, t)
        place.add_(eps * torch.randn(place.shape, generator=generator).to(place))
        yield new


def _run(module: Any, x: Tensor, calling: Callable[[Any, Tensor], Any]) -> Trace:
    with record(module) as trace:
        calling(module, x)
    return trace


def _layer(key: tuple[str, int, str], t: int, plain: Trace, others: list[Trace]) -> LayerVisibility:
    name, layer, direction = key
    own = plain[key]
    if t >= own.h.shape[0]:
        raise ShapeError(f"Layer {name!r} has {own.h.shape[0]} steps and no step {t}: it does not read x step by step.")
    after = torch.arange(t, own.h.shape[0]) if direction == "forward" else torch.arange(t, -1, -1)
    counts = torch.ones(own.h.shape[:2], dtype=torch.bool, device=own.h.device)
    if own.lengths is not None:
        counts = torch.arange(own.h.shape[0], device=own.h.device)[:, None] < own.lengths.to(own.h.device)
    found: dict[str, tuple[Array, Array]] = {}
    for state in ("h", "c"):
        if state in own.values:
            gaps = torch.stack([(getattr(own, state) - getattr(other[key], state)).double() for other in others])
            found[state] = _over_rows(gaps.abs(), counts, after), _over_rows(gaps.norm(dim=-1), counts, after)
    c, norm_c = found.get("c", (None, None))
    return LayerVisibility(name, layer, direction, found["h"][0], c, found["h"][1], norm_c)


def _over_rows(gaps: Tensor, counts: Tensor, steps: Tensor) -> Array:
    """Return the mean [K, ...] of [runs, T, B, ...] over runs and the rows that have the step, zero where none has."""
    known = counts.reshape(*counts.shape, *[1] * (gaps.dim() - 3)).double()
    mean = (gaps.mean(dim=0) * known).sum(dim=1) / known.sum(dim=1).clamp_min(1.0)
    return mean[steps.to(mean.device)].cpu().numpy()
