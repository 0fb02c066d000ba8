"""The settings of a forecaster, and so the flags of `holdfast forecast train`. Needs no torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from holdfast.errors import ConfigError
from holdfast.tasks.cells import check_cell
from holdfast.tasks.settings import TaskConfig, check_choices, check_share, check_whole
from holdfast.train.settings import TrainSettings

Decoder = Literal["direct", "recursive"]
Loss = Literal["quantile", "student"]
Transform = Literal["auto", "none", "log"]
Base = Literal["auto", "level", "last", "season", "naive", "theta"]


@dataclass(frozen=True)
class ForecastTraining(TrainSettings):
    """How long and how fast to train; the defaults take seconds to a minute on two cores."""

    learning_rate: float = 3e-3
    """The highest learning rate; the schedule lowers it from there."""
    weight_decay: float = 1e-2
    """How strongly weights are pulled to zero. With adamw it is decoupled from the gradient."""
    max_steps: int | None = 1500
    """Stop after this many updates."""
    evaluate_every: int = 100
    """Updates between two evaluations on the validation windows; 0 never evaluates."""
    patience: int | None = 6
    """Stop after this many evaluations without a better one. None never stops for that."""


@dataclass(frozen=True)
class WindowSettings:
    """What the network is shown of a series. What is left to choose is chosen on the validation windows.

    Raises:
        ConfigError: a value is out of range, or a column is named twice.
    """

    context: int = 0
    """Past steps that a forecast sees. 0 chooses."""
    patch: int = 0
    """Past values that the recurrent network reads in one step. 0 chooses: 1 for short contexts."""
    transform: Transform = "auto"
    """Work on the logarithm of the values; auto tries it where all are positive and most series keep clear of zero."""
    base: Base = "auto"
    """What is forecast without any learning: the window's level, its last value, the means of its season, its last
    season (naive), or Theta's forecast."""
    linear: bool = True
    """Start from a linear forecast fitted in closed form, which the recurrent network corrects."""
    refit: bool = True
    """Fit that linear forecast once more in the end, to the held-out steps too."""
    calendar: bool = True
    """Show the time of day, week and year, where the steps are dates."""
    historic: tuple[str, ...] = ()
    """Further columns known for the past only."""
    future: tuple[str, ...] = ()
    """Further columns that are known for the future too."""
    static: tuple[str, ...] = ()
    """Further columns that stay the same throughout a series."""
    validation_size: int = 0
    """Last steps of a series that are held out to choose and to stop by. 0 chooses."""

    def __post_init__(self):
        check_choices(self, transform=Transform, base=Base)
        check_whole(self, ("context", "patch", "validation_size"), 0)
        for name in ("historic", "future", "static"):
            value = getattr(self, name)
            if isinstance(value, str) or not all(isinstance(column, str) for column in value):
                raise ConfigError(f"{name} must be a list of names of columns, got {value!r}.")
            object.__setattr__(self, name, tuple(value))
        if len(set(self.columns)) < len(self.columns):
            raise ConfigError("A column is named twice among historic, future and static.")
        if self.patch and self.context % self.patch:
            raise ConfigError(f"context must be a multiple of patch, and {self.context} is none of {self.patch}.")

    @property
    def columns(self) -> tuple[str, ...]:
        """All further columns."""
        return (*self.historic, *self.future, *self.static)


@dataclass(frozen=True)
class ForecastConfig(TaskConfig):
    """What a forecaster is made of and how it is trained.

    Raises:
        ConfigError: a value is out of range.
    """

    horizon: int = 24
    """Steps to forecast."""
    season: int = 0
    """Steps of a season, such as 12 for months. 0 takes what the data's frequency suggests."""
    cell: str = "lstm"
    """The recurrent cell: lstm, gru or rnn; parts may be added, as in lstm+peephole or lstm+layer_norm."""
    decoder: Decoder = "direct"
    """How several steps are forecast: all at once (direct), or each from the one before, by sampled paths (recursive),
    with a state that updates carry."""
    loss: Loss = "quantile"
    """What is learnt: quantiles, or the place, width and tails of a Student-t distribution."""
    hidden_size: int = 128
    """Units in each recurrent layer."""
    num_layers: int = 1
    """Recurrent layers, one on top of another."""
    dropout: float = 0.1
    """Share of features zeroed in training, between recurrent layers and before the output."""
    seeds: int = 1
    """Networks that are trained from different starting weights, and averaged."""
    batch_size: int = 64
    """Windows that are trained on side by side."""
    windows: WindowSettings = field(default_factory=WindowSettings)
    """What the network is shown of a series."""
    train: ForecastTraining = field(default_factory=ForecastTraining)
    """How long and how fast to train."""

    def __post_init__(self):
        check_cell(self)
        check_choices(self, decoder=Decoder, loss=Loss)
        check_whole(self, ("horizon", "hidden_size", "num_layers", "seeds", "batch_size"))
        check_whole(self, ("season",), 0)
        check_share(self, "dropout")
        if self.decoder == "recursive" and (self.windows.patch > 1 or self.windows.base != "auto"):
            raise ConfigError("The recursive decoder reads steps one by one and has no base: leave patch and base out.")
