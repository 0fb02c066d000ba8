"""Count how well a language model predicts a text or documents, as the literature counts it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from holdfast.errors import DataError
from holdfast.tasks.estimator import evaluating
from holdfast.tasks.language.data import Document, TokenStore, pad_documents
from holdfast.tasks.language.model import LanguageNetwork

CHUNK = 512  # steps scored at once; the result does not depend on it
DOCUMENTS = 64  # documents scored side by side; the result does not depend on it


def score_text(network: LanguageNetwork, store: TokenStore) -> dict[str, float]:
    """Score one running text, from a zero state that is carried from beginning to end.

    Every token but the first is predicted once, given all before it.

    Raises:
        DataError: there are fewer than two tokens.
    """
    check_scorable(store)
    nats = score_streams(network, store.ids, num_streams=1)[0]
    report = _report(nats, len(store.ids) - 1, store.characters)
    return report | {"unknown": float(store.unknown)}


def check_scorable(store: TokenStore) -> None:
    """Refuse a text with nothing to predict."""
    if len(store.ids) < 2:
        raise DataError(f"The text to score has {len(store.ids)} tokens; there must be two or more. Give more text.")


def score_streams(network: LanguageNetwork, ids: NDArray[Any], num_streams: int) -> tuple[float, int]:
    """Return (total nats, tokens predicted) of a text read as parallel streams, each from a zero state.

    One stream is the exact score. More are quicker and a hair pessimistic, good enough to watch a training run by.
    """
    device = next(network.parameters()).device
    length = (len(ids) - 1) // num_streams
    starts = np.arange(num_streams) * length
    total, state = 0.0, None
    with evaluating(network):
        for begin in range(0, length, CHUNK):
            steps = min(CHUNK, length - begin)
            window = np.stack([ids[start + begin : start + begin + steps + 1] for start in starts], axis=1)
            nats, state = network.token_nats(torch.as_tensor(window.astype(np.int64)).to(device), state)
            total += float(nats.double().sum())
    return total, length * num_streams


def text_nats(network: LanguageNetwork, ids: NDArray[Any]) -> NDArray[np.float64]:
    """Return the nats of every token of a text but the first, each given all before it."""
    device = next(network.parameters()).device
    parts, state = [], None
    with evaluating(network):
        for begin in range(0, len(ids) - 1, CHUNK):
            window = torch.as_tensor(ids[begin : begin + CHUNK + 1].astype(np.int64)).to(device)
            nats, state = network.token_nats(window[:, None], state)
            parts.append(nats[:, 0].double().cpu().numpy())
    return np.concatenate(parts)


def score_documents(network: LanguageNetwork, documents: Sequence[Document], unknown: int | None) -> dict[str, float]:
    """Score documents one by one, each from a zero state; every token of a document but its first is predicted.

    "loss" weighs the tokens by the documents' weights, as in training; perplexity and bits per character count all
    tokens alike.
    """
    device = next(network.parameters()).device
    order = sorted(range(len(documents)), key=lambda index: len(documents[index].ids))
    total = weighted = weight_sum = 0.0
    with evaluating(network):
        for begin in range(0, len(order), DOCUMENTS):
            chosen = [documents[index] for index in order[begin : begin + DOCUMENTS]]
            batch = pad_documents(chosen)
            ids = torch.as_tensor(np.concatenate([batch.inputs[:1], batch.targets])).to(device)
            nats = network.token_nats(ids, None)[0].double().cpu().numpy()
            lengths = np.array([len(document.ids) - 1 for document in chosen])
            total += float(nats[np.arange(len(nats))[:, None] < lengths].sum())
            weights = np.zeros(nats.shape) if batch.weights is None else batch.weights
            weighted += float((nats * weights).sum())
            weight_sum += float(weights.sum())
    tokens = sum(len(document.ids) - 1 for document in documents)
    report = _report(total, tokens, sum(document.characters for document in documents))
    missing = sum(int((document.ids == unknown).sum()) for document in documents) if unknown is not None else 0
    return report | {"loss": weighted / weight_sum if weight_sum else 0.0, "unknown": float(missing)}


def _report(nats: float, tokens: int, characters: int) -> dict[str, float]:
    """Turn a total of nats into the usual figures.

    perplexity = exp(nats / tokens). Bits per character divide the total in bits by the characters of the text itself,
    whatever the units, so that words, BPE and characters compare; unknown words are scored as the one token `<unk>`,
    which flatters them. Where a token is a character, the first one, which is not predicted, is not counted either.
    """
    loss = nats / tokens
    counted = min(characters, tokens) if characters == tokens + 1 else characters
    perplexity = math.exp(loss) if loss < 700 else math.inf
    return {
        "loss": loss,
        "perplexity": perplexity,
        "bits_per_character": nats / math.log(2) / counted,
        "tokens": float(tokens),
        "characters": float(characters),
    }
