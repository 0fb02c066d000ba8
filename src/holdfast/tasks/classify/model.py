"""The network of a classifier (embedding or scaler, recurrent stack, pooling, output) and its loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from holdfast.layers import (
    DropoutLayer,
    EmbeddingLayer,
    Layer,
    LinearLayer,
    PoolingLayer,
    RecurrentLayer,
    ScalerLayer,
)
from holdfast.nn.build import build_layers
from holdfast.tasks.cells import cell_spec
from holdfast.tasks.classify.config import ClassifyConfig
from holdfast.tasks.classify.data import Batch, Rows
from holdfast.tasks.estimator import TaskNetwork

EMBEDDING_STD = 0.1
UNKNOWN = 0  # the id that dropped words become


def classify_layers(config: ClassifyConfig, classes: int, *, features: int = 0, vocabulary: int = 0) -> list[Layer]:
    """List the layers of a classifier of series with `features`, or of text with a `vocabulary`, in order."""
    layers: list[Layer]
    if vocabulary:
        size = config.text.embedding_size
        layers = [EmbeddingLayer("embedding", vocabulary, size)]
        if config.dropout:
            layers.append(DropoutLayer("dropout_in", config.dropout))
    else:
        size = features
        layers = [ScalerLayer("scaler", features)]
    between = config.dropout if config.num_layers > 1 else 0.0
    directions = 2 if config.bidirectional else 1
    layers.append(
        RecurrentLayer(
            "recurrent", cell_spec(config.cell), size, config.hidden_size, config.num_layers,
            bidirectional=config.bidirectional, dropout=between,
        )
    )  # fmt: skip
    width = directions * config.hidden_size
    layers.append(PoolingLayer("pooling", config.pooling, width, directions))
    if config.dropout:
        layers.append(DropoutLayer("dropout_out", config.dropout))
    layers.append(LinearLayer("output", width, classes))
    return layers


def build_network(config: ClassifyConfig, classes: int, **inputs: int) -> ClassifyNetwork:
    """Make a network with weights drawn from the config's seed."""
    layers = classify_layers(config, classes, **inputs)
    torch.manual_seed(config.train.seed)
    modules = build_layers(layers)
    if "embedding" in modules:
        # Torch's vectors of length one per feature would drown the few updates that a rare word gets.
        table: Any = modules["embedding"]
        torch.nn.init.normal_(table.weight, std=EMBEDDING_STD)
    return ClassifyNetwork(layers, modules)


@dataclass(frozen=True)
class Regularisation:
    """What training does to its inputs: the share of words that become unknown, and noise on standardised features."""

    word_dropout: float
    noise: float


class ClassifyNetwork(TaskNetwork):
    """A network from ids or series to the logits of classes, of the layers that `classify_layers` lists."""

    def forward(self, inputs: Tensor, lengths: Tensor) -> Tensor:
        """Return the logits [B, C] of examples: ids [T, B] or series [T, B, I] of `lengths` [B] steps."""
        x = inputs
        for name, module in self.modules_by_name.items():
            if name == "recurrent":
                x, _ = module(x, lengths=lengths)
            elif name == "pooling":
                x = module(x, lengths)
            else:
                x = module(x)
        return x

    def step(self, inputs: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """Return the logits [B, C] after one more step of ids [B] or features [B, I], and the state to carry on."""
        x, (recurrent, pooled) = inputs[None], state or (None, None)
        for name, module in self.modules_by_name.items():
            if name == "recurrent":
                x, recurrent = module(x, recurrent)
            elif name == "pooling":
                pooling: Any = module
                x, pooled = pooling.step(x[0], pooled)
            else:
                x = module(x)
        return x, (recurrent, pooled)

    def fit_scaler(self, rows: Rows) -> None:
        """Take mean and deviation of each feature from the series to train on."""
        steps = np.concatenate(rows).astype(np.float64)
        scaler: Any = self.modules_by_name["scaler"]
        scaler.fit(torch.tensor(steps.mean(0)), torch.tensor(steps.std(0)))

    def loss(self, batch: Batch, weights: Tensor | None, shake: Regularisation) -> tuple[Tensor, float]:
        """Return the mean loss of a batch in nats, with `weights` [C] of the classes, and what the mean counts."""
        device = next(self.parameters()).device
        inputs, lengths, labels = (torch.as_tensor(a).to(device) for a in (batch.inputs, batch.lengths, batch.labels))
        if self.training:
            inputs = self._shaken(inputs, shake)
        loss = torch.nn.functional.cross_entropy(self(inputs, lengths), labels, weight=weights)
        return loss, float(len(labels) if weights is None else weights[labels].sum())

    def _shaken(self, inputs: Tensor, shake: Regularisation) -> Tensor:
        if "embedding" in self.modules_by_name:
            dropped = torch.rand(inputs.shape, device=inputs.device) < shake.word_dropout
            return inputs.masked_fill(dropped, UNKNOWN)
        scale: Any = self.modules_by_name["scaler"].scale
        return inputs + torch.randn_like(inputs) * (shake.noise * scale)
