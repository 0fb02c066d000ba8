"""Pictures of a run for print: which of them suits it, and the sentence that goes with it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from holdfast.errors import ConfigError
from holdfast.inside.claims import claim, words_known
from holdfast.inside.draw_gates import plot_gates
from holdfast.inside.draw_half_lives import plot_half_lives
from holdfast.inside.draw_highway import plot_highway
from holdfast.inside.draw_kept import Strip, plot_kept
from holdfast.inside.steps import steps_of
from holdfast.studio.evidence import Evidence
from holdfast.tasks.france.sentences import COUNTRIES

if TYPE_CHECKING:
    from holdfast.studio.run import Run

PICTURES = ("kept", "gates", "highway", "half-lives")
HIGHWAYS = 3


def countries_in(text: str) -> tuple[str, list[str]] | None:
    """Return the first country of a text of the long-memory demo, and those that can take its place; None without."""
    places = {text.find(country): country for country in COUNTRIES if country in text}
    if not places:
        return None
    return places[min(places)], [country for country in COUNTRIES if country not in text]


def claim_of(first: Evidence, beside: Evidence | None = None) -> str:
    """Return the sentence of claim about one model, or two."""
    labels = first.run.reading.labels
    other = None if beside is None else beside.held(beside.run.subject.name)
    return claim(first.names[0], labels, first.start, first.held(first.run.subject.name), other)


def draw_kept(evidence: Sequence[Evidence], path: Any, note: str = "") -> Any:
    """Draw the picture of the claim: one model, or two that read the same tokens.

    Raises:
        ConfigError: the models cut the text into different tokens.
    """
    labels = evidence[0].run.reading.labels
    if any(one.run.reading.labels != labels for one in evidence):
        raise ConfigError("The models cut the text into different tokens: draw one at a time, without --beside.")
    strips = [
        Strip(one.run.subject.name, one.kept, one.states, one.names, one.known, _caption(one)) for one in evidence
    ]
    title = claim_of(*evidence[:2])
    return plot_kept(strips, labels, path, guessing=evidence[0].guessing, title=title, note=note)


def _caption(one: Evidence) -> str:
    held, word, others = one.held(one.run.subject.name), one.names[0], len(one.names) - 1
    if one.known is None:
        return f"{held.name}: how much unit {held.unit} still differs with other words in the place of '{word}'"
    known = words_known(held, one.run.reading.labels, one.start)
    return (
        f"{held.name}: how surely its state tells '{word}' ({known} words; unit {held.unit} alone tells it from "
        f"{one.kept.told[held.unit]} of {others} others)"
    )


def draw_run(
    run: Run,
    path: Any,
    *,
    picture: str,
    layer: int = 0,
    direction: str = "forward",
    units: Sequence[int] = (),
    gates: str | None = None,
    title: str = "",
) -> Any:
    """Draw a heat map of gates, the memory highway of some units, or the units' half-lives.

    Args:
        run: What to draw.
        path: Where the picture goes.
        picture: One of PICTURES but "kept".
        layer, direction: As the page numbers them.
        units: Which units; none draws all (gates), or the ones whose memory changed most in single steps (highway).
        gates: Letters for "gates"; None draws all.
        title: A line above the picture.

    Raises:
        ConfigError: no such picture, layer, direction, unit or gate.
    """
    traced, labels = run.layer(layer, direction), run.reading.labels
    backward = direction == "backward"
    if picture == "gates":
        return plot_gates(traced, path, gates=gates, labels=labels, units=list(units) or None, backward=backward,
                          title=title)  # fmt: skip
    steps = steps_of(traced, backward=backward)
    if picture == "highway":
        if not units:
            jumps = np.abs(steps.values[steps.memory] - steps.previous()).max(axis=0)
            units = [int(unit) for unit in np.argsort(-jumps, kind="stable")[:HIGHWAYS]]
        return plot_highway(traced, units, path, labels=labels, backward=backward, title=title)
    if picture == "half-lives":
        lives = steps.time_constants() * np.log(2)
        return plot_half_lives({run.subject.name: lives}, path, num_steps=len(run), title=title)
    raise ConfigError(f"There is no picture {picture!r}; choose one of {', '.join(PICTURES)}.")
