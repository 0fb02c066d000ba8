"""Intervals over seeds, over test items and over both: Student's, wide enough, and honest about what they cover."""

from __future__ import annotations

import math

import numpy as np
import pytest

from holdfast.tasks.intervals import Interval


def test_interval_over_seeds_is_students():
    found = Interval.of([1.0, 2.0, 3.0])
    assert found.mean == 2.0
    assert found.half == pytest.approx(4.303 / math.sqrt(3), rel=1e-3)
    assert (found.seeds, found.items, found.covers) == (3, 0, "3 seeds")
    assert Interval.of([1.0, 1.1, 0.9]).excludes_zero


def test_one_value_has_no_interval():
    found = Interval.of([1.0])
    assert math.isnan(found.half)
    assert not found.excludes_zero
    assert found.covers == "nothing"
    assert math.isnan(Interval.of([1.0], [[1.0]]).half)


def test_one_seed_has_an_interval_over_its_items():
    found = Interval.of([0.5], [[0.0, 1.0] * 50])
    assert found.half == pytest.approx(1.985 * 0.5025 / 10, rel=1e-3)
    assert found.covers == "100 test items"


def test_both_variations_add_as_squares():
    rows = [[0.0, 1.0, 2.0, 3.0], [1.0, 2.0, 3.0, 4.0]]
    seeds, items = Interval.of([1.5, 2.5]), Interval.of([2.0], [np.mean(rows, axis=0).tolist()])
    assert Interval.of([1.5, 2.5], rows).half == pytest.approx(math.hypot(seeds.half, items.half))
    assert Interval.of([1.5, 2.5], rows).covers == "2 seeds and 4 test items"


def test_items_that_are_missing_or_not_alike_are_left_out():
    assert Interval.of([1.0], [[1.0, math.nan, 2.0, 3.0]]).items == 3
    assert Interval.of([1.0, 2.0], [[1.0, 2.0], [1.0]]).items == 0
    assert Interval.of([1.0, 2.0], [[], []]).items == 0


@pytest.mark.parametrize(("seeds", "items"), [(3, 40), (2, 300)])
@pytest.mark.parametrize(("of_seeds", "of_items", "of_both"), [(1.0, 1.0, 1.0), (0.1, 2.0, 1.0), (1.0, 0.1, 0.1)])
def test_the_true_mean_lies_in_the_interval_as_often_as_it_says(seeds, items, of_seeds, of_items, of_both):
    random = np.random.default_rng(0)
    inside = 0
    for _ in range(1000):
        rows = of_seeds * random.normal(size=(seeds, 1)) + of_items * random.normal(size=items)
        rows = rows + of_both * random.normal(size=(seeds, items))
        found = Interval.of(rows.mean(axis=1).tolist(), rows.tolist())
        inside += abs(found.mean) <= found.half
    assert inside >= 0.92 * 1000
