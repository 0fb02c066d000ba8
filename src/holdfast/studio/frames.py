"""One frame: everything about one unit at one step, in the numbers that the network computed with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from holdfast.errors import ConfigError

if TYPE_CHECKING:
    from holdfast.studio.run import Run


def frame_of(run: Run, layer: int, direction: str, t: int, unit: int) -> dict[str, Any]:
    """Return the frame of one unit at step t: what `holdfast.inside.frames` describes, and the cell's variant.

    Raises:
        ConfigError: there is no such layer, direction, step or unit.
    """
    from holdfast.inside.frames import frame_of as inside_frame
    from holdfast.studio.description import variant_of

    run.layer(layer, direction)  # says which there are
    place = run.subject.description.places[layer]
    if not 0 <= t < len(run) or not 0 <= unit < place.hidden:
        raise ConfigError(f"There is no step {t} or no unit {unit}: {len(run)} steps, {place.hidden} units.")
    module: Any = dict(run.subject.recurrent)[place.module]
    found = inside_frame(
        run.trace, module, run.inputs[place.module], name=place.module, layer=place.layer, direction=direction,
        t=t, unit=unit, clamped=bool(run.clamps),
    )  # fmt: skip
    return {**found, "variant": variant_of(module.spec)}
