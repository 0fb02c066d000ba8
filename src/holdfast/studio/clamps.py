"""Which gates a request forces: read, checked against the model, and ready for a run."""

from __future__ import annotations

from typing import Any

from holdfast.studio.limits import MOST_STEPS
from holdfast.studio.request import Asked
from holdfast.studio.run import DIRECTIONS
from holdfast.studio.subject import Subject

MOST_CLAMPS = 32


def clamps_of(subject: Subject, asked: Asked) -> list[Any]:
    """Return the gates that a request forces in a model; those that name another model are left out.

    Each is {"layer", "direction", "unit" or "units", "gate", "from", "to", "value"}, and may name its "model".

    Raises:
        Problem: one names no layer, unit or gate of this model, or a value out of range.
    """
    wanted = [Asked(fields) for fields in asked.list_of("clamps", dict, MOST_CLAMPS, ())]
    return [_clamp_of(subject, one) for one in wanted if one.fields.get("model", subject.id) == subject.id]


def fits(subject: Subject, asked: Asked) -> bool:
    """Return whether all the gates that a request forces without naming a model are there in this one.

    Raises:
        Problem: what it names is no list of clamps.
    """
    gates = subject.description.to_dict()["gates"]
    named = [Asked(one).text("gate") for one in asked.list_of("clamps", dict, MOST_CLAMPS, ()) if "model" not in one]
    return all(gate in gates for gate in named)


def _clamp_of(subject: Subject, asked: Asked) -> Any:
    from holdfast.inside.clamping import Clamp

    places = subject.description.places
    place = places[asked.whole("layer", 0, most=len(places) - 1)]
    direction = asked.one_of("direction", DIRECTIONS[: place.directions], "forward")
    gate = asked.one_of("gate", tuple(subject.description.to_dict()["gates"]))
    start = asked.whole("from", 0, most=MOST_STEPS)
    end = asked.whole("to", start + 1, least=start + 1, most=MOST_STEPS)
    units = asked.list_of("units", int, place.hidden, () if "unit" in asked.fields else None)
    units += [asked.whole("unit")] if "unit" in asked.fields else []
    for unit in units:
        Asked({"unit": unit}).whole("unit", most=place.hidden - 1)
    value = asked.number("value", least=-1e3, most=1e3)
    return Clamp(place.module, place.layer, direction, gate, units, range(start, end), value)
