"""The picture of gradient flow draws the flow's own numbers, by lag, with their half-lives."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import holdfast
from holdfast.errors import ConfigError
from holdfast.inside.draw_flow import half_life_words, plot_flow

pytest.importorskip("matplotlib", reason="pictures need Matplotlib")


def flow(family: str):
    return holdfast.gradient_flow(
        getattr(holdfast, family)(3, 5),
        torch.randn(12, 4, 3),
        lambda layer, x: layer(x)[0][-1].square().sum(-1),
    )


def test_each_model_is_a_line_of_its_gradient_by_lag():
    flows = {family: flow(family) for family in ("LSTM", "GRU", "RNN")}
    axis = plot_flow(flows, relative=False).axes[0]
    for line, (name, one) in zip(axis.lines, flows.items(), strict=True):
        np.testing.assert_array_equal(line.get_xdata(), np.arange(12))
        np.testing.assert_array_equal(line.get_ydata(), one.top.c if name == "LSTM" else one.top.h)
        assert line.get_label() == f"{name}: {half_life_words(one.half_life())}"
    assert len({line.get_linestyle() for line in axis.lines}) == 3
    assert axis.get_yscale() == "log"
    assert "lag" in axis.get_xlabel()


def test_a_share_of_the_gradient_at_lag_0_is_drawn_by_default(tmp_path):
    one = flow("LSTM").top
    line = plot_flow({"a layer": one}, tmp_path / "flow.png", state="h", title="Left").axes[0].lines[0]
    np.testing.assert_allclose(line.get_ydata(), one.h / one.h[0])
    assert (tmp_path / "flow.png").read_bytes().startswith(b"\x89PNG")


def test_half_lives_in_words():
    assert half_life_words(2.2) == "halves every 2.2 steps"
    assert half_life_words(-3.0) == "doubles every 3 steps"
    assert half_life_words(4243.0) == "halves every 4,200 steps"
    assert half_life_words(math.inf) == "does not change"
    assert half_life_words(math.nan) == "no gradient"


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(ConfigError, match="at least one"):
        plot_flow({})
    with pytest.raises(ConfigError, match="no state 'c'"):
        plot_flow({"RNN": flow("RNN")}, state="c")
