"""The Studio as an ASGI application: its pages, its API, and every error as problem JSON."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any

from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from holdfast.errors import HoldfastError
from holdfast.studio import tracing
from holdfast.studio.facts import facts_of
from holdfast.studio.order import order_of
from holdfast.studio.pages import page_file
from holdfast.studio.problem import Problem, problem_of
from holdfast.studio.request import Asked, body_of
from holdfast.studio.responses import answer, json_response, problem_response, tensors_response
from holdfast.studio.security import Gate, Guard
from holdfast.studio.studio import Studio

OTHERS = (
    "holdfast.studio.answering",
    "holdfast.studio.claiming",
    "holdfast.studio.gradient_routes",
    "holdfast.studio.exporting",
)
"""Modules with a function `routes() -> list[Route]` for the rest of the API."""


def make_app(studio: Studio, gate: Gate) -> Any:
    """Return the application; `request.app.state.studio` is the studio."""
    app = Starlette(
        routes=[
            Route("/", _first_page),
            Route("/static/{name:path}", _static),
            Route("/tours/{name:path}", _tour),
            Route("/api/1/models", _models),
            Route("/api/1/trace", _trace, methods=["POST"]),
            Route("/api/1/trace/{id}/frames", _frames),
            Route("/api/1/trace/{id}/maps", _maps),
            Route("/api/1/trace/{id}/unit/{unit}", _unit),
            Route("/api/1/trace/{id}/order", _order),
            Route("/api/1/trace/{id}/facts", _facts),
            *(route for name in OTHERS if find_spec(name) for route in import_module(name).routes()),
        ],
        exception_handlers={HoldfastError: _our_error, HTTPException: _http_error, Exception: _broken},
    )
    app.state.studio, app.state.gate = studio, gate
    return Guard(app, gate, problem_response)


async def _first_page(request: Request) -> Response:
    token = request.query_params.get("token")
    if token is None:
        return await _file(request, "index.html")
    if not request.app.state.gate.admits(token):
        raise Problem(
            403,
            "This token is not the one of the running Studio, or was good once and has been used.",
            "Open the address that `holdfast studio` printed in the terminal.",
        )
    headers = {"set-cookie": request.app.state.gate.set_cookie(), "cache-control": "no-store"}
    return RedirectResponse("/", 303, headers)


async def _static(request: Request) -> Response:
    return await _file(request, request.path_params["name"])


async def _tour(request: Request) -> Response:
    return await _file(request, f"tours/{request.path_params['name']}")


async def _file(request: Request, name: str) -> Response:
    content, kind, tag = await run_in_threadpool(page_file, name)
    headers = {"etag": tag, "cache-control": "no-cache", "content-type": kind}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return Response(content, headers=headers)


async def _models(request: Request) -> Response:
    studio: Studio = request.app.state.studio
    models = await run_in_threadpool(studio.models)
    # The page has all it needs to draw by now: what comes next is a trace, and torch takes seconds to load.
    return json_response(models, background=BackgroundTask(studio.warm))


async def _trace(request: Request) -> Response:
    return await answer(tracing.make_trace, request.app.state.studio, await body_of(request))


async def _frames(request: Request) -> Response:
    return await answer(tracing.frames_of, *_of_trace(request))


async def _maps(request: Request) -> Response:
    return await tensors_response(request, tracing.maps_of, *_of_trace(request))


async def _unit(request: Request) -> Response:
    unit = Asked(request.path_params).whole("unit")
    studio, id, asked = _of_trace(request)
    return await tensors_response(request, tracing.unit_of, studio, id, unit, asked)


async def _order(request: Request) -> Response:
    studio, id, asked = _of_trace(request)
    by = asked.text("by", "index", 20)
    return await answer(order_of, studio.traces.get(id), by, *tracing.place_of(asked))


async def _facts(request: Request) -> Response:
    studio, id, asked = _of_trace(request)
    return await answer(facts_of, studio.traces.get(id), *tracing.place_of(asked), asked.whole("unit", 0))


def _of_trace(request: Request) -> tuple[Studio, str, Asked]:
    return request.app.state.studio, request.path_params["id"], Asked(dict(request.query_params))


async def _our_error(_: Request, error: Exception) -> Response:
    return problem_response(problem_of(error) if isinstance(error, HoldfastError) else Problem(500, str(error)))


async def _http_error(_: Request, error: Exception) -> Response:
    status = getattr(error, "status_code", 500)
    return problem_response(Problem(status, str(getattr(error, "detail", error)) + "."))


async def _broken(_: Request, error: Exception) -> Response:
    hint = "The terminal in which the Studio runs says more. The text on the page is not lost."
    return problem_response(Problem(500, f"The Studio could not do this: {type(error).__name__}.", hint))
