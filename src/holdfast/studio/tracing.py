"""Traces over HTTP: run a model over a text or a series, and give its gates and states in pieces."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from holdfast.studio.clamps import clamps_of
from holdfast.studio.description import Description
from holdfast.studio.limits import MOST_STEPS
from holdfast.studio.maps import SHARES, as_bytes, pack, signed_scale
from holdfast.studio.problem import Problem
from holdfast.studio.request import Asked
from holdfast.studio.run import DIRECTIONS, Reading, Run
from holdfast.studio.studio import Studio
from holdfast.studio.traces import Kept, check_room

MOST_FRAMES = 64
MOST_ALTERNATIVES = 16


def make_trace(studio: Studio, asked: Asked) -> dict[str, Any]:
    """Run a model and keep the trace.

    Raises:
        Problem: the input is empty, too long, or the trace would be too large.
    """
    subject = studio.subject(asked.fields.get("model"))
    other = "series" if subject.reads == "text" else "text"
    if subject.reads not in asked.fields and other in asked.fields:
        raise Problem(422, f"{subject.name} reads {subject.reads}, not {other}.", f"Give it {subject.reads}.")
    text = asked.text(subject.reads)
    others = [Asked({"text": one}).text("text") for one in asked.list_of("alternatives", str, MOST_ALTERNATIVES, ())]
    clamps = clamps_of(subject, asked)
    with studio.turn:
        readings = [subject.read(one) for one in (text, *others)]
        steps = max(map(len, readings))
        check_room(sum(map(len, readings)) * _values_a_step(subject.description), steps)
        run, *alternatives = [subject.run(reading, clamps) for reading in readings]
        answer = run.answer
    kept = studio.traces.keep(run, alternatives, text)
    return {
        "id": kept.id,
        "model": subject.id,
        "tokens": tokens_of(run.reading),
        "T": len(run),
        "layers": [
            {"hidden": place.hidden, "directions": place.directions, "cmax": _largest(run, number)}
            for number, place in enumerate(subject.description.places)
        ],
        "unknown": run.reading.unknown,
        "alternatives": len(alternatives),
        "answer": answer,
        **({} if run.reading.values is None else {"series": _series(run)}),
    }


def frames_of(studio: Studio, id: str, asked: Asked) -> dict[str, Any]:
    """Return up to 64 frames of one unit."""
    kept = studio.traces.get(id)
    layer, direction = place_of(asked)
    run = kept.version(_alternative(asked))
    start = asked.whole("from", 0, most=MOST_STEPS)
    end = min(asked.whole("to", start + 1, most=MOST_STEPS), len(run))
    if end - start > MOST_FRAMES:
        raise Problem(422, f"{end - start} frames are asked for.", f"Ask for {MOST_FRAMES} at once.", MOST_FRAMES)
    unit, top = asked.whole("unit", 0), asked.whole("top", 8, least=0, most=20)
    frames = []
    with studio.turn:
        for t in range(start, end):
            frame = run.frame(layer, direction, t, unit)
            frames.append({**frame, "tok": run.reading.labels[t], "top": run.top(t, top) if top else []})
    return {"frames": frames}


def maps_of(studio: Studio, id: str, asked: Asked) -> bytes:
    """Return some gates and states as safetensors [H, T], unit-major."""
    kept = studio.traces.get(id)
    run, (layer, direction) = kept.version(_alternative(asked)), place_of(asked)
    kind = asked.one_of("dtype", ("u8", "f32"), "u8")
    start = asked.whole("from", 0, most=MOST_STEPS)
    end = min(asked.whole("to", len(run), most=MOST_STEPS), len(run))
    tensors, metadata = {}, {"from": str(start), "to": str(end)}
    for letter in letters_of(asked, run, layer, direction):
        values = run.lanes(layer, direction, letter)
        scale = _common_scale(kept, layer, direction, letter)
        if letter not in SHARES:
            metadata[f"scale.{letter}"] = json.dumps(scale)
        # Turned once they are bytes: a quarter of the memory to move.
        part = values[start:end]
        tensors[letter] = (as_bytes(letter, part, scale) if kind == "u8" else part).T
    return pack(tensors, metadata)


def unit_of(studio: Studio, id: str, unit: int, asked: Asked) -> bytes:
    """Return every gate and state of one unit as float32 lanes [T].

    A projected layer has fewer h than c: what a unit lacks is left out.
    """
    kept = studio.traces.get(id)
    run, (layer, direction) = kept.version(_alternative(asked)), place_of(asked)
    traced = run.layer(layer, direction)
    units = max(values.shape[2] for values in traced.values.values())
    if not 0 <= unit < units:
        raise Problem(404, f"There is no unit {unit}.", f"This layer has {units}, counted from 0.")
    held = {letter: values for letter, values in traced.values.items() if unit < values.shape[2]}
    lanes = {letter: values[: len(run), 0, unit].float().cpu().numpy() for letter, values in held.items()}
    return pack(lanes, {"unit": str(unit)})


def place_of(asked: Asked) -> tuple[int, str]:
    """Return which layer and direction a request is about."""
    return asked.whole("layer", 0), asked.one_of("direction", DIRECTIONS, "forward")


def letters_of(asked: Asked, run: Run, layer: int, direction: str) -> Sequence[str]:
    """Return which gates and states are asked for; all without a word."""
    known = list(run.layer(layer, direction).values)
    wanted = [letter for letter in asked.text("what", ",".join(known), 64).replace(" ", "").split(",") if letter]
    strange = [letter for letter in wanted if letter not in known]
    if strange or not wanted:
        raise Problem(422, f"This layer has {', '.join(known)}, not {', '.join(strange) or 'nothing'}.")
    return list(dict.fromkeys(wanted))


def tokens_of(reading: Reading) -> list[list[Any]]:
    """Return [token, from, to] for each step, places counted as JavaScript counts: an emoji is two."""
    if not reading.spans or reading.text is None:
        return [[label, 0, 0] for label in reading.labels]
    wide = np.fromiter((ord(letter) > 0xFFFF for letter in reading.text), dtype=np.int64, count=len(reading.text))
    before = np.concatenate([[0], np.cumsum(wide)])
    return [
        [label, int(start + before[start]), int(end + before[end])]
        for label, (start, end) in zip(reading.labels, reading.spans, strict=True)
    ]


def _alternative(asked: Asked) -> int | None:
    return asked.whole("alternative") if "alternative" in asked.fields else None


def _values_a_step(description: Description) -> int:
    letters = len(description.to_dict()["gates"])
    return letters * sum(place.hidden * place.directions for place in description.places)


def _common_scale(kept: Kept, layer: int, direction: str, letter: str) -> float:
    """Return one scale for a trace and its alternatives, so that their colours can be compared."""
    key = ("scale", layer, direction, letter)
    if key not in kept.computed:
        runs = (kept.run, *kept.alternatives)
        kept.computed[key] = max(signed_scale(letter, run.lanes(layer, direction, letter)) for run in runs)
    return kept.computed[key]


def _largest(run: Run, layer: int) -> float:
    """Return the greatest magnitude of the state over both directions."""
    directions = DIRECTIONS[: run.subject.description.places[layer].directions]
    return max(float(np.abs(run.lanes(layer, one, run.state_letter())).max(initial=0.0)) for one in directions)


def _series(run: Run) -> dict[str, Any]:
    columns, values = run.reading.values or ([], np.zeros((0, 0)))
    rows = [[None if not np.isfinite(one) else float(one) for one in row] for row in values]
    return {"columns": columns, "values": rows}
