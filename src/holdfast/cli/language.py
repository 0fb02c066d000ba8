"""`holdfast language train | evaluate | generate | complete`. Torch is loaded when a command runs, not for its help."""

from __future__ import annotations

import dataclasses
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from holdfast.errors import ConfigError, MissingDependencyError
from holdfast.tasks.language.config import LanguageConfig

if TYPE_CHECKING:
    from holdfast.tasks.language.task import LanguageModel

SETTINGS_FILE = "settings.yaml"


@dataclass(frozen=True)
class TrainCommand:
    """Train a language model on text files, and save it in a folder.

    Example: holdfast language train --files input.txt --out run --train.max-seconds 600
    """

    files: tuple[Path, ...]
    """UTF-8 text files, read as one text; .gz and .xz are read as they are."""
    out: Path
    """Folder for the model, its checkpoints and the log. A run found there goes on where it stopped."""
    validation: tuple[Path, ...] = ()
    """Text files to validate on. None given: the last 10 % of the text is held out."""
    by_line: bool = False
    """Each line is a document of its own, with nothing carried over from the line before."""
    config: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """YAML file of settings, such as the settings.yaml of another run; flags given here come before it."""
    device: str = "cpu"
    """Where to train: cpu, or cuda for an NVIDIA GPU."""
    quiet: bool = False
    """Print nothing."""
    model: Annotated[LanguageConfig, tyro.conf.arg(name="")] = field(default_factory=LanguageConfig)


@dataclass(frozen=True)
class EvaluateCommand:
    """Print a model's perplexity and bits per character on text files.

    The text is read once, from beginning to end; every token but the first is predicted from all before it.
    """

    model: Path
    """Folder of a trained model."""
    files: tuple[Path, ...]
    """UTF-8 text files, read as one text; .gz and .xz are read as they are."""
    by_line: bool = False
    """Each line is a document of its own, with nothing carried over from the line before."""
    device: str = "cpu"
    """Where to run: cpu, or cuda for an NVIDIA GPU."""


@dataclass(frozen=True)
class GenerateCommand:
    """Let a model write text, shown as it comes."""

    model: Path
    """Folder of a trained model."""
    prime: str = ""
    """Text to go on from."""
    length: int = 500
    """Number of tokens to write: characters, bytes, words or BPE pieces, as the model was trained."""
    temperature: float = 1.0
    """Below 1 is safer, above 1 is wilder; 0 always takes the most likely token."""
    top_k: int = 0
    """Draw from the k most likely tokens only. 0: from all."""
    top_p: float = 1.0
    """Draw from the most likely tokens that together have this probability."""
    stop: Annotated[str | None, tyro.conf.arg(metavar="TEXT")] = None
    """Text at which to end."""
    seed: Annotated[int | None, tyro.conf.arg(metavar="INT")] = None
    """The same seed writes the same text."""
    device: str = "cpu"
    """Where to run: cpu, or cuda for an NVIDIA GPU."""


@dataclass(frozen=True)
class CompleteCommand:
    """Show the most likely next words of a text, with their probabilities."""

    text: tyro.conf.Positional[str]
    """The text, such as "I grew up in France. I speak fluent"."""
    model: Path
    """Folder of a trained model."""
    top: int = 5
    """How many words to show."""
    device: str = "cpu"
    """Where to run: cpu, or cuda for an NVIDIA GPU."""


def train_defaults(arguments: list[str]) -> TrainCommand:
    """Return the defaults of `train`: those of the dataclass, then those of the file that --config names.

    Raises:
        ConfigError: the file is missing, is no YAML, or has an unknown or wrong setting.
    """
    path = _config_path(arguments)
    values = {} if path is None else _read_settings(path)
    own = {f.name: f for f in dataclasses.fields(TrainCommand)}
    model = {name: value for name, value in values.items() if name not in own}
    command: dict[str, Any] = {"files": tyro.MISSING, "out": tyro.MISSING}
    for name in ("files", "validation"):
        if name in values:
            command[name] = tuple(Path(item) for item in _list_of_text(values[name], name, path))
    for name, kind in (("by_line", bool), ("device", str)):
        if name in values:
            if not isinstance(values[name], kind):
                raise ConfigError(f"{path}: {name} cannot be {values[name]!r}.")
            command[name] = values[name]
    return TrainCommand(**command, config=path, model=LanguageConfig.from_dict(model, str(path)))


