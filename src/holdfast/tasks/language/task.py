"""The class users hold: a language model that is fitted to text, measured, and asked to go on or to fill in a word."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, overload

import torch

from holdfast.errors import CheckpointError, ConfigError, DataError
from holdfast.layers import Layer
from holdfast.tasks.estimator import AbstractEstimator, Folder, evaluating, read_facts
from holdfast.tasks.language.config import LanguageConfig
from holdfast.tasks.language.data import (
    HELD_OUT,
    Document,
    DocumentBatches,
    StreamBatches,
    TokenStore,
    hold_out,
    open_source,
    pad_documents,
    read_documents,
    tokenize,
)
from holdfast.tasks.language.decode import Sampling, cut_at_stop, generate_ids, next_tokens, next_words
from holdfast.tasks.language.model import LanguageNetwork, build_network, language_layers, word_score
from holdfast.tasks.language.score import check_scorable, score_documents, score_streams, score_text
from holdfast.tasks.text import AbstractTokenizer, learn_tokenizer, learn_words, tokenizer_from_dict
from holdfast.train.workers import check_one_process

VOCABULARY_FILE = "vocabulary.json"
Documents = Iterable[str | Sequence[str]]


class LanguageModel(AbstractEstimator[LanguageConfig, LanguageNetwork]):
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

    kind, noun, config_type = "language", "language model", LanguageConfig

    def __init__(self, config: LanguageConfig | None = None, *, device: Any = "cpu", **fields: Any):
        super().__init__(config, device=device, **fields)
        self.tokenizer: AbstractTokenizer | None = None

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
        return self._train(task, folder, quiet)

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

    def losses_of(self, batch: str | Documents) -> tuple[torch.Tensor, list[int]]:
        """Return the loss in nats of the last token of a text, or of each document, given all before it."""
        network, tokenizer = self._ready()
        documents = read_documents([batch] if isinstance(batch, str) else list(batch), None, tokenizer)
        lengths = [len(document.ids) - 1 for document in documents]
        return network.last_losses(pad_documents(documents), lengths), lengths

    def score_of(self, text: str, word: str) -> tuple[torch.Tensor, Any, tuple[str, ...]]:
        """Return what `holdfast.inside.integrated_gradients` needs to say what makes `word` come after `text`.

        Returns:
            The ids [T, 1] read, the score, as a function of (network, ids): the log-probability in nats of all tokens
            of the word; and the tokens read, as text.

        Raises:
            ConfigError: the word is unknown, or is no word.
        """
        tokenizer = self._ready()[1]
        before, wanted = self._prime_ids(text), tokenizer.encode(word).tolist()
        if not wanted or tokenizer.unknown in wanted:
            raise ConfigError(f"This language model does not know {word!r}. Ask about a word of its vocabulary.")
        read = [*before, *wanted[:-1]]
        labels = tuple(tokenizer.token(id) for id in read)
        return torch.tensor(read, device=self.device)[:, None], partial(word_score, wanted=wanted), labels

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

    def _facts(self) -> dict[str, Any]:
        return {VOCABULARY_FILE: self._ready()[1].to_dict()}

    def _restore(self, folder: Path, layers: list[Layer], modules: torch.nn.ModuleDict) -> None:
        path = folder / VOCABULARY_FILE
        tokenizer = tokenizer_from_dict(read_facts(path, self.noun), str(path))
        if tokenizer.units != self.config.units or layers != language_layers(self.config, tokenizer.size):
            raise CheckpointError(
                f"{folder}: settings, layers and vocabulary do not fit together. Save the model again."
            )
        self.tokenizer, self.model = tokenizer, LanguageNetwork(layers, modules)

    def _ready(self) -> tuple[LanguageNetwork, AbstractTokenizer]:
        network = self._network()
        if self.tokenizer is None:
            raise ConfigError("This language model has no vocabulary. Call fit first.")
        return network, self.tokenizer

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


def _learn_from_documents(config: LanguageConfig, documents: Sequence[Any]) -> AbstractTokenizer:
    if config.units in ("words", "tokens"):
        return learn_words(documents, config.vocabulary_size, config.units)
    blocks = (text if isinstance(text, str) else "".join(text) for text in documents)
    return learn_tokenizer(config.units, blocks, config.vocabulary_size)
