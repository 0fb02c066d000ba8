"""One unit at one step, in exact numbers: what each gate's sum is made of, and the state before and after.

A frame is a dict of plain numbers, ready for JSON:

    family  "lstm", "gru" or "rnn"
    t, unit
    gates   {letter: activation}; a tied f is 1 - i, an absent one 1
    c0, c   the cell state before and after the step (LSTM)
    h0, h   the unit's output before and after; with a projection h is o tanh(c), before it, and h0 is left out
    tanh_c  the tanh that the output gate lets out, of the normalised c where layer_norm="ba2016" (LSTM)
    ln_c    what layer normalisation adds to f c0 + i g ("state"), or to c inside the tanh ("ba2016")
    c_new, h_new  with zoneout: the states before part of the old ones was kept
    pre     {letter: parts}, for the gates with weights of their own; the parts sum to what goes through sigmoid or tanh
        x     from the input, W x
        h     from the hidden state, R h; of a GRU's n r * (R h + b_hh), or R (r * h) + b_hh with reset_order="before"
        b     both biases; of a GRU's n b_ih alone
        peep  from the cell state, p * c
        ln    what layer normalisation adds to x and h
    inner   {"n": R h + b_hh}, normalised where the cell is: what r multiplies in a GRU with reset_order="after"
    push    {letter: [[unit, value], ...]}, the hidden units whose R[u, k] h[k] (r * h with "before") is largest

What a cell does not have is left out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pad_packed_sequence

from holdfast.errors import ConfigError, HoldfastError, ShapeError
from holdfast.nn.base import AbstractRecurrent
from holdfast.nn.stand_in import recurrent_layers
from holdfast.nn.trace import DIRECTIONS, LayerTrace, Trace
from holdfast.reference.sequence import Place, name_params
from holdfast.spec import GATES, LAYER_NORM_EPS, CellSpec

PUSHES = 5
LARGEST_GAP = {8: 1e-6, 4: 1e-3, 2: 5e-2}
"""By bytes of a number: how far a gate may be from that of the frame before the frame is taken for another run's."""

Frame = dict[str, Any]
Read = tuple[Tensor, Tensor, "Tensor | None"]  # x, h and c before the step


def frame(
    module: nn.Module,
    x: Tensor,
    h_prev: Tensor,
    c_prev: Tensor | None = None,
    *,
    layer: int = 0,
    direction: str = "forward",
    unit: int = 0,
    t: int = 0,
) -> Frame:
    """Return one unit's step from what the layer reads, computed in float64, in evaluation mode.

    Args:
        module: A recurrent layer of Holdfast or torch.nn.
        x: [I] what the layer reads at the step; of an upper layer the output of the one below, directions joined.
        h_prev: [H or P] the state before the step.
        c_prev: [H], of an LSTM.
        layer, direction: Which layer of the stack.
        unit: Which of the H units.
        t: The number of the step, handed through.

    Returns:
        The dict described at the top of this module.

    Raises:
        ConfigError: no recurrent layer, or no such layer, direction or unit.
        ShapeError: x or a state has another size.

    Example:
        >>> import torch, holdfast
        >>> lstm = holdfast.LSTM(3, 5)
        >>> one = frame(lstm, torch.zeros(3), torch.zeros(5), torch.ones(5), unit=2)
        >>> sorted(one["gates"]), one["c0"]
        (['f', 'g', 'i', 'o'], 1.0)
    """
    return _frame(module, (x, h_prev, c_prev), Place(layer, _number(direction)), unit, t, {})


def frame_of(
    trace: Trace,
    module: nn.Module,
    x: Any,
    *,
    name: str = "",
    layer: int = 0,
    direction: str = "forward",
    row: int = 0,
    t: int = 0,
    unit: int = 0,
    call: int = 0,
    clamped: bool = False,
) -> Frame:
    """Return the frame of one unit at one step of a recorded run, its gates and states being the trace's own numbers.

    The run is to be one in evaluation mode without resets.

    Args:
        trace: The run.
        module: The recurrent layer that was recorded as `name`, its weights as they were.
        x: What that layer read, in the form it took it: [T, B, I], batch_first, unbatched or packed.
        row, t: Which row of the batch and which step, counted as the trace counts them.
        call: Which call, of a module called several times.
        clamped: The run had gates or states forced: they need not follow from their sums.

    Raises:
        ConfigError: there is no such layer, direction, row, step or unit.
        HoldfastError: the gates do not follow from weights, input and states: it was another run.
    """
    places = trace.calls(name)[call]
    if (layer, direction) not in places:
        raise ConfigError(f"{name!r} has (layer, direction) {sorted(places)}, not {(layer, direction)}.")
    traced = places[layer, direction]
    _check_step(traced, row, t)
    if layer:
        below = [places[layer - 1, way] for way in DIRECTIONS if (layer - 1, way) in places]
        x_t = torch.cat([one.h[t, row] for one in below])
    else:
        x_t = _time_major(module, x)[t, row]
    given = {letter: value[t, row] for letter, value in traced.values.items()}
    before = _before(traced, direction, row, t)
    found = _frame(module, (x_t, *before), Place(layer, _number(direction)), unit, t, given)
    if not clamped:
        _check_sums(module, found, given)
    return found


