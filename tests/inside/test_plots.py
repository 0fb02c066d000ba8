"""Pictures of traces draw the trace's own numbers, on fixed scales, and refuse what does not fit."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch

import holdfast
from holdfast.errors import ConfigError, MissingDependencyError, ShapeError
from holdfast.inside.draw_gates import plot_gates
from holdfast.inside.draw_half_lives import plot_half_lives
from holdfast.inside.draw_highway import highway, plot_highway
from holdfast.inside.figure import label_steps, lines_of, new_figure, readable
from holdfast.inside.steps import steps_of

pytest.importorskip("matplotlib", reason="pictures need Matplotlib")
LABELS = [f"w{t}" for t in range(9)]


def traced(family: str = "LSTM", **options):
    module = getattr(holdfast, family)(3, 5, **options)
    with torch.no_grad():
        return module.trace(torch.randn(9, 2, 3))["", 0, "forward"]


def maps(figure) -> list[np.ndarray]:
    return [np.asarray(axis.images[0].get_array()) for axis in figure.axes if axis.images]


def test_heat_maps_hold_the_traces_numbers_sorted_by_time_constant():
    trace = traced()
    figure = plot_gates(trace, gates="fc", row=1, labels=LABELS)
    fades = -np.log(trace.f[:, 1].numpy().astype(np.float64)).mean(axis=0)
    order = np.argsort(fades)
    drawn = maps(figure)
    np.testing.assert_array_equal(drawn[0], trace.f[:, 1].numpy().T[order])
    np.testing.assert_array_equal(drawn[1], trace.c[:, 1].numpy().T[order])
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == [str(unit) for unit in order]
    assert [label.get_text() for label in figure.axes[1].get_xticklabels()] == LABELS


@pytest.mark.parametrize(("family", "letters"), [("LSTM", "figoch"), ("GRU", "zrnh"), ("RNN", "h")])
def test_every_letter_has_a_map_on_its_fixed_scale(family, letters):
    trace = traced(family)
    figure = plot_gates(trace, order="index")
    pictures = [axis.images[0] for axis in figure.axes if axis.images]
    assert len(pictures) == len(letters)
    for picture, letter in zip(pictures, [letter for letter in "figozrnch" if letter in letters], strict=True):
        largest = float(trace.c[:, 0].abs().max()) if letter == "c" else 1.0
        assert picture.get_clim() == pytest.approx((0.0 if letter in "fiozr" else -largest, largest))
        np.testing.assert_array_equal(np.asarray(picture.get_array()), getattr(trace, letter)[:, 0].numpy().T)


def test_a_long_text_goes_on_in_further_lines_and_nothing_is_lost():
    trace = traced()
    drawn = maps(plot_gates(trace, gates="i", steps_per_line=4, order="index", hatch=True))
    assert [part.shape for part in drawn] == [(5, 3)] * 3
    np.testing.assert_array_equal(np.concatenate(drawn, axis=1), trace.i[:, 0].numpy().T)


def test_padding_is_not_drawn():
    lstm = holdfast.LSTM(3, 5)
    with torch.no_grad():
        trace = lstm.trace(torch.randn(9, 2, 3), lengths=torch.tensor([9, 4]))["", 0, "forward"]
    assert maps(plot_gates(trace, gates="f", row=1))[0].shape == (5, 4)


def test_chosen_units_stand_in_the_order_asked_for():
    trace = traced()
    drawn = maps(plot_gates(trace, gates="g", units=[4, 1], order="index", c_scale=2.0))
    np.testing.assert_array_equal(drawn[0], trace.g[:, 0].numpy()[:, [4, 1]].T)


@pytest.mark.parametrize(
    ("family", "options"),
    [("LSTM", {}), ("LSTM", {"coupled": True}), ("LSTM", {"forget_gate": False, "peephole": True}), ("GRU", {}),
     ("RNN", {})],
)  # fmt: skip
@pytest.mark.parametrize("direction", ["forward", "backward"])
def test_added_and_forgotten_make_the_memorys_change(family, options, direction):
    module = getattr(holdfast, family)(3, 5, bidirectional=True, **options).double()
    with torch.no_grad():
        trace = module.trace(torch.randn(9, 1, 3, dtype=torch.float64))["", 0, direction]
    steps = steps_of(trace, backward=direction == "backward")
    added, forgotten, rest = highway(steps)
    np.testing.assert_allclose(rest, 0.0, atol=1e-12)
    np.testing.assert_allclose(steps.previous() + added + forgotten, steps.values[steps.memory], atol=1e-12)


def test_highway_draws_the_memory_as_line_and_the_changes_as_bars():
    trace = traced()
    figure = plot_highway(trace, [3], labels=LABELS)
    axis = figure.axes[0]
    line = next(line for line in axis.lines if len(line.get_ydata()) == 9)
    np.testing.assert_array_equal(line.get_ydata(), trace.c[:, 0, 3].numpy())
    heights = {bars.get_label()[:5]: [bar.get_height() for bar in bars] for bars in axis.containers}
    np.testing.assert_allclose(heights["added"], (trace.i * trace.g)[:, 0, 3].numpy(), rtol=1e-6)
    before = torch.cat([trace.c0[None], trace.c[:-1]])
    np.testing.assert_allclose(heights["forgo"], ((trace.f - 1) * before)[:, 0, 3].numpy(), rtol=1e-5, atol=1e-7)


def test_what_zoneout_keeps_is_drawn_as_the_rest():
    lstm = holdfast.LSTM(3, 5, zoneout=(0.0, 0.5)).eval()
    with torch.no_grad():
        trace = lstm.trace(torch.randn(9, 1, 3))["", 0, "forward"]
    labels = [bars.get_label() for bars in plot_highway(trace, [0]).axes[0].containers]
    assert "the rest (zoneout)" in labels


def test_half_lives_are_drawn_as_the_share_that_holds_at_least_so_long():
    figure = plot_half_lives({"LSTM": np.array([1.0, 4.0, np.inf, 2.0])}, num_steps=100)
    curve, marks = figure.axes[0].lines[0], figure.axes[1].lines[0]
    np.testing.assert_allclose(curve.get_xdata()[1:4], [1, 2, 4])
    np.testing.assert_allclose(curve.get_ydata(), [1, 1, 0.75, 0.5, 0.25, 0])
    assert len(marks.get_xdata()) == 4
    assert "median 3 steps, 4 units" in figure.axes[0].get_legend().get_texts()[0].get_text()


def test_time_constants_follow_the_forget_gate():
    gate = np.stack([np.full(7, np.exp(-1 / 50)), np.ones(7), np.zeros(7)], axis=1)
    steps = steps_of({"f": gate, "c": np.zeros((7, 3))})
    np.testing.assert_allclose(steps.time_constants(), [50, np.inf, 0])


@pytest.mark.parametrize("ending", ["png", "pdf", "svg"])
def test_pictures_are_written_whole_in_the_format_named(tmp_path, ending):
    plot_gates(traced(), tmp_path / "new" / f"gates.{ending}", gates="f", title="A title")
    start = (tmp_path / "new" / f"gates.{ending}").read_bytes()[:5]
    assert start == {"png": b"\x89PNG\r", "pdf": b"%PDF-", "svg": b"<?xml"}[ending]
    assert len(list((tmp_path / "new").iterdir())) == 1


def test_what_does_not_fit_is_refused(tmp_path):
    trace = traced()
    with pytest.raises(ShapeError, match="9 labels"):
        plot_gates(trace, labels=["a"])
    with pytest.raises(ConfigError, match="letters"):
        plot_gates(trace, gates="fz")
    with pytest.raises(ConfigError, match="Units are numbered 0 to 4"):
        plot_highway(trace, [5])
    with pytest.raises(ConfigError, match="order"):
        plot_gates(trace, order="size")
    with pytest.raises(ConfigError, match="c_scale"):
        plot_gates(trace, c_scale=0.0)
    with pytest.raises(ConfigError, match=r"\.png"):
        plot_gates(trace, tmp_path / "gates.bmp")
    with pytest.raises(ShapeError, match="rows 0 to 1"):
        plot_gates(trace, row=2)
    with pytest.raises(ShapeError, match="equally many steps"):
        plot_gates({"f": np.zeros((3, 2)), "c": np.zeros((4, 2))})
    with pytest.raises(ConfigError, match="'q'"):
        plot_gates({"q": np.zeros((3, 2))})
    with pytest.raises(ShapeError, match="half-lives"):
        plot_half_lives({"LSTM": np.array([-1.0])})
    with pytest.raises(ConfigError, match="steps_per_line"):
        plot_gates(trace, steps_per_line=0)
    assert list(tmp_path.iterdir()) == []


def test_labels_are_readable_and_thinned_where_there_is_no_room():
    assert [readable(token) for token in ("\n", " ", "$x$", "a" * 20)] == ["⏎", "␣", r"\$x\$", "a" * 15 + "…"]
    axis = new_figure(2, 2).subplots()
    label_steps(axis, [str(t) for t in range(40)], 0, 40, 2.5)
    assert [text.get_text() for text in axis.get_xticklabels()] == [str(t) for t in range(0, 40, 2)]
    assert "one in 2" in axis.get_xlabel()
    assert lines_of(10, 4) == [(0, 4), (4, 8), (8, 10)]


def test_without_matplotlib_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingDependencyError, match="plot"):
        plot_gates(traced())
