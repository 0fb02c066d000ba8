"""The routes of what models answer: completions, curves, texts made longer, what an answer rests on."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from holdfast.studio.request import body_of
from holdfast.studio.responses import answer


def routes() -> list[Route]:
    """Return the routes of this part of the API."""
    return [
        Route("/api/1/complete", _complete, methods=["POST"]),
        Route("/api/1/insert", _insert, methods=["POST"]),
        Route("/api/1/curve", _curve, methods=["POST"]),
        Route("/api/1/attribute", _attribute, methods=["POST"]),
    ]


async def _complete(request: Request) -> Response:
    from holdfast.studio.completion import complete

    return await answer(complete, request.app.state.studio, await body_of(request))


async def _insert(request: Request) -> Response:
    from holdfast.studio.completion import put_in

    return await answer(put_in, await body_of(request))


async def _curve(request: Request) -> Response:
    from holdfast.studio.completion import curve

    return await answer(curve, request.app.state.studio, await body_of(request))


async def _attribute(request: Request) -> Response:
    from holdfast.studio.completion import attribute

    return await answer(attribute, request.app.state.studio, await body_of(request))
