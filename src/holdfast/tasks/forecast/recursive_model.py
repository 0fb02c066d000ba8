"""The network of the recursive decoder: each step of a series is read, and the next one forecast."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from holdfast.errors import BackendError
from holdfast.layers import DropoutLayer, EmbeddingLayer, Layer, LinearLayer, RecurrentLayer
from holdfast.tasks.cells import cell_spec
from holdfast.tasks.estimator import TaskNetwork
from holdfast.tasks.forecast.config import ForecastConfig
from holdfast.tasks.forecast.model import QUANTILES, STUDENT, outputs_around, quantile_loss, student_loss
from holdfast.tasks.forecast.steps import Steps
from holdfast.tasks.forecast.windows import WindowShape


def recursive_layers(config: ForecastConfig, shape: WindowShape) -> list[Layer]:
    """List the layers: as `forecast_layers` does, but "linear" sees the last value and two of the season before."""
    outputs = len(STUDENT if config.loss == "student" else QUANTILES)
    layers: list[Layer] = [
        LinearLayer("linear", 3, 1),
        EmbeddingLayer("spread", 1, outputs),
        EmbeddingLayer("calibration", shape.horizon, len(QUANTILES)),
    ]
    inputs = 5 + shape.num_historic + shape.num_future + shape.future_features + shape.num_static
    between = config.dropout if config.num_layers > 1 else 0.0
    for number in range(config.seeds):
        spec, name = cell_spec(config.cell), f"recurrent{number}"
        layers += [
            RecurrentLayer(name, spec, inputs, config.hidden_size, config.num_layers, dropout=between),
            DropoutLayer(f"dropout{number}", config.dropout),
            LinearLayer(f"output{number}", config.hidden_size, outputs),
        ]
    return layers


class RecursiveNetwork(TaskNetwork):
    """A network from the steps of series to the quantiles, or the distribution, of each next step."""

    def __init__(self, layers: list[Layer], modules: nn.ModuleDict, config: ForecastConfig, shape: WindowShape):
        super().__init__(layers, modules)
        self.config, self.shape = config, shape
        modules["calibration"].requires_grad_(False)

    def forward(self, steps: Steps) -> Tensor:
        """Return [B, T, Q] quantiles in rising order, or [B, T, 3] place, width and tails."""
        modules: Any = self.modules_by_name
        x, linear = self.tensor(steps.x).transpose(0, 1).contiguous(), self.tensor(steps.linear)
        lengths = torch.as_tensor(steps.lengths).clamp(max=x.shape[0]).to(x.device)
        hidden = [modules[f"recurrent{n}"](x, lengths=lengths)[0].transpose(0, 1) for n in range(self.config.seeds)]
        return self.outputs(hidden, linear)

    def outputs(self, hidden: list[Tensor], linear: Tensor) -> Tensor:
        """Return the outputs [..., Q] of each network's last layer [..., H], averaged over the networks."""
        modules: Any = self.modules_by_name
        middle, spread = modules["linear"](linear)[..., 0], modules["spread"].weight[0]
        found = []
        for number, one in enumerate(hidden):
            raw = modules[f"output{number}"](modules[f"dropout{number}"](one))
            found.append(outputs_around(middle, raw + spread, self.config.loss))
        return sum(found[1:], start=found[0]) / len(found)

    def losses(self, windows: Steps) -> tuple[Tensor, Tensor]:
        """Return the loss of each next step [B, T], and 1 where it is known and counts."""
        outputs, target, known = self(windows), self.tensor(windows.target), self.tensor(windows.known)
        losses = student_loss(outputs, target) if self.config.loss == "student" else quantile_loss(outputs, target)
        return losses, known

    def loss(self, windows: Steps) -> tuple[Tensor, float]:
        """Return the mean loss over known next steps, and how many there are."""
        losses, known = self.losses(windows)
        count = float(windows.known.sum())
        return (losses * known).sum() / (count or 1.0), count

    def readers(self) -> list[Any]:
        """Return what reads steps when no gradient is wanted: on a CPU with our kernels, whose bits know no blocks."""
        modules: Any = self.modules_by_name
        layers = [modules[f"recurrent{number}"] for number in range(self.config.seeds)]
        try:
            return [layer.freeze() for layer in layers]
        except BackendError:
            return layers

    def tensor(self, part: Any) -> Tensor:
        return torch.as_tensor(part).to(next(self.parameters()).device)
