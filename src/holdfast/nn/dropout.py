"""Weight drop: zero entries of the hidden-to-hidden matrix, anew at each training call."""

from __future__ import annotations

from torch import Tensor

from holdfast.reference.masks import drop_mask
from holdfast.reference.sequence import Place


def drop_weight(weight: Tensor, p: float, seed: Tensor, place: Place) -> Tensor:
    """Return `weight` [G*H, H] with each entry zeroed with chance `p` and the others scaled by 1 / (1 - p).

    The parameter itself is never written, so moving, copying and reloading a module cannot detach the two.

    Source: Merity et al. 2018, "Regularizing and optimizing LSTM language models", section 2 (DropConnect).
    """
    shape = (1, weight.shape[0], weight.shape[1])
    dropped = drop_mask(
        seed, "weight_drop", p, shape, layer=place.layer, direction=place.direction, device=weight.device
    )
    return weight.masked_fill(dropped[0], 0.0) / (1 - p)
