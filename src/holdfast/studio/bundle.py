"""One HTML file of a trace: the Studio's own page with the numbers inside it, for a disk, a mail, a browser offline.

The page asks its questions as ever; the answers lie in the file. What does not fit into MOST_BYTES is left out in this
order: frames of further units, then the end of the text, and the file says so.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
import zlib
from collections.abc import Sequence
from typing import Any

from holdfast.errors import ConfigError, DataError
from holdfast.studio import tracing
from holdfast.studio.facts import facts_of
from holdfast.studio.onepage import STATIC, one_page
from holdfast.studio.order import ORDERS, order_of
from holdfast.studio.problem import Problem
from holdfast.studio.request import Asked
from holdfast.studio.run import DIRECTIONS
from holdfast.studio.studio import Studio
from holdfast.studio.subject import Subject
from holdfast.studio.traces import Kept
from holdfast.studio.whole_word import whole_word

MOST_BYTES = 5_000_000
MAP_BYTES = 1_500_000
"""Of every gate and state of all models together, as float32: what a longer text is cut to."""
FRAME_BYTES = 1_200_000
"""Of the frames, packed."""
MOST_FACTS = 256
MOST_FLOATS = 262_144  # of one letter, for the page to ask for floats and not for bytes
MOST_ALTERNATIVES, LONGEST_WITH_ALTERNATIVES = 3, 20_000  # as the page itself asks (static/store.js)
_STYLE = re.compile(r"<style>(.*?)</style>", re.DOTALL)
_SCRIPT = re.compile(r'<script type="module">(.*?)</script>', re.DOTALL)


def html_of(
    subjects: Sequence[Subject],
    text: str,
    *,
    word: str = "",
    instead: Sequence[str] = (),
    state: str = "",
    note: str = "",
    clamps: Sequence[Any] = (),
) -> str:
    """Run models over a text (or a series' CSV) and return the page with what they did in it.

    Args:
        subjects: The models, the one that is shown first in front. All read the same.
        text: What they read; a longer one is cut at a token, and the page says so.
        word: The word whose memory is looked for, "" for none, and `instead`, what can stand in its place.
        state: The page's state as its address holds it, such as "v=memory&t=5".
        note: A sentence above the page.
        clamps: Gates to force (`holdfast.inside.Clamp`), named as they are in the first model; the page says so.

    Raises:
        DataError: the text is empty, or not even its beginning fits.
        ConfigError: the file would be larger than MOST_BYTES all the same.
    """
    text, said = _cut(subjects, text)
    others = list(instead)[:MOST_ALTERNATIVES] if word else []
    studio = Studio(subjects)
    forced, asked_so = _forced(subjects[0], clamps)
    traced = []
    for subject in subjects:
        question = _question(subject, text, [word, *others])
        reply = tracing.make_trace(studio, Asked(question | {"clamps": forced}))
        traced.append((question | ({"clamps": asked_so} if forced else {}), reply))
    if forced:
        state = f"{state}&cl=" + ";".join(",".join(map(str, one.values())) for one in asked_so)
        said = f"{said} Gates were forced in this run (units: {len(asked_so)}).".strip()
    info = _info(studio, text, word, others)
    return page_of(studio, traced, info, state, " ".join(filter(None, (note, said))))


def _question(subject: Subject, text: str, words: Sequence[str]) -> dict[str, Any]:
    """Return the question about a text that the page asks (`store.question`): of `words`, the key word and others.

    The first of them that stands in the text is replaced by the others; only models of language are asked so.
    """
    question: dict[str, Any] = {"model": subject.id, subject.reads: text}
    if subject.task != "language" or len(text.encode("utf-16-le")) // 2 >= LONGEST_WITH_ALTERNATIVES:
        return question
    key = next((one for one in words if one and whole_word(one).search(text)), "")
    if key:
        others = [one for one in words if one and one != key][:MOST_ALTERNATIVES]
        question["alternatives"] = [whole_word(key).sub(lambda _, one=one: one, text) for one in others]
    return question


def _forced(subject: Subject, clamps: Sequence[Any]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return clamps as requests name them, and as the page does: a unit each, fields in its order (`readClamps`)."""
    places = [(place.module, place.layer) for place in subject.description.places]
    forced, asked_so = [], []
    for one in clamps:
        where = {"layer": places.index((one.name, one.layer)), "direction": one.direction}
        rest = {"gate": one.gate, "from": one.steps[0], "to": one.steps[-1] + 1, "value": one.value}
        forced.append(where | {"units": list(one.units)} | rest)
        asked_so += [where | {"unit": unit} | rest for unit in one.units]
    return forced, asked_so


def number_in(fields: dict[str, str], name: str) -> int | None:
    """Return a number of the page's state; None where it has none."""
    found = re.fullmatch("[0-9]{1,9}", fields.get(name, ""))
    return int(found[0]) if found else None


def page_of(
    studio: Studio, traced: Sequence[tuple[dict[str, Any], dict[str, Any]]], info: dict[str, Any], state: str, note: str
) -> str:
    """Return the page with the answers about traces that were made: pairs of the question and its reply.

    Raises:
        ConfigError: the file would be larger than MOST_BYTES.
    """
    answers: dict[str, Any] = {"GET /api/1/models": {"json": info}}
    answers["POST /api/1/trace"] = {"asked": [{"question": asked, "json": reply} for asked, reply in traced]}
    room = FRAME_BYTES // len(traced)
    for _, reply in traced:
        kept = studio.traces.get(reply["id"])
        for layer, place in enumerate(kept.run.subject.description.places):
            for direction in DIRECTIONS[: place.directions]:
                answers |= _place(studio, kept, layer, direction)
        answers |= _frames(studio, kept, reply, state, room)
    files = {"static/gradient-example.json": json.loads((STATIC / "gradient-example.json").read_text("utf-8"))}
    players = json.loads((STATIC / "game" / "players.json").read_text(encoding="utf-8"))
    data = {"state": state, "answers": answers, "files": files}
    page = _with_note(one_page(STATIC / "index.html", {"holdfast-data": data, "game-players": players}), note)
    page = _guarded(page)
    size = len(page.encode())
    if size > MOST_BYTES:
        raise ConfigError(
            f"The page would have {size / 1e6:.1f} MB, and at most {MOST_BYTES / 1e6:.0f} fit: trace less."
        )
    return page


def _info(studio: Studio, text: str, word: str, others: Sequence[str]) -> dict[str, Any]:
    info = studio.models()
    for model in info["models"]:
        model["example"] = text
    return {**info, "text": text, "key": word, "alternatives": list(others)}


def _cut(subjects: Sequence[Subject], text: str) -> tuple[str, str]:
    """Return as much of a text as fits, and what to say of the rest."""
    numbers = sum(
        len(subject.description.to_dict()["gates"]) * sum(p.hidden * p.directions for p in subject.description.places)
        for subject in subjects
    )
    widest = max(place.hidden for subject in subjects for place in subject.description.places)
    most = min(MAP_BYTES // (4 * numbers), MOST_FLOATS // widest)
    reading = subjects[0].read(text)
    if len(reading) <= most:
        return text, ""
    if most < 1 or not reading.spans:
        raise DataError(
            f"{len(reading)} steps of {numbers} numbers each do not fit into one file; {most} do. Give fewer."
        )
    said = f"The text is cut: its first {most} of {len(reading)} tokens are in this file."
    return text[: reading.spans[most - 1][1]], said


def _place(studio: Studio, kept: Kept, layer: int, direction: str) -> dict[str, Any]:
    """Return what is asked of one layer and direction: every gate and state whole, orders, facts of each unit."""
    base, query = f"GET /api/1/trace/{kept.id}", f"direction={direction}&layer={layer}"
    asked = Asked({"layer": layer, "direction": direction, "dtype": "f32"})
    maps = tracing.maps_of(studio, kept.id, asked)
    found: dict[str, Any] = {f"{base}/maps?{query}": {"base64": base64.b64encode(maps).decode()}}
    for by in ORDERS:
        if by != "keeps" or kept.alternatives:
            try:
                found[f"{base}/order?by={by}&{query}"] = {"json": order_of(kept, by, layer, direction)}
            except Problem:
                continue  # nothing to sort by: the page says what the server would have said
    units = kept.run.subject.description.places[layer].hidden
    for unit in range(min(units, MOST_FACTS)):
        found[f"{base}/facts?{query}&unit={unit}"] = {"json": facts_of(kept, layer, direction, unit)}
    return found


def _frames(studio: Studio, kept: Kept, reply: dict[str, Any], state: str, room: int) -> dict[str, Any]:
    """Return packed frames of the units most worth a look, as many as fit: the state's own, keepers, the slowest."""
    found: dict[str, Any] = {}
    for layer, direction, unit in _wanted(kept, state):
        query = f"direction={direction}"
        packed = {}
        for start in range(0, reply["T"], tracing.MOST_FRAMES):
            end = min(reply["T"], start + tracing.MOST_FRAMES)
            asked = Asked({"layer": layer, "direction": direction, "unit": unit, "from": start, "to": end})
            content = json.dumps(tracing.frames_of(studio, kept.id, asked), separators=(",", ":")).encode()
            name = f"GET /api/1/trace/{kept.id}/frames?{query}&from={start}&layer={layer}&to={end}&unit={unit}"
            packed[name] = {"deflated": base64.b64encode(_deflated(content)).decode()}
        room -= sum(len(one["deflated"]) for one in packed.values())
        if room < 0 and found:
            break
        found |= packed
    return found


def _wanted(kept: Kept, state: str) -> list[tuple[int, str, int]]:
    """Return (layer, direction, unit), the most wanted first."""
    fields = dict(part.split("=", 1) for part in state.split("&") if "=" in part)
    places = kept.run.subject.description.places
    wanted = []
    if (unit := number_in(fields, "u")) is not None:
        wanted.append((number_in(fields, "l") or 0, fields.get("d", "forward"), unit))
    orders = {}
    for layer, place in enumerate(places):
        for direction in DIRECTIONS[: place.directions]:
            by = "keeps" if kept.alternatives else "tau"
            orders[layer, direction] = order_of(kept, by, layer, direction)["permutation"]
    for rank in range(max(map(len, orders.values()))):
        wanted += [(*where, order[rank]) for where, order in orders.items() if rank < len(order)]
    known = [
        (layer, direction, unit)
        for layer, direction, unit in dict.fromkeys(wanted)
        if layer < len(places) and (layer, direction) in orders and unit < places[layer].hidden
    ]
    return known


def _deflated(content: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)  # raw, as the page's DecompressionStream reads it
    return packer.compress(content) + packer.flush()


def _with_note(page: str, note: str) -> str:
    icon = base64.b64encode((STATIC / "icon.svg").read_bytes()).decode()
    page = page.replace('href="static/icon.svg"', f'href="data:image/svg+xml;base64,{icon}"')
    if not note:
        return page
    return page.replace("</header>", f'</header>\n<p class="note export-note">{html.escape(note)}</p>', 1)


def _guarded(page: str) -> str:
    """Return the page with a policy that allows its own script and styles, by their hashes, and no network."""
    scripts = " ".join(_hash(found) for found in _SCRIPT.findall(page))
    styles = " ".join(_hash(found) for found in _STYLE.findall(page))
    policy = (
        f"default-src 'none'; script-src {scripts}; style-src {styles}; img-src data: blob:; base-uri 'none'; "
        "form-action 'none'"
    )
    meta = f'<meta http-equiv="content-security-policy" content="{policy}">'
    return page.replace('<meta charset="utf-8">', f'<meta charset="utf-8">\n{meta}', 1)


def _hash(content: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"
