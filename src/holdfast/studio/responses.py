"""How answers are given: JSON, safetensors, and errors as problem JSON; the work is done in a thread."""

from __future__ import annotations

import hashlib
import html
import json
import re
from collections.abc import Callable
from typing import Any

from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from holdfast.studio.problem import Problem

TENSORS = "application/vnd.safetensors"


def problem_response(problem: Problem, as_page: bool = False) -> Response:
    """Return an error as problem JSON (RFC 9457), or as a page for somebody who has opened an address by hand."""
    headers = {"cache-control": "no-store"}
    if as_page:
        title, detail, hint = (html.escape(text) for text in ("Holdfast Studio", problem.detail, problem.hint))
        page = f"<!doctype html><html lang=en><title>{title}</title><h1>{title}</h1><p>{detail}<p>{hint}"
        page = re.sub("`([^`]*)`", r"<code>\1</code>", page)
        return Response(page, problem.status, headers, media_type="text/html")
    return Response(json.dumps(problem.to_dict()), problem.status, headers, media_type="application/problem+json")


def json_response(value: Any, status: int = 200, background: BackgroundTask | None = None) -> Response:
    """Return a value as JSON, every digit of its numbers kept.

    Raises:
        Problem: a number is infinite or none, which JSON cannot hold.
    """
    try:
        content = json.dumps(value, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    except ValueError as error:
        hint = "Give smaller numbers; if they are small, the model's own weights are broken."
        raise Problem(422, "The network computed numbers that are infinite or none.", hint) from error
    headers = {"cache-control": "no-store"}
    return Response(content.encode("utf-8", "replace"), status, headers, "application/json", background)


async def answer(work: Callable[..., Any], *arguments: Any) -> Response:
    """Do the work in a thread and return what it gave as JSON."""
    return json_response(await run_in_threadpool(work, *arguments))


async def tensors_response(request: Request, work: Callable[..., bytes], *arguments: Any) -> Response:
    """Do the work in a thread and return the bytes of a safetensors file, or that the browser has them already.

    A trace never changes and its name is used once, so the address alone tells what the bytes are.
    """
    address = f"{request.url.path}?{request.url.query}"
    tag = f'"{hashlib.sha256(address.encode()).hexdigest()[:32]}"'
    headers = {"etag": tag, "cache-control": "private, no-cache"}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    content = await run_in_threadpool(work, *arguments)
    return Response(content, headers=headers, media_type=TENSORS)
