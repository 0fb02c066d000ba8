"""Which cell to use on a set of data, and whether a recurrent network is worth it there at all.

LSTM, GRU and plain RNN (or variants of them) of equal parameter count train for equal time, each with its own small
search for a learning rate, over several seeds; the task's simple baselines stand beside them. A task takes part by
being a `Contest`.
"""

from __future__ import annotations

import json
import math
import os
import statistics
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from holdfast.errors import CheckpointError, ConfigError
from holdfast.tasks.cells import cell_spec
from holdfast.tasks.comparison import CellResult, Comparison, Metric, Outcome, Score, Trial

if TYPE_CHECKING:
    from holdfast.layers import Layer

RECORD_FILE = "comparison.json"
EVALUATIONS = 10
"""On validation data, spread over a run whatever its budget: enough to meet the best weights, and a small cost."""
SEARCH_SHARE = 0.25
"""Training time of one try of the search for a learning rate, as a share of a run's."""
SEARCH_SEED = 1_000_003
"""So that no searched run starts as a measured one does."""
RATE_STEP, MOST_TRIES = 3.0, 5
"""The search begins with the task's rate, a third and three times of it, and goes on while the best is at an end."""


class Contest(Protocol):
    """A task on a set of data, as `compare` needs it."""

    @property
    def task(self) -> str: ...
    @property
    def metric(self) -> Metric: ...
    @property
    def hidden_size(self) -> int:
        """The LSTM's; the others get as many parameters."""
        ...

    @property
    def learning_rate(self) -> float:
        """The middle of the search."""
        ...

    @property
    def fingerprint(self) -> dict[str, Any]:
        """What tells this data and these settings from others, as JSON."""
        ...

    def num_parameters(self, cell: str, hidden_size: int) -> int: ...

    def run(self, trial: Trial, folder: Path | None, *, test: bool) -> Outcome:
        """Train and measure; a folder that holds an unfinished run goes on."""
        ...

    def baselines(self) -> Iterable[tuple[str, Callable[[], float | Score]]]:
        """Return simple methods, the simplest first, each with what computes its metric on the test data."""
        ...


class ConfigContest:
    """What contests share: a config that all runs have but for cell, size, learning rate, time and seed."""

    config: Any

    @property
    def hidden_size(self) -> int:
        return self.config.hidden_size

    @property
    def learning_rate(self) -> float:
        return self.config.train.learning_rate

    def _settings(self, cell: str, hidden_size: int) -> Any:
        return replace(self.config, cell=cell, hidden_size=hidden_size)

    def _trial_settings(self, trial: Trial) -> Any:
        """Return a run's config: it trains for its seconds, nothing else ends it, and evaluations share them out."""
        config = self._settings(trial.cell, trial.hidden_size)
        budget = {"max_seconds": trial.seconds, "max_steps": None, "patience": None, "evaluations": EVALUATIONS}
        settings = replace(config.train, learning_rate=trial.learning_rate, seed=trial.seed, **budget)
        return replace(config, train=settings)

    def _outcome(self, estimator: Any, score: Score | None, validation: float | None) -> Outcome:
        """Return what a trained estimator came to, its validation loss NaN where none was taken.

        Raises:
            KeyboardInterrupt: the training was stopped by Ctrl-C: half a run is no outcome, and its folder goes on.
        """
        if estimator.result.stopped == "interrupted":
            raise KeyboardInterrupt
        return Outcome(
            validation=math.nan if validation is None else validation,
            test=score.value if score else None,
            steps=estimator.result.steps,
            seconds=estimator.result.seconds,
            step_microseconds=step_microseconds(estimator.model),
            items=score.items if score else [],
        )


def config_with(defaults: Any, settings: dict[str, Any]) -> Any:
    """Return a config with some settings changed by name.

    Raises:
        ConfigError: a setting is unknown or out of range.
    """
    try:
        return replace(defaults, **settings)
    except TypeError as error:
        raise ConfigError(f"compare: {error}.") from error


