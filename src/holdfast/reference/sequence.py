"""A whole sequence through any cell, step by step in Python: lengths, resets, masks and traces included."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import layer_norm

from holdfast.reference.gru import gru_step
from holdfast.reference.lstm import Force, lstm_step, unforced
from holdfast.reference.masks import drop_mask
from holdfast.reference.rnn import rnn_step
from holdfast.spec import GATES, LAYER_NORM_EPS, CellSpec, parameter_table

Params = dict[str, Tensor]
Shifts = tuple[Tensor, "Tensor | None"]
Forced = Mapping[str, tuple[Tensor, Tensor]]
"""By gate or state: where it is forced, [T, B, units] bool, and to what, of the same shape."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a stack a sequence runs: direction 1 reads from the end. Masks depend on both numbers."""

    layer: int = 0
    direction: int = 0


@dataclass(frozen=True, slots=True)
class SequenceResult:
    """What one layer and direction computed; padding is zero everywhere.

    output [T, B, H or P]; state: the last h (and c), each [B, ...]; gates [T, B, len(GATES[family]), H] after
    activation (f = 1 - i where tied, 1 where absent); cells [T, B, H], the LSTM's c after each step, else None.
    """

    output: Tensor
    state: tuple[Tensor, ...]
    gates: Tensor
    cells: Tensor | None


def name_params(params: tuple[Tensor, ...], spec: CellSpec) -> Params:
    """Return the parameters of one layer and direction by table name."""
    names = [parameter.name for parameter in parameter_table(spec, 1, 1, 1 if spec.projected else 0)]
    return dict(zip(names, params, strict=True))


def run_sequence(
    x: Tensor,
    state: tuple[Tensor, ...],
    params: tuple[Tensor, ...],
    spec: CellSpec,
    *,
    lengths: Tensor | None = None,
    resets: Tensor | None = None,
    seed: Tensor | None = None,
    place: Place = Place(),
    shifts: Shifts | None = None,
    forced: Forced | None = None,
) -> SequenceResult:
    """Run one layer in one direction over a sequence.

    Args:
        x: [T, B, I].
        state: The state before the first step read: h [B, H or P], and c [B, H] for the LSTM.
        params: The rows of the parameter table, in its order.
        lengths: [B], steps of each row that count. None means all.
        resets: [T, B] bool, True where the state becomes the initial one before that step. A reset at t cuts between
            t-1 and t whichever way the sequence is read.
        seed: The mask seed of this call; None means evaluation, where zoneout is its expectation.
        shifts: Added to h(t) [T, B, H or P] after zoneout and to the c(t) [T, B, H] that h(t) reads. They are zeros,
            whose gradients are the total derivatives of a loss by these states.
        forced: Gates and states to replace by given values before anything reads them, the "h" of an RNN's gate being
            its state. A tied f follows a forced i; c and h are forced after zoneout too.

    Returns:
        Output, final state, gates and cells; half-precision inputs keep c and the gates in float32 inside.
    """
    named = name_params(params, spec)
    wide = torch.float32 if x.dtype in (torch.float16, torch.bfloat16) else x.dtype
    steps, rows = x.shape[0], x.shape[1]
    h, c = state[0], state[1].to(wide) if "c" in spec.states else None
    start = _initial_state(named, h, c)
    masks = _draw_masks(spec, seed, (steps, rows, h.shape[-1]), (named["weight_hh"].shape[0], x.device), place)
    reverse = place.direction == 1
    active = None if lengths is None else torch.arange(steps, device=x.device)[:, None] < lengths.to(x.device)
    cuts = _cuts(resets, active, reverse)
    if active is not None:  # whatever stands in padding, NaN included, must not reach a gradient
        x = torch.where(active[:, :, None], x, x.new_zeros(()))
    from_x = _from_input(x, named, spec)
    per_step: list[tuple[Tensor, Tensor, Tensor | None]] = []
    for t in reversed(range(steps)) if reverse else range(steps):
        if cuts is not None:
            h = torch.where(cuts[t][:, None], start[0], h)
            c = c if c is None else torch.where(cuts[t][:, None], start[1], c)
        h_new, c_new, gates = _step(
            from_x[t], h, c, named, spec, masks.at(t), _shifts_at(shifts, t), _force_at(forced, t)
        )
        if active is not None:
            row = active[t][:, None]
            per_step.append(_zero_padding(row, h_new, gates, c_new))
            h_new = torch.where(row, h_new, h)
            c_new = c_new if c is None or c_new is None else torch.where(row, c_new, c)
        else:
            per_step.append((h_new, gates, c_new))
        h, c = h_new, c_new
    if reverse:
        per_step.reverse()
    outputs, all_gates, cells = zip(*per_step, strict=True)
    last = (h,) if c is None else (h, c.to(x.dtype))
    return SequenceResult(
        torch.stack(outputs),
        last,
        torch.stack(all_gates),
        None if c is None else torch.stack(cells),  # type: ignore[arg-type]
    )


def _shifts_at(shifts: Shifts | None, t: int) -> tuple[Tensor | None, Tensor | None]:
    if shifts is None:
        return None, None
    return shifts[0][t], None if shifts[1] is None else shifts[1][t]


def _force_at(forced: Forced | None, t: int) -> Force:
    if not forced:
        return unforced

    def force(name: str, value: Tensor) -> Tensor:
        if name not in forced:
            return value
        where, to = forced[name]
        return torch.where(where[t], to[t].to(value.dtype), value)

    return force


