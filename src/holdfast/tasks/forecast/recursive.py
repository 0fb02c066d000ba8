"""The recursive decoder: a network that reads one step at a time and forecasts the next, and paths sampled from it.

It is trained on known values, each step's forecast made from the true step before; a forecast of several steps is the
quantiles over paths, each of which reads its own samples (DeepAR, Salinas et al. 2020).

Its state can be carried: a series is read from a multiple of C steps after its first, C to 2C steps back (C is the
context), and centred and scaled by the first C steps from there. Until the next multiple neither changes, so a state
read step by step is that of reading from there, and then C steps are read anew, on a scale of their own. Where those C
steps say nothing of the rest (`StepReader`), all that is read gives the scale, and is read anew at each step.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from holdfast.layers import Layer
from holdfast.nn.build import build_layers
from holdfast.tasks.estimator import evaluating
from holdfast.tasks.forecast.config import ForecastConfig
from holdfast.tasks.forecast.decode import calibration_of, conformal_moves
from holdfast.tasks.forecast.fitting import FitTask, first_shape
from holdfast.tasks.forecast.folds import Split
from holdfast.tasks.forecast.linear import choose_shape
from holdfast.tasks.forecast.measure import last_windows
from holdfast.tasks.forecast.model import QUANTILES, first_spread
from holdfast.tasks.forecast.paths import PATHS, States, each, even_chances, roll
from holdfast.tasks.forecast.recursive_model import RecursiveNetwork, recursive_layers
from holdfast.tasks.forecast.steps import StepReader, Steps
from holdfast.tasks.forecast.windows import Doubles, Picks, Series, Whole, WindowBatches, WindowShape, transformed

MOST_ROWS = 16_384  # paths that are sampled at once; the result does not depend on it
FITTED, CHECKED, CALIBRATED = 300, 300, 200  # windows
LEAST_CONTEXT = 16


@dataclass(frozen=True)
class Carried:
    """What was read of each series [S], all but its last step, which waits for what is known of the next.

    Attributes:
        starts: Where reading began, counted from the first step of the series.
        lengths: Steps of the series.
        states: Of each network, as its recurrent layer returns them: [L, S, H].
    """

    starts: Whole
    lengths: Whole
    states: States


class RecursiveDecoder:
    """What the forecaster asks of a decoder, as `DirectDecoder` has it."""

    def __init__(self, network: RecursiveNetwork):
        self.network = network

    @property
    def memory(self) -> int:
        """Steps of a series that forecasts look back on."""
        return 2 * self.network.shape.context

    @staticmethod
    def layers(config: ForecastConfig, shape: WindowShape) -> list[Layer]:
        return recursive_layers(config, shape)

    @classmethod
    def start(cls, config: ForecastConfig, split: Split, season: int) -> RecursiveDecoder:
        """Make the network that starts as a linear forecast of the next step, on logarithms where direct would be."""
        settings = config.windows
        first = first_shape(config, split, season)
        transform = choose_shape(split, first, settings)[0].transform
        context = settings.context or choose_context(split, first)
        shape = replace(first, context=context, transform=transform)
        weights, errors = _fit_next_step(split, shape)
        if not settings.linear:
            weights = np.array([1.0, 0.0, 0.0, 0.0])
        torch.manual_seed(config.train.seed)
        layers = recursive_layers(config, shape)
        network = RecursiveNetwork(layers, build_layers(layers), config, shape)
        modules: Any = network.modules_by_name
        with torch.no_grad():
            modules["linear"].weight.copy_(torch.as_tensor(weights[None, :3]))
            modules["linear"].bias.copy_(torch.as_tensor(weights[3:]))
            modules["spread"].weight.copy_(torch.as_tensor(first_spread(errors[:, None], len(errors), config.loss)))
            modules["calibration"].weight.zero_()
            for number in range(config.seeds):
                modules[f"output{number}"].weight.zero_()
                modules[f"output{number}"].bias.zero_()
        return cls(network)

    @classmethod
    def load(
        cls, config: ForecastConfig, shape: WindowShape, layers: list[Layer], modules: nn.ModuleDict
    ) -> RecursiveDecoder | None:
        """Return the decoder of a saved network, or None where the layers are not those of the settings."""
        fits = shape.context >= 1 and layers == recursive_layers(config, shape)
        return cls(RecursiveNetwork(layers, modules, config, shape)) if fits else None

    def task(self, split: Split) -> FitTask:
        """Return what the training loop needs."""
        network, config = self.network, self.network.config
        batches: Any = WindowBatches(*_training(split, network.shape), config.batch_size, config.train.seed)
        rows, origins = split.folds()[0].picks(network.shape.horizon).spread(CHECKED)
        ends = np.minimum(origins + network.shape.horizon, split.whole.lengths[rows])
        reader = StepReader(split.whole, network.shape, split.train)
        held_out = reader.read_until(rows, self.starts(reader, rows, origins), origins, ends)
        return FitTask(network, batches, held_out)

    def calibrate(self, split: Split) -> None:
        """Set the calibration by forecasts of the held-out windows, where there are any."""
        shape, whole = self.network.shape, split.whole
        rows, origins = split.folds()[0].picks(shape.horizon).spread(CALIBRATED)
        if not len(rows):
            return
        numbers, centre, scale = self._numbers(StepReader(whole, shape, split.train), rows, origins)
        ahead = origins[:, None] + np.arange(shape.horizon)
        inside = ahead < whole.lengths[rows][:, None]
        flat = whole.starts[rows][:, None] + np.minimum(ahead, whole.lengths[rows][:, None] - 1)
        values = np.where(inside, transformed(whole.values[flat], shape.transform), np.nan)
        target = (values - centre[:, None]) / scale[:, None]
        with torch.no_grad():
            calibration_of(self.network).weight.copy_(torch.as_tensor(conformal_moves(target[..., None] - numbers)))

    def finish(self) -> None:
        """Do nothing: nothing is fitted again to the held-out values."""

    def forecast(
        self,
        series: Series,
        rows: Whole,
        origins: Whole,
        *,
        seen: Series | None = None,
        calibrated: bool = False,
        carried: Carried | None = None,
    ) -> Doubles:
        """Return the values of QUANTILES [windows, H, Q] for each (series, origin).

        Args:
            carried: What `carry` returned, where the origins are the ends of all series.
        """
        reader = StepReader(series, self.network.shape, seen)
        numbers, centre, scale = self._numbers(reader, rows, origins, carried)
        if calibrated:
            moves = calibration_of(self.network).weight.detach().double().cpu().numpy()
            numbers = np.sort(numbers + moves, axis=-1)
        return reader.restore(numbers, centre, scale)

    def last_losses(self, series: Series) -> Tensor:
        """Return the loss [S] of forecasting the last step of each series from the true steps before."""
        reader = StepReader(series, self.network.shape)
        rows, origins = last_windows(series, 1, 1, None)
        steps = reader.read_until(rows, self.starts(reader, rows, origins), origins, origins + 1)
        losses, known = self.network.losses(replace(steps, lengths=steps.lengths - 1))  # all but the step forecast
        return (losses * known).sum(1)

    def carry(self, series: Series, before: Carried | None = None) -> Carried:
        """Return what is to be kept of all series; what `before` read already is not read again.

        Args:
            before: Of the same series when they were shorter, and perhaps of fewer.
        """
        reader, rows = StepReader(series, self.network.shape), np.arange(len(series))
        passed = np.zeros(len(series), dtype=np.int64) if series.before is None else series.before
        starts = self.starts(reader, rows, series.lengths)
        begun = np.zeros(len(series), dtype=np.int64)
        if before is not None:
            old = slice(0, len(before.starts))
            same = before.starts == (starts + passed)[old]
            # Before there is a whole context, or where that does not fit what follows, the scale still changes.
            same &= before.lengths - before.starts >= self.network.shape.context
            kept = np.flatnonzero(same)
            same[kept] = reader.settled(kept, starts[kept], series.lengths[kept])
            begun[old] = np.where(same, before.lengths - 1 - before.starts, 0)
        found: list[States] = []
        groups = [
            group[n : n + MOST_ROWS]
            for group in (rows[begun == 0], rows[begun > 0])
            for n in range(0, len(group), MOST_ROWS)
        ]
        with evaluating(self.network):
            readers = self.network.readers()
            for group in groups:
                steps = reader.read_until(group, starts[group], series.lengths[group], series.lengths[group])
                opened = None
                if before is not None and begun[group[0]] > 0:
                    opened = [each(state, lambda one, own=group: one[:, own]) for state in before.states]
                found.append(self._read(readers, steps, begun[group], opened))
        order = torch.as_tensor(np.argsort(np.concatenate(groups)))
        states = [_joined([states[number] for states in found], order) for number in range(len(readers))]
        return Carried(starts + passed, series.lengths + passed, states)

    def starts(self, reader: StepReader, rows: Whole, origins: Whole) -> Whole:
        """Return where reading begins, counted from the first step that `reader` has."""
        context, before = self.network.shape.context, reader.series.before
        passed = np.zeros(len(rows), dtype=np.int64) if before is None else before[rows]
        return np.maximum((origins + passed) // context - 1, 0) * context - passed

    def _numbers(
        self, reader: StepReader, rows: Whole, origins: Whole, carried: Carried | None = None
    ) -> tuple[Doubles, Doubles, Doubles]:
        """Return QUANTILES [W, H, Q] on the common scale, and its centre and scale [W]."""
        horizon = self.network.shape.horizon
        numbers, scales = np.empty((len(rows), horizon, len(QUANTILES))), np.empty((2, len(rows)))
        chances = even_chances(self.network.config.train.seed, horizon)
        size = max(MOST_ROWS // PATHS, 1)
        with evaluating(self.network):
            readers = self.network.readers()
            for begin in range(0, len(rows), size):
                part = slice(begin, begin + size)
                begins = self.starts(reader, rows[part], origins[part])
                steps = reader.read_until(rows[part], begins, origins[part], origins[part])
                if carried is None:
                    states = self._read(readers, steps, np.zeros_like(begins), None)
                else:
                    states = [each(state, lambda one, own=part: one[:, own]) for state in carried.states]
                ahead = origins[part][:, None] + np.arange(-1, horizon - 1)
                rest = reader.rest(rows[part], ahead, origins[part])
                numbers[part] = roll(self.network, readers, states, steps, rest, reader.lag, chances)
                scales[:, part] = steps.centre, steps.scale
        return numbers, scales[0], scales[1]

    def _read(self, readers: list[Any], steps: Steps, begun: Whole, opened: States | None) -> States:
        """Return each network's states after all but the last step, the first `begun` of which were read before."""
        counts = steps.lengths - 1 - begun
        place = begun[:, None] + np.arange(max(int(counts.max()), 1))
        x = np.take_along_axis(steps.x, np.minimum(place, steps.x.shape[1] - 1)[..., None], axis=1)
        x, lengths = self.network.tensor(x).transpose(0, 1).contiguous(), self.network.tensor(counts)
        return [
            read(x, None if opened is None else opened[number], lengths=lengths)[1]
            for number, read in enumerate(readers)
        ]


