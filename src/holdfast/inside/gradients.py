"""How much of a loss reaches back k steps: the vanishing gradient as a curve, exact, from one backward pass."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from holdfast.errors import ConfigError, ShapeError
from holdfast.nn.stand_in import recurrent_layers
from holdfast.nn.trace import LayerTrace, record

if TYPE_CHECKING:
    import pandas
    from numpy.typing import NDArray

    Doubles = NDArray[np.float64]

STEADY = 10.0
"""Half-lives of so many times the length of the curve are no change to speak of."""
FLAT = 1e-6
"""A slope of log norm against lag, per step, that counts as neither decay nor growth."""


@dataclass(frozen=True)
class LayerFlow:
    """The gradient by lag of one layer in one direction. Lag k is k steps before the last step that it reads.

    Attributes:
        name, layer, direction, call: Which, as in a trace; `call` counts the calls of a module called several times.
        rows_h: [B, K] the norm over units of d loss / d h at each lag of each row; NaN beyond the row's length.
        rows_c: The same of c; None where there is no c.
        kept: [K] the mean over units and rows of the product of the gates that keep a state, over the k last steps: f
            of an LSTM, z of a GRU; with zoneout p, p + (1 - p) of the gate. It is what the gradient would be if it came
            back through the state alone. None for an RNN.
    """

    name: str
    layer: int
    direction: str
    call: int
    rows_h: Doubles
    rows_c: Doubles | None
    kept: Doubles | None

    @property
    def h(self) -> Doubles:
        """[K] the mean over rows of the norm of d loss / d h."""
        return _mean(self.rows_h)

    @property
    def c(self) -> Doubles | None:
        """[K] the mean over rows of the norm of d loss / d c; None where there is no c."""
        return None if self.rows_c is None else _mean(self.rows_c)

    @property
    def counts(self) -> NDArray[np.int64]:
        """[K] how many rows are so long."""
        return (~np.isnan(self.rows_h)).sum(axis=0)

    def curve(self, state: str = "") -> Doubles:
        """Return the curve [K] of "h", of "c", or of the one that carries the memory: c where there is one."""
        curve = self.h if state == "h" or (not state and self.rows_c is None) else self.c
        if curve is None or state not in ("", "h", "c"):
            raise ConfigError(f"{self.where} has no state {state!r}.")
        return curve

    @property
    def where(self) -> str:
        """The layer's name for a reader."""
        again = f", call {self.call}" if self.call else ""
        return f"{self.name + ', ' if self.name else ''}layer {self.layer}, {self.direction}{again}"

    def half_life(self, state: str = "") -> float:
        """Return over how many steps back the gradient halves: ln 2 over the slope of a line fitted to its logarithm.

        Lags whose norm is zero (or too small for a number) are left out of the fit. Infinite where the gradient does
        not change; negative where it grows: -3 says that it doubles every 3 steps back. NaN with fewer than two lags.
        """
        slope = log_slope(self.curve(state))
        return math.nan if math.isnan(slope) else math.inf if abs(slope) < FLAT else -math.log(2) / slope

    def summary(self) -> str:
        """Return one sentence made from the numbers."""
        curve, state = self.curve(), "h" if self.rows_c is None else "c"
        half = self.half_life()
        if math.isnan(half):
            return f"{self.where}: too few steps, or no gradient, to say how the gradient changes."
        change = (
            "hardly changes"
            if abs(half) > STEADY * len(curve)
            else f"halves every {half:.3g} steps back, by a line through its logarithm"
        )
        change = f"doubles every {-half:.3g} steps back, by a line through its logarithm" if half < 0 else change
        last = int(np.flatnonzero(2 * self.counts >= self.counts[0])[-1])  # that half of the rows reach
        if not curve[0] > 0:
            return f"{self.where}: the gradient of {state} {change}."
        return f"{self.where}: the gradient of {state} {change}; {last} steps back {_percent(curve[last] / curve[0])}."


