"""The long-memory experiment: the same documents, size and budget for an LSTM, a GRU and a plain RNN."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from holdfast.errors import ConfigError
from holdfast.tasks.france.generator import SHORTEST_GAP, Document, Generator, make_pools
from holdfast.tasks.language.config import Init, LanguageConfig
from holdfast.train.settings import TrainSettings

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from holdfast.tasks.language.model import LanguageNetwork
    from holdfast.tasks.language.task import LanguageModel
    from holdfast.tasks.text import AbstractTokenizer

GAPS = (5, 50, 100, 150, 200)
CELLS: tuple[str, ...] = ("lstm", "gru", "rnn")
MEASURE_DOCUMENTS = 100  # for each gap, and for the control

_LONGEST_TRAINED_GAP = 210
_CONTROL_SHARE = 0.2
_UNKNOWN_SHARE = 0.02  # words hidden as <unk>, so that the model has met words it does not know
_OTHER_SHARE = 0.15  # of the words beside the blank that count at all; the output is not computed for the rest
_OTHER_WEIGHT = 0.005
_CHRONO_STEPS = 1000  # the forget gates start for memories of up to so many steps
_VALIDATION_DOCUMENTS = 256
_HELD_OUT_SEED = 1_000_003  # added to a run's seed, so that no measured document is drawn as a training one was


@dataclass(frozen=True, slots=True)
class Stage:
    """One part of the training: short gaps teach the answer, long ones to keep it.

    Without a first stage of short gaps the plain RNN learns nothing at all, not even at a gap of 5 words.

    Attributes:
        budget: Share of the training time.
        documents: How many documents are drawn.
        short: Share of them with gaps of up to `longest_short` words; the others reach up to 210.
        longest_short: In words.
        sentences: Add every sentence that fills gaps as a document of its own, so that a vocabulary made from this
            stage holds all words.
    """

    budget: float
    documents: int
    short: float
    longest_short: int = 6
    sentences: bool = False


STAGES = (
    Stage(budget=0.2, documents=10_000, short=1.0, sentences=True),
    Stage(budget=0.8, documents=30_000, short=0.5),
)


@dataclass(frozen=True, slots=True)
class CellSetting:
    """What is chosen for each cell apart; everything else is equal."""

    learning_rate: float
    init: Init


SETTINGS: dict[str, CellSetting] = {
    "lstm": CellSetting(1e-2, "orthogonal"),
    "gru": CellSetting(1e-2, "chrono"),
    "rnn": CellSetting(3e-3, "orthogonal"),
}
"""The best that benchmarks/france_search.py found for each cell (benchmarks/results/france_search.json)."""


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


def training_set(stage: Stage, seed: int = 0) -> TrainingSet:
    """Draw the documents of one stage, the same for all cells; equal seeds draw equal documents."""
    rng = random.Random(seed)
    pool = make_pools()[0]
    generator = Generator(pool, seed)
    drawn = []
    for _ in range(stage.documents):
        gap = rng.randint(SHORTEST_GAP, stage.longest_short if rng.random() < stage.short else _LONGEST_TRAINED_GAP)
        drawn.append(generator.document(gap, control=rng.random() < _CONTROL_SHARE))
    data = TrainingSet([_hide_words(d, rng) for d in drawn], [_weights(d, rng) for d in drawn])
    if stage.sentences:
        alone = [[*text.split(), "."] for text in pool.texts()]
        data.documents.extend(alone)
        data.weights.extend([_OTHER_WEIGHT] * len(tokens) for tokens in alone)
    return data


def held_out(
    gap: int, count: int, seed: int = 0, *, country: str | None = None, control: bool = False
) -> list[Document]:
    """Draw documents for measuring, from sentences that training never sees."""
    generator = Generator(make_pools()[1], seed + _HELD_OUT_SEED + gap)
    return [generator.document(gap, country=country, control=control) for _ in range(count)]


def cell_config(cell: str, seed: int = 0, setting: CellSetting | None = None) -> LanguageConfig:
    """Return the settings of one cell's model. The sizes are equal for all three."""
    setting = setting or SETTINGS[cell]
    train = TrainSettings(
        optimizer="adamw", learning_rate=setting.learning_rate, schedule="cosine", clip_norm=1.0, seed=seed,
        evaluate_every=500, patience=None,
    )  # fmt: skip
    return LanguageConfig(
        cell=cell, units="words", hidden_size=96, num_layers=1, embedding_size=48, dropout=0.0, init=setting.init,
        batch_size=32, chunk_size=_CHRONO_STEPS, train=train,
    )  # fmt: skip


