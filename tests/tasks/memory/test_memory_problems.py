"""The sequences of every memory problem against its definition, written out once more in the plainest way."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import replace

import numpy as np
import pytest

from holdfast.tasks.memory.config import MemoryConfig
from holdfast.tasks.memory.data import FreshBatches, draw_asked, draw_test, open_training
from holdfast.tasks.memory.problems import (
    KINDS,
    draw_adding,
    draw_copy,
    draw_latch,
    draw_reber,
    draw_temporal_order,
)
from holdfast.tasks.memory.reber import SYMBOLS
from tests.tasks.memory.samples import SMALLEST

# The embedded Reber grammar as a regular expression: after TS*X or PT*VP comes INNER_END.
INNER_END = "(?:XT*VP)*(?:S|XT*VV)"
REBER = rf"B(?:TS*X{INNER_END}|PT*V(?:V|P{INNER_END}))E"
EMBEDDED = re.compile(f"B(?:T{REBER}T|P{REBER}P)E")


def random(seed=0):
    return np.random.default_rng(seed)


@pytest.mark.parametrize("length", [2, 3, 20])
def test_adding_marks_a_number_in_each_half_and_asks_for_their_sum(length):
    drawn = draw_adding(length, 400, random())
    assert drawn.inputs.shape == (length, 400, 2)
    assert drawn.lengths.tolist() == [length] * 400
    seen = set()
    for row in range(400):
        values, marks = drawn.inputs[:, row].T
        first, second = np.flatnonzero(marks)
        assert first < length // 2 <= second
        assert marks.tolist().count(1.0) == 2
        assert ((values >= 0) & (values < 1)).all()
        assert drawn.answers[row] == pytest.approx(values[first] + values[second])
        seen |= {first, second}
    assert seen == set(range(length))  # every place is marked at times


def test_copy_shows_symbols_and_asks_for_them_after_the_cue():
    drawn = draw_copy(7, 300, random())
    assert drawn.inputs.shape == (27, 300, 10)
    assert (drawn.inputs.sum(-1) == 1).all()
    symbols = drawn.inputs.argmax(-1)
    assert set(symbols[:10].ravel()) == set(range(1, 9))
    assert (symbols[10:16] == 0).all()
    assert (symbols[16:] == 9).all()
    assert (drawn.answers[:17] == 0).all()
    assert (drawn.answers[17:] == symbols[:10]).all()


@pytest.mark.parametrize(("symbols", "places"), [(2, [(10, 20), (50, 60)]), (3, [(10, 20), (33, 43), (66, 76)])])
def test_temporal_order_asks_for_the_order_of_its_symbols(symbols, places):
    drawn = draw_temporal_order(100, 400, random(), symbols)
    assert set(drawn.lengths) == set(range(100, 111))
    assert set(drawn.answers) == set(range(2**symbols))
    for row, length in enumerate(drawn.lengths):
        inputs = drawn.inputs[:, row]
        assert (inputs[:length].sum(1) == 1).all()
        assert not inputs[length:].any()
        text = "".join("XYBEabcd"[n] for n in inputs[:length].argmax(1))
        assert re.fullmatch("B[abcdXY]+E", text)
        shown = [n for n, letter in enumerate(text) if letter in "XY"]
        assert len(shown) == symbols
        assert all(low <= place <= high for place, (low, high) in zip(shown, places, strict=True))
        binary = "".join("01"["XY".index(text[n])] for n in shown)
        assert drawn.answers[row] == int(binary, 2)


def test_latch_shows_the_class_in_three_steps_and_noise_after():
    drawn = draw_latch(50, 500, random())
    assert set(drawn.lengths) == set(range(50, 56))
    assert np.array_equal(drawn.inputs[:3, :, 0], np.tile(np.where(drawn.answers, 1.0, -1.0), (3, 1)))
    inside = np.arange(drawn.inputs.shape[0])[:, None] < drawn.lengths
    assert not drawn.inputs[~inside].any()
    noise = drawn.inputs[3:, :, 0][inside[3:]]
    assert noise.mean() == pytest.approx(0.0, abs=0.02)
    assert noise.var() == pytest.approx(0.2, abs=0.01)


def strings_of(drawn):
    """Return Reber strings as text, from what is shown and the last answer."""
    rows = []
    for row, length in enumerate(drawn.lengths):
        shown = drawn.inputs[:length, row].argmax(1)
        assert (drawn.inputs[:length, row].sum(1) == 1).all()
        assert (drawn.answers[: length - 1, row] == shown[1:]).all()
        assert (drawn.answers[length:, row] == -1).all()
        rows.append("".join(SYMBOLS[n] for n in [*shown, drawn.answers[length - 1, row]]))
    return rows


def test_reber_strings_are_of_the_grammar():
    strings = strings_of(draw_reber(0, 2000, random()))
    assert all(EMBEDDED.fullmatch(string) for string in strings)
    assert min(map(len, strings)) == 9
    assert max(map(len, strings)) > 25
    assert 0.45 < np.mean([string[1] == "T" for string in strings]) < 0.55


def test_reber_symbols_are_legal_if_some_string_goes_on_with_them():
    drawn = draw_reber(0, 20_000, random())
    after = defaultdict(set)
    for string in strings_of(drawn):
        for end in range(1, len(string)):
            after[string[:end]].add(string[end])
    checked = 0
    for row, string in enumerate(strings_of(drawn)[:500]):
        for end in range(1, min(len(string), 9)):  # beginnings so short that each way on was drawn
            legal = {SYMBOLS[n] for n in np.flatnonzero(drawn.legal[end - 1, row])}
            assert legal == after[string[:end]]
            checked += 1
    assert checked > 3000
    assert drawn.legal.sum(-1).max() == 2


@pytest.mark.parametrize("task", list(SMALLEST))
def test_batches_are_equal_for_equal_seeds_and_go_on_where_they_stood(task):
    config = MemoryConfig(task=task, length=SMALLEST[task], batch_size=3)
    one, other = FreshBatches(config), FreshBatches(config)
    first = [next(one) for _ in range(3)]
    position = one.state_dict()
    later = next(one)
    for batch in first:
        assert np.array_equal(next(other).inputs, batch.inputs)
    assert not np.array_equal(first[0].inputs, first[1].inputs)
    again = FreshBatches(config)
    again.load_state_dict(position)
    assert np.array_equal(next(again).inputs, later.inputs)
    assert len(later) == 3
    assert later.inputs.shape[-1] == KINDS[task].features


def test_mixed_lengths_reach_from_the_shortest_to_the_length_evenly_in_logarithms():
    batches = FreshBatches(MemoryConfig(length=128, lengths="mixed", batch_size=1))
    lengths = np.array([len(next(batches).inputs) for _ in range(2000)])
    assert lengths.min() == 2
    assert lengths.max() == 128
    for low, high in ((2, 4), (4, 16), (16, 64), (64, 129)):
        share = ((lengths >= low) & (lengths < high)).mean()
        assert share == pytest.approx(np.log(high / low) / np.log(129 / 2), abs=0.04)
    again = FreshBatches(MemoryConfig(length=128, lengths="mixed", batch_size=1))
    assert [len(next(again).inputs) for _ in range(20)] == lengths[:20].tolist()
    assert draw_test(MemoryConfig(length=128, lengths="mixed"), 3).inputs.shape == (128, 3, 2)


def test_a_position_in_other_data_is_refused():
    config = MemoryConfig(length=10)
    state = FreshBatches(config).state_dict()
    for changed in (replace(config, length=11), replace(config, batch_size=3), replace(config, lengths="mixed")):
        with pytest.raises(ValueError, match="not cut as it was"):
            FreshBatches(changed).load_state_dict(state)


def test_held_out_sequences_are_the_same_for_every_seed_and_none_that_is_trained_on():
    config = MemoryConfig(length=5, batch_size=512)
    other = replace(config, train=replace(config.train, seed=7))
    batches, held = open_training(config)
    assert np.array_equal(held.inputs, open_training(other)[1].inputs)
    test = draw_test(config)
    assert len(test) == 2560
    assert np.array_equal(draw_test(other, 10).inputs[..., 0].shape, (5, 10))
    parts = [part.inputs[..., 0].T for part in (held, test, next(batches), next(batches), draw_asked(config, 512, 0))]
    rows = np.concatenate(parts)
    assert len(np.unique(rows, axis=0)) == len(rows)
