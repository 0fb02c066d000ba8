"""A cell by name, such as "lstm" or "lstm+peephole+zoneout=0.1", as the equation it stands for. Needs no torch."""

from __future__ import annotations

from typing import Any

from holdfast.errors import ConfigError, SpecError
from holdfast.spec import GATES, CellSpec

SIMPLEST_FIRST = ("rnn", "gru", "lstm")

PARTS: dict[str, dict[str, Any]] = {
    "peephole": {"peephole": True},
    "coupled": {"coupled": True},
    "no_forget_gate": {"forget_gate": False},
    "layer_norm": {"layer_norm": "ba2016"},
    "state_norm": {"layer_norm": "state"},
    "recurrent_dropout": {"recurrent_dropout": 0.25},
    "zoneout": {"zoneout_h": 0.1, "zoneout_c": 0.1},
    "learned_state": {"initial_state": "learned"},
    "reset_before": {"reset_order": "before"},
    "relu": {"nonlinearity": "relu"},
}
"""What may be added to a family's name. Chances may be given: zoneout=0.2."""

KNOWN = f"{', '.join(GATES)}, to which parts may be added, as in lstm+peephole or lstm+zoneout=0.2: {', '.join(PARTS)}"


def cell_spec(cell: str) -> CellSpec:
    """Return the equation that a cell's name stands for: a family, and parts added to it with "+".

    Raises:
        ConfigError: the name is unknown, or the parts do not go together.

    Example:
        >>> cell_spec("lstm+coupled+layer_norm").to_dict()
        {'family': 'lstm', 'coupled': True, 'layer_norm': 'ba2016'}
    """
    if not isinstance(cell, str):
        raise ConfigError(f"A cell is named by a text, got {cell!r}. Known: {KNOWN}.")
    family, *parts = cell.split("+")
    if family not in GATES:
        raise ConfigError(f"There is no cell {cell!r}. Known: {KNOWN}.")
    fields: dict[str, Any] = {}
    for part in parts:
        added = _fields(part, cell, family)
        if fields.keys() & added.keys():
            raise ConfigError(f"The cell {cell!r} sets {part!r} twice. Name each part once.")
        fields |= added
    try:
        return CellSpec(family, **fields)
    except SpecError as error:
        raise ConfigError(f"There is no cell {cell!r}: {error}") from error


def check_cell(config: Any) -> None:
    """Refuse a config whose `cell` names no cell."""
    cell_spec(config.cell)


def cell_title(cell: str) -> str:
    """Return the name as it stands in tables and sentences: LSTM, or LSTM+peephole."""
    family, plus, parts = cell.partition("+")
    return f"{family.upper()}{plus}{parts}"


def family_title(cell: str) -> str:
    """Return the family's name in capitals, whatever was added to it."""
    return cell.partition("+")[0].upper()


def forgets(cell: str) -> bool:
    """Whether a gate forgets, so that it can be set for a length of memory."""
    spec = cell_spec(cell)
    return spec.family != "rnn" and spec.forget_gate


def simplicity(cell: str) -> tuple[int, int, int]:
    """Return what sorts cells by name, the simplest first: family, gates, parts added."""
    spec = cell_spec(cell)
    return SIMPLEST_FIRST.index(spec.family), len(spec.gates), len(spec.to_dict()) - 1


def _fields(part: str, cell: str, family: str) -> dict[str, Any]:
    name, given, text = part.partition("=")
    if name not in PARTS:
        raise ConfigError(f"There is no part {name!r}, in the cell {cell!r}. Known: {KNOWN}.")
    fields = dict(PARTS[name])
    if family != "lstm":
        fields.pop("zoneout_c", None)  # a state that only the LSTM has
    if not given:
        return fields
    if not all(isinstance(value, float) for value in fields.values()):
        raise ConfigError(f"{name} takes no value, in the cell {cell!r}. Leave {given}{text} out.")
    try:
        chance = float(text)
    except ValueError as error:
        raise ConfigError(f"{text!r} is no number, in the cell {cell!r}. Write it as in {name}=0.2.") from error
    return dict.fromkeys(fields, chance)
