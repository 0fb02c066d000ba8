"""`holdfast forecast train | predict | evaluate`. Torch and pandas are loaded when a command runs, not for its help."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from holdfast.cli.settings_file import SettingsFile, save_settings
from holdfast.cli.training import check_folder, device_named, report_training
from holdfast.errors import ConfigError
from holdfast.tasks.forecast.config import ForecastConfig

if TYPE_CHECKING:
    from holdfast.tasks.forecast.task import Forecaster

Duplicates = Literal["refuse", "mean", "last"]
Irregular = Literal["refuse", "resample"]


@dataclass(frozen=True)
class TrainCommand:
    """Train a forecaster on the series of a table, and save it in a folder.

    Example: holdfast forecast train --data sales.csv --time month --target sales --horizon 12 --out run
    """

    data: Path
    """CSV or Parquet file with a row for each series and time."""
    out: Path
    """Folder for the model, its checkpoints and the log. A run found there goes on where it stopped."""
    id: Annotated[str | None, tyro.conf.arg(metavar="COLUMN")] = None
    """Column that names the series. Without it the table is one series, or one for each target."""
    time: Annotated[str, tyro.conf.arg(metavar="COLUMN")] = "ds"
    """Column of times: dates, or whole numbers."""
    target: Annotated[tuple[str, ...], tyro.conf.arg(metavar="COLUMN")] = ("y",)
    """Column of values; several are series of their own, where --id is not given."""
    freq: Annotated[str | None, tyro.conf.arg(metavar="STEP")] = None
    """The step of time as pandas names it (h, D, MS), or a whole number. Left out: the most common of the data."""
    duplicates: Duplicates = "refuse"
    """Rows of one series and time: refused, averaged, or the last one kept."""
    irregular: Irregular = "refuse"
    """Times off the regular grid: refused, or the rows of each step averaged, with empty steps missing."""
    config: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """YAML file of settings, such as the settings.yaml of another run; flags given here come before it."""
    device: str = "cpu"
    """Where to train: cpu, or cuda for an NVIDIA GPU."""
    quiet: bool = False
    """Print nothing."""
    model: Annotated[ForecastConfig, tyro.conf.arg(name="")] = field(default_factory=ForecastConfig)


@dataclass(frozen=True)
class PredictCommand:
    """Forecast what comes after the end of each series, as CSV."""

    model: Path
    """Folder of a trained model."""
    data: Path
    """CSV or Parquet file of series to go on from, with the columns that training was told."""
    future: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """CSV or Parquet file of the future-known columns, where the model has any."""
    level: tuple[float, ...] = (80.0, 95.0)
    """Intervals in percent."""
    conformal: bool = False
    """Move the intervals' bounds to where held-out values say they belong."""
    out: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """CSV file to write. Left out: the forecast is printed."""
    plot: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """Picture to write, such as out.png: the first series with forecast and intervals."""
    device: str = "cpu"
    """Where to run: cpu, or cuda for an NVIDIA GPU."""


@dataclass(frozen=True)
class EvaluateCommand:
    """Forecast the last steps of each series from what lies before, and measure it beside simple forecasts."""

    model: Path
    """Folder of a trained model."""
    data: Path
    """CSV or Parquet file of series whose ends training has not seen."""
    windows: int = 1
    """Points to forecast from."""
    step: Annotated[int | None, tyro.conf.arg(metavar="INT")] = None
    """Steps between two points. Left out: the horizon."""
    level: tuple[int, ...] = (80, 95)
    """Intervals in percent."""
    conformal: bool = False
    """Move the intervals' bounds to where held-out values say they belong."""
    device: str = "cpu"
    """Where to run: cpu, or cuda for an NVIDIA GPU."""


def train_defaults(arguments: list[str]) -> TrainCommand:
    """Return the defaults of `train`: those of the dataclass, then those of the file that --config names.

    Raises:
        ConfigError: the file is missing, is no YAML, or has an unknown or wrong setting.
    """
    file = SettingsFile(arguments)
    data = file.take("data", str, tyro.MISSING)
    optional = (str, type(None))
    command: dict[str, Any] = {
        "data": data if data is tyro.MISSING else Path(data),
        "id": file.take("id", optional, None),
        "time": file.take("time", str, "ds"),
        "target": file.take_texts("target", ("y",)),
        "freq": file.take("freq", optional, None),
        "duplicates": file.take("duplicates", str, "refuse"),
        "irregular": file.take("irregular", str, "refuse"),
        "device": file.take("device", str, "cpu"),
    }
    model = ForecastConfig.from_dict(file.values, str(file.path))
    return TrainCommand(**command, out=tyro.MISSING, config=file.path, model=model)


def train(command: TrainCommand) -> int:
    """Run `holdfast forecast train`."""
    check_folder(command.out)
    from holdfast.tasks.forecast.task import Forecaster

    forecaster = Forecaster(command.model, device=device_named(command.device, "forecast"))
    target = list(command.target)
    forecaster.fit(
        command.data,
        id=command.id,
        time=command.time,
        target=target[0] if len(target) == 1 else target,
        freq=step_named(command.freq),
        duplicates=command.duplicates,
        irregular=command.irregular,
        folder=command.out,
        quiet=command.quiet,
    )
    settings = {
        "data": str(command.data),
        "id": command.id,
        "time": command.time,
        "target": target,
        "freq": command.freq,
        "duplicates": command.duplicates,
        "irregular": command.irregular,
        "device": command.device,
    }
    save_settings(command.out, {**settings, **_plain(command.model.to_dict())})
    if not command.quiet:
        report_training(
            forecaster.result, command.out, "of the windows' scale", f"forecast predict --data {command.data}"
        )
    return 0


def predict(command: PredictCommand) -> int:
    """Run `holdfast forecast predict`."""
    if command.out is not None:
        _check_file(command.out)
    if command.plot is not None:
        from holdfast.tasks.forecast.plot import check_picture

        check_picture(command.plot)
    forecaster = _load(command.model, command.device)
    frame = forecaster.predict(command.data, command.future, level=command.level, conformal=command.conformal)
    if command.out is None:
        print(frame.to_csv(index=False), end="")
    else:
        frame.to_csv(command.out, index=False)
    if command.plot is not None:
        forecaster.plot(command.data, frame, command.plot)
    return 0


def evaluate(command: EvaluateCommand) -> int:
    """Run `holdfast forecast evaluate`."""
    forecaster = _load(command.model, command.device)
    table = forecaster.evaluate(
        command.data, command.windows, command.step, level=command.level, conformal=command.conformal
    )
    print(table.to_string(float_format=lambda value: f"{value:.4g}", na_rep=""))
    return 0


def step_named(freq: str | None) -> str | int | None:
    """Return a frequency as given on the command line: a name, or a whole number."""
    return int(freq) if freq is not None and freq.isdecimal() else freq


def _check_file(path: Path) -> None:
    if path.is_dir() or not path.parent.is_dir():
        raise ConfigError(f"{path}: name a file in a folder that is there.")


def _plain(values: Any) -> Any:
    """Turn tuples into lists, which YAML has."""
    if isinstance(values, dict):
        return {name: _plain(value) for name, value in values.items()}
    return [_plain(value) for value in values] if isinstance(values, tuple) else values


def _load(folder: Path, device: str) -> Forecaster:
    from holdfast.tasks.forecast.task import Forecaster

    return Forecaster.from_pretrained(folder, device_named(device, "forecast"))
