"""CellSpec as a value: its key, its JSON, what it refuses, and the parameter table."""

from __future__ import annotations

import dataclasses
import json

import pytest

from holdfast.errors import SpecError
from holdfast.spec import CellSpec, parameter_table
from tests.cases import OURS, SPECS, THEIRS, make_module


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_key_and_json_read_back(spec):
    assert CellSpec.from_key(spec.key) == spec
    assert CellSpec.from_dict(json.loads(json.dumps(spec.to_dict()))) == spec


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_plain_means_what_torch_computes(spec):
    kept = {"family": spec.family, "bias": spec.bias, "projected": spec.projected, "nonlinearity": spec.nonlinearity}
    assert spec.plain == (spec == CellSpec(**kept))


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_the_table_is_what_the_module_registers(spec):
    module = make_module(spec)
    table = parameter_table(spec, 3, 5, 2 if spec.projected else 0)
    assert [(f"{p.name}_l0", p.shape) for p in table] == [(n, tuple(p.shape)) for n, p in module.named_parameters()]


@pytest.mark.parametrize("family", OURS)
def test_the_plain_table_is_torchs(family):
    names = [f"{p.name}_l0" for p in parameter_table(CellSpec(family), 3, 5)]
    assert names == [name for name, _ in THEIRS[family](3, 5).named_parameters()]


@pytest.mark.parametrize(
    "fields",
    [
        {"family": "sru"},
        {"family": "gru", "peephole": True},
        {"family": "rnn", "layer_norm": "state"},
        {"family": "lstm", "nonlinearity": "relu"},
        {"family": "lstm", "reset_order": "before"},
        {"coupled": True, "forget_gate": False},
        {"zoneout_c": 1.0},
        {"recurrent_dropout": float("nan")},
        {"unknown": 1},
        {"peephole": 1},
        {"zoneout_h": True},
        {"layer_norm": 3},
    ],
)
def test_wrong_fields_are_refused(fields):
    with pytest.raises(SpecError):
        CellSpec.from_dict(fields)


def test_specs_are_frozen_and_hashable():
    assert len({CellSpec(), CellSpec(), CellSpec("gru")}) == 2
    with pytest.raises(dataclasses.FrozenInstanceError):
        CellSpec().family = "gru"
