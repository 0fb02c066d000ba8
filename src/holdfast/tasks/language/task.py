"""The class users hold: a language model that is fitted to text, measured, and asked to go on or to fill in a word."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, overload

import torch

from holdfast.errors import CheckpointError, ConfigError, DataError, HoldfastError
from holdfast.layers import Layer
from holdfast.nn.build import CONFIG_FILE, load_model, read_config, save_model
from holdfast.tasks.language.config import LanguageConfig
from holdfast.tasks.language.data import (
    HELD_OUT,
    Document,
    DocumentBatches,
    StreamBatches,
    TokenStore,
    hold_out,
    open_source,
    read_documents,
    tokenize,
)
from holdfast.tasks.language.decode import Sampling, cut_at_stop, generate_ids, next_tokens, next_words
from holdfast.tasks.language.model import LanguageNetwork, build_network, language_layers
from holdfast.tasks.language.score import check_scorable, evaluating, score_documents, score_streams, score_text
from holdfast.tasks.text import AbstractTokenizer, learn_tokenizer, learn_words, tokenizer_from_dict
from holdfast.train import Callback, TrainResult, train
from holdfast.train.workers import check_one_process

VOCABULARY_FILE = "vocabulary.json"
Documents = Iterable[str | Sequence[str]]
Folder = str | os.PathLike[str]


class LanguageModel:
    """A recurrent language model over characters, bytes, words or BPE tokens.

    Args:
        config: All settings; the defaults suit a first try on a megabyte of text.
        device: Where the weights live, as torch names it.
        fields: Settings by name, over those of `config`.

    Attributes:
        model: The network (torch.nn.Module), None before the first fit. `holdfast.record(lm.model)` traces it.
        tokenizer: Its vocabulary, None before the first fit.
        result: What the last `fit` reported, None before.

    Example:
        >>> from holdfast.train import TrainSettings
        >>> lm = LanguageModel(hidden_size=16, num_layers=1, train=TrainSettings(max_steps=5))
        >>> len(lm.fit("to be or not to be, " * 100, quiet=True).generate("to ", length=8, seed=0))
        8
    """

    def __init__(self, config: LanguageConfig | None = None, *, device: Any = "cpu", **fields: Any):
        try:
            self.config = replace(config or LanguageConfig(), **fields)
        except TypeError as error:
            raise ConfigError(f"LanguageModel: {error}.") from error
        self.device = torch.device(device)
        self.model: LanguageNetwork | None = None
        self.tokenizer: AbstractTokenizer | None = None
        self.result: TrainResult | None = None

    @property
    def layers(self) -> list[Layer]:
        """The layer list of the network, as config.json holds it."""
        return self._ready()[0].layers

    def fit(
        self,
        text: str | None = None,
        *,
        files: Folder | Iterable[Folder] | None = None,
        documents: Documents | None = None,
        weights: Iterable[Sequence[float]] | None = None,
        validation: Any = None,
        folder: Folder | None = None,
        quiet: bool = False,
    ) -> LanguageModel:
        """Train on one text, on files read as one text, or on documents; a second fit goes on from the present weights.

        Args:
            text: A running text.
            files: Paths of UTF-8 files, .gz and .xz included; read in blocks, not held in memory.
            documents: Texts, or lists of tokens. Each starts from a zero state and is never cut.
            weights: For each document, one number a token: the weight of the loss of predicting that token. The first
                token of a document is never predicted, so its weight is not used.
            validation: Held-out data: a text, a path or list of paths, or for documents a list of documents or the pair
                (documents, weights). None: the last 10 % is held out.
            folder: Where the model, checkpoints and log go; a run found there goes on. None: nothing is written.
            quiet: Print nothing.

        Returns:
            This model, with the weights of the best evaluation. Ctrl-C ends training early and keeps what was learnt;
            `result.stopped` says so. In `folder` the best model so far is there at all times, whatever ends the run.

        Raises:
            DataError: the data is broken or too short.
            ConfigError: not exactly one of text, files and documents; `folder` holds a different model; or several
                processes were started by torchrun.
        """
        check_one_process("the language task")
        _check_one_kind(text, files, documents, weights)
        if documents is not None:
            task = self._document_task(list(documents), weights, validation)
        else:
            task = self._text_task(open_source(text, files), validation)
        return self._train(task, None if folder is None else Path(folder), quiet)

    def _train(self, task: _FitTask, folder: Path | None, quiet: bool) -> LanguageModel:
        watchers = []
        if folder is not None:
            self._check_same_model(folder)
            if not (folder / CONFIG_FILE).exists():
                self.save_pretrained(folder)  # so that a run that is killed leaves a folder that loads
            watchers.append(_KeepBest(self, folder))
        self.result = train(task, self.config.train, folder, quiet=quiet, callbacks=watchers)
        self._ready()[0].eval()
        if folder is not None:
            self.save_pretrained(folder)
        return self

    def evaluate(
        self,
        text: str | None = None,
        *,
        files: Folder | Iterable[Folder] | None = None,
        documents: Documents | None = None,
        weights: Iterable[Sequence[float]] | None = None,
    ) -> dict[str, float]:
        """Measure how well the model predicts a text, files or documents.

        A text is read once from a zero state that is carried to the end; each document starts anew. Every token but the
        first (of the text, of each document) is predicted from all before it, and unknown words count as `<unk>`.

        Returns:
            "loss" in nats a token (weighted, if weights are given), "perplexity" a token, "bits_per_character" (total
            bits over characters of the text, for any units), and the counts "tokens", "characters" and "unknown".
        """
        network, tokenizer = self._ready()
        _check_one_kind(text, files, documents, weights)
        if documents is not None:
            return score_documents(network, read_documents(documents, weights, tokenizer), tokenizer.unknown)
        return score_text(network, tokenize(open_source(text, files), tokenizer))

    @overload
    def generate(
        self,
        prime: str = "",
        length: int = 200,
        *,
        temperature: float = 1.0,
        top_k: int = 0,
        top_p: float = 1.0,
        stop: str | None = None,
        seed: int | None = None,
        stream: Literal[False] = False,
    ) -> str: ...

    @overload
    def generate(
        self,
        prime: str = "",
        length: int = 200,
        *,
        temperature: float = 1.0,
        top_k: int = 0,
        top_p: float = 1.0,
        stop: str | None = None,
        seed: int | None = None,
        stream: Literal[True],
    ) -> Iterator[str]: ...

    def generate(
        self,
        prime: str = "",
        length: int = 200,
        *,
        temperature: float = 1.0,
        top_k: int = 0,
        top_p: float = 1.0,
        stop: str | None = None,
        seed: int | None = None,
        stream: bool = False,
    ) -> str | Iterator[str]:
        """Write `length` tokens that go on from `prime`; the prime itself is not repeated.

        Args:
            prime: The text to go on from. Empty: as after a line break, or after the most frequent token.
            length: Number of tokens.
            temperature: Below 1 is safer, above 1 wilder; 0 takes the most likely token always.
            top_k: Draw from the k most likely tokens only; 0 means all.
            top_p: Draw from the most likely tokens that together have this probability.
            stop: Text at which to end; it is not given back.
            seed: The same seed gives the same text. None: another each time.
            stream: Give an iterator of pieces of text as they are made, at constant cost each.

        Raises:
            ConfigError: a value is out of range.
        """
        if length < 0:
            raise ConfigError(f"length must be 0 or more tokens, got {length!r}.")
        self._ready()
        pieces = cut_at_stop(self._pieces(prime, length, Sampling(temperature, top_k, top_p), seed), stop)
        return pieces if stream else "".join(pieces)

    def complete(self, text: str, top: int = 5) -> list[tuple[str, float]]:
        """Return the `top` most likely next words after `text`, with probabilities, best first.

        A word model gives the next token's own probabilities, signs of punctuation among them, `<unk>` left out. Models
        of characters, bytes and BPE search for whole words with a beam (see `decode.next_words`); their probabilities
        are given that a word comes next, and are lower bounds.
        """
        if top < 1:
            raise ConfigError(f"top must be 1 or more, got {top!r}.")
        network, tokenizer = self._ready()
        with evaluating(network):
            if tokenizer.units in ("words", "tokens"):
                return next_tokens(network, self._prime_ids(text), tokenizer, top)
            prime = text.rstrip(" ") + ("" if tokenizer.units == "bpe" or not text or text[-1] == "\n" else " ")
            return next_words(network, self._prime_ids(prime), tokenizer, top)

    def save_pretrained(self, folder: Folder) -> None:
        """Write config.json, model.safetensors and vocabulary.json into `folder`; other files there stay."""
        network, tokenizer = self._ready()
        config = {"kind": "language", "task": self.config.to_dict()}
        vocabulary = json.dumps(tokenizer.to_dict(), ensure_ascii=False)
        save_model(folder, network.layers, network.modules_by_name, config, {VOCABULARY_FILE: vocabulary})

    @staticmethod
    def from_pretrained(folder: Folder, device: Any = "cpu") -> LanguageModel:
        """Load a model that `save_pretrained` or `fit(folder=...)` wrote.

        Raises:
            CheckpointError: a file is missing or broken, or they do not fit together.
        """
        fields, layers, modules = load_model(folder, device)
        where = str(Path(folder) / CONFIG_FILE)
        if fields.get("kind") != "language":
            raise CheckpointError(f"{where} is of kind {fields.get('kind')!r}, not a language model.")
        try:
            config = LanguageConfig.from_dict(fields.get("task"), where)
        except HoldfastError as error:
            raise CheckpointError(str(error)) from error
        tokenizer = _read_vocabulary(Path(folder) / VOCABULARY_FILE)
        if tokenizer.units != config.units or layers != language_layers(config, tokenizer.size):
            raise CheckpointError(
                f"{folder}: settings, layers and vocabulary do not fit together. Save the model again."
            )
        lm = LanguageModel(config, device=device)
        lm.tokenizer, lm.model = tokenizer, LanguageNetwork(layers, modules).to(lm.device).eval()
        return lm

    def _ready(self) -> tuple[LanguageNetwork, AbstractTokenizer]:
        if self.model is None or self.tokenizer is None:
            raise ConfigError(
                "This language model is not trained yet. Call fit first, or load one with from_pretrained."
            )
        return self.model, self.tokenizer

    def _build(self, tokenizer: AbstractTokenizer) -> None:
        self.tokenizer = tokenizer
        self.model = build_network(self.config, tokenizer.size).to(self.device)

    def _text_task(self, source: Any, validation: Any) -> _FitTask:
        if validation is None:
            source, held_out = hold_out(source)
        elif isinstance(validation, str):
            held_out = open_source(validation, None)
        else:
            held_out = open_source(None, validation)
        if self.tokenizer is None:
            self._build(learn_tokenizer(self.config.units, source.blocks(), self.config.vocabulary_size))
        network, tokenizer = self._ready()
        config = self.config
        batches = StreamBatches(
            tokenize(source, tokenizer).ids, config.batch_size, config.chunk_size, config.train.seed
        )
        store = tokenize(held_out, tokenizer)
        check_scorable(store)
        return _FitTask(network, batches, store, None)

    def _document_task(self, documents: list[Any], weights: Any, validation: Any) -> _FitTask:
        rows = None if weights is None else list(weights)
        if validation is None:
            cut = min(int(len(documents) * (1 - HELD_OUT)), len(documents) - 1)
            if cut < 1:
                raise DataError(
                    "Two documents are the least: one to train on and one to validate. Give more documents."
                )
            validation = (documents[cut:], None if rows is None else rows[cut:])
            documents, rows = documents[:cut], None if rows is None else rows[:cut]
        held_out, held_out_rows = validation if isinstance(validation, tuple) else (validation, None)
        if self.tokenizer is None:
            self._build(_learn_from_documents(self.config, documents))
        network, tokenizer = self._ready()
        batches = DocumentBatches(
            read_documents(documents, rows, tokenizer), self.config.batch_size, self.config.train.seed
        )
        return _FitTask(network, batches, read_documents(held_out, held_out_rows, tokenizer), tokenizer.unknown)

    def _check_same_model(self, folder: Path) -> None:
        if not (folder / CONFIG_FILE).exists():
            return
        network, tokenizer = self._ready()
        same = (
            read_config(folder)[1] == network.layers
            and _read_vocabulary(folder / VOCABULARY_FILE).to_dict() == tokenizer.to_dict()
        )
        if not same:
            raise ConfigError(f"{folder} holds a model with other layers or another vocabulary. Choose another folder.")

    def _prime_ids(self, text: str) -> list[int]:
        _, tokenizer = self._ready()
        ids = tokenizer.encode(text)
        if not len(ids):
            ids = tokenizer.encode("\n")
            if not len(ids) or ids[0] == tokenizer.unknown:
                return [min(1, tokenizer.size - 1)]
        return ids.tolist()

    def _pieces(self, prime: str, length: int, sampling: Sampling, seed: int | None) -> Iterator[str]:
        network, tokenizer = self._ready()
        ids = self._prime_ids(prime)
        writer = tokenizer.stream(ids[-1] if prime else None)
        # Words bring their space with them, unless the prime ends in one.
        skip_space = tokenizer.units in ("words", "tokens") and prime[-1:].isspace()
        source = generate_ids(network, ids, sampling, seed, tokenizer.unknown)
        network.eval()
        for number in range(length):
            piece = writer.feed(next(source))
            yield piece.lstrip(" ") if skip_space and not number else piece
        yield writer.close()


@dataclass
class _FitTask:
    """What the training loop needs of the language task."""

    model: LanguageNetwork
    batches: StreamBatches | DocumentBatches
    held_out: TokenStore | list[Document]
    unknown: int | None

    def loss(self, batch: Any, state: Any) -> tuple[torch.Tensor, Any, dict[str, float]]:
        loss, state, count = self.model.loss(batch, state)
        # A document's state is not carried to the next batch.
        return loss, state if isinstance(self.batches, StreamBatches) else None, {"count": count}

    def evaluate(self) -> dict[str, float]:
        if isinstance(self.held_out, list):
            report = score_documents(self.model, self.held_out, self.unknown)
            return {name: report[name] for name in ("loss", "perplexity")}
        # Streams of at least a chunk each: quick enough to be called often, a hair above the exact score.
        streams = max(1, min(self.batches.batch_size, (len(self.held_out.ids) - 1) // 512))
        nats, tokens = score_streams(self.model, self.held_out.ids, streams)
        return {"loss": nats / tokens}


def _check_one_kind(text: Any, files: Any, documents: Any, weights: Any) -> None:
    if sum(data is not None for data in (text, files, documents)) != 1:
        raise ConfigError("Give exactly one of text, files and documents.")
    if documents is None and weights is not None:
        raise ConfigError("weights belong to documents; a running text has none.")


class _KeepBest(Callback):
    """Saves the model at each evaluation that is better than those before it."""

    def __init__(self, lm: LanguageModel, folder: Path):
        self.lm, self.folder = lm, folder

    def on_evaluate(self, record: dict[str, Any]) -> None:
        if record["validation"]["loss"] == record["best"]:
            self.lm.save_pretrained(self.folder)


def _learn_from_documents(config: LanguageConfig, documents: Sequence[Any]) -> AbstractTokenizer:
    if config.units in ("words", "tokens"):
        return learn_words(documents, config.vocabulary_size, config.units)
    blocks = (text if isinstance(text, str) else "".join(text) for text in documents)
    return learn_tokenizer(config.units, blocks, config.vocabulary_size)


def _read_vocabulary(path: Path) -> AbstractTokenizer:
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise CheckpointError(f"{path} is missing: the folder is no whole language model.") from error
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} cannot be read as JSON: {error}") from error
    return tokenizer_from_dict(fields, str(path))
