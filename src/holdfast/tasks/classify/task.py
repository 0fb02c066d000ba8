"""The class users hold: a classifier of series or texts, with scikit-learn's conventions."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from holdfast.errors import CheckpointError, ConfigError, DataError
from holdfast.layers import Layer
from holdfast.tasks.classify.config import ClassifyConfig, Columns
from holdfast.tasks.classify.conventions import SklearnConventions
from holdfast.tasks.classify.data import (
    ExampleBatches,
    Rows,
    hold_out,
    kind_of,
    listed,
    number_classes,
    pad,
    read_labels,
)
from holdfast.tasks.classify.decode import logits_of, probabilities, stream_probabilities
from holdfast.tasks.classify.model import ClassifyNetwork, Regularisation, build_network, classify_layers
from holdfast.tasks.classify.reader import Reader, is_table, learn_reader, reader_from_dict
from holdfast.tasks.classify.tables import read_examples
from holdfast.tasks.estimator import AbstractEstimator, Folder, evaluating, read_facts
from holdfast.train import TrainSettings
from holdfast.train.workers import check_one_process

READER_FILE = "reader.json"
EPOCHS = 4
UPDATES = {"series": 600, "text": 1500}
"""The least of each, where the settings name none."""
FEWEST, HELD_OUT = 1000, 0.1
"""From so many examples on, this share is held out; of fewer it would be too small to tell."""


class Classifier(SklearnConventions, AbstractEstimator[ClassifyConfig, ClassifyNetwork]):
    """A recurrent classifier of series or texts.

    It keeps scikit-learn's conventions (clone, pipelines, searches over its settings), without needing scikit-learn.
    Examples X are a list of arrays [T, I] or [T] of any lengths, an array [N, T, I] or [N, T], a list of texts, or a
    table: the path of a CSV or Parquet file or a frame, with labels among its columns.

    Args:
        config: All settings; the defaults suit a first try.
        device: Where the weights live, as torch names it.
        fields: Settings by name, over those of `config`.

    Attributes:
        classes_: The classes in order, after a fit.
        model: The network (torch.nn.Module), None before the first fit.
        result: What the last `fit` reported, None before.

    Example:
        >>> rising, falling = [[0.0, 0.5, 1.0], [0.0, 0.2, 0.4, 0.6]], [[1.0, 0.5, 0.0], [0.9, 0.4]]
        >>> classifier = Classifier(hidden_size=8, epochs=150)
        >>> classifier = classifier.fit(rising + falling, ["up", "up", "down", "down"], quiet=True)
        >>> str(classifier.predict([[0.1, 0.3, 0.8]])[0])
        'up'
    """

    kind, noun, config_type = "classify", "classifier", ClassifyConfig
    reader: Reader | None = None

    def __init__(self, config: ClassifyConfig | None = None, *, device: Any = "cpu", **fields: Any):
        super().__init__(config, device=device, **fields)
        self._device_given = device

    def fit(
        self,
        X: Any,
        y: Any = None,
        *,
        columns: Columns | None = None,
        validation: Any = None,
        folder: Folder | None = None,
        quiet: bool = False,
    ) -> Classifier:
        """Train on examples and their labels, always from new weights.

        Args:
            X: The examples, or a table with labels among its columns.
            y: One label for each example, text or whole numbers; None for a table.
            columns: Which columns of a table hold what; later tables are read alike.
            validation: What early stopping watches: a pair (X, y), a table, or the share of the examples to hold out
                of each class alike (0 for none). None: a tenth, of 1000 examples or more.
            folder: Where the model, checkpoints and log go; a run found there goes on. None: nothing is written.
            quiet: Print nothing.

        Returns:
            This classifier, with the weights of the best evaluation, or the last ones if nothing was held out.

        Raises:
            DataError: the data is broken; names the example, or the file and row.
            ConfigError: `folder` holds a different model; or several processes were started by torchrun.
        """
        check_one_process("the classify task")
        x, labels, features = _open(X, y, columns, labelled=True)
        classes, numbers = number_classes(labels)
        train, held, given = self._divide(numbers, validation)
        kind = kind_of(x)
        columns = (columns or Columns()) if is_table(X) and y is None else None
        reader = learn_reader(kind, _pick(x, train), self.config, columns, features)
        rows = reader.rows(x)
        self.reader, self.classes_ = reader, classes
        self.model = build_network(self.config, len(classes), **reader.sizes).to(self.device)
        if kind == "series":
            self.model.fit_scaler(_pick(rows, train))
        else:
            self.model.fit_ngrams(_pick(rows, train), numbers[train], self._class_weights(numbers[train]))
        held_rows, held_labels = _pick(rows, held), numbers[held]
        if given is not None:
            held_rows, held_labels = self._examples(*given)
        task = self._task(_pick(rows, train), numbers[train], held_rows, held_labels)
        return self._train(task, folder, quiet, self._settings(task))

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the most likely class of each example [N]."""
        best = self.predict_proba(X).argmax(1)
        return self.classes_[best]

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Return the chance of each class [N, C], in the order of `classes_`."""
        network, reader = self._ready()
        x, _, _ = _open(X, None, reader.columns, labelled=False, features=reader.features)
        with evaluating(network):
            return probabilities(network, reader.rows(x))

    def predict_table(self, source: Any) -> tuple[NDArray[Any], NDArray[np.float64]]:
        """Return the names of a table's examples (ids, or the rows of texts) and the chance of each class [N, C]."""
        network, reader = self._ready()
        if reader.columns is None:
            raise ConfigError("This classifier was not trained on a table, so it does not know the columns.")
        table = read_examples(source, reader.columns, labelled=False, features=reader.features)
        with evaluating(network):
            return table.ids, probabilities(network, reader.rows(table.x))

    def predict_stream(self, x: Any) -> Iterator[NDArray[np.float64]]:
        """Yield the chance of each class [C] after every step of one example, at constant cost each.

        Args:
            x: A series [T, I] or [T], or a text; or an iterator of steps (of tokens), read as they come. Where the
                settings join steps, an answer comes after as many.

        Raises:
            ConfigError: the model reads both ways, so it cannot answer before the end.
        """
        network, reader = self._ready()
        if self.config.bidirectional:
            raise ConfigError(
                "This classifier reads both ways, so it has no answer before the end. "
                "Train one with bidirectional=False for predict_stream."
            )
        return stream_probabilities(network, reader.steps(x))

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Return the accuracy: the share of examples, weighted if asked, whose class is predicted."""
        x, labels = self._labelled(X, y)
        return float(np.average(self.predict(x) == labels, weights=sample_weight))

    def evaluate(self, X: Any, y: Any = None) -> dict[str, Any]:
        """Measure the classifier on labelled examples.

        Returns:
            "accuracy", "balanced_accuracy" (the mean over classes of the share found), "macro_f1", "loss" in nats an
            example, "count", and "classes": for each class that occurs its "precision", "recall", "f1" and "count".
        """
        x, labels = self._labelled(X, y)
        network, reader = self._ready()
        unknown = sorted(set(labels.tolist()) - set(self.classes_.tolist()), key=str)
        if unknown:
            raise DataError(f"The labels {unknown[:5]} were not among those trained on: {self.classes_.tolist()}.")
        numbers = np.searchsorted(self.classes_, labels)
        with evaluating(network):
            logits = logits_of(network, reader.rows(x))
        loss = torch.nn.functional.cross_entropy(logits, torch.as_tensor(numbers))
        return {"loss": float(loss), **_report(self.classes_, numbers, logits.argmax(1).numpy())}

    def losses_of(self, batch: Any) -> tuple[torch.Tensor, None]:
        """Return the loss in nats [N] of labelled examples: the pair (X, y), or a table."""
        rows, numbers = self._examples(*(batch if isinstance(batch, tuple) else (batch, None)))
        network, padded = self._network(), pad(rows)
        inputs, lengths = (torch.as_tensor(array).to(self.device) for array in (padded.inputs, padded.lengths))
        labels = torch.as_tensor(numbers).to(self.device)
        return torch.nn.functional.cross_entropy(network(inputs, lengths), labels, reduction="none"), None

    def _facts(self) -> dict[str, Any]:
        _, reader = self._ready()
        return {READER_FILE: {"classes": self.classes_.tolist(), **reader.to_dict()}}

    def _restore(self, folder: Path, layers: list[Layer], modules: torch.nn.ModuleDict) -> None:
        path = folder / READER_FILE
        facts = read_facts(path, self.noun)
        try:
            classes = np.array(facts["classes"])
            reader = reader_from_dict(facts, self.config, str(path))
            fits = classes.ndim == 1 and len(classes) > 1 and classes.dtype.kind in "biufU"
        except (KeyError, TypeError, ValueError) as error:
            raise CheckpointError(f"{path} is not what this version wrote: {error!r}. Save the model again.") from error
        if not fits or layers != classify_layers(self.config, len(classes), **reader.sizes):
            raise CheckpointError(f"{folder}: settings, layers and classes do not fit together. Save the model again.")
        self.classes_, self.reader, self.model = classes, reader, ClassifyNetwork(layers, modules)

    def _ready(self) -> tuple[ClassifyNetwork, Reader]:
        network = self._network()
        if self.reader is None:
            raise ConfigError("This classifier does not know its data. Call fit first.")
        return network, self.reader

    def _labelled(self, X: Any, y: Any) -> tuple[Any, NDArray[Any]]:
        _, reader = self._ready()
        x, labels, _ = _open(X, y, reader.columns, labelled=True, features=reader.features)
        return x, labels

    def _examples(self, X: Any, y: Any) -> tuple[list[NDArray[Any]], NDArray[np.int64]]:
        """Return validation data as the network reads it; labels that were not trained on are refused."""
        x, labels = self._labelled(X, y)
        numbers = np.searchsorted(self.classes_, labels).clip(max=len(self.classes_) - 1)
        wrong = self.classes_[numbers] != labels
        if wrong.any():
            raise DataError(f"The data has the label {labels[wrong][0]!r}, which no training example has.")
        _, reader = self._ready()
        return reader.rows(x), numbers.astype(np.int64)

    def _divide(self, numbers: NDArray[np.int64], validation: Any) -> tuple[Any, Any, tuple[Any, Any] | None]:
        """Return which examples train, which are held out, and the validation data that was given instead."""
        everything, nothing = np.arange(len(numbers)), np.arange(0)
        if validation is None:
            validation = HELD_OUT if len(numbers) >= FEWEST else 0.0
        if isinstance(validation, int | float):
            if not 0 <= validation < 1:
                raise ConfigError(f"The share to hold out must be at least 0 and below 1, got {validation!r}.")
            train, held = hold_out(numbers, validation, self.config.train.seed)
            return train, held, None
        return everything, nothing, validation if isinstance(validation, tuple) else (validation, None)

    def _task(self, rows: Rows, numbers: NDArray[np.int64], held_rows: Rows, held_numbers: Any) -> _FitTask:
        network, config = self._network(), self.config
        batches = ExampleBatches(rows, numbers, config.batch_size, config.train.seed)
        shake = Regularisation(config.text.word_dropout, config.series, config.label_smoothing)
        return _FitTask(network, batches, held_rows, held_numbers, self._class_weights(numbers), shake)

    def _class_weights(self, numbers: NDArray[np.int64]) -> torch.Tensor | None:
        if self.config.class_weight == "none":
            return None
        counts = np.bincount(numbers, minlength=len(self.classes_)).clip(min=1)
        return torch.tensor(len(numbers) / (len(counts) * counts), dtype=torch.float32, device=self.device)

    def _settings(self, task: _FitTask) -> TrainSettings:
        """Fill in what the settings leave to the data: the number of updates, and what happens once an epoch."""
        settings, epoch = self.config.train, task.batches.per_epoch
        if settings.max_steps is None and settings.max_seconds is None:
            epochs = self.config.epochs or max(EPOCHS, math.ceil(UPDATES[self._ready()[1].kind] / epoch))
            settings = replace(settings, max_steps=epochs * epoch)
        return replace(
            settings,
            evaluate_every=(settings.evaluate_every or epoch) if len(task.held_rows) else 0,
            evaluations=settings.evaluations if len(task.held_rows) else 0,
            patience=settings.patience if len(task.held_rows) else None,
            checkpoint_every=settings.checkpoint_every or epoch,
        )


@dataclass
class _FitTask:
    """What the training loop needs of the classify task."""

    model: ClassifyNetwork
    batches: ExampleBatches
    held_rows: Rows
    held_numbers: NDArray[np.int64]
    weights: torch.Tensor | None
    shake: Regularisation

    def loss(self, batch: Any, state: Any) -> tuple[torch.Tensor, Any, dict[str, float]]:
        loss, count = self.model.loss(batch, self.weights, self.shake)
        return loss, None, {"count": count}

    def evaluate(self) -> dict[str, float]:
        logits, numbers = logits_of(self.model, self.held_rows), torch.as_tensor(self.held_numbers)
        weights = None if self.weights is None else self.weights.cpu()
        loss = torch.nn.functional.cross_entropy(logits, numbers, weight=weights)
        return {"loss": float(loss), "accuracy": float((logits.argmax(1) == numbers).double().mean())}


def _open(
    X: Any, y: Any, columns: Columns | None, *, labelled: bool, features: list[str] | None = None
) -> tuple[Any, Any, list[str] | None]:
    """Return examples, labels and the names of the features, which tables alone have."""
    if is_table(X) and y is None and (labelled or columns is not None):
        table = read_examples(X, columns or Columns(), labelled=labelled, features=features)
        return table.x, table.labels, table.features
    if isinstance(X, str | Path):
        raise DataError(
            f"X must hold examples, got {X!r}. For one text give a list: [text]; labels come from the file."
        )
    if labelled and y is None:
        raise DataError("This classifier requires y to be passed, but the target y is None. Give a label an example.")
    x = listed(X)
    return x, read_labels(y, len(x)) if labelled else None, None


def _pick(rows: Any, chosen: NDArray[np.int64]) -> list[Any]:
    return [rows[n] for n in chosen]


def _report(classes: NDArray[Any], truth: NDArray[np.int64], found: NDArray[np.int64]) -> dict[str, Any]:
    each: dict[Any, dict[str, float]] = {}
    for number, name in enumerate(classes.tolist()):
        hits = float(((truth == number) & (found == number)).sum())
        true, said = float((truth == number).sum()), float((found == number).sum())
        if true:
            precision, recall = hits / said if said else 0.0, hits / true
            each[name] = {"precision": precision, "recall": recall, "f1": 2 * hits / (true + said), "count": int(true)}
    return {
        "accuracy": float((truth == found).mean()),
        "balanced_accuracy": float(np.mean([one["recall"] for one in each.values()])),
        "macro_f1": float(np.mean([one["f1"] for one in each.values()])),
        "count": len(truth),
        "classes": each,
    }
