"""The command `holdfast`: finds the command that is asked for, makes its flags from a dataclass, and runs it.

Only the module of that command is imported, so `--help` stays quick. Our own errors end with one message and exit
code 2.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from holdfast.errors import HoldfastError


@dataclass(frozen=True)
class Command:
    """A command: where its config dataclass and its function are, and the line that help shows.

    `prepare`, where given, is a function of the same module that turns the arguments into the config's defaults.
    """

    help: str
    module: str
    config: str
    run: str
    prepare: str | None = None

    @property
    def available(self) -> bool:
        return importlib.util.find_spec(self.module) is not None


_CLASSIFY = "holdfast.cli.classify"
_LANGUAGE = "holdfast.cli.language"
_TAG = "holdfast.cli.tag"
_FORECAST = "holdfast.cli.forecast"
COMMANDS: dict[tuple[str, ...], Command] = {
    ("demo",): Command(
        "Train an LSTM, a GRU and a plain RNN to remember across 200 words, and compare.",
        "holdfast.cli.demo",
        "DemoConfig",
        "run",
    ),
    ("language", "train"): Command(
        "Train a language model on text files.", _LANGUAGE, "TrainCommand", "train", "train_defaults"
    ),
    ("language", "evaluate"): Command(
        "Measure a model's perplexity and bits per character on text files.", _LANGUAGE, "EvaluateCommand", "evaluate"
    ),
    ("language", "generate"): Command("Let a model write text.", _LANGUAGE, "GenerateCommand", "generate"),
    ("language", "complete"): Command(
        "Show the most likely next words of a text.", _LANGUAGE, "CompleteCommand", "complete"
    ),
    ("forecast", "train"): Command(
        "Train a forecaster on the series of a table.", _FORECAST, "TrainCommand", "train", "train_defaults"
    ),
    ("forecast", "predict"): Command(
        "Forecast what comes next, with intervals and a plot.", _FORECAST, "PredictCommand", "predict"
    ),
    ("forecast", "evaluate"): Command(
        "Measure forecasts beside simple ones.", _FORECAST, "EvaluateCommand", "evaluate"
    ),
    ("tag", "train"): Command("Train a tagger on CoNLL-style files.", _TAG, "TrainCommand", "train", "train_defaults"),
    ("tag", "evaluate"): Command("Measure a tagger's accuracy and F1 on files.", _TAG, "EvaluateCommand", "evaluate"),
    ("tag", "predict"): Command("Print the tags of a sentence or of files.", _TAG, "PredictCommand", "predict"),
    ("classify", "train"): Command(
        "Train a classifier of series or texts on a table.", _CLASSIFY, "TrainCommand", "train", "train_defaults"
    ),
    ("classify", "evaluate"): Command(
        "Measure a classifier on a table with labels.", _CLASSIFY, "EvaluateCommand", "evaluate"
    ),
    ("classify", "predict"): Command(
        "Print the class of each example of a table.", _CLASSIFY, "PredictCommand", "predict"
    ),
    ("compare", "language"): Command(
        "Compare LSTM, GRU, RNN and n-grams as language models of a text.",
        "holdfast.cli.compare",
        "LanguageCommand",
        "language",
    ),
    ("compare", "forecast"): Command(
        "Compare LSTM, GRU, RNN and simple forecasts on the series of a table.",
        "holdfast.cli.compare",
        "ForecastCommand",
        "forecast",
    ),
    ("compare", "classify"): Command(
        "Compare LSTM, GRU, RNN and simple classifiers on a table.",
        "holdfast.cli.compare",
        "ClassifyCommand",
        "classify",
    ),
    ("compare", "tag"): Command(
        "Compare LSTM, GRU, RNN and simple taggers on CoNLL-style files.", "holdfast.cli.compare", "TagCommand", "tag"
    ),
    ("compare", "memory"): Command(
        "Compare LSTM, GRU and RNN on problems of long memory: adding, copy, latch and more.",
        "holdfast.cli.compare",
        "MemoryCommand",
        "memory",
    ),
    ("trace",): Command(
        "Show what a model held and did inside over a text or series.", "holdfast.cli.trace", "TraceCommand", "run"
    ),
    ("studio",): Command(
        "Look inside trained networks in the browser: gates, memory, gradients, and the game.",
        "holdfast.cli.studio",
        "StudioCommand",
        "run",
    ),
    ("doctor",): Command(
        "Show what this installation can do, and what is missing.", "holdfast.cli.doctor", "DoctorCommand", "run"
    ),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code: 0 done, 1 not all right (doctor), 2 wrong input, 130 Ctrl-C."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    try:
        return _dispatch(arguments)
    except HoldfastError as error:
        print(f"holdfast: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("holdfast: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader of our output (head, less) has gone: not an error, but Python would complain when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _dispatch(arguments: list[str]) -> int:
    if arguments[:1] == ["--version"]:
        from holdfast import __version__

        print(f"holdfast {__version__}")
        return 0
    words = tuple(arguments[:1])
    if len(arguments) > 1 and (*words, arguments[1]) in COMMANDS:
        words = tuple(arguments[:2])
    if words in COMMANDS and COMMANDS[words].available:
        return _run(words, arguments[len(words) :])
    return _overview(arguments)


def _run(words: tuple[str, ...], arguments: list[str]) -> int:
    command = COMMANDS[words]
    module = importlib.import_module(command.module)
    import tyro

    prepare: Callable[[list[str]], Any] | None = getattr(module, command.prepare) if command.prepare else None
    config_type = getattr(module, command.config)
    keywords: dict[str, Any] = {} if prepare is None else {"default": prepare(arguments)}
    config = tyro.cli(
        config_type,
        prog=" ".join(("holdfast", *words)),
        args=arguments,
        config=(tyro.conf.FlagCreatePairsOff, tyro.conf.PositionalMetavarFromFieldName),
        **keywords,
    )
    return getattr(module, command.run)(config) or 0


def _overview(arguments: list[str]) -> int:
    """Print the commands, of one group if its name was given; complain if the words name nothing."""
    words = [word for word in arguments if word not in ("-h", "--help")]
    asked = len(words) < len(arguments) or not arguments
    groups = {name[0] for name in COMMANDS if len(name) > 1}
    group = words[0] if words and words[0] in groups else None
    shown = {name: c for name, c in COMMANDS.items() if c.available and (group is None or name[0] == group)}
    rest = words[1:] if group else words
    if rest:
        print(f"holdfast: there is no command {' '.join(words)!r}.\n", file=sys.stderr)
    out = sys.stderr if rest else sys.stdout
    width = max(len(" ".join(name)) for name in shown) + 2
    print(f"usage: holdfast {group + ' ' if group else ''}COMMAND [options]\n", file=out)
    if group is None:
        print("LSTM networks that hold on to what matters.\n", file=out)
    print("commands:", file=out)
    for name, command in shown.items():
        print(f"  {' '.join(name):<{width}}{command.help}", file=out)
    print("\nAdd --help to a command to see its options; holdfast --version prints the version.", file=out)
    return 0 if (asked or group) and not rest else 2


if __name__ == "__main__":
    sys.exit(main())
