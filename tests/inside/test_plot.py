"""The measures of what a state holds on to, and the picture made of them."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from holdfast.errors import MissingDependencyError, ShapeError
from holdfast.inside.plot import Marks, plot_carriers, recognised_share, unit_separation

STEPS, MARKS = 40, Marks((5, "country"), (38, "asked"), ((20, "(Japan)"),))


@pytest.fixture
def states():
    """Three runs of four units: apart for good, apart at first, moving alike in all runs, constant and equal."""
    rng = np.random.default_rng(0)
    common = rng.standard_normal(STEPS)
    runs = np.zeros((3, STEPS, 4))
    for k in range(3):
        runs[k, :, 0] = k - 1
        runs[k, :, 1] = (k - 1) * 0.5 ** np.arange(STEPS)
        runs[k, :, 2] = common
    return runs


def test_unit_separation_finds_the_unit_that_holds_on(states):
    scores = unit_separation(states)
    assert scores[0] == pytest.approx(np.sqrt(2 / 3) / 2)
    assert scores[1] < 1e-9
    np.testing.assert_allclose(scores[2:], 0.0, atol=1e-12)


def test_unit_separation_is_half_for_two_runs_at_the_ends_of_the_range():
    states = np.stack([np.zeros((7, 1)), np.ones((7, 1))])
    assert unit_separation(states).tolist() == [0.5]


def test_word_is_recognised_when_the_state_keeps_it_and_not_when_runs_differ_by_chance():
    rng = np.random.default_rng(0)
    shape = (5, 12, 40, 8)
    words = np.broadcast_to(rng.standard_normal((5, 1, 1, 8)), shape)
    assert (recognised_share(words + 0.01 * rng.standard_normal(shape)) == 1.0).all()
    assert recognised_share(rng.standard_normal(shape)).mean() == pytest.approx(0.2, abs=0.05)


def test_recognising_needs_words_and_texts():
    with pytest.raises(ShapeError, match="words, texts, steps, units"):
        recognised_share(np.zeros((3, 1, 5, 2)))


@pytest.mark.parametrize("shape", [(3, 5), (1, 5, 2), (3, 0, 2)])
def test_wrong_shapes_are_refused(shape):
    with pytest.raises(ShapeError, match="runs, steps, units"):
        unit_separation(np.zeros(shape))


def test_picture_is_written_whole_and_names_the_best_units(states, tmp_path):
    path = tmp_path / "new" / "picture.png"
    chosen = plot_carriers(
        states,
        ["a", "b", "c"],
        MARKS,
        path,
        curves={"LSTM": np.ones(30), "RNN": np.zeros(99)},
        units=2,
        title="A title",
    )
    assert chosen == [0, 1]
    assert path.read_bytes().startswith(b"\x89PNG")
    assert path.stat().st_size > 10_000
    assert [entry.name for entry in path.parent.iterdir()] == ["picture.png"]


def test_labels_must_fit_the_runs(states, tmp_path):
    with pytest.raises(ShapeError, match="3 labels"):
        plot_carriers(states, ["a"], MARKS, tmp_path / "p.png")


def test_without_matplotlib_the_error_says_what_to_install(states, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingDependencyError, match="plot"):
        plot_carriers(states, ["a", "b", "c"], MARKS, tmp_path / "p.png")
    assert not list(tmp_path.iterdir())
