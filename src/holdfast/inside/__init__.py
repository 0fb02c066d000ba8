"""What happened inside a model: measures and pictures on any torch module.

The names below are loaded when first touched: importing this package needs no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from holdfast.inside.attribute import Attribution, integrated_gradients
    from holdfast.inside.claims import Keeping, keeping
    from holdfast.inside.clamping import Clamp, clamp
    from holdfast.inside.draw_flow import plot_flow
    from holdfast.inside.draw_gates import plot_gates
    from holdfast.inside.draw_half_lives import plot_half_lives
    from holdfast.inside.draw_highway import plot_highway
    from holdfast.inside.draw_kept import plot_kept
    from holdfast.inside.frames import frame, frame_of
    from holdfast.inside.gradients import GradientFlow, LayerFlow, gradient_flow
    from holdfast.inside.memory import carriers, half_lives, keeps, recognised_share, time_constants, unit_separation
    from holdfast.inside.perturbation import LayerVisibility, Visibility, visibility
    from holdfast.inside.probes import Probe, probe

__all__ = [
    "Attribution",
    "Clamp",
    "GradientFlow",
    "Keeping",
    "LayerFlow",
    "LayerVisibility",
    "Probe",
    "Visibility",
    "carriers",
    "clamp",
    "frame",
    "frame_of",
    "gradient_flow",
    "half_lives",
    "integrated_gradients",
    "keeping",
    "keeps",
    "plot_flow",
    "plot_gates",
    "plot_half_lives",
    "plot_highway",
    "plot_kept",
    "probe",
    "recognised_share",
    "time_constants",
    "unit_separation",
    "visibility",
]

_LAZY = {
    "Attribution": "attribute",
    "integrated_gradients": "attribute",
    "Keeping": "claims",
    "keeping": "claims",
    "Clamp": "clamping",
    "clamp": "clamping",
    "plot_flow": "draw_flow",
    "plot_gates": "draw_gates",
    "plot_half_lives": "draw_half_lives",
    "plot_highway": "draw_highway",
    "plot_kept": "draw_kept",
    "frame": "frames",
    "frame_of": "frames",
    "GradientFlow": "gradients",
    "LayerFlow": "gradients",
    "gradient_flow": "gradients",
    "carriers": "memory",
    "half_lives": "memory",
    "keeps": "memory",
    "recognised_share": "memory",
    "time_constants": "memory",
    "unit_separation": "memory",
    "LayerVisibility": "perturbation",
    "Visibility": "perturbation",
    "visibility": "perturbation",
    "Probe": "probes",
    "probe": "probes",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'holdfast.inside' has no attribute {name!r}")
    return getattr(import_module(f"holdfast.inside.{_LAZY[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_LAZY])
