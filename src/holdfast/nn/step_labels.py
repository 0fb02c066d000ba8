"""Names for the steps of a trace: one list for all rows, or one list a row."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from holdfast.errors import ShapeError

Labels = tuple[str, ...] | tuple[tuple[str, ...], ...]


def read_labels(labels: Iterable[Any] | None) -> Labels | None:
    """Return labels as text: those of all rows, or a tuple a row where lists are given. A text stands for its letters.

    Raises:
        ShapeError: some are lists and others are not.
    """
    if labels is None:
        return None
    given = list(labels)
    listed = [isinstance(one, Sequence) and not isinstance(one, str | bytes) for one in given]
    if any(listed) != all(listed):
        raise ShapeError("Labels are one list for all rows, or one list a row; these are some of both.")
    if given and listed[0]:
        return tuple(tuple(str(one) for one in row) for row in given)
    return tuple(str(one) for one in given)


def row_labels(labels: Labels, row: int) -> Sequence[str]:
    """Return the labels of one row."""
    own = labels[row] if labels and not isinstance(labels[0], str) else labels
    return own  # type: ignore[return-value]  # a tuple of texts in either case


def fitting(labels: Labels, steps: int, lengths: Collection[int]) -> bool:
    """Say whether there is a label for each step of rows of these lengths, in a call of so many steps."""
    if labels and not isinstance(labels[0], str):
        pairs = list(zip(labels, lengths, strict=False))
        return len(labels) == len(lengths) and all(length <= len(own) <= steps for own, length in pairs)
    return len(labels) == steps
