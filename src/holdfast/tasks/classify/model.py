"""The network of a classifier (embedding or scaler, recurrent stack, pooling, output; n-grams beside) and its loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from holdfast.layers import (
    ConvolutionLayer,
    DropoutLayer,
    EmbeddingLayer,
    Layer,
    LinearLayer,
    NgramLayer,
    PoolingLayer,
    RecurrentLayer,
    ScalerLayer,
)
from holdfast.nn.build import build_layers
from holdfast.tasks.cells import cell_spec
from holdfast.tasks.classify.config import ClassifyConfig, SeriesSettings
from holdfast.tasks.classify.data import Batch, Rows
from holdfast.tasks.classify.shake import shake_series
from holdfast.tasks.estimator import TaskNetwork

EMBEDDING_STD = 0.1
KERNELS = (9, 5, 3)  # steps that the convolutions of a series see, one after another
UNKNOWN = 0  # the id that dropped words become
NGRAM_WEIGHTS = 2**22  # at most, so that many classes do not make a model large
SHORT_UNITS = ("characters", "bytes")  # which make words in runs of several


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
        for number, kernel in enumerate(KERNELS if config.series.convolution else ()):
            causal, width = not config.bidirectional, config.series.convolution
            layers.append(ConvolutionLayer(f"convolution{number}", size, width, kernel, causal))
            size = width
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
    if not vocabulary and config.series.convolution:
        layers.append(PoolingLayer("patterns", "mean", size))
        width += size
    layers.append(LinearLayer("output", width, classes))
    rows = min(config.text.ngram_rows, NGRAM_WEIGHTS // classes)
    if vocabulary and rows:
        order = 5 if config.text.units in SHORT_UNITS else 2
        layers.append(NgramLayer("ngrams", vocabulary, rows, order, classes))
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
    """What training does to its inputs, as the settings say, and the share of each label that all classes are given."""

    word_dropout: float
    series: SeriesSettings
    smoothing: float


class ClassifyNetwork(TaskNetwork):
    """A network from ids or series to the logits of classes, of the layers that `classify_layers` lists.

    The classifier of n-grams is fitted before the others are trained, which learn as if it were not there; afterwards
    the answer is the mean of both, as logarithms. Were they trained on the sum, the n-grams, which know the training
    texts by heart, would leave the recurrent layers nothing to learn.
    """

    def forward(self, inputs: Tensor, lengths: Tensor) -> Tensor:
        """Return the logits [B, C] of examples: ids [T, B] or series [T, B, I] of `lengths` [B] steps."""
        x = patterns = inputs
        for name, module in self.modules_by_name.items():
            if name == "recurrent":
                x, _ = module(x, lengths=lengths)
            elif name.startswith("convolution"):
                x = patterns = module(x, lengths)
            elif name == "pooling":
                x = module(x, lengths)
            elif name == "patterns":
                x = torch.cat((x, module(patterns, lengths)), dim=1)
            elif name == "ngrams":
                x = x if self.training else _mean(x, module(inputs, lengths))
            else:
                x = module(x)
        return x

    def step(self, inputs: Tensor, state: dict[str, Any] | None = None) -> tuple[Tensor, dict[str, Any]]:
        """Return the logits [B, C] after one more step of ids [B] or features [B, I], and the state to carry on."""
        x = patterns = inputs
        old, new = state or {}, {}
        for name, module in self.modules_by_name.items():
            layer: Any = module
            if name == "recurrent":
                outputs, new[name] = layer(x[None], old.get(name))
                x = outputs[0]
            elif name.startswith("convolution"):
                x, new[name] = layer.step(x, old.get(name))
                patterns = x
            elif name == "pooling":
                x, new[name] = layer.step(x, old.get(name))
            elif name == "patterns":
                pooled, new[name] = layer.step(patterns, old.get(name))
                x = torch.cat((x, pooled), dim=1)
            elif name == "ngrams":
                others, new[name] = layer.step(inputs, old.get(name))
                x = _mean(x, others)
            else:
                x = layer(x)
        return x, new

    def fit_scaler(self, rows: Rows) -> None:
        """Take mean and deviation of each feature from the series to train on."""
        steps = np.concatenate(rows).astype(np.float64)
        scaler: Any = self.modules_by_name["scaler"]
        scaler.fit(torch.tensor(steps.mean(0)), torch.tensor(steps.std(0)))

    def fit_ngrams(self, rows: Rows, labels: NDArray[np.int64], weights: Tensor | None) -> None:
        """Fit the classifier of n-grams, if there is one, to texts and the numbers of their classes."""
        if "ngrams" in self.modules_by_name:
            ngrams: Any = self.modules_by_name["ngrams"]
            ngrams.fit(rows, labels, weights)

    def loss(self, batch: Batch, weights: Tensor | None, shake: Regularisation) -> tuple[Tensor, float]:
        """Return the mean loss of a batch in nats, with `weights` [C] of the classes, and what the mean counts."""
        device = next(self.parameters()).device
        inputs, lengths, labels = (torch.as_tensor(a).to(device) for a in (batch.inputs, batch.lengths, batch.labels))
        if self.training:
            inputs = self._shaken(inputs, lengths, shake)
        logits = self(inputs, lengths)
        loss = torch.nn.functional.cross_entropy(logits, labels, weight=weights, label_smoothing=shake.smoothing)
        return loss, float(len(labels) if weights is None else weights[labels].sum())

    def _shaken(self, inputs: Tensor, lengths: Tensor, shake: Regularisation) -> Tensor:
        if "embedding" in self.modules_by_name:
            dropped = torch.rand(inputs.shape, device=inputs.device) < shake.word_dropout
            return inputs.masked_fill(dropped, UNKNOWN)
        scaler: Any = self.modules_by_name["scaler"]
        return shake_series(inputs, lengths, scaler.mean, scaler.scale, shake.series)


def _mean(logits: Tensor, others: Tensor) -> Tensor:
    return (logits.log_softmax(-1) + others.log_softmax(-1)) / 2
