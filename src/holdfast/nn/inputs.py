"""What a recurrent layer is given, in any of torch's forms, brought to one: [T, B, I], states, lengths, resets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from holdfast.errors import DtypeError, ShapeError

if TYPE_CHECKING:
    from holdfast.nn.base import AbstractRecurrent


@dataclass(frozen=True)
class Form:
    """How the caller gave the sequence, so that the answer goes back the same way."""

    unbatched: bool = False
    packed: PackedSequence | None = None


def open_sequence(
    layer: AbstractRecurrent, x: Tensor | PackedSequence, lengths: Tensor | None, resets: Tensor | None
) -> tuple[Tensor, Tensor | None, Tensor | None, Form]:
    """Return x [T, B, I], lengths [B], resets [T, B] and the form they came in.

    Raises:
        ShapeError: an axis is missing or of the wrong size, the sequence has no steps, or a length is out of range.
        DtypeError: x is not of the weights' dtype (under autocast: no floating point), or lengths or resets have the
            wrong dtype.
    """
    if isinstance(x, PackedSequence):
        if lengths is not None or resets is not None:
            given = "lengths" if lengths is not None else "resets"
            raise ShapeError(
                f"{given}= cannot go with a PackedSequence, whose rows are cut into steps already. "
                "Unpack it with pad_packed_sequence and pass the padded tensor."
            )
        _check_features(layer, x.data, x.data.dim() == 2)
        padded, lengths = unpack(x)
        return padded, lengths, None, Form(packed=x)
    if x.dim() not in (2, 3):
        raise ShapeError(f"{layer.name}: Expected input to be 2D or 3D, got {x.dim()}D instead")
    _check_features(layer, x, True)
    unbatched = x.dim() == 2
    if unbatched:
        x = x.unsqueeze(1)
    elif layer.batch_first:
        x = x.transpose(0, 1)
    if x.shape[0] == 0:
        raise ShapeError("Expected sequence length to be larger than 0 in RNN")
    return x, _check_lengths(lengths, x), _check_resets(layer, resets, x, unbatched), Form(unbatched)


def autocasting(device: torch.device) -> bool:
    """Whether autocast is on for `device`; torch cannot be asked about the meta device, which has no autocast."""
    return device.type != "meta" and torch.is_autocast_enabled(device.type)


def close_sequence(layer: AbstractRecurrent, y: Tensor, form: Form) -> Tensor | PackedSequence:
    """Return the output [T, B, D*H] in the caller's form."""
    if form.packed is not None:
        return repack(y, form.packed)
    if form.unbatched:
        return y.squeeze(1)
    return y.transpose(0, 1) if layer.batch_first else y


def unpack(packed: PackedSequence) -> tuple[Tensor, Tensor]:
    """Return a packed sequence as zero-padded [T, B, I] and lengths [B], rows in the caller's order.

    All shapes follow from those of the packed tensors where they can, so that a compiled graph needs no break.
    """
    data, batch_sizes, steps, row_of = _layout(packed)
    offsets = (batch_sizes.cumsum(0) - batch_sizes)[:, None]
    active = row_of[None, :] < batch_sizes[:, None]
    index = (offsets + row_of[None, :]).clamp(max=data.shape[0] - 1)
    gathered = data.index_select(0, index.flatten()).unflatten(0, (steps, row_of.shape[0]))
    return torch.where(active.unsqueeze(-1), gathered, gathered.new_zeros(())), active.sum(0)


def repack(y: Tensor, packed: PackedSequence) -> PackedSequence:
    """Return padded [T, B, F], rows in the caller's order, in the layout of `packed`."""
    data, batch_sizes, _, row_of = _layout(packed)
    ends = batch_sizes.cumsum(0)
    flat = torch.arange(data.shape[0], device=data.device)
    t = torch.searchsorted(ends, flat, right=True)
    sorted_row = flat - (ends - batch_sizes).index_select(0, t)
    row = sorted_row if packed.sorted_indices is None else packed.sorted_indices.index_select(0, sorted_row)
    index = t * row_of.shape[0] + row
    return PackedSequence(
        y.flatten(0, 1).index_select(0, index), packed.batch_sizes, packed.sorted_indices, packed.unsorted_indices
    )


def _layout(packed: PackedSequence) -> tuple[Tensor, Tensor, int, Tensor]:
    """Return data, batch sizes on its device, number of steps, and each caller's row's place in the sorted batch."""
    data, device = packed.data, packed.data.device
    if packed.unsorted_indices is not None:
        row_of = packed.unsorted_indices
    else:
        row_of = torch.arange(int(packed.batch_sizes[0]), device=device)
    return data, packed.batch_sizes.to(device), packed.batch_sizes.shape[0], row_of