def train_cell(
    config: LanguageConfig,
    data: Sequence[TrainingSet],
    *,
    seconds: float | None = None,
    steps: int | None = None,
    quiet: bool = True,
) -> tuple[LanguageModel, int, float]:
    """Train one cell's model on the documents of each stage in turn, as any other language model is trained.

    Args:
        config: From `cell_config`.
        data: One training set for each of STAGES.
        seconds: Training time of all stages together.
        steps: Steps of all stages together, in place of `seconds`.

    Returns:
        The model, the steps taken and the seconds they took.
    """
    from holdfast.tasks.language.task import LanguageModel

    model = LanguageModel(config)
    taken, spent = 0, 0.0
    for stage, part in zip(STAGES, data, strict=True):
        share = replace(
            config.train,
            max_seconds=None if seconds is None else seconds * stage.budget,
            max_steps=None if steps is None else max(1, round(steps * stage.budget)),
        )
        model.config = replace(config, train=share)
        fresh = training_set(replace(stage, documents=_VALIDATION_DOCUMENTS), config.train.seed + 1)
        model.fit(
            documents=part.documents, weights=part.weights, validation=(fresh.documents, fresh.weights), quiet=quiet
        )
        if model.result is not None:
            taken, spent = taken + model.result.steps, spent + model.result.seconds
    model.config = config
    return model, taken, spent


def measure(
    model: LanguageModel, seed: int = 0, *, gaps: Sequence[int] = GAPS, count: int = MEASURE_DOCUMENTS
) -> Measurement:
    """Ask the model for the language in `count` held-out documents of each gap, and in control documents."""
    found = {}
    for gap in gaps:
        documents = held_out(gap, count, seed)
        answers = fitted(model)[1].encode_tokens([document.language for document in documents])
        found[gap] = float(blank_probabilities(model, documents)[np.arange(count), answers].mean())
    control = [document for gap in gaps for document in held_out(gap, -(-count // len(gaps)), seed, control=True)]
    return Measurement(found, float(blank_probabilities(model, control).max(axis=1).mean()))


def fitted(model: LanguageModel) -> tuple[LanguageNetwork, AbstractTokenizer]:
    """Return the network and the vocabulary of a model.

    Raises:
        ConfigError: the model was not fitted.
    """
    if model.model is None or model.tokenizer is None:
        raise ConfigError("This language model is not fitted yet.")
    return model.model, model.tokenizer


def blank_probabilities(model: LanguageModel, documents: Sequence[Document]) -> NDArray[np.floating]:
    """Return the model's probabilities [documents, vocabulary] of each word at the blank."""
    import torch

    network, tokenizer = fitted(model)
    rows = [tokenizer.encode_tokens(document.tokens[: document.blank]) for document in documents]
    ids = torch.zeros(max(map(len, rows)), len(rows), dtype=torch.long)
    for n, row in enumerate(rows):
        ids[: len(row), n] = torch.as_tensor(row)
    last = torch.tensor([len(row) - 1 for row in rows])
    network.eval()
    with torch.no_grad():
        features, _ = network.hidden(ids.to(next(network.parameters()).device))
        logits = network.modules_by_name["output"](features[last, torch.arange(len(rows))])
        return logits.double().softmax(-1).cpu().numpy()


def _weights(document: Document, rng: random.Random) -> list[float]:
    """Return one weight per token for the loss of predicting it: nearly all of it on the blank."""
    weights = [_OTHER_WEIGHT if rng.random() < _OTHER_SHARE else 0.0 for _ in document.tokens]
    weights[document.blank] = 1.0
    return weights


def _hide_words(document: Document, rng: random.Random) -> list[str]:
    from holdfast.tasks.text import UNKNOWN

    kept = {document.country, document.language}
    return [UNKNOWN if rng.random() < _UNKNOWN_SHARE and token not in kept else token for token in document.tokens]
