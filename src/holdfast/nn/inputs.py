"""What a recurrent layer is given, in any of torch's forms, brought to two: dense [T, B, I], and packed data [N, I]."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from holdfast.errors import DtypeError, ShapeError

if TYPE_CHECKING:
    from holdfast.nn.base import AbstractRecurrent
    from holdfast.nn.freeze import Frozen

    Layer = AbstractRecurrent | Frozen


class GivenBatch(NamedTuple):
    """A batch of sequences as the kernels take it, and the form it came in, so that the answer goes back the same way.

    x is [T, B, I], or the data [N, I] of a PackedSequence, whose lengths [B] stand in the order of the data and whose
    rows [B] name the caller's row of each.
    """

    x: Tensor
    lengths: Tensor | None
    resets: Tensor | None
    rows: Tensor | None
    steps: int
    batch: int
    unbatched: bool = False
    packed: PackedSequence | None = None


def open_sequence(
    layer: Layer, x: Tensor | PackedSequence, lengths: Tensor | None, resets: Tensor | None
) -> GivenBatch:
    """Return what the caller gave, checked.

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
        return _open_packed(x)
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
    lengths, resets = _check_lengths(lengths, x), _check_resets(layer, resets, x, unbatched)
    return GivenBatch(x, lengths, resets, None, x.shape[0], x.shape[1], unbatched)


def autocasting(device: torch.device) -> bool:
    """Whether autocast is on for `device`; torch cannot be asked about the meta device, which has no autocast."""
    return device.type != "meta" and torch.is_autocast_enabled(device.type)


def close_sequence(layer: Layer, y: Tensor, given: GivenBatch) -> Tensor | PackedSequence:
    """Return the output, [T, B, D*H] or packed [N, D*H], in the caller's form."""
    packed = given.packed
    if packed is not None:
        return PackedSequence(y, packed.batch_sizes, packed.sorted_indices, packed.unsorted_indices)
    if given.unbatched:
        return y.squeeze(1)
    return y.transpose(0, 1) if layer.batch_first else y


def _open_packed(packed: PackedSequence) -> GivenBatch:
    """Read lengths and rows off a packed sequence; shapes follow from its tensors' where they can, for compilers."""
    sizes, rows = packed.batch_sizes, packed.sorted_indices
    batch = int(sizes[0]) if rows is None else rows.shape[0]
    # Row b has as many steps as there are batch sizes above b, and these descend.
    lengths = torch.searchsorted(-sizes, -torch.arange(batch, device=sizes.device))
    data = packed.data
    return GivenBatch(data, lengths.to(data.device), None, rows, sizes.shape[0], batch, packed=packed)


def open_state(layer: Layer, hx: Tensor | tuple[Tensor, ...] | None, given: GivenBatch) -> tuple[Tensor, ...] | None:
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
    count, dtype = layer.num_layers * layer.num_directions, layer.dtype
    for name, state, size in zip(expected, states, sizes, strict=False):
        shape = (count, size) if given.unbatched else (count, given.batch, size)
        if tuple(state.shape) != shape:
            raise ShapeError(f"Expected hidden state {name}_0 of size {shape}, got {tuple(state.shape)}")
        if state.dtype != dtype and not autocasting(given.x.device):
            raise DtypeError(f"hidden state {name}_0 has dtype {state.dtype}, the weights have {dtype}.")
    return tuple([state.unsqueeze(1) for state in states]) if given.unbatched else states


def close_state(states: tuple[Tensor, ...], given: GivenBatch):
    """Return the final states as torch does: (h_n, c_n) for the LSTM, h_n alone for the others."""
    states = tuple([state.squeeze(1) for state in states]) if given.unbatched else states
    return states if len(states) == 2 else states[0]


def _check_features(layer: Layer, x: Tensor, shaped: bool) -> None:
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


def _check_resets(layer: Layer, resets: Tensor | None, x: Tensor, unbatched: bool) -> Tensor | None:
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
