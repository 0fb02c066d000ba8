"""`holdfast demo`: the classic example of long memory, trained, measured and shown in a few minutes.

"I grew up in France. ... (up to 200 words of other things) ... I speak fluent ___"
"""

from __future__ import annotations

import shlex
import shutil
import sys
import textwrap
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from holdfast.errors import ConfigError, HoldfastError, MissingDependencyError

if TYPE_CHECKING:
    from holdfast.tasks.france.experiment import Measurement
    from holdfast.tasks.language.task import LanguageModel

CELLS = ("lstm", "gru", "rnn")
PICTURE = "country.png"
RESULT = "result.json"
DOCUMENTS_PER_SECOND = 2000


@dataclass(frozen=True)
class DemoConfig:
    """Show what long memory is: a country named once, up to 200 words of other things, and its language at the end.

    Trains an LSTM, a GRU and a plain RNN of equal size on the same text and puts their memories side by side.

    Raises:
        ConfigError: the budget is not positive.
    """

    text: str | None = None
    """A beginning of your own to complete, for example "Yuki was born in Japan. It rained. She speaks fluent". Models
    that an earlier run left in the --out folder are used again."""
    seconds: float = 180.0
    """Training time in all, shared equally by the three cells."""
    out: Path = Path("holdfast-demo")
    """Folder for the three models, the picture and result.json."""
    seed: int = 0
    """Start of all random draws."""
    quiet: bool = False
    """Print the results only, no progress."""

    def __post_init__(self):
        if not self.seconds > 0:
            raise ConfigError(f"seconds must be above 0, got {self.seconds!r}.")


def run(config: DemoConfig) -> int:
    """Train, measure, print and save; return the exit code."""
    if config.text is not None and not config.text.strip():
        raise ConfigError("The text to complete is empty. Leave --text out for the demo's own.")
    models = _earlier_models(config) if config.text is not None else None
    if models is None:
        models = _train_and_report(config)
    _print_completion(config, models)
    _print_files(config)
    _print_next(config)
    return 0


def _earlier_models(config: DemoConfig) -> dict[str, LanguageModel] | None:
    """Return the models of an earlier, completed run in the folder, or None."""
    if not (config.out / RESULT).is_file():
        return None
    from holdfast.tasks.language.task import LanguageModel

    try:
        models = {cell: LanguageModel.from_pretrained(config.out / cell) for cell in CELLS}
    except HoldfastError as error:
        _say(config, f"The models in {config.out} cannot be used again ({error}). Training new ones.")
        return None
    _say(config, f"Using the models that an earlier run left in {config.out}; delete the folder to train anew.")
    return models


def _train_and_report(config: DemoConfig) -> dict[str, LanguageModel]:
    from holdfast.tasks.france import report

    # A result.json says that the folder is complete, so an old one must not stand beside half a new run.
    config.out.mkdir(parents=True, exist_ok=True)
    (config.out / RESULT).unlink(missing_ok=True)
    models, details = _train(config)
    measured = _measure(config, models)
    for cell, model in models.items():
        model.save_pretrained(config.out / cell)
    print(f"\n{report.table(measured)}\n\n{report.table_note()}")
    picture = _draw(config, models)
    report.write_json(config.out / RESULT, report.result(measured, {**details, "picture": picture}))
    return models


