"""`holdfast compare TASK`: LSTM, GRU and plain RNN under equal conditions, beside simple methods, with a verdict."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from holdfast.cli.forecast import Duplicates, Irregular, step_named
from holdfast.cli.training import check_folder, device_named
from holdfast.errors import ConfigError
from holdfast.tasks.classify.config import ClassifyConfig, Columns
from holdfast.tasks.forecast.config import ForecastConfig
from holdfast.tasks.language.config import LanguageConfig
from holdfast.tasks.memory.config import MemoryConfig
from holdfast.tasks.tag.config import Reading, TagConfig

if TYPE_CHECKING:
    from holdfast.tasks.compare import Contest

REPORT_FILE = "comparison.md"


@dataclass(frozen=True)
class CompareSettings:
    """How long and how often to train."""

    seconds: float = 60.0
    """Training time of one run. A cell takes --runs of them, and some shorter ones to find its learning rate."""
    runs: int = 3
    """Runs a cell, each with a seed of its own; the interval is taken over them."""
    cells: tuple[str, ...] = ("lstm", "gru", "rnn")
    """The cells to compare, each with as many parameters as the LSTM; variants too, such as lstm+peephole."""
    out: Path | None = None
    """Folder to keep the runs in; a comparison that was stopped goes on there. Left out: nothing is kept."""
    quiet: bool = False
    """Print the table and the verdict only, no progress."""


@dataclass(frozen=True)
class LanguageCommand:
    """Compare the cells as language models of a text, beside n-grams.

    The last tenth of the text is the test, the tenth before it validates. The model's settings are the LSTM's; the
    other cells take the hidden size that gives them as many parameters.

    Example: holdfast compare language input.txt --seconds 60 --out comparison
    """

    files: tyro.conf.Positional[tuple[Path, ...]]
    """UTF-8 text files, read as one text; .gz and .xz are read as they are."""
    compare: Annotated[CompareSettings, tyro.conf.arg(name="")] = field(default_factory=CompareSettings)
    model: Annotated[LanguageConfig, tyro.conf.arg(name="")] = field(
        default_factory=lambda: LanguageConfig(hidden_size=128, num_layers=1, dropout=0.0)
    )


@dataclass(frozen=True)
class ForecastCommand:
    """Compare the cells as forecasters of a table's series, beside simple forecasts.

    The last --horizon steps of each series are the test; MASE is compared.

    Example: holdfast compare forecast sales.csv --time month --target sales --horizon 12 --seconds 30
    """

    data: tyro.conf.Positional[Path]
    """CSV or Parquet file with a row for each series and time."""
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
    compare: Annotated[CompareSettings, tyro.conf.arg(name="")] = field(default_factory=CompareSettings)
    model: Annotated[ForecastConfig, tyro.conf.arg(name="")] = field(default_factory=ForecastConfig)


@dataclass(frozen=True)
class ClassifyCommand:
    """Compare the cells as classifiers of a table's series or texts, beside majority and logistic regression.

    Of each class alike, a fifth of the examples is the test, and a fifth of the others validates.

    Example: holdfast compare classify reviews.csv --text-column text --seconds 60
    """

    data: tyro.conf.Positional[Path]
    """CSV or Parquet file: series in long format (id, time, features..., label), or a text in each row."""
    label_column: str = "label"
    """Column of the class."""
    text_column: str = ""
    """Column of the text, one in each row. Empty: the table holds series."""
    id_column: str = "id"
    """Column that says which series a row belongs to."""
    time_column: str = "time"
    """Column that orders the rows of a series, numbers or dates. Where there is none, rows are in order already."""
    test: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """Table to test on, in place of a fifth of the examples."""
    compare: Annotated[CompareSettings, tyro.conf.arg(name="")] = field(default_factory=CompareSettings)
    model: Annotated[ClassifyConfig, tyro.conf.arg(name="")] = field(default_factory=ClassifyConfig)


@dataclass(frozen=True)
class TagCommand:
    """Compare the cells as taggers of CoNLL-style files, beside each word's most frequent tag and logistic regression.

    A fifth of the sentences is the test, and a fifth of the others validates. F1 over chunks is compared where the tags
    mark chunks, else accuracy over words.

    Example: holdfast compare tag train.conllu --test test.conllu --seconds 60
    """

    files: tyro.conf.Positional[tuple[Path, ...]]
    """UTF-8 files of columns, or CoNLL-U (.conllu); .gz and .xz are read as they are."""
    test: Annotated[tuple[Path, ...], tyro.conf.arg(metavar="FILE")] = ()
    """Files to test on, in place of a fifth of the sentences."""
    reading: Reading = field(default_factory=Reading)
    """How the files are read."""
    compare: Annotated[CompareSettings, tyro.conf.arg(name="")] = field(default_factory=CompareSettings)
    model: Annotated[TagConfig, tyro.conf.arg(name="")] = field(default_factory=TagConfig)


@dataclass(frozen=True)
class MemoryCommand:
    """Compare the cells on a problem of long memory, beside what can be had without a memory.

    The sequences are made as they are needed, and the test's are of a seed of their own. The images of smnist and
    pmnist are read from the folder named by --data.

    Example: holdfast compare memory --task adding --length 500 --seconds 300
    """

    compare: Annotated[CompareSettings, tyro.conf.arg(name="")] = field(default_factory=CompareSettings)
    model: Annotated[MemoryConfig, tyro.conf.arg(name="")] = field(default_factory=MemoryConfig)


def forecast(command: ForecastCommand) -> int:
    """Run `holdfast compare forecast`."""
    device_named("cpu", "forecast")
    from holdfast.tasks.forecast.contest import ForecastContest

    target = command.target[0] if len(command.target) == 1 else list(command.target)
    contest = ForecastContest(
        command.data,
        command.model,
        id=command.id,
        time=command.time,
        target=target,
        freq=step_named(command.freq),
        duplicates=command.duplicates,
        irregular=command.irregular,
    )
    return _compare(contest, command.compare)


def classify(command: ClassifyCommand) -> int:
    """Run `holdfast compare classify`."""
    device_named("cpu", "classify")
    from holdfast.tasks.classify.contest import ClassifyContest

    columns = Columns(command.label_column, command.text_column, command.id_column, command.time_column)
    contest = ClassifyContest(command.data, config=command.model, columns=columns, test=command.test)
    return _compare(contest, command.compare)


def tag(command: TagCommand) -> int:
    """Run `holdfast compare tag`."""
    if not command.files:
        raise ConfigError("Name a file or several, for example: holdfast compare tag train.conllu")
    device_named("cpu", "tag")
    from holdfast.tasks.tag.contest import TagContest

    contest = TagContest(
        list(command.files), config=command.model, reading=command.reading, test=list(command.test) or None
    )
    return _compare(contest, command.compare)


def language(command: LanguageCommand) -> int:
    """Run `holdfast compare language`."""
    if not command.files:
        raise ConfigError("Name a text file or several, for example: holdfast compare language input.txt")
    device_named("cpu", "language")
    from holdfast.tasks.language.contest import LanguageContest

    return _compare(LanguageContest(files=command.files, config=command.model), command.compare)


def memory(command: MemoryCommand) -> int:
    """Run `holdfast compare memory`."""
    device_named("cpu", "memory")
    from holdfast.tasks.memory.contest import MemoryContest

    return _compare(MemoryContest(command.model), command.compare)


def _compare(contest: Contest, settings: CompareSettings) -> int:
    from holdfast.tasks.compare import compare

    if settings.out is not None:
        check_folder(settings.out)
    found = compare(
        contest,
        seconds=settings.seconds,
        seeds=settings.runs,
        cells=settings.cells,
        folder=settings.out,
        quiet=settings.quiet,
    )
    report = f"{found.to_markdown()}\n\n{found.verdict}\n"
    if settings.out is not None:
        (settings.out / REPORT_FILE).write_text(report, encoding="utf-8")
    print(report, end="")
    return 0
