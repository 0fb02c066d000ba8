"""The Gradient view's part of the API: begin a run, follow its events, end it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from holdfast.studio.app import json_response
from holdfast.studio.gradient_runs import GradientRun, GradientRuns
from holdfast.studio.gradient_settings import GradientSettings
from holdfast.studio.problem import Problem
from holdfast.studio.request import body_of

_LOOK = 0.05
"""Seconds between two looks for a new event."""
_SIGN_OF_LIFE = 1.0
"""Seconds after which a quiet stream sends a comment, so that a client that has gone is noticed."""


def routes(runs: GradientRuns | None = None) -> list[Route]:
    """Return the routes, over runs of their own unless some are given."""
    kept = GradientRuns() if runs is None else runs

    async def start(request: Request) -> Response:
        settings = GradientSettings.from_dict((await body_of(request)).fields)
        run = await run_in_threadpool(kept.start, settings)
        return json_response({"id": run.id, "settings": settings.to_dict()}, 201)

    async def events(request: Request) -> Response:
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        return StreamingResponse(_stream(_found(request)), media_type="text/event-stream", headers=headers)

    async def stop(request: Request) -> Response:
        await run_in_threadpool(_found(request).stop)
        return Response(status_code=204)

    def _found(request: Request) -> GradientRun:
        run = kept.find(request.path_params["id"])
        if run is None:
            raise Problem(404, "This run is no longer there.", "Press Train to begin a new one.")
        return run

    return [
        Route("/api/1/gradient", start, methods=["POST"]),
        Route("/api/1/gradient/{id}/events", events),
        Route("/api/1/gradient/{id}", stop, methods=["DELETE"]),
    ]


async def _stream(run: GradientRun) -> AsyncIterator[str]:
    """Yield the events of a run from the present one on, until it is done."""
    seen, quiet = 0, 0.0
    with run.looked_at():
        yield ": here\n\n"
        while True:
            ended, count, latest = run.ended, run.count, run.latest
            if count != seen:
                seen, quiet = count, 0.0
                yield _written(latest)
            elif ended:
                return
            else:
                await asyncio.sleep(_LOOK)
                quiet += _LOOK
                if quiet >= _SIGN_OF_LIFE:
                    quiet = 0.0
                    yield ": still here\n\n"


def _written(event: Any) -> str:
    return f"data: {json.dumps(event, ensure_ascii=False, separators=(',', ':'))}\n\n"
