"""The long-memory experiment: the same documents, size and budget for an LSTM, a GRU and a plain RNN."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from holdfast.tasks.france.generator import Document, Generator, make_pools
from holdfast.tasks.france.sentences import LANGUAGES
from holdfast.tasks.language.config import Cell, Init, LanguageConfig
from holdfast.train.settings import TrainSettings

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from holdfast.tasks.language.task import LanguageModel

GAPS = (5, 50, 100, 150, 200)
CELLS: tuple[Cell, ...] = ("lstm", "gru", "rnn")
TRAIN_DOCUMENTS = 30_000
MEASURE_DOCUMENTS = 100  # for each gap, and for the control

_VALIDATION_DOCUMENTS = 64

_LONGEST_TRAINED_GAP = 210
_SHORT_GAPS = (5, 30)
_SHORT_SHARE = 0.3  # short gaps teach the answer, long ones to keep it
_CONTROL_SHARE = 0.12
_CONTROL_ANSWERS = 4  # each control text is there with so many languages, so that learning it by heart does not pay
_UNKNOWN_SHARE = 0.02  # words hidden as <unk>, so that the model has met words it does not know
_OTHER_SHARE = 0.15  # of the words beside the blank that count at all; the output is not computed for the rest
_OTHER_WEIGHT = 0.005
_CHRONO_STEPS = 1000  # the forget gates start for memories of up to so many steps
_HELD_OUT_SEED = 1_000_003  # added to a run's seed, so that no measured document is drawn as a training one was


@dataclass(frozen=True, slots=True)
class CellSetting:
    """What is chosen for each cell apart; everything else is equal."""

    learning_rate: float
    init: Init


SETTINGS: dict[str, CellSetting] = {
    "lstm": CellSetting(5e-3, "chrono"),
    "gru": CellSetting(5e-3, "chrono"),
    "rnn": CellSetting(1e-3, "orthogonal"),
}
"""The best of each cell's search: benchmarks/france_search.py finds them, benchmarks/results/france_search.json has it."""


@dataclass(frozen=True)
class TrainingSet:
    """What `LanguageModel.fit` takes: documents as lists of tokens, and one weight for each token."""

    documents: list[list[str]]
    weights: list[list[float]]


@dataclass(frozen=True)
class Measurement:
    """What a model knows about held-out documents.

    Attributes:
        gaps: gap in words to the mean probability of the right language.
        control: with the country's sentence removed, the mean over documents of the top word's probability.
    """

    gaps: dict[int, float]
    control: float


def training_set(seed: int = 0, count: int = TRAIN_DOCUMENTS) -> TrainingSet:
    """Draw the documents that all cells train on; equal seeds draw equal documents."""
    rng = random.Random(seed)
    generator = Generator(make_pools()[0], seed)
    drawn: list[Document] = []
    while len(drawn) < count:
        if rng.random() < _CONTROL_SHARE / _CONTROL_ANSWERS:
            text = generator.document(_training_gap(rng), control=True)
            drawn += [text.asking(language) for language in rng.sample(LANGUAGES, _CONTROL_ANSWERS)]
        else:
            drawn.append(generator.document(_training_gap(rng)))
    rng.shuffle(drawn)
    drawn = drawn[:count]
    return TrainingSet([_hide_words(d, rng) for d in drawn], [_weights(d, rng) for d in drawn])


def held_out(
    gap: int, count: int, seed: int = 0, *, country: str | None = None, control: bool = False
) -> list[Document]:
    """Draw documents for measuring, from sentences that training never sees."""
    generator = Generator(make_pools()[1], seed + _HELD_OUT_SEED + gap)
    return [generator.document(gap, country=country, control=control) for _ in range(count)]


def cell_config(
    cell: Cell, *, seconds: float | None, steps: int | None = None, seed: int = 0, setting: CellSetting | None = None
) -> LanguageConfig:
    """Return the settings of one cell's model, with a budget in seconds or in steps."""
    setting = setting or SETTINGS[cell]
    train = TrainSettings(
        optimizer="adamw", learning_rate=setting.learning_rate, schedule="cosine", clip_norm=1.0,
        max_steps=steps, max_seconds=seconds, seed=seed,
    )  # fmt: skip
    return LanguageConfig(
        cell=cell, units="words", hidden_size=96, num_layers=1, embedding_size=48, dropout=0.0, init=setting.init,
        batch_size=32, chunk_size=_CHRONO_STEPS, train=train,
    )  # fmt: skip


def train_cell(config: LanguageConfig, data: TrainingSet, *, quiet: bool = True) -> LanguageModel:
    """Train one cell's model on the documents, as any other language model is trained."""
    from holdfast.tasks.language.task import LanguageModel

    model = LanguageModel(config)
    check = training_set(config.train.seed + 1, _VALIDATION_DOCUMENTS)  # fresh documents from the training sentences
    model.fit(
        documents=data.documents, weights=data.weights, validation=(check.documents, check.weights), quiet=quiet
    )
    return model


def measure(
    model: LanguageModel, seed: int = 0, *, gaps: Sequence[int] = GAPS, count: int = MEASURE_DOCUMENTS
) -> Measurement:
    """Ask the model for the language in `count` held-out documents of each gap, and in control documents."""
    found = {}
    for gap in gaps:
        documents = held_out(gap, count, seed)
        answers = model.tokenizer.encode_tokens([document.language for document in documents])
        found[gap] = float(blank_probabilities(model, documents)[np.arange(count), answers].mean())
    control = [document for gap in gaps for document in held_out(gap, -(-count // len(gaps)), seed, control=True)]
    return Measurement(found, float(blank_probabilities(model, control).max(axis=1).mean()))


def blank_probabilities(model: LanguageModel, documents: Sequence[Document]) -> NDArray[np.floating]:
    """Return the model's probabilities [documents, vocabulary] of each word at the blank."""
    import torch

    rows = [model.tokenizer.encode_tokens(document.tokens[: document.blank]) for document in documents]
    ids = torch.zeros(max(map(len, rows)), len(rows), dtype=torch.long)
    for n, row in enumerate(rows):
        ids[: len(row), n] = torch.as_tensor(row)
    last = torch.tensor([len(row) - 1 for row in rows])
    network = model.model.eval()
    with torch.no_grad():
        features, _ = network.hidden(ids.to(next(network.parameters()).device))
        logits = network.modules_by_name["output"](features[last, torch.arange(len(rows))])
        return logits.double().softmax(-1).cpu().numpy()


def _training_gap(rng: random.Random) -> int:
    low, high = _SHORT_GAPS
    return rng.randint(low, high if rng.random() < _SHORT_SHARE else _LONGEST_TRAINED_GAP)


def _weights(document: Document, rng: random.Random) -> list[float]:
    """Return one weight per token for the loss of predicting it: nearly all of it on the blank."""
    weights = [_OTHER_WEIGHT if rng.random() < _OTHER_SHARE else 0.0 for _ in document.tokens]
    weights[document.blank] = 1.0
    return weights


def _hide_words(document: Document, rng: random.Random) -> list[str]:
    from holdfast.tasks.text import UNKNOWN

    kept = {document.country, document.language}
    return [UNKNOWN if rng.random() < _UNKNOWN_SHARE and token not in kept else token for token in document.tokens]
