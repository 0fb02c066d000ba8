"""The direct decoder: one look at a window, all future steps at once, starting from a linear forecast."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import nn

from holdfast.layers import Layer
from holdfast.tasks.forecast.config import ForecastConfig
from holdfast.tasks.forecast.decode import calibrate, forecast_calibrated, forecast_windows
from holdfast.tasks.forecast.fitting import FitTask, first_shape
from holdfast.tasks.forecast.folds import Split, training_picks
from holdfast.tasks.forecast.linear import choose_shape
from holdfast.tasks.forecast.measure import last_windows
from holdfast.tasks.forecast.model import ForecastNetwork, build_network, first_spread, forecast_layers
from holdfast.tasks.forecast.windows import (
    Doubles,
    Series,
    Whole,
    WindowBatches,
    WindowReader,
    WindowShape,
)

CHECKED = 1_000  # held-out windows that training is watched by
CALIBRATED = 4_000  # held-out windows that calibration counts
SMALLEST_PATCHED, MOST_STEPS, LONGEST_PATCH = 64, 48, 32


class DirectDecoder:
    """What the forecaster asks of a decoder: how its network starts, is trained, forecasts and is calibrated."""

    def __init__(self, network: ForecastNetwork):
        self.network = network
        self._refit: tuple[Any, Any] | None = None

    @property
    def memory(self) -> int:
        """Steps of a series that forecasts look back on."""
        return self.network.shape.memory

    @staticmethod
    def layers(config: ForecastConfig, shape: WindowShape) -> list[Layer]:
        return forecast_layers(config, shape)

    @classmethod
    def start(cls, config: ForecastConfig, split: Split, season: int) -> DirectDecoder:
        """Choose the windows' shape, and make the network that starts from their linear forecast."""
        settings = config.windows
        shape, fitted = choose_shape(split, first_shape(config, split, season), settings)
        fitted = fitted if settings.linear else fitted.without_weights()
        shape = replace(shape, patch=settings.patch or choose_patch(shape.context, season))
        spread = first_spread(fitted.errors, fitted.independent, config.loss)
        network = build_network(config, shape, fitted.start, spread)
        if settings.refit:
            set_refit(network, fitted.whole.weight - fitted.start.weight, fitted.whole.bias - fitted.start.bias)
        return cls(network)

    @classmethod
    def load(
        cls, config: ForecastConfig, shape: WindowShape, layers: list[Layer], modules: nn.ModuleDict
    ) -> DirectDecoder | None:
        """Return the decoder of a saved network, or None where the layers are not those of the settings."""
        fits = layers == forecast_layers(config, shape)
        return cls(ForecastNetwork(layers, modules, config, shape)) if fits else None

    def task(self, split: Split) -> FitTask:
        """Return what the training loop needs. Until `finish`, the network knows nothing of the held-out values."""
        self._refit = set_refit(self.network, 0.0, 0.0)
        network, config, shape = self.network, self.network.config, self.network.shape
        held_out = split.folds()[0].picks(shape.horizon)
        picks = training_picks(split.whole.lengths - split.held_out, shape.context, shape.horizon)
        batches = WindowBatches(WindowReader(split.train, shape), picks, config.batch_size, config.train.seed)
        return FitTask(network, batches, WindowReader(split.whole, shape, split.train).read(*held_out.spread(CHECKED)))

    def calibrate(self, split: Split) -> None:
        """Set the calibration by the held-out windows, where there are any."""
        reader = WindowReader(split.whole, self.network.shape, split.train)
        fold, horizon = split.folds()[0], self.network.shape.horizon
        held_out = fold.picks(horizon)
        if len(held_out):
            calibrate(self.network, reader, *held_out.spread(CALIBRATED), fold.independent(horizon))

    def finish(self) -> None:
        """Let the network know of the held-out values too, once nothing is measured by them any more."""
        if self._refit is not None:
            set_refit(self.network, *self._refit)

    def forecast(
        self,
        series: Series,
        rows: Whole,
        origins: Whole,
        *,
        seen: Series | None = None,
        calibrated: bool = False,
        carried: Any = None,
    ) -> Doubles:
        """Return the values of QUANTILES [windows, H, Q] for each (series, origin).

        Args:
            seen: The part of each series that forecasts may know of; None: all of it.
            carried: What `carry` returned.
        """
        reader = WindowReader(series, self.network.shape, seen)
        return (forecast_calibrated if calibrated else forecast_windows)(self.network, reader, rows, origins)

    def last_losses(self, series: Series) -> torch.Tensor:
        """Return the loss [S] of forecasting the last steps of each series, the mean over those of the horizon."""
        reader = WindowReader(series, self.network.shape)
        rows, origins = last_windows(series, self.network.shape.horizon, 1, None)
        losses, known = self.network.losses(reader.read(rows, origins))
        return (losses * known).sum(1) / known.sum(1).clamp_min(1)

    def carry(self, series: Series, before: Any = None) -> None:
        """Return None: a window is scaled by its own values, so no state outlives it."""


def set_refit(network: ForecastNetwork, weight: Any, bias: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Set what the linear forecast of all values adds to that without the held-out ones, and return what it was."""
    layer: Any = network.modules_by_name["refit"]
    before = layer.weight.detach().clone(), layer.bias.detach().clone()
    with torch.no_grad():
        layer.weight.copy_(torch.as_tensor(weight))
        layer.bias.copy_(torch.as_tensor(bias))
    return before


def choose_patch(context: int, season: int) -> int:
    """Return how many values are read in one step: 1 for short contexts, else a part of the season or some seasons.

    Where a context has no such parts, more than MOST_STEPS are read rather than all of it at once.
    """
    if context <= SMALLEST_PATCHED:
        return 1
    parts = [patch for patch in range(1, max(season, LONGEST_PATCH) + 1) if context % patch == 0]
    fitting = [patch for patch in parts if context // patch <= MOST_STEPS]
    seasonal = [patch for patch in fitting if season % patch == 0 or patch % season == 0]
    return (seasonal or fitting or parts[-1:])[0]
