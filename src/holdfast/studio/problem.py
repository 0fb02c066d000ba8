"""What goes wrong in an answer, as the page shows it: what it was, what to do, and which limit was met."""

from __future__ import annotations

from typing import Any

from holdfast.errors import HoldfastError

TITLES = {
    400: "This cannot be read",
    403: "Not allowed",
    404: "Not found",
    405: "Not a way to ask",
    409: "Not now",
    413: "Too large",
    415: "Not a kind that is read",
    422: "This does not fit",
    500: "Something broke",
    503: "Something is missing",
}


class Problem(HoldfastError):
    """An answer that is an error: problem details as RFC 9457 has them, with a hint and a limit beside.

    Args:
        status: The HTTP status.
        detail: What was wrong, in a sentence.
        hint: What to do about it.
        limit: The number that was passed, where there is one.
    """

    def __init__(self, status: int, detail: str, hint: str = "", limit: int | float | None = None):
        super().__init__(detail)
        self.status, self.detail, self.hint, self.limit = status, detail, hint, limit

    def to_dict(self) -> dict[str, Any]:
        """Return the fields of the answer; `limit` is left out where there is none."""
        fields: dict[str, Any] = {
            "title": TITLES.get(self.status, "An error"),
            "detail": self.detail,
            "hint": self.hint,
            "status": self.status,
        }
        return fields if self.limit is None else {**fields, "limit": self.limit}


def problem_of(error: HoldfastError) -> Problem:
    """Return one of our errors as a problem: its first sentence is the detail, the rest the hint."""
    if isinstance(error, Problem):
        return error
    from holdfast.errors import MissingDependencyError

    detail, stop, hint = str(error).partition(". ")
    status = 503 if isinstance(error, MissingDependencyError) else 422
    return Problem(status, detail + ("." if stop else ""), hint)
