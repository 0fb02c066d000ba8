"""The tolerance rule of the numeric tests: a result may be at most `factor` times as wrong as plain torch is."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor


def assert_within_budget(
    actual: Mapping[str, Tensor], baseline: Mapping[str, Tensor], oracle: Mapping[str, Tensor], factor: float = 2.0
) -> None:
    """Compare named tensors with the float64 oracle; `baseline` is plain torch in the dtype of `actual`."""
    assert set(actual) == set(oracle) == set(baseline)
    for name, exact in oracle.items():
        assert actual[name].shape == exact.shape, f"{name}: shape {tuple(actual[name].shape)}, not {tuple(exact.shape)}"
        limits = torch.finfo(actual[name].dtype)
        floor = 4 * limits.eps * exact.abs().max().item() + limits.tiny  # below tiny a value counts as zero
        allowed = factor * worst(baseline[name], exact) + floor
        found = worst(actual[name], exact)
        assert found <= allowed, f"{name}: error {found:.2e}, budget {allowed:.2e}"


def worst(values: Tensor, exact: Tensor) -> float:
    """Return the largest absolute difference; NaN counts as infinitely wrong."""
    error = (values.double() - exact.double()).abs().max().item()
    return error if error == error else float("inf")