CONTESTS = {
    "language": "holdfast.tasks.language.contest:LanguageContest",
    "forecast": "holdfast.tasks.forecast.contest:ForecastContest",
    "classify": "holdfast.tasks.classify.contest:ClassifyContest",
    "tag": "holdfast.tasks.tag.contest:TagContest",
    "memory": "holdfast.tasks.memory.contest:MemoryContest",
}
"""Task -> where its contest is; each has `from_data(data, **settings)`."""


def compare(
    contest: Contest | str,
    data: Any = None,
    *,
    seconds: float = 60.0,
    seeds: int = 3,
    cells: Sequence[str] = ("lstm", "gru", "rnn"),
    folder: str | os.PathLike[str] | None = None,
    quiet: bool = False,
    **settings: Any,
) -> Comparison:
    """Train every cell under equal conditions, measure the baselines, and say which to use.

    Args:
        contest: The name of a task, or a task on data, such as `LanguageContest`.
        data: With a name: what the task reads, such as the path of a text.
        seconds: Training time of one run. Each cell takes `seeds` runs, and three to five of a quarter of the time
            that search for its learning rate on validation data.
        seeds: Runs of each cell. Intervals are taken over them, and over the items of the test data where the metric is
            a mean over items. With one seed nothing counts as clear.
        cells: A family, lstm, gru or rnn, or a variant such as "lstm+peephole"; `tasks.cells.PARTS` has the parts.
        folder: Where the runs are kept; a comparison that was stopped goes on there. None keeps nothing.
        quiet: Show no progress; without it there is a bar, on a terminal only.
        settings: With a name: the LSTM's settings, over the contest's own defaults.

    Raises:
        ConfigError: a value is out of range, a cell is unknown, or `folder` holds a comparison of something else.

    Example:
        >>> found = compare("language", "input.txt", seconds=60)  # doctest: +SKIP
        >>> print(found.to_markdown(), found.verdict)  # doctest: +SKIP
    """
    if isinstance(contest, str):
        contest = _contest_named(contest, data, settings)
    elif data is not None or settings:
        raise ConfigError("data and settings go with the name of a task; a contest has its own.")
    if seeds < 1 or not seconds > 0 or not cells:
        raise ConfigError(f"compare needs a seed, a second and a cell at least, got {seeds}, {seconds} and {cells}.")
    if len(set(cells)) < len(cells):
        raise ConfigError(f"A cell is named twice among {', '.join(cells)}. Name each once.")
    for cell in cells:
        cell_spec(cell)
    record = _Record(contest, None if folder is None else Path(folder), quiet, len(cells) * (seeds + 3))
    with record:
        results = [_run_cell(contest, cell, seconds, seeds, record) for cell in cells]
        baselines = {name: record.score(name, measure) for name, measure in contest.baselines()}
    return Comparison(contest.task, contest.metric, results, baselines)


def _contest_named(task: str, data: Any, settings: dict[str, Any]) -> Contest:
    if task not in CONTESTS:
        raise ConfigError(f"There is no comparison of {task!r}. Tasks: {', '.join(CONTESTS)}.")
    module, _, name = CONTESTS[task].partition(":")
    return getattr(import_module(module), name).from_data(data, **settings)


def match_size(contest: Contest, cell: str) -> int:
    """Return the hidden size whose parameter count is nearest to the LSTM's."""
    wanted = contest.num_parameters("lstm", contest.hidden_size)
    low, high = 1, 2
    while contest.num_parameters(cell, high) < wanted:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if contest.num_parameters(cell, middle) < wanted else (low, middle)
    return min((low, high), key=lambda size: abs(contest.num_parameters(cell, size) - wanted))


def _run_cell(contest: Contest, cell: str, seconds: float, seeds: int, record: _Record) -> CellResult:
    size = match_size(contest, cell)
    best = _search_rate(contest, cell, size, seconds * SEARCH_SHARE, record)
    outcomes = [record.outcome(Trial(cell, size, best, seconds, seed), test=True) for seed in range(seeds)]
    return CellResult(cell, size, contest.num_parameters(cell, size), best, outcomes)