def _frame(module: nn.Module, read: Read, place: Place, unit: int, t: int, given: dict[str, Tensor]) -> Frame:
    """Return a frame; gates and states that are given [H] are taken as they are."""
    with torch.no_grad(), recurrent_layers(module) as found:
        if "" not in found:
            raise ConfigError(f"A frame is of one recurrent layer, got {type(module).__name__}.")
        step = _Step.of(found[""], read, place, unit, given).double()
        known, pre, inner, push = _gates(step)
        states = {"lstm": _lstm_states, "gru": _gru_states, "rnn": _rnn_states}[step.spec.family](step, known)
        gates = {name: float(known[name][step.unit]) for name in GATES[step.spec.family]}
    own = {"family": step.spec.family, "t": t, "unit": unit, "gates": gates, **states, "pre": pre}
    return {**own, **({"inner": inner} if inner else {}), "push": push}


@dataclass(frozen=True)
class _Step:
    """One layer's step as vectors of float64."""

    spec: CellSpec
    params: dict[str, Tensor]
    unit: int
    x: Tensor
    h: Tensor
    own: Tensor  # what of h belongs to the units that are computed
    c: Tensor
    hidden: int
    given: dict[str, Tensor]

    @classmethod
    def of(cls, module: AbstractRecurrent, read: Read, place: Place, unit: int, given: dict[str, Tensor]) -> _Step:
        if not 0 <= place.layer < module.num_layers or not 0 <= place.direction < module.num_directions:
            ways = DIRECTIONS[: module.num_directions]
            raise ConfigError(
                f"This {module.name} has {module.num_layers} layers reading {ways}; there is no layer {place.layer} "
                f"reading {DIRECTIONS[place.direction]}."
            )
        if not 0 <= unit < module.hidden_size:
            raise ConfigError(f"This {module.name} has units 0 to {module.hidden_size - 1}, not {unit}.")
        x, h, c = read
        params = name_params(module.direction_parameters(place), module.spec)
        c = torch.zeros(module.hidden_size) if c is None else c
        sizes = params["weight_ih"].shape[1], params["weight_hh"].shape[1], module.hidden_size
        for label, vector, size in zip(("x", "h_prev", "c_prev"), (x, h, c), sizes, strict=True):
            if vector.shape != (size,):
                raise ShapeError(f"{label} must have the shape ({size},), got {tuple(vector.shape)}.")
        whole = cls(module.spec, params, unit, x, h, h, c, sizes[2], given)
        return whole._alone() if module.spec.layer_norm is None and module.spec.reset_order == "after" else whole

    def _alone(self) -> _Step:
        """Return the step with the rows of its unit alone, where no gate needs those of the others."""
        unit = torch.tensor([self.unit])
        rows = self.hidden * torch.arange(len(self.spec.gates)) + unit
        stacked = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        params = {name: value[rows] for name, value in self.params.items() if name in stacked}
        if self.spec.peephole:
            params["weight_peep"] = self.params["weight_peep"][:, unit]
        own = self.h if self.spec.projected else self.h[unit]
        given = {name: value[unit] for name, value in self.given.items() if len(value) == self.hidden}
        return replace(self, params=params, unit=0, own=own, c=self.c[unit], hidden=1, given=given)

    def double(self) -> _Step:
        """Return the step in float64."""
        params, given = ({name: value.double() for name, value in one.items()} for one in (self.params, self.given))
        vectors = {name: getattr(self, name).double() for name in ("x", "h", "own", "c")}
        return replace(self, params=params, given=given, **vectors)

    def rows(self, names: str) -> slice:
        """Return the rows of the weights that belong to some gates side by side."""
        first = self.spec.gates.index(names[0])
        return slice(first * self.hidden, (first + len(names)) * self.hidden)

    def normalised(self, side: str, product: Tensor, rows: slice) -> Tensor:
        if self.spec.layer_norm is None:
            return product
        scale, shift = self.params[f"ln_{side}_weight"][rows], self.params[f"ln_{side}_bias"][rows]
        return torch.nn.functional.layer_norm(product, product.shape, scale, shift, LAYER_NORM_EPS)

    def bias(self, side: str) -> Tensor:
        weights = self.params["weight_ih"]
        return self.params[f"bias_{side}"] if self.spec.bias else weights.new_zeros(len(weights))

    def normalised_cell(self, c: Tensor) -> Tensor:
        return torch.nn.functional.layer_norm(
            c, c.shape, self.params["ln_c_weight"], self.params["ln_c_bias"], LAYER_NORM_EPS
        )

    def split(self, vector: Tensor) -> dict[str, Tensor]:
        return dict(zip(self.spec.gates, vector.split(self.hidden), strict=False))


