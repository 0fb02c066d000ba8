"""Read the text people have, refuse what is broken, and cut it into batches. Needs no torch.

Files are read block by block and their ids kept in an unnamed temporary file, mapped into memory, so a corpus of any
size takes a few megabytes. Documents are lists already, and stay lists.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from holdfast.errors import ConfigError, DataError
from holdfast.tasks.batches import LengthBatches, check_same_shape
from holdfast.tasks.files import BLOCK_BYTES, text_blocks
from holdfast.tasks.text import AbstractTokenizer, whole_pieces

HELD_OUT = 0.1  # share of a text kept for validation, its last part, when none is given


class TextSource(Protocol):
    """A text that can be read again and again, block by block."""

    def blocks(self) -> Iterator[str]: ...


@dataclass(frozen=True)
class StringSource:
    """A text in memory."""

    text: str

    def blocks(self) -> Iterator[str]:
        for start in range(0, len(self.text), BLOCK_BYTES):
            yield self.text[start : start + BLOCK_BYTES]


@dataclass(frozen=True)
class FileSource:
    """UTF-8 files read one after another as one text; .gz and .xz are unpacked on the way.

    Raises:
        DataError: from `blocks`: a file is missing, cannot be read or unpacked, is empty, or is not UTF-8.
    """

    paths: tuple[Path, ...]

    def blocks(self) -> Iterator[str]:
        for path in self.paths:
            yield from text_blocks(path)


@dataclass(frozen=True)
class Stretch:
    """Characters `start` up to `stop` of another source (None: to its end)."""

    source: TextSource
    start: int
    stop: int | None = None

    def blocks(self) -> Iterator[str]:
        position = 0
        for block in self.source.blocks():
            begin, end = max(self.start - position, 0), len(block)
            if self.stop is not None:
                end = min(end, self.stop - position)
            if begin < end:
                yield block[begin:end]
            position += len(block)
            if self.stop is not None and position >= self.stop:
                return


def open_source(text: str | None, files: Any) -> TextSource:
    """Return the one source that was given.

    Raises:
        ConfigError: neither or both were given.
        DataError: the text is empty, or there is no file in the list.
    """
    if (text is None) == (files is None):
        raise ConfigError("Give exactly one of text, files and documents.")
    if text is not None:
        if not isinstance(text, str):
            raise DataError(f"text must be a string, got {type(text).__name__}. Pass lists of texts as documents=.")
        if not text:
            raise DataError("The text is empty: there is nothing to read.")
        return StringSource(text)
    paths = (files,) if isinstance(files, str | Path) else tuple(files)
    if not paths:
        raise DataError("The list of files is empty: name at least one.")
    return FileSource(tuple(Path(path) for path in paths))


def hold_out(source: TextSource) -> tuple[TextSource, TextSource]:
    """Split a source at a character: the first 90 % to train on, the last 10 % to validate."""
    count = sum(map(len, source.blocks()))
    cut = int(count * (1 - HELD_OUT))
    return Stretch(source, 0, cut), Stretch(source, cut)


@dataclass(frozen=True)
class TokenStore:
    """A tokenised text: ids [N] in a compact array, the characters it came from, and how many tokens are unknown."""

    ids: NDArray[Any]
    characters: int
    unknown: int


def tokenize(source: TextSource, tokenizer: AbstractTokenizer, folder: Path | None = None) -> TokenStore:
    """Tokenise a source into a temporary file that has no name and vanishes when it is no longer used.

    Args:
        folder: Where the temporary file lives. None: the system's place for such files.
    """
    dtype = np.uint8 if tokenizer.size <= 1 << 8 else np.uint16 if tokenizer.size <= 1 << 16 else np.int32
    characters = unknown = count = 0
    with tempfile.TemporaryFile(dir=folder) as file:

        def counted() -> Iterator[str]:
            nonlocal characters
            for block in source.blocks():
                characters += len(block)
                yield block

        for piece in whole_pieces(counted(), tokenizer):
            ids = tokenizer.encode(piece)
            count += len(ids)
            unknown += int((ids == tokenizer.unknown).sum()) if tokenizer.unknown is not None else 0
            file.write(ids.astype(dtype).tobytes())
        file.flush()
        # The map keeps the file alive after it is closed.
        ids = np.memmap(file, dtype=dtype, mode="r", shape=(count,)) if count else np.zeros(0, dtype)  # type: ignore[arg-type]
    return TokenStore(ids, characters, unknown)


@dataclass(frozen=True)
class Document:
    """One document: ids [N], the weight of predicting each [N], and how many characters it came from."""

    ids: NDArray[np.int64]
    weights: NDArray[np.float32]
    characters: int


def read_documents(
    documents: Iterable[str | Sequence[str]], weights: Iterable[Sequence[float]] | None, tokenizer: AbstractTokenizer
) -> list[Document]:
    """Tokenise documents and check their weights.

    Raises:
        DataError: a document has fewer than two tokens, or its weights do not fit it; counts rows from 1.
    """
    documents = list(documents)
    rows = [None] * len(documents) if weights is None else list(weights)
    if not documents:
        raise DataError("The list of documents is empty: there is nothing to read.")
    if len(rows) != len(documents):
        raise DataError(f"There are {len(documents)} documents but {len(rows)} lists of weights. Give one list each.")
    return [_document(n, text, row, tokenizer) for n, (text, row) in enumerate(zip(documents, rows, strict=True), 1)]


def read_lines(paths: Iterable[Path]) -> list[str]:
    """Return the lines of files that are not blank, for a corpus with a document on each line."""
    text = "".join(FileSource(tuple(paths)).blocks())
    return [line.removesuffix("\r") for line in text.split("\n") if line.strip()]


@dataclass(frozen=True)
class Batch:
    """What the model sees in one step.

    Attributes:
        inputs: ids [T, B].
        targets: ids [T, B], the tokens that follow.
        weights: weight of each target [T, B], zero in padding; None: all count one.
        first: whether the recurrent state starts from zero here.
    """

    inputs: NDArray[np.int64]
    targets: NDArray[np.int64]
    weights: NDArray[np.float32] | None
    first: bool


class StreamBatches:
    """Consecutive chunks of one long text, read as `batch_size` parallel streams, epoch after epoch without end.

    Each epoch starts at a different offset, drawn from the seed, so that the cuts fall elsewhere.

    Raises:
        DataError: the text is too short for the streams to be one chunk long.
    """

    def __init__(self, ids: NDArray[Any], batch_size: int, chunk_size: int, seed: int = 0):
        self.ids, self.batch_size, self.chunk_size, self.seed = ids, batch_size, chunk_size, seed
        if len(ids) < chunk_size + 1:
            raise DataError(
                f"The text has {len(ids)} tokens to train on, fewer than the {chunk_size + 1} of one chunk. "
                "Give more text, or a smaller chunk_size."
            )
        # A short text is read in fewer streams rather than refused.
        self.batch_size = max(1, min(batch_size, (len(ids) - 1) // chunk_size))
        self._spare = max(0, min(chunk_size, len(ids) - 1 - self.batch_size * chunk_size))
        self._length = (len(ids) - 1 - self._spare) // self.batch_size  # steps of a stream
        self._epoch = self._chunk = 0
        self._chunks = -(-self._length // chunk_size)

    @property
    def epoch(self) -> float:
        return self._epoch + self._chunk / self._chunks

    def __iter__(self) -> StreamBatches:
        return self

    def __next__(self) -> Batch:
        offset = int(np.random.default_rng((self.seed, self._epoch)).integers(self._spare + 1))
        begin = self._chunk * self.chunk_size
        steps = min(self.chunk_size, self._length - begin)
        starts = offset + begin + np.arange(self.batch_size) * self._length
        window = np.stack([self.ids[start : start + steps + 1] for start in starts], axis=1).astype(np.int64)
        first = self._chunk == 0
        self._chunk += 1
        if self._chunk == self._chunks:
            self._epoch, self._chunk = self._epoch + 1, 0
        return Batch(window[:-1], window[1:], None, first)

    def _shape(self) -> dict[str, int]:
        return {"tokens": len(self.ids), "streams": self.batch_size, "chunk_size": self.chunk_size}

    def state_dict(self) -> dict[str, int]:
        return {"epoch": self._epoch, "position": self._chunk, **self._shape()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        check_same_shape(state, self._shape())
        self._epoch, self._chunk = int(state["epoch"]), int(state["position"])


class DocumentBatches(LengthBatches):
    """Batches of whole documents of like length, right-padded, epoch after epoch without end."""

    def __init__(self, documents: Sequence[Document], batch_size: int, seed: int = 0):
        super().__init__([len(document.ids) for document in documents], batch_size, seed)
        self.documents = documents

    def __next__(self) -> Batch:
        return pad_documents([self.documents[index] for index in super().__next__()])


def pad_documents(documents: Sequence[Document]) -> Batch:
    """Put whole documents side by side, padded at the end with id 0 and weight 0."""
    steps = max(len(document.ids) for document in documents) - 1
    inputs, targets = np.zeros((2, steps, len(documents)), dtype=np.int64)
    weights = np.zeros((steps, len(documents)), dtype=np.float32)
    for row, document in enumerate(documents):
        length = len(document.ids) - 1
        inputs[:length, row] = document.ids[:-1]
        targets[:length, row] = document.ids[1:]
        weights[:length, row] = document.weights[1:]
    return Batch(inputs, targets, weights, first=True)


def _document(number: int, text: Any, weights: Any, tokenizer: AbstractTokenizer) -> Document:
    if isinstance(text, str):
        ids, characters = tokenizer.encode(text), len(text)
    elif isinstance(text, Sequence) and all(isinstance(token, str) for token in text):
        # Tokens that are cut already count as the text they make with one space between them.
        ids = tokenizer.encode_tokens(text)
        characters = sum(map(len, text)) + (0 if tokenizer.units == "characters" else len(text) - 1)
    else:
        raise DataError(f"Document {number} must be a text or a list of tokens, got {type(text).__name__}.")
    if len(ids) < 2:
        raise DataError(
            f"Document {number} has {len(ids)} tokens; there must be two or more, one to predict. Leave it out."
        )
    if weights is None:
        return Document(ids, np.ones(len(ids), np.float32), characters)
    try:
        row = np.asarray(weights, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise DataError(f"The weights of document {number} are not numbers: {error}.") from error
    if row.shape != ids.shape:
        raise DataError(
            f"Document {number} has {len(ids)} tokens but weights of shape {row.shape}. Give one weight a token."
        )
    if not np.isfinite(row).all() or (row < 0).any():
        raise DataError(f"The weights of document {number} must be finite and not negative.")
    return Document(ids, row, characters)
