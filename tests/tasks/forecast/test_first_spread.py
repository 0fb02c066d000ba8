"""The first intervals: as wide as the errors they are made from, wider where there were few of those."""

from __future__ import annotations

import numpy as np
import pytest

from holdfast.tasks.forecast.model import LEAST_GAP, MEDIAN, QUANTILES, few_factor, first_spread

UPPER = QUANTILES.index(0.9)


def upper(errors: np.ndarray, independent: int) -> np.ndarray:
    """Return how far above the middle the 90 % quantile of each step lies [H]."""
    gaps = np.log1p(np.exp(first_spread(errors, independent, "quantile"))) + LEAST_GAP
    return gaps[:, MEDIAN + 1 : UPPER + 1].sum(axis=1)


def test_each_step_is_as_wide_as_its_many_errors():
    errors = np.random.default_rng(0).standard_normal((4000, 3)) * [1.0, 3.0, 2.0]
    np.testing.assert_allclose(upper(errors, 4000), 1.2816 * np.array([1.0, 3.0, 2.0]), rtol=0.06)


def test_steps_with_few_errors_share_them_and_grow_wider_with_the_step():
    widths = np.linspace(1.0, 4.0, 24)
    errors = np.random.default_rng(0).standard_normal((30, 24)) * widths
    found = upper(errors, 1000)
    np.testing.assert_allclose(found, 1.2816 * widths, rtol=0.3)
    assert (np.diff(found) > 0).all()


def test_few_independent_errors_widen_the_intervals():
    errors = np.random.default_rng(0).standard_normal((30, 24))
    np.testing.assert_allclose(upper(errors, 3) / upper(errors, 10**6), 1.638 / 1.2816, rtol=1e-2)
    assert few_factor(3)[-1] == pytest.approx(3.182 / 1.96, rel=1e-3)
    np.testing.assert_allclose(few_factor(10**7), 1.0, rtol=1e-4)


def test_no_error_at_all_gives_a_spread_all_the_same():
    found = first_spread(np.full((4, 5), np.nan), 0, "quantile")
    assert np.isfinite(found).all()
    assert np.isfinite(first_spread(np.zeros((4, 5)), 2, "student")).all()
