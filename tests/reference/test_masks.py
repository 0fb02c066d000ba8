"""Philox4x32-10 against the known answers published with it, and what the masks promise."""

from __future__ import annotations

import pytest
import torch

from holdfast.reference.masks import KINDS, draw_seed, drop_mask, philox_words

CPU = torch.device("cpu")

# counter, key (low, high word), words: the kat_vectors of the Random123 distribution, philox4x32 with 10 rounds.
KNOWN = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((0xFFFFFFFF,) * 4, (0xFFFFFFFF, 0xFFFFFFFF), (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


def as_seed(low: int, high: int) -> torch.Tensor:
    value = low | (high << 32)
    return torch.tensor(value - (1 << 64) if value >= 1 << 63 else value, dtype=torch.int64)


@pytest.mark.parametrize(("counter", "key", "words"), KNOWN)
def test_philox_gives_the_published_words(counter, key, words):
    found = philox_words(as_seed(*key), tuple(torch.tensor(word) for word in counter))
    assert tuple(int(word) for word in found) == words


def mask(seed, kind="zoneout_h", p=0.3, shape=(4, 3, 10), layer=0, direction=0):
    return drop_mask(seed, kind, p, shape, layer=layer, direction=direction, device=CPU)


def test_a_mask_depends_on_its_place_alone():
    seed = draw_seed()
    whole = mask(seed, shape=(6, 5, 11))
    assert torch.equal(mask(seed, shape=(6, 5, 11)), whole)
    assert torch.equal(mask(seed, shape=(3, 2, 7)), whole[:3, :2, :7])


def test_masks_of_two_places_kinds_or_seeds_differ():
    seed = draw_seed()
    others = [mask(seed, layer=1), mask(seed, direction=1), mask(seed + 1), *(mask(seed, kind) for kind in KINDS)]
    flat = {tuple(other.flatten().tolist()) for other in others}
    assert len(flat) == len(others)


@pytest.mark.parametrize("p", [0.0, 0.05, 0.5, 0.9])
def test_masks_have_their_chance(p):
    drawn = mask(torch.tensor(7), p=p, shape=(50, 20, 100)).double()
    assert abs(drawn.mean().item() - p) < 5 * (0.25 / drawn.numel()) ** 0.5
    rows, units = drawn.mean((0, 2)), drawn.mean((0, 1))
    assert (rows - p).abs().max() < 0.05
    assert (units - p).abs().max() < 0.1


def test_seeds_follow_manual_seed():
    torch.manual_seed(5)
    first = draw_seed()
    assert not torch.equal(draw_seed(), first)
    torch.manual_seed(5)
    assert torch.equal(draw_seed(), first)
