"""Language modelling as `compare` needs it: one running text, cut in three, and n-grams to beat."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.errors import ConfigError, DataError
from holdfast.tasks.cells import forgets
from holdfast.tasks.compare import ConfigContest, config_with, num_parameters
from holdfast.tasks.comparison import Metric, Outcome, Score, Trial
from holdfast.tasks.language.config import LanguageConfig
from holdfast.tasks.language.data import open_source
from holdfast.tasks.language.model import language_layers
from holdfast.tasks.language.ngram import NgramModel
from holdfast.tasks.language.score import text_nats
from holdfast.tasks.language.task import LanguageModel
from holdfast.tasks.text import AbstractTokenizer, learn_tokenizer

HELD_OUT_SHARE = 0.1
"""The last tenth of the text is for the test, the tenth before it for validation."""
SHORTEST = 1000  # characters
MOST_BLOCKS, SHORTEST_BLOCK = 50, 100
"""The test text is cut in so many blocks of so many characters at least: long enough to be nearly independent."""
ORDERS = range(2, 8)
MOST_COUNTED = 5_000_000
"""Tokens that n-grams are counted over: the last of the training text."""
DEFAULTS = LanguageConfig(hidden_size=128, num_layers=1, dropout=0.0)
"""Small enough that a minute of training tells the cells apart."""


class LanguageContest(ConfigContest):
    """A text, and the settings that all runs share but for cell, size, learning rate, time and seed.

    Args:
        text: The running text; or give `files`.
        config: The LSTM's settings.

    Raises:
        DataError: the text is too short to be cut in three.
    """

    task = "language"
    metric = Metric("bits per character", items="blocks of the test text")

    def __init__(self, text: str | None = None, *, files: Any = None, config: LanguageConfig = DEFAULTS):
        self.config = config
        whole = text if text is not None else "".join(open_source(None, files).blocks())
        if len(whole) < SHORTEST:
            raise DataError(f"The text has {len(whole)} characters; a comparison needs {SHORTEST} at least. Give more.")
        cut = int(len(whole) * HELD_OUT_SHARE)
        self.training, self.validation, self.test = whole[: -2 * cut], whole[-2 * cut : -cut], whole[-cut:]
        config = self.config
        self._tokenizer: AbstractTokenizer = learn_tokenizer(config.units, [self.training], config.vocabulary_size)

    @staticmethod
    def from_data(data: Any, **settings: Any) -> LanguageContest:
        """Return the contest over the text files that `data` names, one path or several.

        Raises:
            ConfigError: a setting is unknown or out of range, or no file is named.
        """
        if data is None:
            raise ConfigError("Name the text to compare on: a path, or a list of them.")
        config = config_with(DEFAULTS, settings)
        return LanguageContest(files=data, config=config)

    @property
    def fingerprint(self) -> dict[str, Any]:
        text = (self.training + self.validation + self.test).encode()
        return {"text": hashlib.sha256(text).hexdigest(), "config": self.config.to_dict()}

    def num_parameters(self, cell: str, hidden_size: int) -> int:
        return num_parameters(language_layers(self._settings(cell, hidden_size), self._tokenizer.size))

    def run(self, trial: Trial, folder: Path | None, *, test: bool) -> Outcome:
        lm = LanguageModel(self._trial_settings(trial))
        lm.fit(self.training, validation=self.validation, folder=folder, quiet=True)
        if lm.result is None or lm.model is None:
            raise DataError("The run was not trained.")
        score = self._score(text_nats(lm.model, self._ids(self.test)), self.test) if test else None
        return self._outcome(lm, score, lm.result.best)

    def baselines(self) -> Iterator[tuple[str, Callable[[], Score]]]:
        yield "frequencies alone", lambda: self._ngrams(1, self.test)
        yield "n-grams", lambda: self._ngrams(self._best_order(), self.test)

    def _settings(self, cell: Any, hidden_size: int) -> LanguageConfig:
        init = "orthogonal" if self.config.init == "chrono" and not forgets(cell) else self.config.init
        return replace(self.config, cell=cell, hidden_size=hidden_size, init=init)

    def _best_order(self) -> int:
        """Return the length of n-gram that predicts the validation text best."""
        bits = {order: self._ngrams(order, self.validation).value for order in ORDERS}
        return min(bits, key=bits.__getitem__)

    def _ngrams(self, order: int, text: str) -> Score:
        model = NgramModel(self._ids(self.training)[-MOST_COUNTED:], self._tokenizer.size, order)
        return self._score(model.nats(self._ids(text)), text)

    def _ids(self, text: str) -> NDArray[np.int64]:
        return np.asarray(self._tokenizer.encode(text), dtype=np.int64)

    def _score(self, nats: NDArray[Any], text: str) -> Score:
        """Return the bits per character of a text whose tokens cost `nats`, and those of its blocks."""
        bits = np.asarray(nats, dtype=np.float64) / math.log(2) / len(text)
        blocks = max(1, min(MOST_BLOCKS, len(text) // SHORTEST_BLOCK))
        return Score(float(bits.sum()), [float(block.sum()) * blocks for block in np.array_split(bits, blocks)])
