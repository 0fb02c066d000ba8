"""What language models put next: likeliest words, a word's chance by distance, what a forced gate changes."""

from __future__ import annotations

from typing import Any

import numpy as np

from holdfast.studio.clamps import clamps_of, fits
from holdfast.studio.fillers import bridge, default_place, gap, insert
from holdfast.studio.problem import Problem
from holdfast.studio.request import Asked
from holdfast.studio.studio import Studio
from holdfast.studio.subject import Subject, clamped
from holdfast.studio.tracing import tokens_of

MOST_MODELS, MOST_WORDS = 4, 20
MOST_DISTANCES, FARTHEST, MOST_FILLS = 24, 500, 50
MOST_ATTRIBUTED = 2000
MOST_READ = 4_000_000
"""Characters that the texts of one curve may have together."""


def complete(studio: Studio, asked: Asked) -> dict[str, Any]:
    """Return the likeliest next words of each model, the chance of one word, and both again with gates forced.

    Raises:
        Problem: no language model, an empty text, or a gate that is not there.
    """
    text, k = asked.text("text"), asked.whole("k", 5, least=1, most=MOST_WORDS)
    target = asked.text("target", "", 200).strip()
    answers, unknown = [], []
    for subject in language_models(studio, asked):
        clamps = clamps_of(subject, asked) if fits(subject, asked) else []
        with studio.turn:
            subject.read(text)  # refuses what cannot be read
            plain = _next(subject, text, k, target, [], bool(clamps))
            forced = _next(subject, text, k, target, clamps, True) if clamps else None
            kind: Any = subject.kind
            unknown += kind.unknown_words(text)
        answers.append({"model": subject.id, **plain, "clamped": forced})
    return {"answers": answers, "unknown": list(dict.fromkeys(unknown))}


def curve(studio: Studio, asked: Asked) -> dict[str, Any]:
    """Return how likely each model holds a word after more and more words were put into the text.

    For each distance so many words of held-out sentences are put before the last sentence, `fills` times anew; "mean"
    is over these, "low" and "high" are their tenth and ninetieth percentiles. Where the text names "key" in an earlier
    sentence, they stand in place of all sentences in between, and "apart" counts the words between the key and the end
    of the text at distance 0; else it is None.

    Raises:
        Problem: no model knows the word, or too much is asked for at once.
    """
    text, target = asked.text("text"), asked.text("target", most=200).strip()
    distances = asked.list_of("distances", int, MOST_DISTANCES, (0, 10, 25, 50, 100, 150, 200))
    fills = asked.whole("fills", 20, least=1, most=MOST_FILLS)
    for distance in distances:
        Asked({"distance": distance}).whole("distance", most=FARTHEST)
    subjects = language_models(studio, asked)
    if not text.strip():
        raise Problem(422, "There is nothing to read: the text is empty.", "Type a few words first.")
    if (len(text) * len(distances) + 6 * sum(distances)) * fills > MOST_READ:
        raise Problem(413, "This text is too long for so many fillings.", "Take fewer fills or distances.", MOST_READ)
    parts, at = gap(text, asked.text("key", "", 200).strip()), default_place(text)

    def filled(words: int, seed: int) -> str:
        return bridge(*parts[:2], words, seed) if parts else insert(text, at, words, seed)[0]

    texts = {d: [filled(d, seed) for seed in range(fills if d else 1)] for d in distances}
    curves = [_curve(studio, subject, texts, target) for subject in subjects]
    return {"curves": curves, "apart": parts[2] if parts else None}


def put_in(asked: Asked) -> dict[str, Any]:
    """Return a text with sentences put in; places count as JavaScript counts."""
    text = asked.text("text")
    at = _python_place(text, asked.whole("at", 0))
    longer, inserted = insert(text, at, asked.whole("words", 10, most=FARTHEST), asked.whole("seed", 0))
    return {"text": longer, "inserted": inserted}


def attribute(studio: Studio, asked: Asked) -> dict[str, Any]:
    """Return what each token of a text adds to a word's log-probability in nats, by integrated gradients.

    "gap" is what the tokens do not account for: the method is exact for an exact integral.

    Raises:
        Problem: no language model, or a text that is too long for it.
        ConfigError: the model does not know the word.
    """
    from holdfast.inside.attribute import integrated_gradients

    subject = studio.subject(asked.fields.get("model"))
    if subject.task != "language":
        raise Problem(422, f"{subject.name} does not continue texts.", "Choose a language model.")
    text, target = asked.text("text"), asked.text("target", most=200).strip()
    with studio.turn:
        kind: Any = subject.kind
        text, target = kind.joined(text, target)
        reading = subject.read(text)
        if len(reading) > MOST_ATTRIBUTED:
            hint = f"Take a text of at most {MOST_ATTRIBUTED} tokens."
            raise Problem(413, f"{len(reading)} tokens take too long to attribute.", hint, MOST_ATTRIBUTED)
        found = integrated_gradients(subject.estimator, text, target)
    weights = found.steps.reshape(len(found.steps), -1)[: len(reading), 0]
    return {"model": subject.id, "tokens": tokens_of(reading), "weights": weights.tolist(), "gap": found.gap}


def language_models(studio: Studio, asked: Asked) -> list[Subject]:
    """Return the models that a request names.

    Raises:
        Problem: one is not there, or does not continue texts.
    """
    subjects = [studio.subject(id) for id in asked.list_of("models", str, MOST_MODELS)]
    for subject in subjects:
        if subject.task != "language":
            raise Problem(422, f"{subject.name} does not continue texts.", "Choose a language model.")
    return subjects


def _next(subject: Subject, text: str, k: int, target: str, clamps: list[Any], tokens: bool) -> dict[str, Any]:
    """Return what comes next, in the model's own `tokens` or in words.

    Whole words of other units are searched for in many calls, which forced gates do not fit: then tokens are compared.
    """
    kind: Any = subject.kind
    with clamped(subject.network, clamps):
        whole_words = subject.description.units in ("words", "tokens")
        top = kind.next_tokens(text, k) if whole_words or tokens else kind.estimator.complete(text, k)
        chances = kind.chances([text], target) if target else None
    return {"top": top, "target": None if chances is None else float(chances[0])}


def _curve(studio: Studio, subject: Subject, texts: dict[int, list[str]], target: str) -> dict[str, Any]:
    kind: Any = subject.kind
    mean, low, high = [], [], []
    for versions in texts.values():
        with studio.turn:  # for each distance anew, so that others need not wait for the whole curve
            subject.read(max(versions, key=len))  # refuses what is too long
            chances = kind.chances(versions, target)
        if chances is None:
            raise Problem(422, f"{subject.name} does not know the word {target!r}.", "Ask for a word it has met.")
        mean.append(float(chances.mean()))
        low.append(float(np.quantile(chances, 0.1)))
        high.append(float(np.quantile(chances, 0.9)))
    return {"model": subject.id, "distances": list(texts), "mean": mean, "low": low, "high": high}


def _python_place(text: str, at: int) -> int:
    """Return which character stands at a place that counts UTF-16 units."""
    return len(text.encode("utf-16-le")[: 2 * at].decode("utf-16-le", "ignore"))
