"""Turn what people have into examples: series as [T, I] arrays or texts, and their labels. Needs no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from holdfast.errors import DataError
from holdfast.tasks.batches import LengthBatches
from holdfast.tasks.classify.config import TextSettings
from holdfast.tasks.classify.conventions import warn_of_column
from holdfast.tasks.text import AbstractTokenizer

Kind = Literal["series", "text"]
Rows = Sequence[NDArray[Any]]
LARGEST = 1e30  # beyond it squares leave float32


@dataclass(frozen=True)
class Batch:
    """What the model sees in one step.

    Attributes:
        inputs: ids [T, B] of text, or series [T, B, I], zero in padding.
        lengths: steps of each example [B].
        labels: number of each example's class [B].
    """

    inputs: NDArray[Any]
    lengths: NDArray[np.int64]
    labels: NDArray[np.int64]


class ExampleBatches(LengthBatches):
    """Batches of whole examples, those of like length together, epoch after epoch without end."""

    def __init__(self, rows: Rows, labels: NDArray[np.int64], batch_size: int, seed: int = 0):
        super().__init__([len(row) for row in rows], batch_size, seed)
        self.rows, self.labels = rows, labels

    def __next__(self) -> Batch:
        chosen = super().__next__()
        return pad([self.rows[n] for n in chosen], self.labels[chosen])


def pad(rows: Rows, labels: NDArray[np.int64] | None = None) -> Batch:
    """Put examples side by side, zeros at their ends."""
    lengths = np.array([len(row) for row in rows], dtype=np.int64)
    inputs = np.zeros((int(lengths.max()), len(rows), *rows[0].shape[1:]), dtype=rows[0].dtype)
    for n, row in enumerate(rows):
        inputs[: len(row), n] = row
    return Batch(inputs, lengths, np.zeros(len(rows), dtype=np.int64) if labels is None else labels)


def kind_of(x: Any) -> Kind:
    """Say whether examples are series or texts, by the first of them."""
    if isinstance(x, np.ndarray) and x.dtype.kind in "biufc":
        return "series"
    first = next(iter(x), None)
    return "text" if isinstance(first, str) else "series"


def listed(x: Any) -> Any:
    """Return examples as something with a length that can be indexed: a list, or an array of numbers.

    Raises:
        DataError: they are sparse, complex, or an array of other axes.
    """
    if hasattr(x, "toarray"):
        raise DataError("Sparse data was passed, and series are dense. Use X.toarray() to convert it to a dense array.")
    if hasattr(x, "to_numpy"):
        x = x.to_numpy()
    elif hasattr(x, "__array__"):
        x = np.asarray(x)
    if isinstance(x, bytes | Mapping) or (isinstance(x, np.ndarray) and not x.ndim):
        raise DataError(
            f"X must be a list of examples, got {type(x).__name__}. For one example give a list: [example]."
        )
    if not isinstance(x, np.ndarray):
        try:
            return list(x)
        except TypeError as error:
            raise DataError(f"X must be a list of examples, got {type(x).__name__}.") from error
    if x.dtype.kind == "c":
        raise DataError("Complex data not supported: give real and imaginary parts as two features.")
    if x.dtype.kind in "biuf" and x.ndim not in (2, 3):
        raise DataError(
            f"Expected 2D array [examples, steps] or 3D array [examples, steps, features], got shape {x.shape} "
            "instead. Reshape your data, for a single series with X.reshape(1, -1)."
        )
    if x.dtype.kind in "biuf" and x.ndim == 2 and not x.shape[1]:
        raise DataError(f"The series have no steps: 0 feature(s) (shape={x.shape}) while a minimum of 1 is required.")
    return x


def read_texts(x: Any, tokenizer: AbstractTokenizer, settings: TextSettings) -> list[NDArray[np.int64]]:
    """Return the ids of texts, one array each; a text without any token counts as one unknown.

    Raises:
        DataError: an example is no text.
    """
    return [_cut(tokenizer.encode(text), settings.max_length) for text in clean_texts(x, settings)]


def clean_texts(x: Any, settings: TextSettings) -> list[str]:
    """Return texts as they are tokenised.

    Raises:
        DataError: there is none, or an example is no text.
    """
    texts = list(listed(x))
    if not texts:
        raise DataError("There are no examples. Give at least one text.")
    for number, text in enumerate(texts, 1):
        if not isinstance(text, str):
            raise DataError(f"Example {number} must be a text, got {type(text).__name__}. Leave it out or mend it.")
    return [text.lower() for text in texts] if settings.lowercase else texts


def _cut(ids: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    if not len(ids):
        return np.zeros(1, dtype=np.int64)
    return ids if len(ids) <= most else np.concatenate((ids[: most - most // 2], ids[len(ids) - most // 2 :]))


def read_series(x: Any, features: int | None = None) -> list[NDArray[np.float32]]:
    """Return series as [T, I] arrays.

    Args:
        x: A list of [T, I] or [T] arrays, an array [N, T, I] or [N, T], or a frame with one series a row.
        features: How many features each step must have; None takes the first example's number.

    Raises:
        DataError: there is none, or one has no steps, other features than the rest, or a number that is not finite;
            counts examples from 1.
    """
    rows = [_series(number, item) for number, item in enumerate(listed(x), 1)]
    if not rows:
        raise DataError("There are no examples (0 sample(s)), while a minimum of 1 is required. Give at least one.")
    expected = rows[0].shape[1] if features is None else features
    for number, row in enumerate(rows, 1):
        if row.shape[1] != expected:
            raise DataError(
                f"Example {number} has {row.shape[1]} features a step, and {expected} are expected. "
                "Give every series the same columns."
            )
    return rows


def join_steps(row: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """Read `count` steps as one with as many times the features; the last is filled up with the final step."""
    if count == 1:
        return row
    missing = -len(row) % count
    filled = np.concatenate((row, np.repeat(row[-1:], missing, axis=0)))
    return filled.reshape(len(filled) // count, count * row.shape[1])


def _series(number: int, item: Any) -> NDArray[np.float32]:
    try:
        given = np.asarray(item.to_numpy() if hasattr(item, "to_numpy") else item)
        if given.dtype.kind in "cmM":
            raise TypeError(f"it holds {given.dtype}")
        exact = given.astype(np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise DataError(f"Example {number} cannot be read as numbers: {error}. Mend it or leave it out.") from error
    if exact.ndim == 1:
        exact = exact[:, None]
    if exact.ndim != 2:
        raise DataError(f"Example {number} must be an array [steps, features] or [steps], got shape {exact.shape}.")
    if not exact.size:
        raise DataError(
            f"Example {number} has 0 feature(s) or steps (shape={exact.shape}) while a minimum of 1 is required."
        )
    wrong = ~np.isfinite(exact) | (np.abs(exact) > LARGEST)
    if wrong.any():
        step, feature = (int(place[0]) for place in np.nonzero(wrong))
        raise DataError(
            f"Example {number}, step {step + 1}, feature {feature + 1} is {exact[step, feature]} "
            "(NaN, inf or too large): fill it in, or leave the example out."
        )
    return exact.astype(np.float32)


def read_labels(y: Any, count: int) -> NDArray[Any]:
    """Return labels as an array [N].

    Raises:
        DataError: there are not as many as examples, or they are not names of classes.
    """
    try:
        labels = y.to_numpy() if hasattr(y, "to_numpy") else np.asarray(y)
    except (ValueError, OverflowError) as error:
        raise DataError(f"y must hold one label for each example, and it is no plain list: {error}.") from error
    if labels.ndim == 2 and labels.shape[1] == 1:
        warn_of_column()
        labels = labels[:, 0]
    if labels.ndim != 1:
        raise DataError(f"y must hold one label for each example, got shape {labels.shape}.")
    if len(labels) != count:
        raise DataError(f"There are {count} examples (inconsistent numbers of samples) but {len(labels)} labels.")
    if labels.dtype == object:
        missing = [n for n, label in enumerate(labels, 1) if label is None or label != label]
        if missing:
            raise DataError(f"Example {missing[0]} has no label. Give it one, or leave it out.")
        kinds = {type(label) for label in labels}
        if all(issubclass(kind, str) for kind in kinds):
            labels = labels.astype(str)
        elif len(kinds) > 1:
            raise DataError(f"Labels of different types: {', '.join(sorted(k.__name__ for k in kinds))}. Use one.")
    if labels.dtype.kind == "f":
        if not np.isfinite(labels).all():
            raise DataError("Input y contains NaN or infinity: every example needs a label.")
        if (labels != labels.round()).any():
            raise DataError("Unknown label type: continuous. Labels name classes; for numbers use a forecaster.")
    return labels


def number_classes(labels: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Return the classes in order, and each label's number.

    Raises:
        DataError: there is only one class.
    """
    if not len(labels):
        raise DataError("There are no examples: found 0 sample(s) while a minimum of 1 is required.")
    classes, numbers = np.unique(labels, return_inverse=True)
    if len(classes) < 2:
        only = classes.tolist()[0]
        raise DataError(f"A classifier needs two or more classes, and all labels are {only!r} (one class).")
    return classes, numbers.astype(np.int64)


def hold_out(numbers: NDArray[np.int64], share: float, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Choose examples to train on and to validate, `share` of each class; a class of one example is trained on."""
    random = np.random.default_rng((seed, 1))
    held: list[NDArray[np.int64]] = []
    for label in np.unique(numbers):
        of_class = random.permutation(np.flatnonzero(numbers == label))
        held.append(of_class[: min(round(share * len(of_class)), len(of_class) - 1)])
    held_out = np.sort(np.concatenate(held))
    return np.setdiff1d(np.arange(len(numbers)), held_out), held_out
