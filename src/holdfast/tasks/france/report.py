"""What the long-memory demo shows: the table, the completion, the picture, and result.json."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from holdfast.inside.plot import Marks, plot_carriers, recognised_share, unit_separation
from holdfast.tasks.france.experiment import CELLS, Measurement, fitted, held_out
from holdfast.tasks.france.generator import Document
from holdfast.tasks.france.sentences import LANGUAGES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from holdfast.tasks.language.task import LanguageModel

PICTURE_GAP = 150
PICTURE_TEXTS = 12
PICTURE_COUNTRIES = ("France", "Japan", "Turkey", "Poland", "Greece", "Finland")


def table(measured: Mapping[str, Measurement]) -> str:
    """Return the table of gaps and cells as text."""
    cells = [cell for cell in CELLS if cell in measured]
    lines = ["gap (words)" + "".join(f"{cell.upper():>8}" for cell in cells)]
    for gap in measured[cells[0]].gaps:
        lines.append(f"{gap:>11}" + "".join(f"{measured[cell].gaps[gap]:>8.2f}" for cell in cells))
    lines.append(f"{'no country':>11}" + "".join(f"{measured[cell].control:>8.2f}" for cell in cells))
    return "\n".join(lines)


def table_note() -> str:
    """Return what the numbers of the table mean."""
    return (
        "Mean probability of the right language, in documents whose sentences training never saw.\n"
        f"Guessing among the {len(LANGUAGES)} languages gives {1 / len(LANGUAGES):.2f}. The last row is the control:\n"
        "the mean probability of the likeliest word when the country's sentence is removed (it should be low)."
    )


def result(measured: Mapping[str, Measurement], details: Mapping[str, Any]) -> dict[str, Any]:
    """Return what result.json holds: "gaps", the LSTM's "control", every cell's "controls", and `details`."""
    gaps = next(iter(measured.values())).gaps
    return {
        "gaps": {str(gap): {cell: found.gaps[gap] for cell, found in measured.items()} for gap in gaps},
        "control": measured["lstm"].control,
        "controls": {cell: found.control for cell, found in measured.items()},
        **details,
    }


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write a JSON file, whole or not at all."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")
    os.replace(fresh, path)


def unknown_words(model: LanguageModel, text: str) -> list[str]:
    """Return the words of `text` the model does not know, each once, in order."""
    from holdfast.tasks.text import split_words

    words, tokenizer = split_words(text), fitted(model)[1]
    ids = tokenizer.encode_tokens(words)
    return list(dict.fromkeys(word for word, index in zip(words, ids, strict=True) if index == tokenizer.unknown))


def example(gap: int = 50, country: str = "France", seed: int = 0) -> Document:
    """Return the held-out document that the demo completes when no text is given: it passes Japan on the way."""
    for document in held_out(gap, 2000, seed, country=country):
        if document.tokens[0] == "I" and "Japan" in document.detours:
            return document
    return held_out(gap, 1, seed, country=country)[0]


def draw_picture(models: Mapping[str, LanguageModel], path: Path, *, seed: int = 0) -> str:
    """Draw the cell units that carry the country across a long held-out document.

    Returns:
        One sentence of what was found, which is also the picture's title.
    """
    document = _without_picture_countries(PICTURE_GAP, 1, seed)[0]
    versions = _versions(document)
    start, end = document.tokens.index(versions[0].country or ""), document.blank
    # The state after reading a token is what is known from there on; the blank itself is not read.
    states = _states(models["lstm"], versions, "c")
    scores = unit_separation(states[:, start:end])
    best = int(scores.argmax())
    title = (
        f"LSTM cell units over a gap of {document.gap} words, the same text with {len(versions)} home countries:\n"
        f"in unit {best} the countries' spread never falls below {100 * scores[best]:.0f}% of the unit's whole range"
    )
    detours = tuple((n, f"({token})") for n, token in enumerate(document.tokens) if token in document.detours)
    marks = Marks((start, "country"), (end - 1, "fluent ___"), detours)
    names = [version.country or "" for version in versions]
    curves = {cell.upper(): _recognised(model, cell, seed) for cell, model in models.items()}
    plot_carriers(states, names, marks, path, curves=curves, guessing=1 / len(versions), title=title)
    return title.replace("\n", " ")


def _recognised(model: LanguageModel, cell: str, seed: int) -> NDArray[np.floating]:
    """Return how often the country is recognised from the state at each step after it, over several texts."""
    runs = []
    # A little longer than the text in the picture, so that the curve reaches its end.
    for document in _without_picture_countries(PICTURE_GAP + 20, PICTURE_TEXTS, seed + 1):
        start = document.tokens.index(document.country or "")
        runs.append(_states(model, _versions(document), "c" if cell == "lstm" else "h")[:, start:])
    steps = min(run.shape[1] for run in runs)
    return recognised_share(np.stack([run[:, :steps] for run in runs], axis=1))


def _without_picture_countries(gap: int, count: int, seed: int) -> list[Document]:
    """Return held-out documents that visit two or three countries, none of them one of the picture's."""
    drawn = held_out(gap, 60 * count, seed, country=PICTURE_COUNTRIES[0])
    return [d for d in drawn if 2 <= len(d.detours) <= 3 and not set(d.detours) & set(PICTURE_COUNTRIES)][:count]


def _versions(document: Document) -> list[Document]:
    return [document.with_country(country) for country in PICTURE_COUNTRIES]


def _states(model: LanguageModel, documents: Sequence[Document], name: str) -> NDArray[np.floating]:
    """Return one state [K, T, H] of the recurrent layer while it reads documents of equal length up to the blank."""
    import torch

    from holdfast.nn.trace import record

    network, tokenizer = fitted(model)
    rows = [tokenizer.encode_tokens(document.tokens[: document.blank]) for document in documents]
    ids = torch.as_tensor(np.stack(rows, axis=1))
    with torch.no_grad(), record(network) as trace:
        network.hidden(ids.to(next(network.parameters()).device))
    layer = trace["modules_by_name.recurrent", 0, "forward"]
    return getattr(layer, name).transpose(0, 1).float().cpu().numpy()