def choose_context(split: Split, shape: WindowShape) -> int:
    """Return two seasons, or the horizon where that is longer, in whole seasons, if most series have as many steps."""
    unit = max(shape.season, 1)
    longest = int(np.quantile(split.train.lengths - split.held_out, 0.75))
    most = max((longest - shape.horizon) // 2, longest // 3, 2)
    wanted = -(-max(LEAST_CONTEXT, 2 * unit, shape.horizon) // unit) * unit
    return wanted if wanted <= most else max(most // unit * unit, min(most, unit))


def _training(split: Split, shape: WindowShape) -> tuple[Any, Picks]:
    """Return the reader of training stretches, and where they may begin."""
    lengths = split.train.lengths - split.held_out
    last = np.maximum(lengths - 2 * shape.context - shape.horizon, 0)
    return StepReader(split.train, shape), Picks(np.zeros_like(last), np.where(lengths >= 2, last, -1))


def _fit_next_step(split: Split, shape: WindowShape) -> tuple[Doubles, Doubles]:
    """Fit the next step to the value, that of the season before it, and that of the season before this one.

    Returns:
        Three weights and a constant [4], and the errors they leave.
    """
    reader, picks = _training(split, shape)
    steps = reader.read(*picks.spread(FITTED))
    known = steps.known > 0
    inputs = np.concatenate([steps.linear[known], np.ones((int(known.sum()), 1))], axis=1)
    target = np.clip(steps.target[known], -8.0, 8.0)
    pull = 1e-3 * max(len(inputs), 1) * np.eye(4)
    start = np.array([1.0, 0.0, 0.0, 0.0])  # the last value, where nothing speaks for another
    weights = start + np.linalg.solve(inputs.T @ inputs + pull, inputs.T @ (target - inputs @ start))
    return weights, target - inputs @ weights if len(inputs) else np.zeros(0)


def _joined(blocks: list[Any], order: Tensor) -> Any:
    """Return the states of all series from those of blocks of them, in another order."""
    if isinstance(blocks[0], tuple):
        return tuple(torch.cat([block[n] for block in blocks], dim=1)[:, order] for n in range(len(blocks[0])))
    return torch.cat(blocks, dim=1)[:, order]
