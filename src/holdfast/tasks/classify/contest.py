"""Classification as `compare` needs it: examples cut in three, majority and logistic regression to beat."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from holdfast.errors import ConfigError, DataError
from holdfast.tasks.classify.baselines import BASELINES
from holdfast.tasks.classify.config import ClassifyConfig, Columns
from holdfast.tasks.classify.data import hold_out, kind_of, listed, number_classes, read_labels
from holdfast.tasks.classify.model import classify_layers
from holdfast.tasks.classify.reader import is_table, learn_reader
from holdfast.tasks.classify.tables import read_examples
from holdfast.tasks.classify.task import Classifier
from holdfast.tasks.compare import ConfigContest, config_with, num_parameters
from holdfast.tasks.comparison import Metric, Outcome, Score, Trial

TEST_SHARE, VALIDATION_SHARE = 0.2, 0.2
SPLIT_SEED = 0


class ClassifyContest(ConfigContest):
    """Labelled examples, and the settings that all runs share but for cell, size, learning rate, time and seed.

    Of each class alike, a fifth of the examples is the test, and a fifth of the others validates; or give the test.

    Args:
        X, y: What `Classifier.fit` takes.
        config: The LSTM's settings.
        columns: Which columns of a table hold what.
        test: A pair (X, y) of examples to test on, or a table.

    Raises:
        DataError: the data is broken.
    """

    task = "classify"
    metric = Metric("accuracy", lower_is_better=False, items="test examples")

    def __init__(
        self,
        X: Any,
        y: Any = None,
        *,
        config: ClassifyConfig | None = None,
        columns: Columns | None = None,
        test: Any = None,
    ):
        self.config = config or ClassifyConfig()
        x, labels = _open(X, y, columns)
        if test is None:
            rest, tested = hold_out(number_classes(labels)[1], TEST_SHARE, SPLIT_SEED)
            self.x_test, self.y_test = [x[n] for n in tested], labels[tested]
            x, labels = [x[n] for n in rest], labels[rest]
        else:
            x_test, y_test = test if isinstance(test, tuple) else (test, None)
            self.x_test, self.y_test = _open(x_test, y_test, columns)
        if not len(self.y_test):
            raise DataError("No example is left to test on. Give more, or a test set of their own.")
        train, held = hold_out(number_classes(labels)[1], VALIDATION_SHARE, SPLIT_SEED)
        self.x_train, self.y_train = [x[n] for n in train], labels[train]
        self.x_held, self.y_held = [x[n] for n in held], labels[held]

    @staticmethod
    def from_data(
        data: Any, *, columns: Columns | None = None, y: Any = None, test: Any = None, **settings: Any
    ) -> ClassifyContest:
        """Return the contest over a table, or examples with labels `y`.

        Raises:
            ConfigError: a setting is unknown or out of range, or there is no data.
        """
        if data is None:
            raise ConfigError("Name the examples to compare on: a table's path, a frame, or a list with labels y.")
        config = config_with(ClassifyConfig(), settings)
        return ClassifyContest(data, y, config=config, columns=columns, test=test)

    @property
    def fingerprint(self) -> dict[str, Any]:
        digest = hashlib.sha256()
        for item in (*self.x_train, *self.x_held, *self.x_test):
            digest.update(item.encode() if isinstance(item, str) else np.asarray(item, dtype=np.float64).tobytes())
            digest.update(b"\0")
        labels = [part.tolist() for part in (self.y_train, self.y_held, self.y_test)]
        return {"examples": digest.hexdigest(), "labels": labels, "config": self.config.to_dict()}

    def num_parameters(self, cell: str, hidden_size: int) -> int:
        config = self._settings(cell, hidden_size)
        reader = learn_reader(kind_of(self.x_train), self.x_train, config, None, None)
        return num_parameters(classify_layers(config, len(np.unique(self.y_train)), **reader.sizes))

    def run(self, trial: Trial, folder: Path | None, *, test: bool) -> Outcome:
        classifier = Classifier(self._trial_settings(trial))
        classifier.fit(self.x_train, self.y_train, validation=(self.x_held, self.y_held), folder=folder, quiet=True)
        if classifier.result is None or classifier.result.best is None or classifier.model is None:
            raise DataError("The run was not trained.")
        score = self._score(classifier.predict(self.x_test)) if test else None
        return self._outcome(classifier, score, classifier.result.best)

    def baselines(self) -> Iterator[tuple[str, Callable[[], Score]]]:
        """Return the simple classifiers; they learn from the validation examples too, which they do not need."""
        for name in BASELINES:
            yield name, lambda name=name: self._baseline(name)

    def _baseline(self, name: str) -> Score:
        x, y = [*self.x_train, *self.x_held], np.concatenate([self.y_train, self.y_held])
        return self._score(BASELINES[name](x, y, self.x_test))

    def _score(self, found: Any) -> Score:
        """Return the accuracy, whose items are 1 where an example's class was found and 0 where not."""
        hits = np.asarray(found == self.y_test, dtype=np.float64)
        return Score(float(hits.mean()), hits.tolist())


def _open(X: Any, y: Any, columns: Columns | None) -> tuple[list[Any], Any]:
    if is_table(X) and y is None:
        table = read_examples(X, columns or Columns(), labelled=True)
        return table.x, table.labels
    x = listed(X)
    return list(x), read_labels(y, len(x))
