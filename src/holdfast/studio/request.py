"""What a request says, checked: whole numbers, words of a list, texts; every refusal says what was expected."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from holdfast.studio.problem import Problem


class Asked:
    """The fields of a request, by name, with what they must be."""

    def __init__(self, fields: Mapping[str, Any]):
        self.fields = fields

    def whole(self, name: str, default: int | None = None, *, least: int = 0, most: int = 10**9) -> int:
        """Return a whole number.

        Raises:
            Problem: it is missing, none, or out of range.
        """
        given = self.fields.get(name, default)
        try:
            number = int(given) if isinstance(given, str) else given
        except ValueError:
            number = None
        if isinstance(number, bool) or not isinstance(number, int) or not least <= number <= most:
            raise Problem(400, f"{name} must be a whole number from {least} to {most}, got {shown(given)}.")
        return number

    def number(self, name: str, default: float | None = None, *, least: float = -1e6, most: float = 1e6) -> float:
        """Return a number.

        Raises:
            Problem: it is missing, none, or out of range.
        """
        given = self.fields.get(name, default)
        if isinstance(given, bool) or not isinstance(given, int | float) or not least <= given <= most:
            raise Problem(400, f"{name} must be a number from {least:g} to {most:g}, got {shown(given)}.")
        return float(given)

    def one_of(self, name: str, choices: Sequence[str], default: str | None = None) -> str:
        """Return one of some words.

        Raises:
            Problem: it is another.
        """
        given = self.fields.get(name, default)
        if given not in choices:
            raise Problem(400, f"{name} must be one of {', '.join(choices)}, got {shown(given)}.")
        return given

    def text(self, name: str, default: str | None = None, most: int = 1_000_000) -> str:
        """Return a text; what is no character of its own (half a surrogate pair) becomes U+FFFD.

        Raises:
            Problem: it is missing, no text, or too long.
        """
        given = self.fields.get(name, default)
        if not isinstance(given, str):
            raise Problem(400, f"{name} must be a text, got {shown(given)}.")
        if len(given) > most:
            raise Problem(413, f"{name} has {len(given)} characters.", f"Give at most {most}.", most)
        return given.encode("utf-16", "surrogatepass").decode("utf-16", "replace")

    def list_of(self, name: str, kind: type, most: int, default: Sequence[Any] | None = None) -> list[Any]:
        """Return a list of values of one kind.

        Raises:
            Problem: it is missing, no such list, or too long.
        """
        given = self.fields.get(name, default)
        if given is None and default is not None:
            given = default
        wanted = {str: "texts", dict: "objects", int: "whole numbers"}.get(kind, kind.__name__)
        wrong = not isinstance(given, list | tuple) or not all(
            isinstance(one, kind) and not isinstance(one, bool) for one in given
        )
        if wrong or given is None:
            raise Problem(400, f"{name} must be a list of {wanted}, got {shown(given)}.")
        if len(given) > most:
            raise Problem(422, f"{name} has {len(given)} entries, and {most} are the most.", "", most)
        return list(given)


async def body_of(request: Any) -> Asked:
    """Return the fields of a request's JSON object.

    Raises:
        Problem: the body is no JSON object.
    """
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind != "application/json":
        raise Problem(415, "The request must be JSON.", "Send it with Content-Type: application/json.")
    try:
        fields = json.loads(await request.body())
    except (ValueError, RecursionError) as error:
        raise Problem(400, f"The request is no JSON: {error}.") from error
    if not isinstance(fields, dict):
        raise Problem(400, "The request must be a JSON object of named fields.")
    return Asked(fields)


def shown(value: Any) -> str:
    """Return a value as an error quotes it, shortened."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
