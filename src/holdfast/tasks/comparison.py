"""What a comparison is made of: runs, what each gave, and all of it with intervals, as a table and in words."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from holdfast.tasks.cells import cell_title

# Student's t for an interval of 95 %, by degrees of freedom from 1 on; beyond them the normal's 1.96 is near.
_T95 = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131)


@dataclass(frozen=True)
class Metric:
    """What is compared on the test data."""

    name: str
    lower_is_better: bool = True
    digits: int = 3

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
    """

    validation: float
    test: float | None
    steps: int
    seconds: float
    step_microseconds: float


@dataclass(frozen=True)
class Interval:
    """A mean over seeds with its 95 % interval by Student's t; of one seed the interval is unknown (NaN)."""

    mean: float
    half: float
    count: int

    @staticmethod
    def of(values: Sequence[float]) -> Interval:
        count, mean = len(values), statistics.fmean(values)
        if count < 2:
            return Interval(mean, math.nan, count)
        t = _T95[count - 2] if count - 2 < len(_T95) else 1.96
        return Interval(mean, t * statistics.stdev(values) / math.sqrt(count), count)

    @property
    def excludes_zero(self) -> bool:
        return abs(self.mean) > self.half  # False where the interval is unknown


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
    def seconds(self) -> float:
        return statistics.fmean([outcome.seconds for outcome in self.outcomes])

    @property
    def steps(self) -> float:
        return statistics.fmean([outcome.steps for outcome in self.outcomes])

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
    baselines: dict[str, float] = field(default_factory=dict)

    @property
    def verdict(self) -> str:
        """Which to use and what the LSTM buys, in words."""
        from holdfast.tasks.verdict import write_verdict

        return write_verdict(self)

    def to_markdown(self) -> str:
        """Return the table: every cell with its interval, every baseline."""
        better = "lower" if self.metric.lower_is_better else "higher"
        lines = [
            f"| | {self.metric.name} ({better} is better) | 95 % over seeds | parameters | learning rate | "
            "training, s | updates | a step, µs |",
            "|---|---:|---|---:|---:|---:|---:|---:|",
        ]
        for cell in self.cells:
            found, write = Interval.of(cell.tests), self.metric.write
            ends = [write(found.mean - found.half), write(found.mean + found.half)]
            spread = "one seed" if math.isnan(found.half) else f"{ends[0]} to {ends[1]}"
            lines.append(
                f"| {cell_title(cell.cell)} | {write(found.mean)} | {spread} | {cell.num_parameters:,} | "
                f"{cell.learning_rate:.3g} | {cell.seconds:.0f} | {cell.steps:.0f} | {cell.step_microseconds:.1f} |"
            )
        lines += [f"| {name} | {self.metric.write(value)} | | | | | | |" for name, value in self.baselines.items()]
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Return everything, ready for JSON."""
        return {"verdict": self.verdict, **asdict(self)}