def train(command: TrainCommand) -> int:
    """Run `holdfast language train`."""
    if command.out.exists() and not command.out.is_dir():
        raise ConfigError(f"{command.out} is a file; --out names a folder.")
    from holdfast.tasks.language.task import LanguageModel

    lm = LanguageModel(command.model, device=_device(command.device))
    data: dict[str, Any] = {"files": command.files}
    validation: Any = list(command.validation) or None
    if command.by_line:
        data = {"documents": _lines_of(command.files)}
        validation = _lines_of(command.validation) if command.validation else None
    lm.fit(**data, validation=validation, folder=command.out, quiet=command.quiet)
    _save_settings(command)
    if not command.quiet:
        _report_training(lm, command.out)
    return 0


def evaluate(command: EvaluateCommand) -> int:
    """Run `holdfast language evaluate`."""
    lm = _load(command.model, command.device)
    report = lm.evaluate(documents=_lines_of(command.files)) if command.by_line else lm.evaluate(files=command.files)
    print(f"loss                 {report['loss']:.4f} nats per token")
    print(f"perplexity           {report['perplexity']:.4f} per token ({lm.config.units})")
    print(f"bits per character   {report['bits_per_character']:.4f}")
    print(f"tokens               {report['tokens']:.0f}, from {report['characters']:.0f} characters")
    if report["unknown"]:
        print(
            f"unknown              {report['unknown']:.0f} tokens are not in the vocabulary and were scored as <unk>,"
        )
        print("                     which makes bits per character look better than it is")
    return 0


def generate(command: GenerateCommand) -> int:
    """Run `holdfast language generate`."""
    lm = _load(command.model, command.device)
    pieces = lm.generate(
        command.prime,
        command.length,
        temperature=command.temperature,
        top_k=command.top_k,
        top_p=command.top_p,
        stop=command.stop,
        seed=command.seed,
        stream=True,
    )
    print(command.prime, end="", flush=True)
    for piece in pieces:
        print(piece, end="", flush=True)
    print()
    return 0


def complete(command: CompleteCommand) -> int:
    """Run `holdfast language complete`."""
    lm = _load(command.model, command.device)
    for word, p in lm.complete(command.text, command.top):
        print(f"{p:7.4f}  {word if word.strip() else repr(word)}")
    return 0


def _load(folder: Path, device: str) -> LanguageModel:
    from holdfast.tasks.language.task import LanguageModel

    return LanguageModel.from_pretrained(folder, _device(device))


def _device(name: str) -> Any:
    try:
        import torch
    except ImportError as error:
        raise MissingDependencyError("torch", "The language task", "language") from error
    try:
        return torch.zeros((), device=name).device
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(f"--device {name} cannot be used here: {str(error).splitlines()[0]}") from error


def _lines_of(files: tuple[Path, ...]) -> list[str]:
    from holdfast.tasks.language.data import read_lines

    return read_lines(files)


def _config_path(arguments: list[str]) -> Path | None:
    for n, argument in enumerate(arguments):
        if argument == "--config" and n + 1 < len(arguments):
            return Path(arguments[n + 1])
        if argument.startswith("--config="):
            return Path(argument.partition("=")[2])
    return None


def _yaml() -> Any:
    try:
        import yaml
    except ImportError as error:
        raise MissingDependencyError("pyyaml", "A file of settings", "torch") from error
    return yaml


def _read_settings(path: Path) -> dict[str, Any]:
    yaml = _yaml()
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(f"{path}: there is no such file of settings. Check the name after --config.") from error
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ConfigError(f"{path} cannot be read as YAML: {error}") from error
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: expected lines of the form `name: value`, got {type(values).__name__}.")
    return values


def _list_of_text(value: Any, name: str, path: Path | None) -> list[str]:
    items = [value] if isinstance(value, str) else value
    if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
        raise ConfigError(f"{path}: {name} must be a file name or a list of them, got {value!r}.")
    return items


def _save_settings(command: TrainCommand) -> None:
    values: dict[str, Any] = {
        "files": [str(path) for path in command.files],
        "validation": [str(path) for path in command.validation],
        "by_line": command.by_line,
        "device": command.device,
        **command.model.to_dict(),
    }
    (command.out / SETTINGS_FILE).write_text(_yaml().safe_dump(values, sort_keys=False), encoding="utf-8")


def _report_training(lm: LanguageModel, folder: Path) -> None:
    result = lm.result
    if result is None:
        return
    why = {"interrupted": "stopped by Ctrl-C", "patience": "stopped early: no more progress"}.get(
        result.stopped, "done"
    )
    best = "not measured" if result.best is None else f"{result.best:.4f} nats a token"
    print(f"{why} after {result.steps} steps and {result.seconds:.0f} s; best validation loss {best}")
    print(f"The model is in {folder}. Try next:")
    print(f"  holdfast language generate --model {folder}")
    sys.stdout.flush()