def _train(config: DemoConfig) -> tuple[dict[str, LanguageModel], dict[str, object]]:
    from holdfast.tasks.france.experiment import SETTINGS, STAGES, cell_config, fitted, train_cell, training_set
    from holdfast.tasks.france.generator import Generator, make_pools

    seconds = config.seconds / len(CELLS)
    begun = time.monotonic()
    # A short run never gets to see all documents, so it need not wait for them to be written.
    most = max(500, round(DOCUMENTS_PER_SECOND * seconds))
    data = [training_set(replace(stage, documents=min(stage.documents, most)), config.seed) for stage in STAGES]
    _say(config, f"Wrote {sum(len(part.documents) for part in data)} documents to train on, such as:\n")
    _say(
        config,
        _wrapped(" ".join(Generator(make_pools()[0], config.seed).document(30).tokens).replace(" .", ".")) + "\n",
    )
    models: dict[str, LanguageModel] = {}
    cells = {}
    for cell in CELLS:
        _say(config, f"Training the {cell.upper()} for {seconds:.0f} seconds ...")
        settings = cell_config(cell, config.seed)
        quiet = config.quiet or not sys.stderr.isatty()
        models[cell], steps, taken = train_cell(settings, data, seconds=seconds, quiet=quiet)
        size = sum(parameter.numel() for parameter in fitted(models[cell])[0].parameters())
        cells[cell] = {"steps": steps, "seconds": round(taken, 1), "parameters": size, **asdict(SETTINGS[cell])}
        _say(config, f"  {steps} steps of {settings.batch_size} documents in {taken:.0f} seconds.")
    total = round(time.monotonic() - begun, 1)
    return models, {"cells": cells, "seed": config.seed, "seconds": config.seconds, "seconds_with_setup": total}


def _measure(config: DemoConfig, models: Mapping[str, LanguageModel]) -> dict[str, Measurement]:
    from holdfast.tasks.france.experiment import measure

    _say(config, "Asking each for the language in held-out documents ...")
    return {cell: measure(model, config.seed) for cell, model in models.items()}


def _draw(config: DemoConfig, models: Mapping[str, LanguageModel]) -> str | None:
    from holdfast.tasks.france.report import draw_picture

    try:
        found = draw_picture(models, config.out / PICTURE, seed=config.seed)
    except MissingDependencyError as error:
        print(f"\nNo picture: {error}")
        return None
    print(f"\n{_wrapped('Inside: ' + found + '.')}")
    return found


def _print_completion(config: DemoConfig, models: Mapping[str, LanguageModel]) -> None:
    from holdfast.tasks.france.report import example, unknown_words

    text = config.text.strip() if config.text is not None else example(seed=config.seed).prompt
    print(f"\n{_wrapped(text + ' ___')}\n")
    unknown = unknown_words(models["lstm"], text)
    if unknown and config.text is not None:
        print(_wrapped(f"Words the models never met, and read as <unk>: {', '.join(unknown)}") + "\n")
    answers = {cell: models[cell].complete(text, top=5) for cell in CELLS}
    print("  " + "".join(f"{cell.upper():<22}" for cell in CELLS).rstrip())
    for row in zip(*answers.values(), strict=True):
        print("  " + "".join(f"{word:<13}{p:.3f}    " for word, p in row).rstrip())


def _print_files(config: DemoConfig) -> None:
    print("\nWritten:")
    for name in (*CELLS, PICTURE, RESULT):
        if (config.out / name).exists():
            print(f"  {config.out / name}")


def _print_next(config: DemoConfig) -> None:
    out, rnn = shlex.quote(str(config.out)), shlex.quote(str(config.out / "rnn"))
    program = _program()
    print("\nTry next:")
    print(f'  {program} demo --out {out} --text "Yuki was born in Japan. We once flew to Italy. She speaks fluent"')
    print(f'  {program} language complete --model {rnn} "I grew up in Poland. Dinner was late. I speak fluent"')
    print(f"  {program} language train --help")


def _program() -> str:
    """Return how to call `holdfast` from here: by name, or by its path where its folder is not on the search path."""
    if shutil.which("holdfast"):
        return "holdfast"
    called = Path(sys.argv[0])
    return shlex.quote(str(called)) if called.name == "holdfast" else f"{shlex.quote(sys.executable)} -m holdfast.cli"


def _say(config: DemoConfig, text: str) -> None:
    if not config.quiet:
        print(text, flush=True)


def _wrapped(text: str) -> str:
    width = min(100, shutil.get_terminal_size().columns)
    return textwrap.fill(text, width=width, initial_indent="  ", subsequent_indent="  ")
