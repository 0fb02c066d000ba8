"""Gates and states as the page draws them: safetensors, unit-major, as bytes or float32."""

from __future__ import annotations

import json
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from holdfast.studio.problem import Problem

MOST_BYTES = 16_000_000
SHARES = frozenset("fiozr")
"""Letters whose values lie between 0 and 1; the others have a sign."""


def as_bytes(letter: str, values: NDArray[np.floating], scale: float) -> NDArray[np.uint8]:
    """Return values as bytes: round(255 v) of a share, 128 + round(127 v / scale) of what has a sign."""
    if letter in SHARES:
        return np.rint(np.clip(values, 0, 1) * np.float32(255)).astype(np.uint8)
    scaled = np.clip(values * np.float32(127 / scale), -127, 127) if scale > 0 else np.zeros_like(values)
    return (np.rint(scaled) + 128).astype(np.uint8)


def pack(tensors: Mapping[str, NDArray[np.generic]], metadata: Mapping[str, str]) -> bytes:
    """Return arrays as the bytes of a safetensors file.

    Raises:
        Problem: they are more than 16 MB.
    """
    from safetensors.numpy import save

    size = sum(array.nbytes for array in tensors.values())
    if size > MOST_BYTES:
        raise Problem(
            413,
            f"This map has {size / 1e6:.1f} MB, and a reply at most {MOST_BYTES / 1e6:.0f} MB.",
            "Ask for fewer steps (from, to) or fewer letters (what) at once, or for dtype=u8.",
            MOST_BYTES,
        )
    return save({name: np.ascontiguousarray(array) for name, array in tensors.items()}, metadata=dict(metadata))


def signed_scale(letter: str, values: NDArray[np.floating]) -> float:
    """Return what 127 stands for: 1 for what lies between -1 and 1, the greatest magnitude otherwise."""
    if letter in SHARES or letter in "gn":
        return 1.0
    largest = float(np.abs(values).max(initial=0.0))
    return largest if letter == "c" or largest > 1 else 1.0


def jsonable(value: float) -> str:
    """Return a number as JSON writes it, every digit kept."""
    return json.dumps(value)
