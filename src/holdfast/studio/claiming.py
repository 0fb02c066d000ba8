"""The route of the sentence of claim: what a model held of a word, beside another model, as the page says it first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from holdfast.studio.problem import Problem
from holdfast.studio.request import Asked, body_of
from holdfast.studio.responses import answer
from holdfast.studio.run import DIRECTIONS
from holdfast.studio.studio import Studio

if TYPE_CHECKING:
    from holdfast.studio.evidence import Evidence

MOST_WORDS = 8
MOST_TOKENS = 2000
"""Of a text that is read in other orders too."""


def routes() -> list[Route]:
    """Return the routes of this part of the API."""
    return [Route("/api/1/claim", _claim, methods=["POST"])]


async def _claim(request: Request) -> Response:
    return await answer(claim_of, request.app.state.studio, await body_of(request))


def claim_of(studio: Studio, asked: Asked) -> dict[str, Any]:
    """Return the sentence about a word: {"model", "text", "word", "others", "layer", "direction", "beside": a model}.

    The other model is left out where the text is not read in other orders: that its state differs would not be memory.

    Returns:
        "sentence", the "unit" that kept the word longest, for how many "words", how many words "follow" it, and whether
        the text was read in other orders ("orders"), which is what tells memory from noise; "strips" of each model.

    Raises:
        Problem: a model reads no texts, or the text is too long.
        ConfigError: the word does not stand in the text, or the direction is backward.
        DataError: another word changes how many tokens the text has.
    """
    from holdfast.inside.claims import claim, words_between
    from holdfast.studio.evidence import gather

    text, word = asked.text("text"), asked.text("word", most=200)
    others = asked.list_of("others", str, MOST_WORDS)
    layer = asked.whole("layer", 0)
    direction = asked.one_of("direction", DIRECTIONS, "forward")
    names = [asked.fields.get("model"), *([asked.fields["beside"]] if asked.fields.get("beside") else [])]
    found = []
    for place, name in enumerate(names):
        subject = studio.subject(name)
        where = {"layer": layer, "direction": direction} if place == 0 else {}
        with studio.turn:
            tokens = len(subject.read(text))
            if tokens > MOST_TOKENS:
                raise Problem(413, f"The text has {tokens} tokens.", f"Give at most {MOST_TOKENS}.", MOST_TOKENS)
            found.append(gather(subject, text, word, others, **where))
    if any(one.known is None for one in found):
        found, names = found[:1], names[:1]
    first, held = found[0], [one.held(studio.subject(name).name) for one, name in zip(found, names, strict=True)]
    labels = first.run.reading.labels
    return {
        "sentence": claim(word, labels, first.start, *held),
        "unit": held[0].unit,
        "words": held[0].words,
        "follow": words_between(labels, first.start, len(labels) - 1),
        "orders": first.known is not None,
        "strips": [_strip(one) for one in found],
    }


def _strip(one: Evidence) -> dict[str, Any]:
    """Return how surely a model's state tells the word at each step from "start" on.

    Where the text was not read in other orders, "told" is False and the shares are those of the greatest difference
    that the best unit still shows.
    """
    told = one.known is not None
    shares = one.known if one.known is not None else one.kept.share(one.kept.best)[one.start :]
    guessing = one.guessing if told else 0.0
    known = [float(share) for share in shares]
    return {"name": one.run.subject.name, "start": one.start, "known": known, "told": told, "guessing": guessing}
