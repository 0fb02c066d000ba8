"""The network of a tagger (characters and words, recurrent stack, outputs, chain of tags) and its loss."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from holdfast.layers import CrfLayer, DropoutLayer, EmbeddingLayer, Layer, LinearLayer, PoolingLayer, RecurrentLayer
from holdfast.nn.build import build_layers
from holdfast.nn.crf import log_partition
from holdfast.tasks.cells import cell_spec
from holdfast.tasks.estimator import TaskNetwork
from holdfast.tasks.tag.config import TagConfig
from holdfast.tasks.tag.data import AFFIXES, SHAPES, UNKNOWN, Batch, Vocabulary

SHAPE_SIZE, AFFIX_SIZE = 8, 16
IMPOSSIBLE = -1e4  # the score of a tag that is known not to be


def tag_layers(config: TagConfig, vocabulary: Vocabulary) -> list[Layer]:
    """List the layers of a tagger, in the order the data passes them."""
    spec = cell_spec(config.cell)
    layers: list[Layer] = []
    length = config.word_size + SHAPE_SIZE
    if config.character_hidden_size:
        layers += [
            EmbeddingLayer("characters", len(vocabulary.characters) + 1, config.character_size),
            RecurrentLayer(
                "character_recurrent", spec, config.character_size, config.character_hidden_size, bidirectional=True
            ),
        ]
        length += 2 * config.character_hidden_size
    if vocabulary.affixes:
        layers.append(EmbeddingLayer("affixes", len(vocabulary.affixes) + 1, AFFIX_SIZE))
        length += len(AFFIXES) * AFFIX_SIZE
    layers += [
        EmbeddingLayer("words", len(vocabulary.words) + 1, config.word_size),
        EmbeddingLayer("shapes", len(SHAPES), SHAPE_SIZE),
        DropoutLayer("dropout_in", config.dropout),
        RecurrentLayer(
            "recurrent", spec, length, config.hidden_size, config.num_layers, bidirectional=True,
            dropout=config.dropout if config.num_layers > 1 else 0.0,
        ),
        DropoutLayer("dropout_out", config.dropout),
        LinearLayer("output", 2 * config.hidden_size, len(vocabulary.tags)),
    ]  # fmt: skip
    if config.crf == "yes" or (config.crf == "auto" and vocabulary.chunked):
        layers.append(CrfLayer("crf", len(vocabulary.tags)))
    if vocabulary.intents:
        layers.append(PoolingLayer("intent_pooling", "max", 2 * config.hidden_size, directions=2))
        layers.append(LinearLayer("intent", 2 * config.hidden_size, len(vocabulary.intents)))
    return layers


def build_network(config: TagConfig, vocabulary: Vocabulary) -> TagNetwork:
    """Make a network with weights drawn from the config's seed.

    Embeddings are drawn with a length of about one. A rare word nearly keeps the vector that it was drawn with: were it
    as long as torch draws it, it would drown what its spelling and its neighbours say.
    """
    layers = tag_layers(config, vocabulary)
    torch.manual_seed(config.train.seed)
    modules = build_layers(layers)
    for module in modules.values():
        if isinstance(module, torch.nn.Embedding):
            torch.nn.init.normal_(module.weight, std=module.embedding_dim**-0.5)
    return TagNetwork(layers, modules)


class TagNetwork(TaskNetwork):
    """A network from words to the scores of their tags, of the layers that `tag_layers` lists."""

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor | None]:
        """Return the scores of the tags [T, B, K], zero in padding, and of the intents [B, N] where there are any."""
        layer, lengths = self.modules_by_name, self._tensor(batch.lengths)
        x = torch.cat([part(self._tensor(ids)) for part, ids in self._parts(batch)], dim=2)
        if "characters" in layer:
            x = torch.cat([x, self._spelling(batch)], dim=2)
        if "affixes" in layer:
            affixes = layer["affixes"](self._tensor(batch.affixes)).flatten(1)
            x = torch.cat([x, affixes[self._tensor(batch.forms)]], dim=2)
        y, _ = layer["recurrent"](layer["dropout_in"](x), lengths=lengths)
        y = layer["dropout_out"](y)
        intents = None
        if "intent" in layer:
            intents = layer["intent"](layer["intent_pooling"](y, lengths))
        return layer["output"](y), intents

    def loss(self, batch: Batch) -> tuple[Tensor, dict[str, float]]:
        """Return the mean loss in nats a word, that of the intents added, and the figure "count", the words."""
        scores, intents = self(batch)
        tags = self._tensor(batch.tags)
        count = int(batch.lengths.sum())
        if "crf" in self.modules_by_name:
            fit = self.modules_by_name["crf"](scores, tags.clamp_min(0), self._tensor(batch.lengths))
            loss = -fit.sum() / count
        else:
            loss = torch.nn.functional.cross_entropy(scores.flatten(0, 1), tags.flatten(), ignore_index=-1)
        if intents is not None and batch.intents is not None and (batch.intents >= 0).any():
            labels = self._tensor(batch.intents)
            loss = loss + torch.nn.functional.cross_entropy(intents, labels, ignore_index=-1)
        return loss, {"count": float(count)}

    def last_losses(self, batch: Batch) -> Tensor:
        """Return the loss in nats [B] of the last word's tag of each sentence; a chain sums over the other tags."""
        scores, tags, lengths = self(batch)[0], self._tensor(batch.tags), self._tensor(batch.lengths)
        rows = torch.arange(len(lengths), device=scores.device)
        last = tags[lengths - 1, rows]
        if "crf" not in self.modules_by_name:
            return torch.nn.functional.cross_entropy(scores[lengths - 1, rows], last, reduction="none")
        crf: Any = self.modules_by_name["crf"]
        others = torch.ones_like(scores, dtype=torch.bool)
        others[:] = torch.arange(len(scores), device=scores.device)[:, None, None] == (lengths - 1)[:, None]
        others[lengths - 1, rows, last] = False
        told = log_partition(crf.chain, scores.masked_fill(others, IMPOSSIBLE), lengths)
        return log_partition(crf.chain, scores, lengths) - told

    def _parts(self, batch: Batch) -> list[tuple[Any, NDArray[np.int64]]]:
        return [(self.modules_by_name["words"], batch.words), (self.modules_by_name["shapes"], batch.shapes)]

    def _spelling(self, batch: Batch) -> Tensor:
        """Return the final states of the character layer for each word [T, B, 2H]; a word is read once a batch."""
        layer = self.modules_by_name
        x = layer["characters"](self._tensor(batch.characters))
        state = layer["character_recurrent"](x, lengths=self._tensor(batch.character_lengths))[1]
        h = state[0] if isinstance(state, tuple) else state
        return torch.cat([h[0], h[1]], dim=1)[self._tensor(batch.forms)]

    def _tensor(self, array: Any) -> Tensor:
        return torch.as_tensor(array).to(next(self.parameters()).device)


def drop_words(words: NDArray[np.int64], counts: NDArray[np.int64], share: float) -> NDArray[np.int64]:
    """Replace words seen n times with <unk>, with chance share / (share + n), drawn from torch's random numbers.

    Source: Kiperwasser & Goldberg 2016, section 4.2.
    """
    if not share:
        return words
    chance = share / (share + counts[words])
    return np.where(torch.rand(words.shape).numpy() < chance, UNKNOWN, words)
