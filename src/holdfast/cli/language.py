"""`holdfast language train | evaluate | generate | complete`. Torch is loaded when a command runs, not for its help."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from holdfast.cli.settings_file import SettingsFile, save_settings
from holdfast.cli.training import check_folder, device_named, report_training
from holdfast.tasks.language.config import LanguageConfig

if TYPE_CHECKING:
    from holdfast.tasks.language.task import LanguageModel


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
    file = SettingsFile(arguments)
    files, validation = file.take_texts("files", tyro.MISSING), file.take_texts("validation", ())
    command: dict[str, Any] = {
        "files": files if files is tyro.MISSING else tuple(map(Path, files)),
        "validation": tuple(map(Path, validation)),
        "by_line": file.take("by_line", bool, False),
        "device": file.take("device", str, "cpu"),
    }
    model = LanguageConfig.from_dict(file.values, str(file.path))
    return TrainCommand(**command, out=tyro.MISSING, config=file.path, model=model)


def train(command: TrainCommand) -> int:
    """Run `holdfast language train`."""
    check_folder(command.out)
    from holdfast.tasks.language.task import LanguageModel

    lm = LanguageModel(command.model, device=device_named(command.device, "language"))
    data: dict[str, Any] = {"files": command.files}
    validation: Any = list(command.validation) or None
    if command.by_line:
        data = {"documents": _lines_of(command.files)}
        validation = _lines_of(command.validation) if command.validation else None
    lm.fit(**data, validation=validation, folder=command.out, quiet=command.quiet)
    settings = {
        "files": [str(path) for path in command.files],
        "validation": [str(path) for path in command.validation],
        "by_line": command.by_line,
        "device": command.device,
    }
    save_settings(command.out, {**settings, **command.model.to_dict()})
    if not command.quiet:
        report_training(lm.result, command.out, "nats a token", "language generate")
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

    return LanguageModel.from_pretrained(folder, device_named(device, "language"))


def _lines_of(files: tuple[Path, ...]) -> list[str]:
    from holdfast.tasks.language.data import read_lines

    return read_lines(files)
