"""How long a changed input stays visible: by hand for a linear case, and for ids, lengths and both directions."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

import holdfast
from holdfast.errors import ConfigError, ShapeError
from holdfast.inside import visibility
from tests.cases import FAMILIES, OURS


def test_a_relu_rnn_that_halves_forgets_by_halves():
    rnn = holdfast.RNN(1, 2, nonlinearity="relu", bias=False)
    with torch.no_grad():
        rnn.weight_ih_l0.copy_(torch.tensor([[1.0], [2.0]]))
        rnn.weight_hh_l0.copy_(torch.tensor([[0.5, 0.0], [0.0, 0.25]]))
    x = torch.ones(8, 3, 1)
    seen = visibility(rnn, x, 2, replacements=[[2.0], [3.0]])["", 0, "forward"]
    steps = np.arange(6)
    expected = np.stack([1.5 * 0.5**steps, 3.0 * 0.25**steps], axis=1)
    np.testing.assert_allclose(seen.h, expected, rtol=1e-6)
    np.testing.assert_allclose(seen.norm_h, np.linalg.norm(expected, axis=1), rtol=1e-6)
    assert seen.c is None
    assert 0.5 < seen.half_life() < 1.0
    assert seen.visible_steps() == 3


@pytest.mark.parametrize("family", FAMILIES)
def test_change_is_that_of_two_runs_in_both_directions_and_the_mode_is_put_back(family):
    layer = OURS[family](3, 5, num_layers=2, bidirectional=True, dropout=0.5)
    x, lengths = torch.randn(6, 2, 3), torch.tensor([6, 4])
    seen = visibility(layer, x, 3, replacements=[torch.zeros(3)], run=lambda m, x: m(x, lengths=lengths))
    assert layer.training
    other = x.clone()
    other[3] = 0.0
    layer.eval()
    for key in (("", 1, "forward"), ("", 0, "backward")):
        plain, changed = (layer.trace(one, lengths=lengths)[key] for one in (x, other))
        gaps = (plain.h - changed.h).abs()
        if key[2] == "forward":
            expected = torch.stack([gaps[3].mean(0), gaps[4, 0], gaps[5, 0]])
        else:
            expected = gaps[[3, 2, 1, 0]].mean(1)
        np.testing.assert_allclose(seen[key].h, expected.detach().numpy(), atol=1e-7)
        assert len(seen[key].norm_h) == len(expected)


def test_noise_is_drawn_from_the_seed_and_ids_are_replaced():
    lstm, x = holdfast.LSTM(3, 5, batch_first=True), torch.randn(2, 7, 3)
    first, again, other = (
        visibility(lstm, x, 1, eps=0.1, seed=seed, batch_first=True)["", 0, "forward"].norm_c for seed in (0, 0, 1)
    )
    assert first.tolist() == again.tolist() != other.tolist()
    assert len(first) == 6
    double = visibility(lstm, x, 1, eps=0.2, batch_first=True)["", 0, "forward"].norm_c
    np.testing.assert_allclose(double, 2 * first, rtol=0.2)
    model = nn.ModuleDict({"embed": nn.Embedding(9, 4), "rnn": nn.GRU(4, 5)})
    ids = torch.randint(9, (6, 2))
    seen = visibility(model, ids, 0, replacements=[3, 4], run=lambda m, ids: m["rnn"](m["embed"](ids)))
    assert [one.name for one in seen] == ["rnn"]
    assert seen["rnn", 0, "forward"].norm_h[0] > 0
    assert math.isfinite(seen["rnn", 0, "forward"].half_life())
    with pytest.raises(ConfigError, match="replacements"):
        visibility(model, ids, 0, eps=0.1)
    with pytest.raises(ConfigError, match="exactly one"):
        visibility(lstm, x, 0)
    with pytest.raises(ShapeError, match="0 to 6"):
        visibility(lstm, x, 7, eps=0.1, batch_first=True)
    with pytest.raises(ConfigError, match="no recurrent layer"):
        visibility(nn.Linear(3, 1), x, 0, eps=0.1)
    for nothing in ({"replacements": []}, {"eps": 0.1, "samples": 0}):
        with pytest.raises(ConfigError, match="Nothing is changed"):
            visibility(lstm, x, 0, **nothing)
    with pytest.raises(ConfigError, match="called once"):
        visibility(lstm, x, 0, eps=0.1, run=lambda m, x: (m(x), m(x)))
    with pytest.raises(KeyError, match="no layer"):
        _ = seen["rnn", 1, "forward"]
