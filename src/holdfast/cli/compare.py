"""`holdfast compare TASK`: LSTM, GRU and plain RNN under equal conditions, beside simple methods, with a verdict."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from holdfast.cli.training import check_folder, device_named
from holdfast.errors import ConfigError
from holdfast.tasks.language.config import Cell, LanguageConfig

if TYPE_CHECKING:
    from holdfast.tasks.compare import Contest

REPORT_FILE = "comparison.md"


@dataclass(frozen=True)
class CompareSettings:
    """How long and how often to train."""

    seconds: float = 60.0
    """Training time of one run. A cell takes a run a seed, and three to five shorter ones to find its learning rate."""
    seeds: int = 3
    """Runs a cell; the interval is taken over them."""
    cells: tuple[Cell, ...] = ("lstm", "gru", "rnn")
    """The cells to compare, each with as many parameters as the LSTM."""
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


def language(command: LanguageCommand) -> int:
    """Run `holdfast compare language`."""
    if not command.files:
        raise ConfigError("Name a text file or several, for example: holdfast compare language input.txt")
    device_named("cpu", "language")
    from holdfast.tasks.language.contest import LanguageContest

    return _compare(LanguageContest(files=command.files, config=command.model), command.compare)


def _compare(contest: Contest, settings: CompareSettings) -> int:
    from holdfast.tasks.compare import compare

    if settings.out is not None:
        check_folder(settings.out)
    found = compare(
        contest,
        seconds=settings.seconds,
        seeds=settings.seeds,
        cells=settings.cells,
        folder=settings.out,
        quiet=settings.quiet,
    )
    report = f"{found.to_markdown()}\n\n{found.verdict}\n"
    if settings.out is not None:
        (settings.out / REPORT_FILE).write_text(report, encoding="utf-8")
    print(report, end="")
    return 0
