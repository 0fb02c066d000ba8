"""`holdfast classify train | evaluate | predict`. Torch is loaded when a command runs, not for its help."""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from holdfast.cli.settings_file import SettingsFile, save_settings
from holdfast.cli.training import check_folder, device_named, report_training
from holdfast.errors import ConfigError
from holdfast.tasks.classify.config import ClassifyConfig, Columns

if TYPE_CHECKING:
    from holdfast.tasks.classify.task import Classifier

Positional = tyro.conf.Positional
_COLUMN_NAMES = ("label", "text", "id", "time")


@dataclass(frozen=True)
class TrainCommand:
    """Train a classifier on a table, and save it in a folder.

    The table holds series in long format (id, time, features..., label), or with --text-column a text in each row.

    Example: holdfast classify train reviews.csv --text-column text --out run
    """

    data: Positional[Path]
    """CSV (also .csv.gz, .csv.xz) or Parquet file."""
    out: Path
    """Folder for the model, its checkpoints and the log. A run found there goes on where it stopped."""
    validation: Path | None = None
    """Table that early stopping watches."""
    held_out: Annotated[float | None, tyro.conf.arg(metavar="SHARE")] = None
    """Share of the examples to hold out for that, when there is no such table. None: 0.1, of 1000 or more."""
    label_column: str = "label"
    """Column of the class."""
    text_column: str = ""
    """Column of the text, one in each row. Empty: the table holds series."""
    id_column: str = "id"
    """Column that says which series a row belongs to."""
    time_column: str = "time"
    """Column that orders the rows of a series, numbers or dates. Where there is none, rows are in order already."""
    config: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """YAML file of settings, such as the settings.yaml of another run; flags given here come before it."""
    device: str = "cpu"
    """Where to train: cpu, or cuda for an NVIDIA GPU."""
    quiet: bool = False
    """Print nothing."""
    model: Annotated[ClassifyConfig, tyro.conf.arg(name="")] = field(default_factory=ClassifyConfig)


@dataclass(frozen=True)
class EvaluateCommand:
    """Print how well a model classifies a table with labels; the table has the columns that were trained on."""

    data: Positional[Path]
    """CSV or Parquet file."""
    model: Path
    """Folder of a trained model."""
    device: str = "cpu"
    """Where to run: cpu, or cuda for an NVIDIA GPU."""


@dataclass(frozen=True)
class PredictCommand:
    """Print the class of each example as CSV: its id (of a text the row), its class, and the chance of that class."""

    data: Positional[Path]
    """CSV or Parquet file with the columns that were trained on; labels are not looked at."""
    model: Path
    """Folder of a trained model."""
    proba: bool = False
    """Print the chance of every class, a column each."""
    device: str = "cpu"
    """Where to run: cpu, or cuda for an NVIDIA GPU."""


def train_defaults(arguments: list[str]) -> TrainCommand:
    """Return the defaults of `train`: those of the dataclass, then those of the file that --config names.

    Raises:
        ConfigError: the file is missing, is no YAML, or has an unknown or wrong setting.
    """
    file = SettingsFile(arguments)
    data, validation = file.take("data", str, None), file.take("validation", str | None, None)
    columns = Columns()
    names = {f"{name}_column": file.take(f"{name}_column", str, getattr(columns, name)) for name in _COLUMN_NAMES}
    command: dict[str, Any] = {
        "data": tyro.MISSING if data is None else Path(data),
        "validation": None if validation is None else Path(validation),
        "held_out": file.take("held_out", float | int | None, None),
        "device": file.take("device", str, "cpu"),
    }
    model = ClassifyConfig.from_dict(file.values, str(file.path))
    return TrainCommand(**command, **names, out=tyro.MISSING, config=file.path, model=model)


def train(command: TrainCommand) -> int:
    """Run `holdfast classify train`."""
    check_folder(command.out)
    if command.validation is not None and command.held_out is not None:
        raise ConfigError("Give --validation or --held-out, not both.")
    from holdfast.tasks.classify.task import Classifier

    classifier = Classifier(command.model, device=device_named(command.device, "classify"))
    columns = Columns(**{name: getattr(command, f"{name}_column") for name in _COLUMN_NAMES})
    validation = command.held_out if command.validation is None else command.validation
    classifier.fit(command.data, columns=columns, validation=validation, folder=command.out, quiet=command.quiet)
    settings = {
        "data": str(command.data),
        "validation": None if command.validation is None else str(command.validation),
        "held_out": command.held_out,
        **{f"{name}_column": value for name, value in asdict(columns).items()},
        "device": command.device,
    }
    save_settings(command.out, {**settings, **command.model.to_dict()})
    if not command.quiet:
        report_training(classifier.result, command.out, "nats an example", f"classify predict {command.data}")
    return 0


def evaluate(command: EvaluateCommand) -> int:
    """Run `holdfast classify evaluate`."""
    report = _load(command.model, command.device).evaluate(command.data)
    for name in ("accuracy", "balanced_accuracy", "macro_f1", "loss"):
        print(f"{name.replace('_', ' '):<19}{report[name]:.4f}{' nats an example' if name == 'loss' else ''}")
    print(f"{'examples':<19}{report['count']}\n")
    classes = report["classes"]
    width = max(5, *(len(str(name)) for name in classes))
    print(f"{'class':<{width}}  precision  recall      f1  examples")
    for name, one in classes.items():
        figures = f"{one['precision']:9.4f}  {one['recall']:6.4f}  {one['f1']:6.4f}  {one['count']:8d}"
        print(f"{name!s:<{width}}  {figures}")
    return 0


def predict(command: PredictCommand) -> int:
    """Run `holdfast classify predict`."""
    import csv

    classifier = _load(command.model, command.device)
    ids, chances = classifier.predict_table(command.data)
    classes = classifier.classes_.tolist()
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(["id", "class", *(classes if command.proba else ["probability"])])
    for name, row in zip(ids.tolist(), chances.tolist(), strict=True):
        best = row.index(max(row))
        out.writerow([name, classes[best], *(f"{p:.4f}" for p in (row if command.proba else [row[best]]))])
    return 0


def _load(folder: Path, device: str) -> Classifier:
    from holdfast.tasks.classify.task import Classifier

    return Classifier.from_pretrained(folder, device_named(device, "classify"))