@dataclass(frozen=True)
class GradientFlow:
    """What `gradient_flow` returns: `flow[name, layer, direction]` is a LayerFlow.

    Attributes:
        layers: Every recurrent layer, direction and call, in the order of the model.
        loss: The losses that were followed back, [B] or one number.
    """

    layers: tuple[LayerFlow, ...]
    loss: Doubles

    def __getitem__(self, key: tuple[str, int, str]) -> LayerFlow:
        found = [one for one in self.layers if (one.name, one.layer, one.direction) == key]
        if not found:
            known = sorted({(one.name, one.layer, one.direction) for one in self.layers})
            raise KeyError(f"no layer {key}; there are {known}.")
        if len(found) > 1:
            raise LookupError(f"{key[0]!r} was called {len(found)} times: take one of .layers by its .call.")
        return found[0]

    def __iter__(self) -> Iterator[LayerFlow]:
        return iter(self.layers)

    @property
    def top(self) -> LayerFlow:
        """The last layer, read forward: the one whose memory the loss reads."""
        return [one for one in self.layers if one.direction == "forward"][-1]

    def half_life(self, state: str = "") -> float:
        """Return the half-life of the top layer in steps; see `LayerFlow.half_life`."""
        return self.top.half_life(state)

    def summary(self) -> str:
        """Return one sentence about the top layer, made from the numbers."""
        return self.top.summary()

    def to_dataframe(self) -> pandas.DataFrame:
        """Return a long frame: name, layer, direction, call, lag, rows, d_h, d_c and kept (NaN where there is none)."""
        from holdfast.nn.trace_export import import_pandas

        parts = []
        for one in self.layers:
            nothing = np.full(len(one.h), np.nan)
            columns = {"name": one.name, "layer": one.layer, "direction": one.direction, "call": one.call}
            columns |= {"lag": np.arange(len(one.h)), "rows": one.counts, "d_h": one.h}
            columns |= {"d_c": nothing if one.c is None else one.c, "kept": nothing if one.kept is None else one.kept}
            parts.append(import_pandas("GradientFlow.to_dataframe").DataFrame(columns))
        return import_pandas("GradientFlow.to_dataframe").concat(parts, ignore_index=True)


def gradient_flow(
    model: Any, batch: Any, loss: Callable[[Any, Any], Tensor] | None = None, *, lengths: Any = None
) -> GradientFlow:
    """Return the norm of d loss / d h(t) and d loss / d c(t) at every lag, of every recurrent layer of a model.

    The derivatives are total (through the future too) and exact: the layers' own backward kernels leave them behind in
    one backward pass. The model stays as it is: mode, gradients and weights. In training mode its dropout is at work.

    Args:
        model: A module, torch.nn's layers included, or a trained estimator.
        batch: For an estimator's own loss what its `evaluate` takes (see its `losses_of`); otherwise whatever `loss`
            reads.
        loss: Takes (model, batch) and returns a scalar, or one loss a row [B], whose sum is followed back: then each
            row's norms are those of its own loss, where a mean over rows would divide them by B. None: the estimator's
            own loss, of a sequence model that of the last step alone.
        lengths: [B] the steps of each row, for models that pad without telling their layers. None: what the layers
            were told, else all.

    Raises:
        ConfigError: no loss is known, or the model has no recurrent layer or none that the loss depends on.
        ShapeError: the loss is neither a scalar nor one number a row.

    Source: Hochreiter 1991 and Bengio et al. 1994, who describe the decay; Pascanu et al. 2013 for the norms.

    Example:
        >>> import torch, holdfast
        >>> rnn = holdfast.RNN(3, 5)
        >>> flow = holdfast.gradient_flow(rnn, torch.randn(9, 2, 3), lambda layer, x: layer(x)[0][-1].square().sum(-1))
        >>> flow["", 0, "forward"].h.shape
        (9,)
    """
    module: Any = model if isinstance(model, nn.Module) else getattr(model, "model", None)
    if not isinstance(module, nn.Module):
        raise ConfigError(f"gradient_flow needs a module or a trained estimator, got {type(model).__name__}.")
    with _with_gradients(module) as parameters, record(module, gradients=True) as trace:
        if loss is not None:
            losses = loss(model, batch)
        elif hasattr(model, "losses_of"):
            own_losses: Any = model.losses_of
            losses, own = own_losses(batch)
            lengths = own if lengths is None else lengths
        else:
            raise ConfigError(
                "This model does not know its loss: pass loss=, a function of (model, batch) that returns a scalar, or "
                "one loss a row."
            )
        _check_loss(losses)
        torch.autograd.grad(losses.sum(), parameters, allow_unused=True)
    told = None if lengths is None else np.asarray(lengths, dtype=np.int64)
    flows = []
    for name in dict.fromkeys(key[0] for key in trace):
        for number, call in enumerate(trace.calls(name)):
            flows += [_flow((name, *place, number), traced, told) for place, traced in sorted(call.items(), key=_order)]
    if not flows:
        raise ConfigError("The model called no recurrent layer: there is nothing to follow the gradient through.")
    return GradientFlow(tuple(flows), losses.detach().double().cpu().numpy())


def _order(item: tuple[tuple[int, str], LayerTrace]) -> tuple[int, bool]:
    return item[0][0], item[0][1] == "backward"


