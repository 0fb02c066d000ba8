"""Every check of tests/contract.py, over families, variants, stacks, backends and dtypes."""

from __future__ import annotations

import pytest
import torch

from holdfast.kernels import cpu_level, vendor
from holdfast.spec import CellSpec
from tests.cases import FAMILIES, SINGLE_FLAGS, make_module
from tests.contract import CHECKS, ONE_DIRECTION, TRAINING, TWO_DIRECTIONS

STACKS = {
    "one layer": {},
    "two layers": {"num_layers": 2},
    "batch first": {"batch_first": True},
    "two ways": {"bidirectional": True},
    "two ways two layers": {"bidirectional": True, "num_layers": 2, "batch_first": True},
}
NO_KERNELS = cpu_level.load().reason
CAN_RUN = {"cpu": NO_KERNELS is None, "vendor": vendor._AVAILABLE, "reference": True, "auto": True}
RAGGED = {"packed_equals_lengths_equals_one_by_one", "gradients_reach_every_parameter", "resets_never_take_hx"}


def applies(check, module) -> bool:
    if check in (TWO_DIRECTIONS if not module.bidirectional else ONE_DIRECTION):
        return False
    return not (module.backend in ("cpu", "vendor") and check.__name__ in RAGGED)


def run(check, module) -> None:
    if applies(check, module):
        check(module.train() if check in TRAINING else module.eval())


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("stack", STACKS.values(), ids=STACKS)
@pytest.mark.parametrize("spec", SINGLE_FLAGS.values(), ids=SINGLE_FLAGS)
def test_every_variant(spec, stack, check):
    run(check, make_module(spec, dtype=torch.float64, **stack))


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])
@pytest.mark.parametrize("family", FAMILIES)
def test_every_dtype(family, dtype, check):
    for stack in STACKS.values():
        run(check, make_module(CellSpec(family), dtype=dtype, **stack))


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize(
    ("family", "backend"), [(f, "cpu") for f in FAMILIES] + [("lstm", "vendor")] + [(f, "reference") for f in FAMILIES]
)
def test_every_forced_backend(family, backend, check):
    if not CAN_RUN[backend]:
        pytest.skip(f"the {backend} backend is not available here")
    for stack in STACKS.values():
        run(check, make_module(CellSpec(family), backend=backend, **stack))


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("family", FAMILIES)
def test_dropout_and_weight_drop(family, check):
    module = make_module(CellSpec(family), num_layers=2, dropout=0.3, weight_drop=0.2, dtype=torch.float64)
    run(check, module)
