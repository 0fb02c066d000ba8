"""Say in words what a comparison found: which to use, what the LSTM buys, and whether it is overkill."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from holdfast.tasks.cells import cell_title, simplicity

if TYPE_CHECKING:
    from holdfast.tasks.comparison import CellResult, Comparison

_NEAR = 0.02
"""How far behind the best, as a share, the simpler method may be and still be advised where no difference is clear."""


def write_verdict(comparison: Comparison) -> str:
    """Return the verdict: the simplest method that is as good as the best for all that the seeds show, and why."""
    cells = {cell.cell: cell for cell in comparison.cells}
    best = _best_cell(comparison)
    sentences = [_recommend(comparison, cells, best)]
    if "lstm" in cells:
        sentences += [
            _lstm_against(comparison, cells["lstm"], other) for name, other in cells.items() if name != "lstm"
        ]
        if comparison.baselines:
            sentences.append(_lstm_against_baseline(comparison, cells["lstm"]))
    count = min(len(cell.tests) for cell in comparison.cells)
    if count < 2:
        sentences.append("One seed shows no spread, so no difference here can be called clear: run more.")
    else:
        sentences.append(f"Clear means: the 95 % interval over {count} seeds of this one test set leaves zero out.")
    return " ".join(sentences)


def clearly_better(comparison: Comparison, one: CellResult, other: CellResult) -> bool:
    """Whether `one` beats `other` by more than the seeds' spread explains; runs of equal seeds are paired."""
    from holdfast.tasks.comparison import Interval

    pairs = list(zip(one.tests, other.tests, strict=False))
    gap = Interval.of([a - b for a, b in pairs])
    return gap.excludes_zero and comparison.metric.better(gap.mean, 0.0)


def _recommend(comparison: Comparison, cells: dict[str, CellResult], best: CellResult) -> str:
    metric = comparison.metric
    found = f"{metric.name} {metric.write(_mean(best))}"
    for name, value in comparison.baselines.items():
        if not _clearly_better_than(comparison, best, value) and _near(comparison, value, _mean(best)):
            return (
                f"A recurrent network is overkill here: {name} reaches {metric.name} {metric.write(value)}, and the "
                f"best cell, the {cell_title(best.cell)}, with {metric.write(_mean(best))} is not clearly better. "
                f"Use {name}."
            )
    for name in sorted(cells, key=simplicity):
        cell = cells[name]
        if cell is best:
            return f"Use the {cell_title(name)}: it has the best {found}."
        if clearly_better(comparison, best, cell) or not _near(comparison, _mean(cell), _mean(best)):
            continue
        return (
            f"Use the {cell_title(name)}: with {metric.name} {metric.write(_mean(cell))} it is not clearly worse than "
            f"the {cell_title(best.cell)} with {metric.write(_mean(best))}, and it is the simpler cell."
        )
    return f"Use the {cell_title(best.cell)}: it has the best {found}."


def _lstm_against(comparison: Comparison, lstm: CellResult, other: CellResult) -> str:
    ours, theirs = _mean(lstm), _mean(other)
    clear = clearly_better(comparison, lstm, other) or clearly_better(comparison, other, lstm)
    change = _change(comparison, ours, theirs)
    cost = lstm.step_microseconds / other.step_microseconds if other.step_microseconds else math.nan
    speed = other.steps / lstm.steps if lstm.steps else math.nan
    name, surely = cell_title(other.cell), "clear" if clear else "not clear"
    return (
        f"Against the {name} of equal size the LSTM is {change} ({surely}), at {cost:.2f} times the cost of a step; "
        f"in equal time the {name} made {speed:.2f} times its updates."
    )


def _lstm_against_baseline(comparison: Comparison, lstm: CellResult) -> str:
    name = _best_baseline(comparison)
    value = comparison.baselines[name]
    clear = "clear" if _differs_clearly(lstm, value) else "not clear"
    return f"Against the best simple method, {name}, it is {_change(comparison, _mean(lstm), value)} ({clear})."


def _change(comparison: Comparison, ours: float, theirs: float) -> str:
    metric = comparison.metric
    if ours == theirs:
        return f"equal ({metric.write(ours)})"
    word = "better" if metric.better(ours, theirs) else "worse"
    share = f" by {abs(ours - theirs) / abs(theirs):.1%}".replace("%", " %") if theirs else ""
    return f"{word}{share} ({metric.write(ours)} and {metric.write(theirs)})"


def _best_cell(comparison: Comparison) -> CellResult:
    best = comparison.cells[0]
    for cell in comparison.cells[1:]:
        if comparison.metric.better(_mean(cell), _mean(best)):
            best = cell
    return best


def _best_baseline(comparison: Comparison) -> str:
    names = list(comparison.baselines)
    best = names[0]
    for name in names[1:]:
        if comparison.metric.better(comparison.baselines[name], comparison.baselines[best]):
            best = name
    return best


def _mean(cell: CellResult) -> float:
    return sum(cell.tests) / len(cell.tests)


def _differs_clearly(cell: CellResult, value: float) -> bool:
    from holdfast.tasks.comparison import Interval

    return Interval.of([test - value for test in cell.tests]).excludes_zero


def _near(comparison: Comparison, value: float, best: float) -> bool:
    return not comparison.metric.better(best, value) or abs(value - best) <= _NEAR * abs(best)


def _clearly_better_than(comparison: Comparison, cell: CellResult, value: float) -> bool:
    return comparison.metric.better(_mean(cell), value) and _differs_clearly(cell, value)
