"""`holdfast tag train | evaluate | predict`. Torch is loaded when a command runs, not for its help."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from holdfast.cli.settings_file import SettingsFile, save_settings
from holdfast.cli.training import check_folder, device_named, report_training
from holdfast.errors import ConfigError
from holdfast.tasks.tag.config import Reading, TagConfig

if TYPE_CHECKING:
    from holdfast.tasks.tag.task import Tagger


@dataclass(frozen=True)
class TrainCommand:
    """Train a tagger on CoNLL-style files, and save it in a folder.

    A row holds a word and its tag among columns cut by blanks or tabs; an empty line ends a sentence. A comment
    "# intent = LABEL" before a sentence labels the whole of it.

    Example: holdfast tag train --files train.conllu --validation dev.conllu --out run
    """

    files: tuple[Path, ...]
    """UTF-8 files of columns, or CoNLL-U (.conllu); .gz and .xz are read as they are."""
    out: Path
    """Folder for the model, its checkpoints and the log. A run found there goes on where it stopped."""
    validation: tuple[Path, ...] = ()
    """Files to validate on. None given: 10 % of the sentences are held out."""
    config: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """YAML file of settings, such as the settings.yaml of another run; flags given here come before it."""
    device: str = "cpu"
    """Where to train: cpu, or cuda for an NVIDIA GPU."""
    quiet: bool = False
    """Print nothing."""
    reading: Reading = field(default_factory=Reading)
    """How the files are read."""
    model: Annotated[TagConfig, tyro.conf.arg(name="")] = field(default_factory=TagConfig)


@dataclass(frozen=True)
class EvaluateCommand:
    """Print how well a model tags files: accuracy over words, and F1 over chunks where the tags mark chunks."""

    model: Path
    """Folder of a trained model."""
    files: tuple[Path, ...]
    """UTF-8 files of columns with the right tags, or CoNLL-U (.conllu)."""
    reading: Reading = field(default_factory=Reading)
    """How the files are read."""
    device: str = "cpu"
    """Where to run: cpu, or cuda for an NVIDIA GPU."""


@dataclass(frozen=True)
class PredictCommand:
    """Print the tags of words: a word and its tag on each row, an empty line after each sentence."""

    text: tyro.conf.Positional[str] = ""
    """A sentence, its words and signs apart by blanks, such as "Ann lives in Rome ."."""
    model: Path = tyro.MISSING
    """Folder of a trained model."""
    files: tuple[Path, ...] = ()
    """Files to tag instead: columns with a word on each row, or CoNLL-U; tags that are there are not looked at."""
    reading: Reading = field(default_factory=Reading)
    """How the files are read."""
    proba: bool = False
    """Print the probability of the tag as a third column."""
    device: str = "cpu"
    """Where to run: cpu, or cuda for an NVIDIA GPU."""


def train_defaults(arguments: list[str]) -> TrainCommand:
    """Return the defaults of `train`: those of the dataclass, then those of the file that --config names.

    Raises:
        ConfigError: the file is missing, is no YAML, or has an unknown or wrong setting.
    """
    file = SettingsFile(arguments)
    files, validation = file.take_texts("files", tyro.MISSING), file.take_texts("validation", ())
    try:
        reading = Reading(**file.take("reading", dict, {}))
    except TypeError as error:
        raise ConfigError(f"{file.path}: reading: {error}") from error
    command: dict[str, Any] = {
        "files": files if files is tyro.MISSING else tuple(map(Path, files)),
        "validation": tuple(map(Path, validation)),
        "reading": reading,
        "device": file.take("device", str, "cpu"),
    }
    model = TagConfig.from_dict(file.values, str(file.path))
    return TrainCommand(**command, out=tyro.MISSING, config=file.path, model=model)


def train(command: TrainCommand) -> int:
    """Run `holdfast tag train`."""
    check_folder(command.out)
    from holdfast.tasks.tag.task import Tagger

    tagger = Tagger(command.model, device=device_named(command.device, "tag"))
    tagger.fit(
        files=command.files,
        validation=list(command.validation) or None,
        reading=command.reading,
        folder=command.out,
        quiet=command.quiet,
    )
    settings = {
        "files": [str(path) for path in command.files],
        "validation": [str(path) for path in command.validation],
        "reading": asdict(command.reading),
        "device": command.device,
    }
    save_settings(command.out, {**settings, **command.model.to_dict()})
    if not command.quiet:
        known = tagger.vocabulary
        unit = "(1 - F1 of the chunks" if known and known.chunked else "(share of wrong tags"
        unit += " + share of wrong intents)" if known and known.intents else ")"
        report_training(tagger.result, command.out, unit, 'tag predict "Ann lives in Rome ."')
    return 0


def evaluate(command: EvaluateCommand) -> int:
    """Run `holdfast tag evaluate`."""
    report = _load(command.model, command.device).evaluate(files=command.files, reading=command.reading)
    for name in ("accuracy", "precision", "recall", "f1", "intent_accuracy"):
        if name in report:
            print(f"{name.replace('_', ' '):<17}{report[name]:.4f}")
    print(
        f"{'words':<17}{report['words']:.0f} in {report['sentences']:.0f} sentences, "
        f"{report['unknown']:.0f} of them not in the training data"
    )
    return 0


def predict(command: PredictCommand) -> int:
    """Run `holdfast tag predict`."""
    if bool(command.text.strip()) == bool(command.files):
        raise ConfigError("Give either a sentence or --files.")
    tagger = _load(command.model, command.device)
    from holdfast.tasks.tag.columns import read_columns

    sentences: list[Any] = [command.text.split()]
    if command.files:
        sentences = [sentence.words for sentence in read_columns(command.files, command.reading, tagged=False)]
    for words, found in zip(sentences, tagger.find(sentences, proba=command.proba), strict=True):
        if found.intent is not None:
            print(f"# intent = {found.intent}")
        for place, (word, tag) in enumerate(zip(words, found.tags, strict=True)):
            print(f"{word}\t{tag}" + (f"\t{found.tag_proba[place]:.4f}" if command.proba else ""))
        print()
    return 0


def _load(folder: Path, device: str) -> Tagger:
    from holdfast.tasks.tag.task import Tagger

    return Tagger.from_pretrained(folder, device_named(device, "tag"))
