"""Turn the network's scores into tags that fit together, and into probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from holdfast.nn.crf import Chain, LinearChainCrf, best_path, marginals
from holdfast.tasks.estimator import evaluating
from holdfast.tasks.tag.data import EncodedSentences, Vocabulary
from holdfast.tasks.tag.model import TagNetwork
from holdfast.tasks.tag.schemes import convert_tags, may_follow

SENTENCES = 64  # decoded side by side; the result does not depend on it
FORBIDDEN = -1e4


@dataclass(frozen=True)
class Found:
    """What was found for one sentence.

    Attributes:
        tags: in the scheme of the data.
        intent: the likeliest label of the sentence, None where the model knows none.
        proba: probability of each tag of the vocabulary [T, K]; None unless asked for.
        intent_proba: probability of each intent; None without.
        ids: number of each tag in the vocabulary [T], where it is in BIO.
    """

    tags: list[str]
    intent: str | None
    proba: NDArray[np.float64] | None
    intent_proba: NDArray[np.float64] | None
    ids: NDArray[np.int64]

    @property
    def tag_proba(self) -> NDArray[np.float64]:
        """Probability of each tag that was found [T]; nan where probabilities were not asked for."""
        if self.proba is None:
            return np.full(len(self.ids), np.nan)
        return self.proba[np.arange(len(self.ids)), self.ids]


def find_tags(
    network: TagNetwork, vocabulary: Vocabulary, sentences: EncodedSentences, *, proba: bool = False
) -> list[Found]:
    """Tag sentences: the best path through the chain of tags, or the best tag of each word where there is no chain."""
    found: list[Any] = [None] * len(sentences)
    with evaluating(network):
        chain = chain_of(network, vocabulary)
        for which, batch in sentences.in_order(SENTENCES):
            scores, intents = network(batch)
            lengths = torch.as_tensor(batch.lengths).to(scores.device)
            paths = (scores.argmax(2) if chain is None else best_path(chain, scores, lengths)).cpu().numpy()
            table = None
            if proba:
                soft = scores.double().softmax(2) if chain is None else marginals(chain, scores, lengths)
                table = soft.cpu().numpy()
            labels = None if intents is None else intents.double().softmax(1).cpu().numpy()
            for row, number in enumerate(which):
                steps = int(batch.lengths[row])
                found[number] = Found(
                    _spelled(vocabulary, paths[:steps, row]),
                    None if labels is None else vocabulary.intents[int(labels[row].argmax())],
                    None if table is None else table[:steps, row],
                    None if labels is None else labels[row],
                    paths[:steps, row],
                )
    return found


def chain_of(network: TagNetwork, vocabulary: Vocabulary) -> Chain | None:
    """Return the scores of tags beside each other, without what BIO forbids; None where any tag may stand anywhere."""
    crf = network.modules_by_name["crf"] if "crf" in network.modules_by_name else None
    if not isinstance(crf, LinearChainCrf):
        if not vocabulary.chunked:
            return None
        zeros = next(network.parameters()).new_zeros(len(vocabulary.tags))
        chain = Chain(zeros.expand(len(zeros), -1), zeros, zeros)
    else:
        chain = crf.chain
    if not vocabulary.chunked:
        return chain
    moves, first = forbidden(vocabulary.tags)
    device = chain.start.device
    transitions = chain.transitions.masked_fill(torch.as_tensor(moves, device=device), FORBIDDEN)
    return Chain(transitions, chain.start.masked_fill(torch.as_tensor(first, device=device), FORBIDDEN), chain.end)


def forbidden(tags: Sequence[str]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which BIO tags may not stand after which [before, after], and which not first."""
    moves = np.array([[not may_follow(before, after) for after in tags] for before in tags])
    return moves, np.array([not may_follow("", tag) for tag in tags])


def _spelled(vocabulary: Vocabulary, ids: NDArray[np.int64]) -> list[str]:
    tags = [vocabulary.tags[n] for n in ids]
    return convert_tags(tags, vocabulary.scheme) if vocabulary.chunked else tags
