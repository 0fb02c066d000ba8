"""How a classifier's examples become the rows its network reads: learnt once, saved with the model. Needs no torch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.errors import DataError
from holdfast.tasks.classify.config import ClassifyConfig, Columns
from holdfast.tasks.classify.data import Kind, clean_texts, join_steps, read_series, read_texts
from holdfast.tasks.settings import read_record
from holdfast.tasks.text import AbstractTokenizer, learn_tokenizer, learn_words, tokenizer_from_dict

LONG = 100  # steps of the longest series that joining leaves, about


@dataclass(frozen=True)
class Reader:
    """Reads texts with a vocabulary, or series with so many features, `join` steps as one.

    `columns` says how tables are read and `features` names their columns; None for data that was no table.
    """

    config: ClassifyConfig
    kind: Kind
    tokenizer: AbstractTokenizer | None = None
    num_features: int = 0
    join: int = 1
    columns: Columns | None = None
    features: list[str] | None = None

    @property
    def sizes(self) -> dict[str, int]:
        """What the network's input is made for, as `classify_layers` takes it."""
        return {"vocabulary": self.tokenizer.size} if self.tokenizer else {"features": self.num_features * self.join}

    def rows(self, x: Any) -> list[NDArray[Any]]:
        """Return examples as ids [T] or series [T, I]."""
        if self.tokenizer is not None:
            return [*read_texts(x, self.tokenizer, self.config.text)]
        return [join_steps(row, self.join) for row in read_series(x, self.num_features)]

    def steps(self, x: Any) -> Iterator[NDArray[Any]]:
        """Yield what the network reads at each step of one example, as it comes."""
        if self.tokenizer is not None:
            yield from self._tokens(x)
            return
        held: list[NDArray[Any]] = []
        for step in _steps(x):
            held.append(read_series([[step]], self.num_features)[0])
            if len(held) == self.join:
                yield np.concatenate(held, axis=1)[0]
                held = []

    def _tokens(self, x: str | Iterable[str]) -> Iterator[NDArray[Any]]:
        tokenizer = self.tokenizer
        if tokenizer is None:
            raise DataError("This classifier reads series, not text.")
        for piece in [x] if isinstance(x, str) else _steps(x):
            yield from tokenizer.encode(clean_texts([piece], self.config.text)[0])

    def to_dict(self) -> dict[str, Any]:
        """Return what is not in the config, ready for JSON."""
        return {
            "kind": self.kind,
            "vocabulary": self.tokenizer.to_dict() if self.tokenizer else None,
            "num_features": self.num_features,
            "join": self.join,
            "columns": asdict(self.columns) if self.columns else None,
            "features": self.features,
        }


def learn_reader(
    kind: Kind, x: Any, config: ClassifyConfig, columns: Columns | None, features: Sequence[str] | None
) -> Reader:
    """Make the reader of data like the examples `x`, which are those to train on."""
    names = None if features is None else list(features)
    if kind == "text":
        texts, text = clean_texts(x, config.text), config.text
        if text.units in ("words", "tokens"):
            tokenizer: AbstractTokenizer = learn_words(texts, text.vocabulary_size, text.units)
        else:
            tokenizer = learn_tokenizer(text.units, texts, text.vocabulary_size)
        return Reader(config, kind, tokenizer, columns=columns)
    rows = read_series(x)
    join = config.series.join
    if not join:
        join = max(1, round(max(map(len, rows)) / LONG)) if config.bidirectional else 1
    return Reader(config, kind, None, rows[0].shape[1], join, columns, names)


def reader_from_dict(fields: dict[str, Any], config: ClassifyConfig, where: str) -> Reader:
    """Read back what `to_dict` wrote.

    Raises:
        CheckpointError: the vocabulary is broken.
        KeyError, TypeError, ValueError: the rest is.
    """
    kind, vocabulary, names = fields["kind"], fields["vocabulary"], fields["features"]
    tokenizer = None if vocabulary is None else tokenizer_from_dict(vocabulary, where)
    num_features, join = int(fields["num_features"]), int(fields["join"])
    columns = None if fields["columns"] is None else read_record(Columns, fields["columns"])
    if names is not None and not (isinstance(names, list) and all(isinstance(name, str) for name in names)):
        raise ValueError(f"features {names!r}")
    if kind not in ("series", "text") or (kind == "text") != (tokenizer is not None) or join < 1:
        raise ValueError(f"kind {kind!r} with join {join}")
    return Reader(config, kind, tokenizer, num_features, join, columns, names)


def _steps(x: Any) -> Iterator[Any]:
    try:
        return iter(x)
    except TypeError as error:
        raise DataError(f"An example is a text, or a list or iterator of steps; got {type(x).__name__}.") from error


def is_table(x: Any) -> bool:
    """Whether examples are a file or a frame."""
    return isinstance(x, str | Path) or (hasattr(x, "columns") and not isinstance(x, np.ndarray))