def _gates(step: _Step) -> tuple[dict[str, Tensor], Frame, Frame, Frame]:
    """Return the gates [H], and by letter the parts of this unit's sums, what r multiplies, and who pushed most."""
    spec, every = step.spec, slice(0, len(step.params["weight_ih"]))
    raw_x = step.params["weight_ih"] @ step.x
    raw_h = step.params["weight_hh"] @ step.h
    ln_x = step.split(step.normalised("ih", raw_x, every))
    before = spec.family == "gru" and spec.reset_order == "before"
    first = step.rows("rz") if before else every
    ln_h = step.split(step.normalised("hh", raw_h[first], first))
    raw = step.split(raw_x), step.split(raw_h)
    b_ih, b_hh = step.split(step.bias("ih")), step.split(step.bias("hh"))
    peep = _peepholes(step)
    known: dict[str, Tensor] = {}
    pre: Frame = {}
    inner: Frame = {}
    push: Frame = {}
    for name in spec.gates:
        read, h_raw, gain = step.h, raw[1][name], torch.ones(step.hidden, dtype=torch.float64)
        h_sum, b_sum = ln_h.get(name, h_raw), b_ih[name] + b_hh[name]
        if name == "n":
            if before:
                read = known["r"] * step.h
                h_raw = step.params["weight_hh"][step.rows("n")] @ read
                h_sum = step.normalised("hh", h_raw, step.rows("n")) + b_hh[name]
            else:
                h_sum, gain = ln_h[name] + b_hh[name], known["r"]
                inner[name] = float(h_sum[step.unit])
            h_raw, b_sum = gain * (h_raw + b_hh[name]), b_ih[name]
        extra = peep(name, known)
        total = ln_x[name] + gain * h_sum + b_sum + (0.0 if extra is None else extra)
        parts = {"x": raw[0][name], "h": h_raw, "b": b_sum if spec.bias else None, "peep": extra}
        parts["ln"] = ln_x[name] - raw[0][name] + gain * h_sum - h_raw if spec.layer_norm else None
        pre[name] = {label: float(part[step.unit]) for label, part in parts.items() if part is not None}
        push[name] = _strongest(step.params["weight_hh"][step.rows(name)][step.unit] * read)
        own = name in step.given and not (name == "h" and spec.zoneout_h)  # the h of a trace is that after zoneout
        known[name] = step.given[name] if own else _squashed(spec, name, total)
        if spec.family == "lstm" and name == spec.gates[-2]:
            _close_lstm(step, known)
    return known, pre, inner, push


def _squashed(spec: CellSpec, name: str, total: Tensor) -> Tensor:
    if name == "h":
        return total.tanh() if spec.nonlinearity == "tanh" else total.relu()
    return total.tanh() if name in "gn" else total.sigmoid()


def _peepholes(step: _Step) -> Any:
    """Return what gives the part of a gate's sum that comes from the cell state, None where there is none."""
    own = dict(zip(step.spec.peephole_gates, step.params["weight_peep"], strict=True)) if step.spec.peephole else {}
    return lambda name, known: own[name] * (known["c_new"] if name == "o" else step.c) if name in own else None