def open_state(
    layer: AbstractRecurrent, hx: Tensor | tuple[Tensor, ...] | None, x: Tensor, form: Form
) -> tuple[Tensor, ...] | None:
    """Return the given states as [L*D, B, size] each, or None where the caller gave none.

    Raises:
        ShapeError: a state has the wrong shape, or the wrong number of states was given.
    """
    if hx is None:
        return None
    states = (hx,) if isinstance(hx, Tensor) else tuple(hx)
    expected = layer.spec.states
    if len(states) != len(expected) or (len(expected) == 1) != isinstance(hx, Tensor):
        want = "a tuple (h_0, c_0)" if len(expected) == 2 else "one tensor h_0"
        raise ShapeError(f"{layer.name} expects hx to be {want}, got {type(hx).__name__} of {len(states)}.")
    sizes = (layer.proj_size or layer.hidden_size, layer.hidden_size)
    count = layer.num_layers * layer.num_directions
    for name, state, size in zip(expected, states, sizes, strict=False):
        shape = (count, size) if form.unbatched else (count, x.shape[1], size)
        if tuple(state.shape) != shape:
            raise ShapeError(f"Expected hidden state {name}_0 of size {shape}, got {tuple(state.shape)}")
        if state.dtype != layer.dtype and not autocasting(x.device):
            raise DtypeError(f"hidden state {name}_0 has dtype {state.dtype}, the weights have {layer.dtype}.")
    return tuple(state.unsqueeze(1) for state in states) if form.unbatched else states


def close_state(layer: AbstractRecurrent, states: tuple[Tensor, ...], form: Form):
    """Return the final states as torch does: (h_n, c_n) for the LSTM, h_n alone for the others."""
    states = tuple(state.squeeze(1) for state in states) if form.unbatched else states
    return states if len(states) == 2 else states[0]


def _check_features(layer: AbstractRecurrent, x: Tensor, shaped: bool) -> None:
    if x.dtype != layer.dtype and not (x.is_floating_point() and autocasting(x.device)):
        raise DtypeError(
            f"{layer.name} input dtype ({x.dtype}) does not match weight dtype ({layer.dtype}). "
            "Convert to the same dtype."
        )
    if not shaped or x.shape[-1] != layer.input_size:
        order = "(batch, time, features)" if layer.batch_first else "(time, batch, features)"
        mend = "" if layer.batch_first else " Pass batch_first=True if the batch axis comes first."
        raise ShapeError(
            f"{layer.name} expects {layer.input_size} features on the last axis, got {x.shape[-1]} "
            f"(input shape {tuple(x.shape)}, read as {order}).{mend}"
        )


def _check_lengths(lengths: Tensor | None, x: Tensor) -> Tensor | None:
    if lengths is None:
        return None
    if not isinstance(lengths, Tensor):
        lengths = torch.as_tensor(lengths)
    if lengths.is_floating_point() or lengths.dtype == torch.bool:
        raise DtypeError(f"lengths counts steps and must be integers, got {lengths.dtype}.")
    if tuple(lengths.shape) != (x.shape[1],):
        raise ShapeError(f"lengths must have one entry a row, shape ({x.shape[1]},), got {tuple(lengths.shape)}.")
    if not torch.compiler.is_compiling() and not lengths.is_meta and not _is_wrapped(lengths):
        low, high = (int(bound) for bound in lengths.aminmax()) if lengths.numel() else (0, 0)
        if low < 0 or high > x.shape[0]:
            raise ShapeError(f"lengths must lie in 0..{x.shape[0]}, the steps of the input; found {low} to {high}.")
    return lengths.to(x.device)


def _is_wrapped(tensor: Tensor) -> bool:
    """Whether torch.func stands between us and the values; asked in eager mode only, a compiled graph cannot."""
    return torch._C._functorch.is_functorch_wrapped_tensor(tensor)  # pyright: ignore[reportAttributeAccessIssue]


def _check_resets(layer: AbstractRecurrent, resets: Tensor | None, x: Tensor, unbatched: bool) -> Tensor | None:
    if resets is None:
        return None
    if not isinstance(resets, Tensor):
        resets = torch.as_tensor(resets)
    if resets.dtype != torch.bool:
        raise DtypeError(f"resets must be bool, True before the steps that start afresh, got {resets.dtype}.")
    if unbatched and resets.dim() == 1:
        resets = resets.unsqueeze(1)
    elif layer.batch_first and not unbatched and resets.dim() == 2:
        resets = resets.transpose(0, 1)
    if tuple(resets.shape) != tuple(x.shape[:2]):
        order = "(batch, time)" if layer.batch_first else "(time, batch)"
        raise ShapeError(f"resets must mark every step of every row, {order} as the input; got {tuple(resets.shape)}.")
    return resets.to(x.device)
