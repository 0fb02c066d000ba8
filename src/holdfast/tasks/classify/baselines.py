"""Simple classifiers to compare with: the majority, and logistic regression on summaries. Needs no torch."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.errors import MissingDependencyError
from holdfast.tasks.classify.config import TextSettings
from holdfast.tasks.classify.data import clean_texts, kind_of, read_labels, read_series
from holdfast.tasks.text import split_words

Predict = Callable[[Any, Any, Any], NDArray[Any]]
PARTS = 8  # of a series, whose means are features


def predict_majority(x: Any, y: Any, x_new: Any) -> NDArray[Any]:
    """Return the most frequent label of `y` for each of the examples `x_new`; of several the first in order."""
    classes, counts = np.unique(read_labels(y, len(x)), return_counts=True)
    return np.full(len(x_new), classes[counts.argmax()])


def predict_logistic(x: Any, y: Any, x_new: Any) -> NDArray[Any]:
    """Return what logistic regression predicts for `x_new` from bags of words or summaries of series.

    Text: log-damped counts of words and pairs of neighbours, weighted by rarity. Series: mean, deviation, least,
    largest, first and last value of each feature, and its means over eight parts of equal length.

    Raises:
        MissingDependencyError: scikit-learn is not installed.
    """
    try:
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler
    except ImportError as error:
        raise MissingDependencyError("scikit-learn", "Logistic regression", "classify") from error
    labels = read_labels(y, len(x))
    if kind_of(x) == "text":
        split: Any = _words_and_pairs
        words = TfidfVectorizer(analyzer=split, sublinear_tf=True)
        model = make_pipeline(words, LogisticRegression(C=10.0, max_iter=1000))
        return model.fit(_lowered(x), labels).predict(_lowered(x_new))
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    return model.fit(summarise(x), labels).predict(summarise(x_new))


def summarise(x: Any) -> NDArray[np.float64]:
    """Return features [N, F] of series that do not depend on their lengths."""
    return np.stack([_summary(row.astype(np.float64)) for row in read_series(x)])


def _lowered(x: Any) -> list[str]:
    return clean_texts(x, TextSettings())


def _words_and_pairs(text: str) -> list[str]:
    words = split_words(text)
    return words + [f"{one} {other}" for one, other in itertools.pairwise(words)]


def _summary(row: NDArray[np.float64]) -> NDArray[np.float64]:
    # Parts of a short series overlap in a step rather than being empty.
    cuts = np.linspace(0, len(row), PARTS + 1)
    parts = [row[int(a) : max(int(np.ceil(b)), int(a) + 1)].mean(0) for a, b in itertools.pairwise(cuts)]
    return np.concatenate([row.mean(0), row.std(0), row.min(0), row.max(0), row[0], row[-1], *parts])


BASELINES: dict[str, Predict] = {"majority": predict_majority, "logistic regression": predict_logistic}
"""The simplest first."""
