"""The class users hold: a tagger that is fitted to tagged sentences, measured, and asked for tags."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from holdfast.errors import CheckpointError, ConfigError, DataError
from holdfast.layers import Layer
from holdfast.tasks.estimator import AbstractEstimator, Folder, read_facts
from holdfast.tasks.tag.columns import Sentence, read_columns
from holdfast.tasks.tag.config import Reading, TagConfig
from holdfast.tasks.tag.data import (
    HELD_OUT,
    EncodedSentences,
    SentenceBatches,
    Vocabulary,
    as_list,
    check_scheme,
    check_texts,
    hold_out,
    open_sentences,
    pair_up,
)
from holdfast.tasks.tag.decode import Found, find_tags
from holdfast.tasks.tag.model import TagNetwork, build_network, drop_words, tag_layers
from holdfast.tasks.tag.schemes import CHUNK_SCHEMES, convert_tags
from holdfast.tasks.tag.score import accuracy, chunk_scores
from holdfast.train import TrainSettings
from holdfast.train.workers import check_one_process

VOCABULARY_FILE = "vocabulary.json"
LEAST_EPOCHS, MOST_EPOCHS, LEAST_STEPS = 8, 60, 4000
Words = Sequence[str]


class Tagger(AbstractEstimator[TagConfig, TagNetwork]):
    """A recurrent tagger that reads words and their characters both ways: parts of speech, entities, slots.

    Args:
        config: All settings; the defaults are meant to be left alone at first.
        device: Where the weights live, as torch names it.
        fields: Settings by name, over those of `config`.

    Attributes:
        model: The network (torch.nn.Module), None before the first fit. `holdfast.record(tagger.model)` traces it.
        vocabulary: Its words, characters, tags and intents, None before the first fit.
        result: What the last `fit` reported, None before.

    Example:
        >>> tagger = Tagger(epochs=30, hidden_size=16, word_size=8, character_hidden_size=0)
        >>> sentences = [["the", "cat", "sleeps"], ["a", "dog", "barks"]] * 20
        >>> tagger.fit(sentences, [["DET", "NOUN", "VERB"]] * 40, quiet=True).tag(["the", "dog", "sleeps"])
        ['DET', 'NOUN', 'VERB']
    """

    kind, noun, config_type = "tag", "tagger", TagConfig

    def __init__(self, config: TagConfig | None = None, *, device: Any = "cpu", **fields: Any):
        super().__init__(config, device=device, **fields)
        self.vocabulary: Vocabulary | None = None

    def fit(
        self,
        sentences: Iterable[Any] | None = None,
        tags: Iterable[Words] | None = None,
        *,
        intents: Iterable[str | None] | None = None,
        files: Folder | Iterable[Folder] | None = None,
        reading: Reading | None = None,
        validation: Any = None,
        folder: Folder | None = None,
        quiet: bool = False,
    ) -> Tagger:
        """Train on tagged sentences; a second fit goes on from the present weights.

        Args:
            sentences: Lists of words; or, without `tags`, pairs (words, tags).
            tags: For each sentence one tag a word: plain, or chunks in BIO, IOB1 or BIOES.
            intents: For each sentence a label, learned along with the tags; None where there is none.
            files: CoNLL-style files instead (see `columns.read_columns`).
            reading: How files and chunk tags are read; None takes the defaults.
            validation: Held-out data: a path or list of paths, pairs (words, tags), or the tuple (sentences, tags) or
                (sentences, tags, intents). None: 10 % of the sentences, drawn from the seed, are held out.
            folder: Where the model, checkpoints and log go; a run found there goes on. None: nothing is written.
            quiet: Print nothing.

        Returns:
            This model, with the weights of the best evaluation: the highest F1 of chunks, or accuracy of plain tags,
            and accuracy of intents. Ctrl-C ends training early and keeps what was learnt.

        Raises:
            DataError: the data is broken or too small; names file or sentence, row and mend.
            ConfigError: not exactly one of sentences and files, or `folder` holds a different model.
        """
        check_one_process("the tag task")
        reading = reading or Reading()
        given = self._gather(sentences, tags, intents, files, reading)
        scheme = reading.scheme if self.vocabulary is None else self.vocabulary.scheme
        if validation is None:
            scheme, given = check_scheme(given, scheme, reading.mend)
            given, held_out = hold_out(given, HELD_OUT, self.config.train.seed)
        else:
            held_out = open_sentences(validation, reading, "validation")
            scheme, given = check_scheme(given, scheme, reading.mend)
            held_out = check_scheme(held_out, scheme, reading.mend)[1]
        if self.vocabulary is None:
            self.vocabulary = Vocabulary.learn(given, scheme)
            self.model = build_network(self.config, self.vocabulary).to(self.device)
        network, vocabulary = self._ready()
        encoded = EncodedSentences(given, vocabulary)
        encoded.check_known(given)
        batches = SentenceBatches(encoded, self.config.batch_size, self.config.train.seed)
        task = _FitTask(network, batches, vocabulary, held_out, self.config.word_dropout)
        return self._train(task, folder, quiet, _budget(self.config, batches.per_epoch))

    def evaluate(
        self,
        sentences: Iterable[Any] | None = None,
        tags: Iterable[Words] | None = None,
        *,
        intents: Iterable[str | None] | None = None,
        files: Folder | Iterable[Folder] | None = None,
        reading: Reading | None = None,
    ) -> dict[str, float]:
        """Measure how well the tagger tags sentences whose tags are known; arguments as for `fit`.

        Returns:
            "accuracy" over words; for chunk tags "precision", "recall" and "f1" over chunks, as conlleval and seqeval
            count them; "intent_accuracy" where the model has learned intents and the data has them; and the counts
            "sentences", "words" and "unknown", the words that were not in the training data.
        """
        network, vocabulary = self._ready()
        reading = reading or Reading()
        given = self._gather(sentences, tags, intents, files, reading)
        given = check_scheme(given, vocabulary.scheme, reading.mend)[1]
        return _score(network, vocabulary, given)

    def losses_of(self, batch: Iterable[Any]) -> tuple[torch.Tensor, None]:
        """Return the loss in nats of the last word's tag of each sentence, given as pairs (words, tags).

        Where a chain scores the tags it is the likelihood of that tag, whatever the others are.
        """
        network, vocabulary = self._ready()
        given = check_scheme(pair_up(batch, None, None), vocabulary.scheme, Reading().mend)[1]
        encoded = EncodedSentences(given, vocabulary)
        encoded.check_known(given)
        return network.last_losses(encoded.batch(range(len(given)))), None

    def tag(self, words: Any, *, proba: bool = False) -> Any:
        """Return the tag of each word of a sentence.

        Args:
            words: The words; or a list of such sentences, which gives a list of results.
            proba: Give for each word all tags with their probabilities, the likeliest first, instead. Where a chain
                scores the tags these are its marginals; chunk tags are named in BIO.

        Example:
            >>> from holdfast.tasks.tag import Tagger
            >>> pairs = [(["Ann", "ran"], ["NAME", "VERB"]), (["he", "slept"], ["PRON", "VERB"])] * 10
            >>> tagger = Tagger(epochs=60, hidden_size=16, character_hidden_size=8).fit(pairs, quiet=True)
            >>> [max(p, key=p.get) for p in tagger.tag(["Ann", "slept"], proba=True)]
            ['NAME', 'VERB']
        """
        words = words if isinstance(words, str) else as_list(words, "words", "words, or of sentences")
        several = bool(words) and not isinstance(words, str) and not isinstance(words[0], str)
        given = words if several else [words]
        results: list[Any]
        if proba:
            results = [[self._named(row) for row in rows] for rows in self.predict_proba(given)]
        else:
            results = self.predict(given)
        return results if several else results[0]

    def find(self, sentences: Iterable[Words], *, proba: bool = False) -> list[Found]:
        """Return all that is found for each of several sentences: tags, intent and, if asked for, probabilities."""
        network, vocabulary = self._ready()
        given = [
            Sentence(check_texts(words, f"sentence {n}"))
            for n, words in enumerate(as_list(sentences, "sentences", "sentences"), 1)
        ]
        return find_tags(network, vocabulary, EncodedSentences(given, vocabulary), proba=proba) if given else []

    def predict(self, sentences: Iterable[Words]) -> list[list[str]]:
        """Return the tags of each of several sentences."""
        return [found.tags for found in self.find(sentences)]

    def predict_proba(self, sentences: Iterable[Words]) -> list[NDArray[np.float64]]:
        """Return for each sentence the probability of each tag [T, K], in the order of `vocabulary.tags`."""
        return [found.proba for found in self.find(sentences, proba=True) if found.proba is not None]

    def predict_intents(self, sentences: Iterable[Words]) -> list[str]:
        """Return the label of each of several sentences.

        Raises:
            ConfigError: the model was fitted without intents.
        """
        if not self._ready()[1].intents:
            raise ConfigError("This tagger was fitted without intents. Pass intents= to fit.")
        return [str(found.intent) for found in self.find(sentences)]

    def _named(self, row: NDArray[np.float64]) -> dict[str, float]:
        tags = self._ready()[1].tags
        return {tags[n]: float(row[n]) for n in np.argsort(-row, kind="stable")}

    def _gather(self, sentences: Any, tags: Any, intents: Any, files: Any, reading: Reading) -> list[Sentence]:
        if (sentences is None) == (files is None):
            raise ConfigError("Give exactly one of sentences and files.")
        if files is None:
            return pair_up(sentences, tags, intents)
        if tags is not None or intents is not None:
            raise ConfigError("Files bring their own tags and intents. Leave tags= and intents= out.")
        paths = [files] if isinstance(files, str | Path) else list(files)
        if not paths:
            raise DataError("The list of files is empty: name at least one.")
        return read_columns([Path(path) for path in paths], reading)

    def _facts(self) -> dict[str, Any]:
        return {VOCABULARY_FILE: self._ready()[1].to_dict()}

    def _restore(self, folder: Path, layers: list[Layer], modules: torch.nn.ModuleDict) -> None:
        path = folder / VOCABULARY_FILE
        vocabulary = Vocabulary.from_dict(read_facts(path, self.noun), str(path))
        if layers != tag_layers(self.config, vocabulary):
            raise CheckpointError(
                f"{folder}: settings, layers and vocabulary do not fit together. Save the model again."
            )
        self.vocabulary, self.model = vocabulary, TagNetwork(layers, modules)

    def _ready(self) -> tuple[TagNetwork, Vocabulary]:
        network = self._network()
        if self.vocabulary is None:
            raise ConfigError("This tagger has no vocabulary. Call fit first.")
        return network, self.vocabulary


@dataclass
class _FitTask:
    """What the training loop needs of the tag task."""

    model: TagNetwork
    batches: SentenceBatches
    vocabulary: Vocabulary
    held_out: list[Sentence]
    word_dropout: float

    def __post_init__(self):
        self._counts = np.bincount(self.batches.sentences.words, minlength=len(self.vocabulary.words) + 1)

    def loss(self, batch: Any, state: Any) -> tuple[torch.Tensor, Any, dict[str, float]]:
        words = drop_words(batch.words, self._counts, self.word_dropout)
        loss, figures = self.model.loss(replace(batch, words=words))
        return loss, None, figures

    def evaluate(self) -> dict[str, float]:
        report = _score(self.model, self.vocabulary, self.held_out)
        names = ["f1" if self.vocabulary.chunked else "accuracy"]
        names += ["intent_accuracy"] if "intent_accuracy" in report else []
        # What is chosen by is what users count, not nats: those grow again while the tags still become better.
        return {"loss": sum(1.0 - report[name] for name in names), **report}


def _score(network: TagNetwork, vocabulary: Vocabulary, sentences: Sequence[Sentence]) -> dict[str, float]:
    encoded = EncodedSentences(sentences, vocabulary)
    found = find_tags(network, vocabulary, encoded)
    expected = [_as_data(sentence.tags or (), vocabulary) for sentence in sentences]
    tags = [one.tags for one in found]
    report = {"accuracy": accuracy(expected, tags)}
    if vocabulary.chunked:
        report |= chunk_scores(expected, tags)
    labelled = [(s.intent, one.intent) for s, one in zip(sentences, found, strict=True) if s.intent is not None]
    if vocabulary.intents and labelled:
        report["intent_accuracy"] = sum(a == b for a, b in labelled) / len(labelled)
    counts = {"sentences": len(encoded), "words": len(encoded.words), "unknown": int((encoded.words == 0).sum())}
    return report | {name: float(count) for name, count in counts.items()}


def _as_data(tags: Sequence[str], vocabulary: Vocabulary) -> list[str]:
    return convert_tags(tags, vocabulary.scheme) if vocabulary.scheme in CHUNK_SCHEMES else list(tags)


def _budget(config: TagConfig, batches: int) -> TrainSettings:
    """Return the training settings with the epochs as steps, unless another budget is set."""
    settings = config.train
    if settings.max_steps is not None or settings.max_seconds is not None:
        return settings
    epochs = config.epochs or min(max(LEAST_EPOCHS, -(-LEAST_STEPS // batches)), MOST_EPOCHS)
    return replace(settings, max_steps=max(1, epochs * batches // settings.chunks_per_update))
