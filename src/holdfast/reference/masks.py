"""Random masks that depend on nothing but a seed and a place: Philox4x32-10 as plain integer arithmetic.

Key = the 64-bit seed. Counter = (t, row, unit // 4, tag); word unit % 4 decides for that unit. The tag holds the kind
of mask, the layer and the direction. Because a mask is a function of its place, a kernel, a recomputed backward pass
and a resumed run all see the same one.

Source: Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3", section 3.3.
"""

from __future__ import annotations

import torch
from torch import Tensor

KINDS = {"recurrent_dropout": 0, "zoneout_h": 1, "zoneout_c": 2, "weight_drop": 3}

_WORD = 0xFFFFFFFF
_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_KEY_STEPS = (0x9E3779B9, 0xBB67AE85)
_ROUNDS = 10


def draw_seed() -> Tensor:
    """Draw a fresh mask seed, an int64 tensor of shape [], from torch's default generator."""
    return torch.randint(-(2**63), 2**63 - 1, (), dtype=torch.int64)


def philox_words(seed: Tensor, counter: tuple[Tensor, Tensor, Tensor, Tensor]) -> tuple[Tensor, ...]:
    """Return four words in [0, 2**32) for each counter, as int64 tensors of the counters' common shape.

    A product of two 32-bit words may pass 2**63; int64 wraps, and masking the shifted bits still gives the right word.
    """
    x0, x1, x2, x3 = counter
    key0, key1 = seed & _WORD, (seed >> 32) & _WORD
    for _ in range(_ROUNDS):
        product0, product1 = x0 * _MULTIPLIERS[0], x2 * _MULTIPLIERS[1]
        x0, x1, x2, x3 = (
            ((product1 >> 32) & _WORD) ^ x1 ^ key0,
            product1 & _WORD,
            ((product0 >> 32) & _WORD) ^ x3 ^ key1,
            product0 & _WORD,
        )
        key0, key1 = (key0 + _KEY_STEPS[0]) & _WORD, (key1 + _KEY_STEPS[1]) & _WORD
    return x0, x1, x2, x3


def drop_mask(
    seed: Tensor, kind: str, p: float, shape: tuple[int, int, int], *, layer: int, direction: int, device: torch.device
) -> Tensor:
    """Return a bool tensor [T, B, units], True with chance `p`: the places to drop or to keep old.

    Args:
        kind: A name in KINDS; different kinds are independent.
        shape: (steps, rows, units). A mask that holds for a whole sequence has one step, t = 0.
    """
    steps, rows, units = shape
    seed = seed.to(device)

    def axis(size: int, view: tuple[int, int, int]) -> Tensor:
        return torch.arange(size, dtype=torch.int64, device=device).view(view)

    blocks = (units + 3) // 4
    full = (steps, rows, blocks)
    tag = torch.tensor(KINDS[kind] + 4 * direction + 8 * layer, dtype=torch.int64, device=device)
    counter = tuple(
        part.expand(full) for part in (axis(steps, (-1, 1, 1)), axis(rows, (1, -1, 1)), axis(blocks, (1, 1, -1)), tag)
    )
    words = torch.stack(philox_words(seed, counter), dim=-1).flatten(-2)[..., :units]  # type: ignore[arg-type]
    return (words >> 8) < round(p * 2**24)