def _search_rate(contest: Contest, cell: str, size: int, seconds: float, record: _Record) -> float:
    """Return the learning rate with the lowest validation loss after a short training."""
    losses: dict[int, float] = {}

    def loss(power: int) -> float:
        rate = contest.learning_rate * RATE_STEP**power
        found = record.outcome(Trial(cell, size, rate, seconds, SEARCH_SEED), test=False).validation
        return found if math.isfinite(found) else math.inf

    wanted = [-1, 0, 1]
    while wanted:
        losses.update({power: loss(power) for power in wanted})
        best = min(losses, key=losses.__getitem__)
        outside = [end for end in (best - 1, best + 1) if end not in losses]
        wanted = outside if len(losses) < MOST_TRIES else []
    return contest.learning_rate * RATE_STEP**best


class _Record:
    """What is done already, in memory and in the folder."""

    def __init__(self, contest: Contest, folder: Path | None, quiet: bool, num_runs: int):
        self.contest, self.folder, self.quiet, self.num_runs = contest, folder, quiet, num_runs
        self.runs: dict[str, dict[str, Any]] = {}
        self.scores: dict[str, Score] = {}
        self._bar: Any = None
        if folder is not None and (folder / RECORD_FILE).exists():
            self._read(folder / RECORD_FILE)

    def __enter__(self) -> _Record:
        from holdfast.train.callbacks import on_terminal

        if not self.quiet and on_terminal():
            from tqdm import tqdm

            self._bar = tqdm(total=self.num_runs, unit="run", desc="compare")
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def outcome(self, trial: Trial, *, test: bool) -> Outcome:
        if trial.name not in self.runs:
            if self._bar is not None:
                self._bar.set_postfix_str(trial.name)
                self._bar.total = max(self._bar.total, self._bar.n + 1)  # a search may take longer than planned
            folder = None if self.folder is None else self.folder / "runs" / trial.name
            self.runs[trial.name] = asdict(self.contest.run(trial, folder, test=test))
            self._write()
        if self._bar is not None:
            self._bar.update()
        return Outcome(**self.runs[trial.name])

    def score(self, name: str, measure: Callable[[], float | Score]) -> Score:
        if name not in self.scores:
            found = measure()
            self.scores[name] = found if isinstance(found, Score) else Score(float(found))
            self._write()
        return self.scores[name]

    def _identity(self) -> dict[str, Any]:
        return json.loads(json.dumps({"task": self.contest.task, **self.contest.fingerprint}))

    def _write(self) -> None:
        if self.folder is None:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        path, fresh = self.folder / RECORD_FILE, self.folder / f".{RECORD_FILE}"
        record = {
            "of": self._identity(),
            "runs": self.runs,
            "baselines": {name: asdict(score) for name, score in self.scores.items()},
        }
        fresh.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        os.replace(fresh, path)

    def _read(self, path: Path) -> None:
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            same = record["of"] == self._identity()
            for run in record["runs"].values():
                Outcome(**run)
            self.runs = dict(record["runs"])
            self.scores = {name: Score(**fields) for name, fields in record["baselines"].items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise CheckpointError(f"{path} is no comparison: {error!r}. Choose another folder.") from error
        if not same:
            raise ConfigError(f"{self.folder} holds a comparison of other data or settings. Choose another folder.")


def num_parameters(layers: list[Layer]) -> int:
    """Return how many numbers a network of these layers holds."""
    import torch

    from holdfast.nn.build import build_layers

    with torch.device("meta"):
        modules = build_layers(layers)
    return sum(parameter.numel() for parameter in modules.parameters())


def step_microseconds(network: Any, steps: int = 200, repeats: int = 7) -> float:
    """Return the median time of a step of one sequence through a network's recurrent layers, in microseconds."""
    import time

    import torch

    from holdfast.nn.base import AbstractRecurrent

    total = 0.0
    for layer in _recurrent_layers(network, AbstractRecurrent):
        x = torch.zeros((1, steps, layer.input_size) if layer.batch_first else (steps, 1, layer.input_size))
        x = x.to(next(layer.parameters()).device)
        times = []
        with torch.no_grad():
            for _ in range(repeats):
                start = time.perf_counter()
                layer(x)
                times.append(time.perf_counter() - start)
        total += statistics.median(times) / steps
    return total * 1e6


def _recurrent_layers(network: Any, kind: type) -> Iterator[Any]:
    return (module for module in network.modules() if isinstance(module, kind))
