"""3. The model: a list of layers, what runs them, and the loss."""

from __future__ import annotations

import torch
from torch import Tensor

from holdfast.layers import Layer, LinearLayer, PoolingLayer, RecurrentLayer, ScalerLayer
from holdfast.nn.build import build_layers
from holdfast.tasks.cells import cell_spec
from holdfast.tasks.estimator import TaskNetwork
from lifetime.config import LifetimeConfig
from lifetime.data import Batch


def lifetime_layers(config: LifetimeConfig, features: int) -> list[Layer]:
    """List the layers in order; a saved model holds this list, and every reader of models understands it."""
    return [
        ScalerLayer("scaler", features),
        RecurrentLayer("recurrent", cell_spec(config.cell), features, config.hidden_size),
        PoolingLayer("pooling", "last", config.hidden_size),
        LinearLayer("output", config.hidden_size, 1),
    ]


class LifetimeNetwork(TaskNetwork):
    """From readings to the logarithm of the steps left."""

    @staticmethod
    def build(config: LifetimeConfig, features: int) -> LifetimeNetwork:
        torch.manual_seed(config.train.seed)
        layers = lifetime_layers(config, features)
        return LifetimeNetwork(layers, build_layers(layers))

    def forward(self, readings: Tensor, lengths: Tensor) -> Tensor:
        """Return log(1 + steps left) [B] of readings [T, B, I] of `lengths` [B] steps."""
        modules = self.modules_by_name
        outputs, _ = modules["recurrent"](modules["scaler"](readings), lengths=lengths)
        return modules["output"](modules["pooling"](outputs, lengths)).squeeze(-1)

    def loss(self, batch: Batch) -> Tensor:
        """Return the mean squared error of the logarithm."""
        found = self(torch.as_tensor(batch.readings), torch.as_tensor(batch.lengths))
        return torch.nn.functional.mse_loss(found, torch.as_tensor(batch.left).log1p())
