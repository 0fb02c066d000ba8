"""Warped, scaled and noisy series stay the series they were: same ends, same lengths, same order of values."""

from __future__ import annotations

import torch

from holdfast.tasks.classify import SeriesSettings
from holdfast.tasks.classify.shake import KNOTS, shake_series, warp_series

LENGTHS = torch.tensor([9, 4, 1])
RAMP = torch.arange(9.0)[:, None, None].expand(9, 3, 2).clone()


def test_warping_keeps_ends_and_order():
    y = warp_series(RAMP, LENGTHS, torch.tensor([[1.0], [3.0], [0.5]]).expand(3, 3))
    for row, length in enumerate(LENGTHS.tolist()):
        kept = y[:length, row, 0]
        assert kept[0] == 0
        assert torch.isclose(kept[-1], torch.tensor(length - 1.0))
        assert (kept.diff() > 0).all()
    assert y[5, 0, 0] - y[4, 0, 0] > 1  # faster than even in the middle
    assert y[8, 0, 0] - y[7, 0, 0] < 1  # and slower in the end


def test_even_speed_changes_nothing():
    assert torch.allclose(warp_series(RAMP, LENGTHS, torch.full((KNOTS, 3), 0.7))[:4, :2], RAMP[:4, :2], atol=1e-5)
    assert torch.equal(warp_series(RAMP[:1], torch.tensor([1, 1, 1]), torch.ones(KNOTS, 3)), RAMP[:1])


def test_scaling_is_around_the_mean_and_everything_can_be_left_out():
    mean, scale = torch.tensor([5.0, 0.0]), torch.tensor([1.0, 1.0])
    off = SeriesSettings(noise=0, scale=0, warp=0)
    assert torch.equal(shake_series(RAMP, LENGTHS, mean, scale, off), RAMP)
    y = shake_series(RAMP, LENGTHS, mean, scale, SeriesSettings(noise=0, scale=0.5, warp=0))
    assert torch.equal(y[5, :, 0], torch.full((3,), 5.0))
    factor = (y[:, :, 1] / RAMP[:, :, 1])[1:]
    assert torch.allclose(factor, factor[:1].expand_as(factor))
    assert not torch.allclose(factor[0, 0], factor[0, 1])
    torch.manual_seed(0)
    noisy = shake_series(RAMP, LENGTHS, mean, torch.tensor([1.0, 0.0]), SeriesSettings(noise=1, scale=0, warp=0))
    assert torch.equal(noisy[..., 1], RAMP[..., 1])
    assert not torch.equal(noisy[..., 0], RAMP[..., 0])
