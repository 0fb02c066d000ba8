"""What a comparison is made of: runs, what each gave, and all of it with intervals, as a table and in words."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from holdfast.tasks.cells import cell_title
from holdfast.tasks.intervals import Interval


@dataclass(frozen=True)
class Metric:
    """What is compared on the test data."""

    name: str
    lower_is_better: bool = True
    digits: int = 3
    items: str = "test items"
    """What the items of the test data are, several of them."""

    def better(self, one: float, other: float) -> bool:
        return one < other if self.lower_is_better else one > other

    def write(self, value: float) -> str:
        return f"{value:.{self.digits}f}"


@dataclass(frozen=True)
class Trial:
    """One run: a cell of a size, its learning rate, its budget in seconds and its seed."""

    cell: str
    hidden_size: int
    learning_rate: float
    seconds: float
    seed: int

    @property
    def name(self) -> str:
        """A name that no other run of the comparison has, also fit for a folder."""
        return f"{self.cell}-{self.hidden_size}-{self.learning_rate:.3g}-{self.seconds:.6g}s-{self.seed}"


@dataclass(frozen=True)
class Outcome:
    """What a run gave.

    Attributes:
        validation: The loss that training watched; lower is better.
        test: The metric on the test data; None where a run of the search did not ask for it.
        steps, seconds: Of training.
        step_microseconds: A step of one sequence through the recurrent layers.
        items: What each item of the test data gave, as in Score.
    """

    validation: float
    test: float | None
    steps: int
    seconds: float
    step_microseconds: float
    items: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Score:
    """A metric on the test data.

    Attributes:
        items: What each item of the test data gave, in one order for all runs and baselines: the metric is their mean.
            Empty where it is no such mean.
    """

    value: float
    items: list[float] = field(default_factory=list)

    @staticmethod
    def of_ratio(tops: Sequence[float], bottoms: Sequence[float]) -> Score:
        """Return a metric sum(top) / sum(bottom) over items, such as accuracy over the words of sentences.

        An item counts as value + N (top - value bottom) / sum(bottom), whose mean is the metric and whose spread is
        that of the ratio (the delta method).
        """
        whole = sum(bottoms) or 1.0
        value = sum(tops) / whole
        scale = len(tops) / whole
        return Score(value, [value + scale * (a - value * b) for a, b in zip(tops, bottoms, strict=True)])


@dataclass(frozen=True)
class CellResult:
    """A cell's runs: its size, the learning rate that its search found, and one outcome a seed."""

    cell: str
    hidden_size: int
    num_parameters: int
    learning_rate: float
    outcomes: list[Outcome]

    @property
    def tests(self) -> list[float]:
        return [outcome.test for outcome in self.outcomes if outcome.test is not None]

    @property
    def items(self) -> list[list[float]]:
        """What each test item gave, a row a seed."""
        return [outcome.items for outcome in self.outcomes if outcome.test is not None]

    @property
    def interval(self) -> Interval:
        return Interval.of(self.tests, self.items)

    @property
    def seconds(self) -> float:
        return statistics.fmean([outcome.seconds for outcome in self.outcomes])

    @property
    def steps(self) -> float:
        return statistics.fmean([outcome.steps for outcome in self.outcomes])

    @property
    def update_milliseconds(self) -> float:
        """Of training, evaluations included."""
        return 1000 * self.seconds / self.steps if self.steps else math.nan

    @property
    def step_microseconds(self) -> float:
        return statistics.median([outcome.step_microseconds for outcome in self.outcomes])


@dataclass(frozen=True)
class Comparison:
    """What `compare` found.

    Attributes:
        cells: One result a cell, in the order asked for.
        baselines: The metric of each simple method on the test data.
    """

    task: str
    metric: Metric
    cells: list[CellResult]
    baselines: dict[str, Score] = field(default_factory=dict)

    @property
    def verdict(self) -> str:
        """Which to use and what the LSTM buys, in words."""
        from holdfast.tasks.verdict import write_verdict

        return write_verdict(self)

    def to_markdown(self) -> str:
        """Return the table: every cell and every baseline with its interval."""
        better = "lower" if self.metric.lower_is_better else "higher"
        lines = [
            f"| | {self.metric.name} ({better} is better) | 95 % interval | parameters | learning rate | training, s | "
            "updates | a step of one sequence, µs |",
            "|---|---:|---|---:|---:|---:|---:|---:|",
        ]
        lines += [
            f"| {cell_title(cell.cell)} | {self._written(cell.interval)} | {cell.num_parameters:,} | "
            f"{cell.learning_rate:.3g} | {cell.seconds:.0f} | {cell.steps:.0f} | {cell.step_microseconds:.1f} |"
            for cell in self.cells
        ]
        for name, score in self.baselines.items():
            lines.append(f"| {name} | {self._written(Interval.of([score.value], [score.items]))} | | | | | |")
        return "\n".join(lines)

    def _written(self, found: Interval) -> str:
        """Return a mean and its interval as two cells of the table."""
        write, most = self.metric.write, math.inf if self.metric.lower_is_better else 1.0  # shares end there
        low, high = max(found.mean - found.half, 0.0), min(found.mean + found.half, most)
        ends = "" if math.isnan(found.half) else f"{write(low)} to {write(high)}"
        return f"{write(found.mean)} | {ends}"

    def to_dict(self) -> dict[str, Any]:
        """Return all but what single items gave, ready for JSON."""
        record = asdict(self)
        for cell, result in zip(record["cells"], self.cells, strict=True):
            cell["interval"] = asdict(result.interval)
            for outcome in cell["outcomes"]:
                del outcome["items"]
        record["baselines"] = {name: score.value for name, score in self.baselines.items()}
        return {"verdict": self.verdict, **record}