def _close_lstm(step: _Step, known: dict[str, Tensor]) -> None:
    """Add f where it has no weights, and the new c, which the output gate reads."""
    if "f" not in known:
        tied = 1 - known["i"] if step.spec.coupled else torch.ones_like(known["i"])
        known["f"] = step.given.get("f", tied)
    known["c_sum"] = known["f"] * step.c + known["i"] * known["g"]
    known["c_new"] = step.normalised_cell(known["c_sum"]) if step.spec.layer_norm == "state" else known["c_sum"]
    if "c" in step.given and not step.spec.zoneout_c:
        known["c_new"] = step.given["c"]


def _lstm_states(step: _Step, known: dict[str, Tensor]) -> Frame:
    spec, u = step.spec, step.unit
    read = step.normalised_cell(known["c_new"]) if spec.layer_norm == "ba2016" else known["c_new"]
    out = known["o"] * read.tanh()
    states = {"c0": step.c, "c": spec.zoneout_c * step.c + (1 - spec.zoneout_c) * known["c_new"], "tanh_c": read.tanh()}
    if "c" in step.given:
        states["c"] = step.given["c"]
    if spec.layer_norm:
        states["ln_c"] = read - known["c_new"] if spec.layer_norm == "ba2016" else known["c_new"] - known["c_sum"]
    if spec.zoneout_c:
        states["c_new"] = known["c_new"]
    states |= {"h": out} if spec.projected else _outputs(step, out)
    return {name: float(state[u]) for name, state in states.items()}


def _gru_states(step: _Step, known: dict[str, Tensor]) -> Frame:
    states = _outputs(step, (1 - known["z"]) * known["n"] + known["z"] * step.own)
    return {name: float(state[step.unit]) for name, state in states.items()}


def _rnn_states(step: _Step, known: dict[str, Tensor]) -> Frame:
    return {name: float(state[step.unit]) for name, state in _outputs(step, known["h"]).items()}


def _outputs(step: _Step, new: Tensor) -> dict[str, Tensor]:
    p = step.spec.zoneout_h
    after = step.given.get("h", p * step.own + (1 - p) * new)
    return {"h0": step.own, "h": after} | ({"h_new": new} if p else {})


def _strongest(pushes: Tensor) -> list[list[float]]:
    chosen = pushes.abs().topk(min(PUSHES, len(pushes))).indices.tolist()
    return [[unit, float(pushes[unit])] for unit in chosen]


def _number(direction: str) -> int:
    if direction not in DIRECTIONS:
        raise ConfigError(f"A layer reads {' or '.join(DIRECTIONS)}, not {direction!r}.")
    return DIRECTIONS.index(direction)


def _length(traced: LayerTrace, row: int) -> int:
    return traced.h.shape[0] if traced.lengths is None else int(traced.lengths[row])


def _check_step(traced: LayerTrace, row: int, t: int) -> None:
    rows = traced.h.shape[1]
    if not 0 <= row < rows:
        raise ConfigError(f"The trace has rows 0 to {rows - 1}, not {row}.")
    if not 0 <= t < _length(traced, row):
        raise ConfigError(f"Row {row} has steps 0 to {_length(traced, row) - 1}, not {t}.")


def _check_sums(module: Any, found: Frame, given: dict[str, Tensor]) -> None:
    """Refuse a trace whose gates do not follow from the sums."""
    for letter, parts in found["pre"].items():
        if letter == "h":
            continue  # of an RNN, whose trace has the state alone
        total = torch.tensor(sum(parts.values()))
        expected = float(total.tanh() if letter in "gn" else total.sigmoid())
        value = found["gates"][letter]
        if abs(value - expected) > LARGEST_GAP[min(given[letter].element_size(), module.weight_ih_l0.element_size())]:
            raise HoldfastError(
                f"Gate {letter!r} was {value:.6g} in the trace, but weights, input and states give {expected:.6g}: "
                "give the input and the module of the recorded run, in evaluation mode, or say clamped=True."
            )


def _before(traced: LayerTrace, direction: str, row: int, t: int) -> tuple[Tensor, Tensor | None]:
    """Return h and c before a step, in reading order."""
    length, before = _length(traced, row), t + 1 if direction == "backward" else t - 1
    if 0 <= before < length:
        return traced.h[before, row], None if traced.c0 is None else traced.c[before, row]
    return traced.h0[row], None if traced.c0 is None else traced.c0[row]


def _time_major(module: nn.Module, x: Any) -> Tensor:
    """Return what a layer read as [T, B, I]."""
    if isinstance(x, PackedSequence):
        return pad_packed_sequence(x)[0]
    if x.dim() == 2:
        return x[:, None]
    return x.transpose(0, 1) if getattr(module, "batch_first", False) else x
