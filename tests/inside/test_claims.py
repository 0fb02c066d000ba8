"""The sentence of claim says what the run shows, and no more."""

from __future__ import annotations

import numpy as np
import pytest

from holdfast.errors import ConfigError, ShapeError
from holdfast.inside.claims import claim, held_by, keeping, words_between, words_known
from holdfast.inside.draw_kept import Strip, plot_kept, word_colour

START, STEPS = 3, 60
LABELS = ["word" if t % 6 else "." for t in range(STEPS)]
LABELS[START] = "France"


def states(lasting: int = STEPS, runs: int = 3) -> np.ndarray:
    """Four units in runs that differ in the word at START: one holds it for `lasting` steps, one fades, one moves alike
    in all runs, one differs by a hair."""
    found = np.zeros((runs, STEPS, 4))
    after = np.arange(STEPS - START)
    for k in range(runs):
        found[k, START:, 0] = k * (after < lasting)
        found[k, START:, 1] = k * 0.5**after
        found[k, :, 2] = np.sin(np.arange(STEPS))
        found[k, :, 3] = np.sin(np.arange(STEPS))
        found[k, START:, 3] += 1e-3 * k
    return found


def test_each_unit_keeps_the_word_while_its_difference_is_above_a_tenth_of_its_peak():
    kept = keeping(states(lasting=20), START)
    assert kept.steps.tolist() == [20, 4, 0, 0]  # 0.5 ** 4 is below a tenth
    assert kept.best == 0
    assert kept.order[:2] == [0, 1]
    assert kept.last(0) == START + 19
    assert kept.last(2) == START
    assert kept.told.tolist() == [2, 1, 0, 0]  # when it fades, unit 1 still tells the further of the two
    np.testing.assert_allclose(kept.share(0)[START : START + 21], [1.0] * 20 + [0.0])
    assert not kept.share(2).any()


def test_a_word_written_late_counts_from_there_and_a_difference_that_comes_back_does_not_count():
    runs = states()
    runs[:, START : START + 2, 0] = 0.0
    runs[:, START + 10, 0] = 0.0
    kept = keeping(runs, START)
    assert kept.written[0] == START + 2
    assert kept.steps[0] == 8


def test_of_units_that_keep_equally_long_the_clearest_is_best():
    runs = states()
    runs[:, :, 1] = 5 * runs[:, :, 0] + np.linspace(0, 60, STEPS)
    kept = keeping(runs, START)
    assert kept.steps[:2].tolist() == [STEPS - START] * 2
    assert kept.best == 0


@pytest.mark.parametrize("shape", [(1, 9, 2), (3, 9), (3, 3, 2)])
def test_a_measure_needs_a_replacement_and_the_words_step(shape):
    with pytest.raises(ShapeError, match="step 3"):
        keeping(np.zeros(shape), START)


def test_signs_are_no_words():
    assert words_between(["I", "grew", ".", "'s", "!", "3"], 0, 5) == 3


def held(family: str, lasting: int, known: int | None = None):
    share = None if known is None else np.where(np.arange(STEPS - START) <= known, 1.0, 0.2)
    return held_by(family.upper(), family, keeping(states(lasting), START), LABELS, share, 0.2)


def test_the_claim_names_cell_word_and_numbers():
    all_words = words_between(LABELS, START, STEPS - 1)
    assert claim("France", LABELS, START, held("lstm", STEPS, STEPS), held("rnn", 30, 7)) == (
        f"One cell of this LSTM (unit 0) held 'France' for {all_words} words. The plain RNN lost it after 6."
    )
    assert claim("France", LABELS, START, held("gru", STEPS, STEPS)) == (
        f"One unit of this GRU (unit 0) held 'France' for {all_words} words."
    )
    assert words_known(held("rnn", 30, 7), LABELS, START) == 6
    assert words_known(held("rnn", 30), LABELS, START) is None


def test_the_claim_does_not_boast():
    short = LABELS[: START + 5]
    said = claim("France", short, START, held_by("LSTM", "lstm", keeping(states()[:, : len(short)], START), short))
    assert said == "3 words follow 'France': this text does not need long memory."
    assert "No single unit of this LSTM held 'France' for more than 7 words." in claim(
        "France", LABELS, START, held("lstm", 10)
    )
    assert "though its whole state tells it for" in claim("France", LABELS, START, held("lstm", 10, STEPS))
    both = claim("France", LABELS, START, held("lstm", STEPS, STEPS), held("gru", STEPS, STEPS))
    assert both.endswith("The GRU held it as long. This text does not tell the two apart.")


def test_a_difference_that_no_longer_tells_the_word_is_not_called_memory():
    """A chaotic network differs for ever after another word, and knows nothing of it."""
    said = claim("France", LABELS, START, held("rnn", STEPS, 7), held("lstm", STEPS, STEPS))
    all_words = words_between(LABELS, START, STEPS - 1)
    assert said == (
        "This RNN knew 'France' for 6 words; after that its state no longer tells it. "
        f"The LSTM held it for {all_words} words."
    )
    assert "did not take 'France' in" in claim("France", LABELS, START, held("rnn", STEPS, -1))
    never = claim("France", LABELS, START, held("lstm", STEPS, STEPS), held("rnn", STEPS, -1))
    assert never.endswith("never held it.")


def test_what_no_other_order_tested_is_not_called_memory_and_no_model_is_set_beside():
    said = claim("France", LABELS, START, held("rnn", STEPS), held("lstm", STEPS))
    assert said == (
        f"One unit of this RNN (unit 0) differs from 2 alternatives to 'France' for "
        f"{words_between(LABELS, START, STEPS - 1)} words; whether that is memory or noise was not tested, as no other "
        "order of the sentences was read."
    )
    assert "LSTM" not in claim("France", LABELS, START, held("rnn", STEPS, STEPS), held("lstm", STEPS))


def test_the_picture_colours_the_words_that_are_held_and_draws_the_runs():
    pytest.importorskip("matplotlib", reason="pictures need Matplotlib")
    runs = states(lasting=20)
    kept = keeping(runs, START)
    names = ["France", "Germany", "Spain"]
    share = np.linspace(1.0, 0.3, STEPS - START)
    figure = plot_kept(
        [Strip("LSTM", kept, runs, names, share), Strip("GRU", kept, runs, names)], LABELS, guessing=0.3, title="T"
    )
    text, other, unit, _, known = figure.axes
    for axis, blue in ((text, (share - 0.3) / 0.7), (other, np.arange(STEPS - START) < 20)):
        grounds = {patch.get_gid(): patch.get_facecolor()[:3] for patch in axis.patches}
        assert len(grounds) == STEPS
        for t in range(STEPS):
            assert grounds[f"word {t}"] == pytest.approx(word_colour(blue[t - START] if t >= START else 0.0))
    assert [label.get_text() for label in text.texts[1:]] == LABELS
    drawn = [line.get_ydata() for line in unit.lines if len(line.get_ydata()) == STEPS]
    np.testing.assert_array_equal(np.array(drawn), runs[[1, 2, 0], :, 0])
    np.testing.assert_array_equal(known.lines[0].get_ydata(), share)


def test_a_picture_needs_a_model_and_fitting_labels():
    pytest.importorskip("matplotlib", reason="pictures need Matplotlib")
    with pytest.raises(ConfigError, match="no model"):
        plot_kept([], LABELS)
    runs = states()
    with pytest.raises(ShapeError, match="60 labels"):
        plot_kept([Strip("LSTM", keeping(runs, START), runs, "abc")], LABELS[1:])
