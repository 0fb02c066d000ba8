"""The network of a forecaster: a linear forecast, corrected by a recurrent encoder and a head per future step."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from holdfast.layers import DropoutLayer, EmbeddingLayer, Layer, LinearLayer, RecurrentLayer
from holdfast.nn.build import build_layers
from holdfast.tasks.cells import cell_spec
from holdfast.tasks.estimator import TaskNetwork
from holdfast.tasks.forecast.config import ForecastConfig
from holdfast.tasks.forecast.windows import Doubles, Windows, WindowShape

QUANTILES = (0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975)
MEDIAN = QUANTILES.index(0.5)
STUDENT = ("place", "width", "tails")
STEP_FEATURES = 16  # numbers the encoder hands to each future step
LEAST_GAP = 1e-4  # of the common scale, between neighbouring quantiles


def forecast_layers(config: ForecastConfig, shape: WindowShape) -> list[Layer]:
    """List the layers of a forecaster, in the order the data passes; several networks are told apart by a number.

    "linear" is the forecast in closed form, "refit" what fitting it to the held-out steps too adds to it in the end,
    "spread" what its errors say of each future step, and "calibration" what held-out windows ask to be added to each
    quantile.
    """
    outputs = len(STUDENT if config.loss == "student" else QUANTILES)
    layers: list[Layer] = [
        LinearLayer("linear", shape.context, shape.horizon),
        LinearLayer("refit", shape.context, shape.horizon),
        EmbeddingLayer("spread", shape.horizon, outputs),
        EmbeddingLayer("calibration", shape.horizon, len(QUANTILES)),
    ]
    inputs = shape.patch * (2 + shape.past_features) + shape.num_static
    between = config.dropout if config.num_layers > 1 else 0.0
    for number in range(config.seeds):
        layers += [
            RecurrentLayer(
                f"recurrent{number}",
                cell_spec(config.cell),
                inputs,
                config.hidden_size,
                config.num_layers,
                dropout=between,
            ),
            DropoutLayer(f"dropout{number}", config.dropout),
            LinearLayer(f"steps{number}", config.hidden_size, shape.horizon * STEP_FEATURES),
            LinearLayer(f"output{number}", STEP_FEATURES + shape.future_features, outputs),
        ]
    return layers


def build_network(config: ForecastConfig, shape: WindowShape, linear: Any, spread: Doubles) -> ForecastNetwork:
    """Make a network that begins as the linear forecast with the spread [H, Q] of its errors."""
    layers = forecast_layers(config, shape)
    torch.manual_seed(config.train.seed)
    network = ForecastNetwork(layers, build_layers(layers), config, shape)
    modules: Any = network.modules_by_name
    with torch.no_grad():
        modules["linear"].weight.copy_(torch.as_tensor(linear.weight))
        modules["linear"].bias.copy_(torch.as_tensor(linear.bias))
        modules["spread"].weight.copy_(torch.as_tensor(spread))
        modules["refit"].weight.zero_()
        modules["refit"].bias.zero_()
        modules["calibration"].weight.zero_()
        for number in range(config.seeds):
            modules[f"output{number}"].weight.zero_()
            modules[f"output{number}"].bias.zero_()
    return network


class ForecastNetwork(TaskNetwork):
    """A network from windows to quantiles, or to a distribution, of the steps ahead, on the windows' common scale."""

    def __init__(self, layers: list[Layer], modules: torch.nn.ModuleDict, config: ForecastConfig, shape: WindowShape):
        super().__init__(layers, modules)
        self.config, self.shape = config, shape
        modules["refit"].requires_grad_(False)
        modules["calibration"].requires_grad_(False)

    def forward(self, windows: Windows) -> Tensor:
        """Return [B, H, Q] quantiles in rising order, or [B, H, 3] place, width and tails."""
        device = next(self.parameters()).device
        parts = [
            torch.as_tensor(part).to(device)
            for part in (windows.values, windows.observed, windows.past, windows.future, windows.static)
        ]
        steps, lengths = self._steps(parts, windows)
        modules: Any = self.modules_by_name
        raw = torch.stack([self._correction(number, steps, lengths, parts[3]) for number in range(self.config.seeds)])
        linear = modules["linear"](parts[0]) + modules["refit"](parts[0])
        outputs = [outputs_around(linear, one + modules["spread"].weight, self.config.loss) for one in raw]
        return sum(outputs[1:], start=outputs[0]) / len(outputs)

    def _steps(self, parts: list[Tensor], windows: Windows) -> tuple[Tensor, Tensor]:
        """Return what the encoder reads [S, B, I], from where each series begins, and how many steps [B] that is."""
        values, observed, past, _, static = parts
        batch, patch = len(values), self.shape.patch
        x = torch.cat([values[..., None], observed[..., None], past], dim=-1)
        steps = self.shape.context // patch
        x = x.reshape(batch, steps, patch * x.shape[-1])
        lengths = torch.as_tensor(-(-windows.lengths // patch)).to(x.device)
        if static.shape[1]:
            x = torch.cat([x, static[:, None].expand(-1, steps, -1)], dim=-1)
        if bool((lengths < steps).any()):
            place = (torch.arange(steps, device=x.device) + (steps - lengths)[:, None]).clamp(max=steps - 1)
            x = x.gather(1, place[..., None].expand_as(x))
        return x.transpose(0, 1).contiguous(), lengths

    def _correction(self, number: int, steps: Tensor, lengths: Tensor, future: Tensor) -> Tensor:
        modules: Any = self.modules_by_name
        _, state = modules[f"recurrent{number}"](steps, lengths=lengths)
        hidden = (state[0] if isinstance(state, tuple) else state)[-1]
        features = modules[f"steps{number}"](modules[f"dropout{number}"](hidden))
        features = torch.nn.functional.gelu(features.view(len(hidden), self.shape.horizon, STEP_FEATURES))
        return modules[f"output{number}"](torch.cat([features, future], dim=-1))

    def losses(self, windows: Windows) -> tuple[Tensor, Tensor]:
        """Return the loss of each future value [B, H], and 1 where it is known."""
        outputs = self(windows)
        target, known = (torch.as_tensor(part).to(outputs) for part in (windows.target, windows.known))
        losses = student_loss(outputs, target) if self.config.loss == "student" else quantile_loss(outputs, target)
        return losses, known

    def loss(self, windows: Windows) -> tuple[Tensor, float]:
        """Return the mean loss over known future values, and how many there are."""
        losses, known = self.losses(windows)
        count = float(windows.known.sum())
        return (losses * known).sum() / (count or 1.0), count


def outputs_around(middle: Tensor, raw: Tensor, loss: str) -> Tensor:
    """Turn unbounded outputs [..., Q] around a forecast [...] into quantiles that do not cross, or a distribution."""
    if loss == "student":
        place = middle + raw[..., 0]
        widths = torch.nn.functional.softplus(raw[..., 1:]) + raw.new_tensor([LEAST_GAP, 2.1])
        return torch.cat([place[..., None], widths], dim=-1)
    gaps = torch.nn.functional.softplus(raw) + LEAST_GAP
    middle = (middle + raw[..., MEDIAN])[..., None]
    above = middle + gaps[..., MEDIAN + 1 :].cumsum(-1)
    below = middle - gaps[..., :MEDIAN].flip(-1).cumsum(-1).flip(-1)
    return torch.cat([below, middle, above], dim=-1)


def quantile_loss(quantiles: Tensor, target: Tensor) -> Tensor:
    """Return the pinball loss of quantiles [B, H, Q], averaged over Q and doubled: about the absolute error."""
    levels = torch.tensor(QUANTILES, device=quantiles.device, dtype=quantiles.dtype)
    gap = target[..., None] - quantiles
    return 2 * torch.maximum(levels * gap, (levels - 1) * gap).mean(-1)


def student_loss(outputs: Tensor, target: Tensor) -> Tensor:
    """Return the negative log-likelihood of a Student-t distribution [B, H, (place, width, tails)]."""
    place, width, tails = outputs.unbind(-1)
    return -torch.distributions.StudentT(tails, place, width).log_prob(target)


def first_spread(errors: Doubles, independent: int, loss: str) -> Doubles:
    """Return the raw outputs [H, Q] whose quantiles, or distribution, are those of `errors` [windows, H] either way.

    Where few windows know a step, the errors of all steps stand in, as wide as a straight line through their widths
    says. Few independent errors widen the quantiles as Student's t distribution is wider than the normal one.
    """
    errors = np.concatenate([errors, -errors])
    known = ~np.isnan(errors)
    rows = [errors[known[:, step], step] for step in range(errors.shape[1])]
    if not known.any() or min(len(row) for row in rows) < 200:
        widths = _widths(errors)
        pooled = (errors / widths)[known] if known.any() else np.array([-1.0, 1.0])
        rows = [width * pooled for width in widths]
    if loss == "student":
        widths = np.array([max(np.quantile(np.abs(row), 0.68), 10 * LEAST_GAP) for row in rows])
        return np.stack([np.zeros(len(rows)), _before_softplus(widths), np.full(len(rows), 2.0)], axis=1)
    levels = np.stack([np.quantile(row, QUANTILES) for row in rows]) * few_factor(independent)
    gaps = _before_softplus(np.maximum(np.diff(levels, axis=1) - LEAST_GAP, 10 * LEAST_GAP))
    return np.concatenate([gaps[:, :MEDIAN], np.zeros((len(rows), 1)), gaps[:, MEDIAN:]], axis=1)


def few_factor(independent: int) -> Doubles:
    """Return by how much each of QUANTILES lies further out for so many independent errors [Q]."""
    from scipy.stats import norm, t

    levels = np.array([0.75 if level == 0.5 else level for level in QUANTILES])
    return t.ppf(levels, max(independent, 3)) / norm.ppf(levels)


def _widths(errors: Doubles) -> Doubles:
    """Return the mean absolute error of each step [H] on a straight line, at least a quarter of the mean."""
    count = (~np.isnan(errors)).sum(axis=0)
    each = np.nansum(np.abs(errors), axis=0) / np.maximum(count, 1)
    mean = float(each[count > 0].mean()) if count.any() else 0.0
    if not mean or (count > 0).sum() < 3:
        return np.full(errors.shape[1], mean or 1.0)
    slope, level = np.polyfit(np.flatnonzero(count), each[count > 0], 1, w=np.sqrt(count[count > 0]))
    return np.maximum(level + slope * np.arange(errors.shape[1]), mean / 4)


def _before_softplus(values: Doubles) -> Doubles:
    return np.where(values > 20, values, np.log(np.expm1(np.minimum(values, 20))))