def _step(
    from_x: Tensor,
    h_prev: Tensor,
    c_prev: Tensor | None,
    named: Params,
    spec: CellSpec,
    masks: _StepMasks,
    shifts: tuple[Tensor | None, Tensor | None],
    force: Force,
) -> tuple[Tensor, Tensor | None, Tensor]:
    """Advance any family one step; returns h, c and the gates stacked [B, len(GATES), H]."""
    wide = from_x.dtype

    def multiply_h(h: Tensor, rows: slice) -> Tensor:
        read = h if masks.h_scale is None else h * masks.h_scale.to(h.dtype)
        product = _normalise(read @ named["weight_hh"][rows].t(), named, "hh", rows, spec).to(wide)
        return product + named["bias_hh"][rows].to(wide) if spec.bias else product

    c = None
    if c_prev is not None:
        h, c, gates = lstm_step(from_x + multiply_h(h_prev, slice(None)), c_prev, named, spec, shifts[1], force)
        h = h.to(h_prev.dtype)
        if spec.projected:
            h = h @ named["weight_hr"].t()
        c = force("c", _zoneout(c, c_prev, spec.zoneout_c, masks.keep_c))
    elif spec.family == "gru":
        h, gates = gru_step(from_x, h_prev, multiply_h, spec, force)
    else:
        h = rnn_step(from_x + multiply_h(h_prev, slice(None)), spec)
        gates = {"h": h}
    h = _zoneout(h.to(h_prev.dtype), h_prev, spec.zoneout_h, masks.keep_h)
    h = force("h", h if shifts[0] is None else h + shifts[0].to(h.dtype))
    return h, c, torch.stack([gates[name] for name in GATES[spec.family]], dim=-2)


def _from_input(x: Tensor, named: Params, spec: CellSpec) -> Tensor:
    """Return W_ih x + b_ih for every step, [T, B, G*H], normalised before the bias where the spec says so."""
    wide = torch.float32 if x.dtype in (torch.float16, torch.bfloat16) else x.dtype
    product = _normalise(x @ named["weight_ih"].t(), named, "ih", slice(None), spec).to(wide)
    return product + named["bias_ih"].to(wide) if spec.bias else product


def _normalise(product: Tensor, named: Params, side: str, rows: slice, spec: CellSpec) -> Tensor:
    if spec.layer_norm is None:
        return product
    scale, shift = named[f"ln_{side}_weight"][rows], named[f"ln_{side}_bias"][rows]
    return layer_norm(product, product.shape[-1:], scale, shift, LAYER_NORM_EPS)


def _zoneout(new: Tensor, old: Tensor, p: float, keep: Tensor | None) -> Tensor:
    if keep is not None:
        return torch.where(keep, old, new)
    return p * old + (1 - p) * new if p else new


def _zero_padding(row: Tensor, h: Tensor, gates: Tensor, c: Tensor | None) -> tuple[Tensor, Tensor, Tensor | None]:
    zero = h.new_zeros(())
    return (
        torch.where(row, h, zero),
        torch.where(row[:, :, None], gates, zero.to(gates.dtype)),
        None if c is None else torch.where(row, c, zero.to(c.dtype)),
    )


def _initial_state(named: Params, h: Tensor, c: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return what a reset sets h and c to."""
    zero = h.new_zeros(())
    c_zero = zero if c is None else c.new_zeros(())
    return named.get("h_0", zero).to(h.dtype), named.get("c_0", c_zero).to(c_zero.dtype)


def _cuts(resets: Tensor | None, active: Tensor | None, reverse: bool) -> Tensor | None:
    """Return [T, B]: does the state become the initial one before step t, in reading order?"""
    if resets is None:
        return None
    cuts = resets if active is None else resets & active
    if not reverse:
        return cuts
    # Reading backwards, the cut between t-1 and t lies before step t-1; the last step has nothing after it.
    return torch.cat([cuts[1:], torch.zeros_like(cuts[:1])])


@dataclass(frozen=True, slots=True)
class _StepMasks:
    h_scale: Tensor | None = None
    keep_h: Tensor | None = None
    keep_c: Tensor | None = None


@dataclass(frozen=True, slots=True)
class _SequenceMasks:
    h_scale: Tensor | None = None
    keep_h: Tensor | None = None
    keep_c: Tensor | None = None

    def at(self, t: int) -> _StepMasks:
        return _StepMasks(
            self.h_scale,
            None if self.keep_h is None else self.keep_h[t],
            None if self.keep_c is None else self.keep_c[t],
        )


def _draw_masks(
    spec: CellSpec, seed: Tensor | None, shape: tuple[int, int, int], cell: tuple[int, torch.device], place: Place
) -> _SequenceMasks:
    if seed is None or not spec.needs_masks:
        return _SequenceMasks()
    steps, rows, out_size = shape
    gate_rows, device = cell
    hidden_size = gate_rows // len(spec.gates)

    def draw(kind: str, p: float, num_steps: int, units: int) -> Tensor | None:
        if not p:
            return None
        mask_shape = (num_steps, rows, units)
        return drop_mask(seed, kind, p, mask_shape, layer=place.layer, direction=place.direction, device=device)

    dropped = draw("recurrent_dropout", spec.recurrent_dropout, 1, out_size)
    h_scale = None if dropped is None else (~dropped[0]).double() / (1 - spec.recurrent_dropout)
    return _SequenceMasks(
        h_scale,
        draw("zoneout_h", spec.zoneout_h, steps, out_size),
        draw("zoneout_c", spec.zoneout_c, steps, hidden_size),
    )