@contextmanager
def _with_gradients(module: nn.Module) -> Iterator[list[Tensor]]:
    """Yield the parameters of the recurrent layers, which all take part in the graph until the block ends."""
    with recurrent_layers(module) as layers:
        unique = {id(one): one for layer in layers.values() for one in layer.parameters()}
        frozen = [one for one in unique.values() if not one.requires_grad]
        try:
            for one in frozen:
                one.requires_grad_(True)
            if not unique:
                raise ConfigError("The model has no recurrent layer: there is nothing to follow the gradient through.")
            with torch.enable_grad():
                yield list(unique.values())
        finally:
            for one in frozen:
                one.requires_grad_(False)


def _check_loss(losses: Any) -> None:
    if not isinstance(losses, Tensor) or losses.dim() > 1:
        found = tuple(losses.shape) if isinstance(losses, Tensor) else type(losses).__name__
        raise ShapeError(f"The loss must be a scalar, or one number a row [B]; got {found}.")
    if not losses.requires_grad:
        raise ConfigError("The loss does not depend on the model: compute it from the model's output, with its graph.")


def _flow(key: tuple[str, int, str, int], traced: LayerTrace, told: NDArray[np.int64] | None) -> LayerFlow:
    name, layer, direction, call = key
    steps, rows = traced.h.shape[:2]
    lengths = np.full(rows, steps) if traced.lengths is None else traced.lengths.cpu().numpy()
    if traced.lengths is None and told is not None and len(told) == rows and told.max(initial=0) <= steps:
        lengths = told
    by_lag = _by_lag(lengths, steps, direction)
    states = [state for state in "hc" if state in traced.values]
    if not all(f"d_{state}" in (traced.gradients or {}) for state in states):
        norms = {state: np.where(by_lag < 0, np.nan, 0.0) for state in states}  # the loss does not depend on this call
    else:
        norms = {state: _take(_norms(getattr(traced, f"d_{state}")), by_lag) for state in states}
    keeping = traced.kept_share
    kept = None if keeping is None else _kept(keeping.detach().double().cpu().numpy(), by_lag)
    return LayerFlow(name, layer, direction, call, norms["h"], norms.get("c"), kept)


def _norms(gradient: Tensor) -> Doubles:
    return gradient.double().norm(dim=-1).cpu().numpy()


def _by_lag(lengths: NDArray[np.int64], steps: int, direction: str) -> NDArray[np.int64]:
    """Return [B, K] the step that lies k steps before the last one read, -1 where the row is shorter."""
    lag = np.arange(min(steps, lengths.max(initial=1)))[None, :]
    step = lengths[:, None] - 1 - lag if direction == "forward" else np.repeat(lag, len(lengths), axis=0)
    return np.where(lag < lengths[:, None], step, -1)


def _take(values: Doubles, by_lag: NDArray[np.int64]) -> Doubles:
    """Return values [T, B] as [B, K], NaN where there is no step."""
    rows = np.arange(values.shape[1])[:, None]
    return np.where(by_lag < 0, np.nan, values[by_lag, rows])


def _kept(gates: Doubles, by_lag: NDArray[np.int64]) -> Doubles:
    """Return [K] the mean over units and rows of the product of gates [T, B, H] over the k last steps read."""
    rows = np.arange(gates.shape[1])[:, None]
    ordered = np.where(by_lag[..., None] < 0, np.nan, gates[by_lag, rows])  # [B, K, H]; the last step read first
    products = np.cumprod(np.concatenate([np.ones_like(ordered[:, :1]), ordered[:, :-1]], axis=1), axis=1)
    products[by_lag < 0] = np.nan
    return _mean(products.transpose(0, 2, 1).reshape(-1, products.shape[1]))


def _mean(rows: Doubles) -> Doubles:
    """Return the mean over rows [N, K] that have a number; NaN where none has."""
    known = ~np.isnan(rows)
    count = known.sum(axis=0)
    return np.where(count > 0, np.where(known, rows, 0.0).sum(axis=0) / np.maximum(count, 1), np.nan)


def log_slope(curve: NDArray[np.floating[Any]]) -> float:
    """Return the slope of log(curve) against lag, by least squares over the lags where it is a number above zero."""
    fit = np.flatnonzero(np.nan_to_num(curve) > np.finfo(np.float32).tiny)
    if len(fit) < 2:
        return math.nan
    lags = fit - fit.mean()
    return float((lags * np.log(curve[fit])).sum() / (lags**2).sum())


def _percent(share: float) -> str:
    return f"{100 * share:.2g} % is left" if share <= 1 else f"it is {share:.3g} times as large"
