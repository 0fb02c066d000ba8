"""Linear probes: they find a direction that no unit shows, and are at chance where there is nothing."""

from __future__ import annotations

import numpy as np
import pytest

from holdfast.errors import ConfigError, ShapeError
from holdfast.inside import probe

RNG = np.random.default_rng(0)
LABELS = np.repeat(["France", "Spain", "Italy"], 30)


def made(strength: float, unit: bool = False):
    """Return [90, 4, 20] noise with a label along one direction of the plane for each word, or in unit 7 alone."""
    states = RNG.standard_normal((90, 4, 20))
    codes = np.array([[1.0, 0.0], [-0.5, 0.9], [-0.5, -0.9]])[np.unique(LABELS, return_inverse=True)[1]]
    plane = np.linalg.qr(RNG.standard_normal((20, 2)))[0]
    if unit:
        states[..., 7] += strength * np.array([-1, 0, 1])[np.unique(LABELS, return_inverse=True)[1]][:, None]
    else:
        states += strength * (codes @ plane.T)[:, None]
    return states


def test_a_direction_spread_over_units_is_found_by_the_probe_and_not_by_a_unit():
    found = probe(made(4.5), LABELS)
    assert found.classes == ("France", "Italy", "Spain")
    assert found.score.shape == (4,)
    assert found.score.min() > 0.9
    assert found.fixed_score.min() > 0.9
    assert found.unit_score.max() < found.score.min()
    assert found.unit_score.mean() < 0.85
    assert found.guessing == pytest.approx(1 / 3)
    states = made(6.0)
    again = probe(states, LABELS)
    answers = (states @ again.directions + again.offsets).argmax(-1)
    assert (np.array(again.classes)[answers] == LABELS[:, None]).mean() > 0.95
    assert "in 100 % of the runs held out" in found.summary() or "in 9" in found.summary()
    assert "guessing gives 33 %" in found.summary()


def test_a_label_in_one_unit_is_found_there():
    found = probe(made(6.0, unit=True), LABELS)
    assert found.units.tolist() == [7] * 4
    assert found.fixed_unit == 7
    assert found.unit_score.min() > 0.95
    assert found.fixed_unit_score.min() > 0.95


def test_noise_gives_chance_and_a_label_that_fades_is_seen_to_fade():
    assert probe(made(0.0), LABELS).score.mean() < 0.5
    states = made(8.0)
    states[:, 2:] = RNG.standard_normal((90, 2, 20))
    found = probe(states, LABELS)
    assert found.score[:2].min() > 0.9
    assert found.score[2:].max() < 0.6


def test_runs_of_one_text_are_held_out_together():
    """Each text has a state of its own and both labels occur in it equally often: to know the text is of no use."""
    texts = np.repeat(np.arange(20), 2)
    labels = np.tile([0, 1], 20)
    states = (4 * RNG.standard_normal((20, 1, 50)))[texts] + 0.01 * RNG.standard_normal((40, 1, 50))
    # The label is written in each text's own direction: a probe that has seen the text reads it, another cannot.
    states += np.where(labels[:, None, None] == 1, 2.0, -2.0) * RNG.standard_normal((20, 1, 50))[texts]
    assert probe(states, labels, groups=texts).score[0] < 0.8


def test_constant_units_and_few_runs_are_no_trouble():
    states = np.zeros((4, 2, 3))
    states[:, :, 1] = np.array([0.0, 1.0, 0.0, 1.0])[:, None]
    found = probe(states, [0, 1, 0, 1], folds=5)
    assert found.score.tolist() == found.unit_score.tolist() == [1.0, 1.0]
    assert np.isfinite(found.directions).all()


def test_what_cannot_be_probed_is_refused():
    with pytest.raises(ShapeError, match="a label each"):
        probe(np.zeros((4, 2, 3)), [0, 1])
    with pytest.raises(ConfigError, match="two labels"):
        probe(np.zeros((4, 2, 3)), [0, 0, 0, 0])
    with pytest.raises(ShapeError, match="4 groups"):
        probe(np.zeros((4, 2, 3)), [0, 1, 0, 1], groups=[0, 1])
