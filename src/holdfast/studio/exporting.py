"""The routes that give a trace away as one file: the page itself, every number, a table, or a picture for print."""

from __future__ import annotations

import io

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from holdfast.studio.arrays import csv_bytes, npz_bytes
from holdfast.studio.bundle import html_of, number_in
from holdfast.studio.depict import draw_run
from holdfast.studio.request import Asked, body_of
from holdfast.studio.run import DIRECTIONS
from holdfast.studio.studio import Studio
from holdfast.studio.traces import Kept

KINDS = {
    "html": "text/html; charset=utf-8",
    "npz": "application/octet-stream",
    "csv": "text/csv; charset=utf-8",
    "png": "image/png",
}


def routes() -> list[Route]:
    """Return the routes of this part of the API."""
    return [Route("/api/1/export", _export, methods=["POST"])]


async def _export(request: Request) -> Response:
    asked = await body_of(request)
    kind = asked.one_of("kind", tuple(KINDS))
    content = await run_in_threadpool(export, request.app.state.studio, asked)
    headers = {"content-disposition": f'attachment; filename="holdfast.{kind}"', "cache-control": "no-store"}
    return Response(content, headers=headers, media_type=KINDS[kind])


def export(studio: Studio, asked: Asked) -> bytes:
    """Return the bytes of one file: {"kind", "trace": id, "state": fragment}.

    Raises:
        Problem: the trace is not kept any more, or the kind is unknown.
        ConfigError: it does not fit into one file.
    """
    kind, kept = asked.one_of("kind", tuple(KINDS)), studio.traces.get(asked.text("trace"))
    state = asked.text("state", "")
    fields = dict(part.split("=", 1) for part in state.lstrip("#").split("&") if "=" in part)
    layer = number_in(fields, "l") or 0
    direction = fields["d"] if fields.get("d") in DIRECTIONS else "forward"
    if kind == "npz":
        return npz_bytes(kept.run)
    if kind == "csv":
        return csv_bytes(kept.run, layer, direction)
    if kind == "png":
        return _picture(kept, layer, direction)
    word, instead = word_of(kept)
    # Text, words and forced gates are in the file itself; a fragment's own would be asked for again.
    shown = "&".join(f"{name}={value}" for name, value in fields.items() if name not in ("x", "b", "k", "ka", "cl"))
    with studio.turn:
        return html_of(
            [kept.run.subject], kept.source, word=word, instead=instead, state=shown, clamps=kept.run.clamps
        ).encode()


def word_of(kept: Kept) -> tuple[str, list[str]]:
    """Return the word that the alternatives of a trace replace, and what stands in its place; "" without."""
    labels = kept.run.reading.labels
    same = [other.reading.labels for other in kept.alternatives if len(other) == len(labels)]
    for t, label in enumerate(labels):
        others = [row[t] for row in same if row[t] != label]
        if others:
            return label, others
    return "", []


def _picture(kept: Kept, layer: int, direction: str) -> bytes:
    buffer = io.BytesIO()
    draw_run(kept.run, None, picture="gates", layer=layer, direction=direction).savefig(buffer, format="png")
    return buffer.getvalue()
