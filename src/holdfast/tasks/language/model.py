"""The network of a language model (embedding, recurrent stack, output) and its loss, over chunks or documents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from holdfast.layers import DropoutLayer, EmbeddingLayer, Layer, LinearLayer, RecurrentLayer
from holdfast.nn.build import build_layers
from holdfast.tasks.cells import cell_spec
from holdfast.tasks.estimator import TaskNetwork
from holdfast.tasks.language.config import LanguageConfig
from holdfast.tasks.language.data import Batch


def language_layers(config: LanguageConfig, vocabulary_size: int) -> list[Layer]:
    """List the layers of a language model, in the order the data passes them.

    A tied output needs vectors of the embedding's length, so a linear layer "project" stands before it where the hidden
    size differs.
    """
    length, hidden = config.embedding_length, config.hidden_size
    layers: list[Layer] = [EmbeddingLayer("embedding", vocabulary_size, length)]
    if config.dropout:
        layers.append(DropoutLayer("dropout_in", config.dropout))
    spec = cell_spec(config.cell)
    between = config.dropout if config.num_layers > 1 else 0.0
    layers.append(RecurrentLayer("recurrent", spec, length, hidden, config.num_layers, dropout=between))
    if config.dropout:
        layers.append(DropoutLayer("dropout_out", config.dropout))
    if config.tie and hidden != length:
        layers.append(LinearLayer("project", hidden, length))
    features = length if config.tie else hidden
    layers.append(LinearLayer("output", features, vocabulary_size, tied_to="embedding" if config.tie else None))
    return layers


def build_network(config: LanguageConfig, vocabulary_size: int) -> LanguageNetwork:
    """Make a network with weights drawn from the config's seed; chrono's memories last up to chunk_size steps."""
    layers = language_layers(config, vocabulary_size)
    torch.manual_seed(config.train.seed)
    init = ("chrono", 1.0, float(max(config.chunk_size, 2))) if config.init == "chrono" else config.init
    return LanguageNetwork(layers, build_layers(layers, init=init))


class LanguageNetwork(TaskNetwork):
    """A network from ids to the logits of the next token, of the layers that `language_layers` lists."""

    def hidden(self, ids: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """Run all but the output layer: ids [T, B] to features [T, B, F] and the recurrent state after them."""
        x = ids
        for name, module in self.modules_by_name.items():
            if name == "recurrent":
                x, state = module(x, state)
            elif name != "output":
                x = module(x)
        return x, state

    def forward(self, ids: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """Return the logits [T, B, V] of the token after each, and the state to carry on with."""
        features, state = self.hidden(ids, state)
        return self.modules_by_name["output"](features), state

    def loss(self, batch: Batch, state: Any) -> tuple[Tensor, Any, float]:
        """Return the mean loss of a batch in nats a token, the state after it, and the sum of its weights.

        With weights w the loss is sum(w * nll) / sum(w). The output is not computed where w is zero, padding included.
        """
        device = next(self.parameters()).device
        inputs, targets = (torch.as_tensor(array).to(device) for array in (batch.inputs, batch.targets))
        features, state = self.hidden(inputs, None if batch.first else state)
        if batch.weights is None:
            logits = self.modules_by_name["output"](features)
            loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten())
            return loss, state, float(targets.numel())
        weights = torch.as_tensor(batch.weights).to(device)
        counts = weights > 0
        logits = self.modules_by_name["output"](features[counts])
        nll = torch.nn.functional.cross_entropy(logits, targets[counts], reduction="none")
        total = float(batch.weights.sum(dtype="float64"))
        # A batch without any weight has no loss; its sum is an exact zero.
        return (nll * weights[counts]).sum() / (total or 1.0), state, total

    def last_losses(self, batch: Batch, lengths: Sequence[int]) -> Tensor:
        """Return the loss in nats [B] of the last token of each row, which has `lengths` steps to read."""
        device = next(self.parameters()).device
        inputs, targets = (torch.as_tensor(array).to(device) for array in (batch.inputs, batch.targets))
        last, rows = torch.as_tensor(lengths, device=device) - 1, torch.arange(len(lengths), device=device)
        logits = self.modules_by_name["output"](self.hidden(inputs)[0][last, rows])
        return torch.nn.functional.cross_entropy(logits, targets[last, rows], reduction="none")

    @torch.no_grad()
    def token_nats(self, ids: Tensor, state: Any) -> tuple[Tensor, Any]:
        """Return the nats [T-1, B] of every token of `ids` [T, B] after the first, and the state before the last."""
        logits, state = self(ids[:-1], state)
        nll = torch.nn.functional.cross_entropy(logits.flatten(0, 1), ids[1:].flatten(), reduction="none")
        return nll.view(ids.shape[0] - 1, ids.shape[1]), state


def word_score(network: LanguageNetwork, ids: Tensor, wanted: Sequence[int]) -> Tensor:
    """Return the log-probability [B] of the `wanted` tokens; `ids` [T, B] end in all of them but the last."""
    logits = network(ids)[0][-len(wanted) :].log_softmax(-1)
    return torch.stack([logits[step, :, token] for step, token in enumerate(wanted)]).sum(0)
