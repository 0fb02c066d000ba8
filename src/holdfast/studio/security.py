"""Who may ask what: this machine alone, this page alone. A token is in the first address only.

A web page elsewhere must reach neither the models nor the texts: requests are answered on 127.0.0.1 under the names in
an allow-list (against DNS rebinding), with a cookie that only the printed address gives (HttpOnly, SameSite=Strict),
and what changes something must come from our own page (Origin).
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from holdfast.studio.limits import MOST_BODY, MOST_STEPS
from holdfast.studio.problem import Problem

MOST_DRAINED = 16_000_000
"""Bytes of a body that is too large which are read and dropped, so that the browser gets to see the answer."""

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = (
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
)
SAFE = ("GET", "HEAD")


@dataclass(frozen=True)
class Gate:
    """What a request must show: the names it may ask for, the token of the first address, the cookie it is swapped for.

    The token is good as long as the server runs, for a second browser or one that has forgotten its cookies. What a
    program is called with can be read by every user of the machine, so a browser that we start gets a token of its own,
    which is good once. Cookies know no ports, so the port is in the cookie's name: two Studios do not take each
    other's.
    """

    port: int
    token: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    pass_key: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    once: set[str] = field(default_factory=set, compare=False)

    @property
    def address(self) -> str:
        """The address to open first."""
        return f"http://127.0.0.1:{self.port}/?token={self.token}"

    def address_once(self) -> str:
        """Return a first address whose token is good once."""
        token = secrets.token_urlsafe(32)
        self.once.add(token)
        return f"http://127.0.0.1:{self.port}/?token={token}"

    @property
    def cookie(self) -> str:
        return f"holdfast_studio_{self.port}"

    @property
    def hosts(self) -> tuple[str, ...]:
        names = ("127.0.0.1", "localhost")
        return tuple(f"{name}:{self.port}" for name in names) + (names if self.port == 80 else ())

    def set_cookie(self) -> str:
        """Return the header that swaps the token for the cookie."""
        return f"{self.cookie}={self.pass_key}; Path=/; HttpOnly; SameSite=Strict"

    def admits(self, token: str) -> bool:
        """Return whether this is the token of a first address; one that is good once is spent by it."""
        if hmac.compare_digest(token.encode(), self.token.encode()):
            return True
        for good in self.once:
            if hmac.compare_digest(token.encode(), good.encode()):
                self.once.remove(good)
                return True
        return False

    def check(self, method: str, headers: dict[str, str]) -> None:
        """Refuse a request that does not come from our own page.

        Raises:
            Problem: wrong host, wrong origin, or no cookie.
        """
        if headers.get("host", "").lower() not in self.hosts:
            raise Problem(403, "This name is not one the Studio answers to.", f"Open {self.hosts[0]} on this machine.")
        if method not in SAFE and headers.get("origin", "").lower() not in [f"http://{host}" for host in self.hosts]:
            raise Problem(403, "This request does not come from the Studio's own page.", "Use the page itself.")
        if not self._holds_cookie(headers.get("cookie", "")):
            raise Problem(
                403,
                "This browser has not been let in yet.",
                "Open the address that `holdfast studio` printed in the terminal; it holds the token.",
            )

    def _holds_cookie(self, cookies: str) -> bool:
        # Other servers of this machine share the header and may write what no parser reads: only our own pair counts.
        pairs = (pair.partition("=") for pair in cookies.split(";"))
        keys = [value.strip() for name, _, value in pairs if name.strip() == self.cookie]
        return any(hmac.compare_digest(key.encode(), self.pass_key.encode()) for key in keys)


class Guard:
    """ASGI middleware: checks each request with a `Gate`, bounds its body, and adds the headers to each answer."""

    def __init__(self, app: Any, gate: Gate, refuse: Any):
        self.app, self.gate, self.refuse = app, gate, refuse

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return  # a WebSocket is left unanswered, which refuses it

        async def send_with_headers(message: Any) -> None:
            if message["type"] == "http.response.start":
                own = {name for name, _ in HEADERS}
                kept = [pair for pair in message.get("headers", ()) if pair[0].lower() not in own]
                message = {**message, "headers": [*kept, *HEADERS]}
            await send(message)

        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        try:
            if not _brings_token(scope):
                self.gate.check(scope["method"], headers)
            elif headers.get("host", "").lower() not in self.gate.hosts:
                raise Problem(403, "This name is not one the Studio answers to.")
            body = await _read_body(headers, receive) if scope["method"] not in SAFE else receive
        except Problem as problem:
            as_page = headers.get("accept", "").startswith("text/html")
            await self.refuse(problem, as_page)(scope, receive, send_with_headers)
            return
        await self.app(scope, body, send_with_headers)


def _brings_token(scope: Any) -> bool:
    if scope["path"] != "/" or scope["method"] not in SAFE:
        return False
    fields = parse_qsl(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True)
    return any(name == "token" for name, _ in fields)


async def _read_body(headers: dict[str, str], receive: Any) -> Any:
    """Read the whole body, and return what gives it again.

    Raises:
        Problem: it is too large; what is left of it was read and dropped, up to a bound.
    """
    parts, size = [], 0
    length = headers.get("content-length", "0")
    too_large = length.isdigit() and int(length) > MOST_BODY
    while size <= MOST_DRAINED:
        message = await receive()
        if message["type"] != "http.request":
            break
        part = message.get("body", b"")
        size += len(part)
        too_large = too_large or size > MOST_BODY
        if not too_large:
            parts.append(part)
        if not message.get("more_body", False):
            break
    if too_large:
        limit = f"{MOST_BODY / 1e6:.0f} MB"
        hint = f"Give at most {MOST_STEPS} words or steps, and less than {limit}."
        raise Problem(413, f"This is {limit} of text or more.", hint, MOST_BODY)
    waiting = [{"type": "http.request", "body": b"".join(parts), "more_body": False}]

    async def again() -> Any:
        return waiting.pop() if waiting else await receive()

    return again
