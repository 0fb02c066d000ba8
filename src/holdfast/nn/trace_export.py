"""A trace as plain arrays, as an .npz file and as a long table."""

from __future__ import annotations

from typing import Any

from holdfast.errors import MissingDependencyError


def import_pandas(purpose: str) -> Any:
    """Return pandas, or say how to get it."""
    try:
        import pandas
    except ImportError as error:
        raise MissingDependencyError("pandas", purpose, "tables") from error
    return pandas
