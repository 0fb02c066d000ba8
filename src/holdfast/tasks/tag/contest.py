"""Tagging as `compare` needs it: sentences cut in three, most frequent tags and a linear model to beat."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from holdfast.errors import ConfigError, DataError
from holdfast.tasks.compare import ConfigContest, config_with, num_parameters
from holdfast.tasks.comparison import Metric, Outcome, Score, Trial
from holdfast.tasks.tag.baselines import LinearTagger, MostFrequentTag
from holdfast.tasks.tag.columns import Sentence
from holdfast.tasks.tag.config import Reading, TagConfig
from holdfast.tasks.tag.data import Vocabulary, check_scheme, hold_out, open_sentences
from holdfast.tasks.tag.model import tag_layers
from holdfast.tasks.tag.schemes import CHUNK_SCHEMES, read_spans
from holdfast.tasks.tag.task import Tagger

TEST_SHARE, VALIDATION_SHARE = 0.2, 0.2
SPLIT_SEED = 0


class TagContest(ConfigContest):
    """Tagged sentences, and the settings that all runs share but for cell, size, learning rate, time and seed.

    A fifth of the sentences is the test, and a fifth of the others validates; or give the test. Compared is F1 over
    chunks where the tags mark chunks, else accuracy over words.

    Args:
        data: A path or list of paths of CoNLL-style files, a tuple (sentences, tags) or (sentences, tags, intents), or
            pairs (words, tags).
        config: The LSTM's settings.
        reading: How files and chunk tags are read; None takes the defaults.
        test: What to test on, likewise.

    Raises:
        DataError: the data is broken, or too small to be cut.
    """

    task = "tag"

    def __init__(self, data: Any, *, config: TagConfig | None = None, reading: Reading | None = None, test: Any = None):
        self.config, reading = config or TagConfig(), reading or Reading()
        self.scheme, rest = check_scheme(open_sentences(data, reading), reading.scheme, reading.mend)
        if test is None:
            rest, self.test = hold_out(rest, TEST_SHARE, SPLIT_SEED)
        else:
            self.test = check_scheme(open_sentences(test, reading, "test"), self.scheme, reading.mend)[1]
        self.train, self.held = hold_out(rest, VALIDATION_SHARE, SPLIT_SEED)
        # Chunk tags are BIO from here on.
        self._reading = Reading(scheme="bio" if self.chunked else "plain")
        self._vocabulary = Vocabulary.learn(self.train, self._reading.scheme)

    @staticmethod
    def from_data(data: Any, *, reading: Reading | None = None, test: Any = None, **settings: Any) -> TagContest:
        """Return the contest over files or lists, as the class takes them.

        Raises:
            ConfigError: a setting is unknown or out of range, or there is no data.
        """
        if data is None:
            raise ConfigError("Name the sentences to compare on: a file's path, or a tuple (sentences, tags).")
        return TagContest(data, config=config_with(TagConfig(), settings), reading=reading, test=test)

    @property
    def chunked(self) -> bool:
        return self.scheme in CHUNK_SCHEMES

    @property
    def metric(self) -> Metric:
        return Metric("F1 of chunks" if self.chunked else "accuracy", lower_is_better=False, items="sentences")

    @property
    def fingerprint(self) -> dict[str, Any]:
        parts = [[(s.words, s.tags, s.intent) for s in part] for part in (self.train, self.held, self.test)]
        digest = hashlib.sha256(json.dumps(parts).encode()).hexdigest()
        return {"sentences": digest, "scheme": self.scheme, "config": self.config.to_dict()}

    def num_parameters(self, cell: str, hidden_size: int) -> int:
        return num_parameters(tag_layers(self._settings(cell, hidden_size), self._vocabulary))

    def run(self, trial: Trial, folder: Path | None, *, test: bool) -> Outcome:
        tagger = Tagger(self._trial_settings(trial))
        words, tags, intents = _columns(self.train)
        tagger.fit(
            words, tags, intents=intents, reading=self._reading, validation=_columns(self.held), folder=folder,
            quiet=True,
        )  # fmt: skip
        if tagger.result is None or tagger.model is None:
            raise DataError("The run was not trained.")
        score = self._score(tagger.predict(_columns(self.test)[0])) if test else None
        return self._outcome(tagger, score, tagger.result.best)

    def baselines(self) -> Iterator[tuple[str, Callable[[], Score]]]:
        """Return the simple taggers, which learn from the validation sentences too."""
        yield "most frequent tag of a word", lambda: self._baseline(MostFrequentTag())
        if find_spec("sklearn") is not None:  # what the linear tagger needs
            yield "logistic regression", lambda: self._baseline(LinearTagger())

    def _baseline(self, tagger: MostFrequentTag | LinearTagger) -> Score:
        words, tags, _ = _columns([*self.train, *self.held])
        return self._score(tagger.fit(words, tags).predict(_columns(self.test)[0]))

    def _score(self, found: list[list[str]]) -> Score:
        """Return F1 over chunks, 2 right / (expected + found), or accuracy over words; the items are the sentences."""
        pairs = list(zip(_columns(self.test)[1], found, strict=True))
        if not self.chunked:
            right = [sum(a == b for a, b in zip(*pair, strict=True)) for pair in pairs]
            return Score.of_ratio(right, [len(gold) for gold, _ in pairs])
        spans = [(set(read_spans(gold)), set(read_spans(guess))) for gold, guess in pairs]
        return Score.of_ratio([2 * len(a & b) for a, b in spans], [len(a) + len(b) for a, b in spans])


def _columns(sentences: Sequence[Sentence]) -> tuple[Any, Any, Any]:
    """Return words, tags and intents of sentences, as `Tagger.fit` takes them."""
    return [s.words for s in sentences], [s.tags or () for s in sentences], [s.intent for s in sentences]
