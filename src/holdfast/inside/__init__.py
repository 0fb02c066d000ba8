"""What happened inside a model: measures and pictures on any torch module.

The names below are loaded when first touched: importing this package needs no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from holdfast.inside.clamping import Clamp, clamp
    from holdfast.inside.frames import frame, frame_of
    from holdfast.inside.gradients import GradientFlow, LayerFlow, gradient_flow

__all__ = [
    "Clamp",
    "GradientFlow",
    "LayerFlow",
    "clamp",
    "frame",
    "frame_of",
    "gradient_flow",
]

_LAZY = {
    "Clamp": "clamping",
    "clamp": "clamping",
    "frame": "frames",
    "frame_of": "frames",
    "GradientFlow": "gradients",
    "LayerFlow": "gradients",
    "gradient_flow": "gradients",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'holdfast.inside' has no attribute {name!r}")
    return getattr(import_module(f"holdfast.inside.{_LAZY[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_LAZY])
