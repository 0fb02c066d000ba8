"""Packed sequences as padded ones and back, as differentiable indexing.

Packed data has the steps of all rows in one axis N: every row's first step, then every second step of those rows that
have one, and so on, rows sorted by length, longest first.
"""

from __future__ import annotations

import torch
from torch import Tensor


def unpack(data: Tensor, lengths: Tensor, rows: Tensor | None) -> Tensor:
    """Return packed data [N, ...] as padded [T, B, ...], zero in padding, rows in the caller's order.

    Args:
        lengths: [B], in the order of the data, descending, at least 1.
        rows: [B], the caller's row of each row of the data; None means the same.
    """
    places, steps = _places(lengths, rows)
    batch = lengths.shape[0]
    source = places.new_zeros(steps * batch)
    source[places] = torch.arange(data.shape[0], device=data.device)
    active = torch.zeros(steps * batch, dtype=torch.bool, device=data.device)
    active[places] = True
    active = active.view(-1, *[1] * (data.dim() - 1))
    padded = torch.where(active, data.index_select(0, source), data.new_zeros(()))
    return padded.unflatten(0, (steps, batch))


def repack(padded: Tensor, lengths: Tensor, rows: Tensor | None) -> Tensor:
    """Return padded [T, B, ...], rows in the caller's order, as packed data [N, ...]."""
    return padded.flatten(0, 1).index_select(0, _places(lengths, rows)[0])


def callers_order(lengths: Tensor, rows: Tensor | None) -> Tensor:
    """Return the lengths [B] of the data's rows in the caller's row order."""
    return lengths if rows is None else torch.empty_like(lengths).index_copy_(0, rows, lengths)


def _places(lengths: Tensor, rows: Tensor | None) -> tuple[Tensor, int]:
    """Return where each step of the data stands in the padded batch, as a flat [N] index, and T."""
    steps = int(lengths[0])
    active = torch.arange(steps, device=lengths.device)[:, None] < lengths
    t, row = active.nonzero(as_tuple=True)
    return t * lengths.shape[0] + (row if rows is None else rows[row]), steps
