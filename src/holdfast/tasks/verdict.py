"""Say in words what a comparison found: which to use, what the LSTM buys, and whether it is overkill."""

from __future__ import annotations

import math
import statistics
from dataclasses import replace
from typing import TYPE_CHECKING

from holdfast.tasks.cells import cell_title, simplicity
from holdfast.tasks.intervals import Interval

if TYPE_CHECKING:
    from holdfast.tasks.comparison import CellResult, Comparison, Score

_FEW = 100
"""Updates, below which a cell has hardly begun to learn."""
_NEAR = 0.02
"""How far behind the best, as a share, the simpler method may be and still be advised where no difference is clear."""


def write_verdict(comparison: Comparison) -> str:
    """Return the verdict, a line for each thing found.

    The advice is the simplest method that is as good as the best for all that the intervals show.
    """
    missing = _not_measured(comparison)
    comparison = _measured(comparison)
    if not comparison.cells:
        return "\n".join(["No advice can be given.", *missing])
    cells = {cell.cell: cell for cell in comparison.cells}
    lines = [_advise(comparison) + _doubt(comparison)]
    if "lstm" in cells:
        lines += [_lstm_against(comparison, cells["lstm"], other) for name, other in cells.items() if name != "lstm"]
        if comparison.baselines:
            lines.append(_lstm_against_baseline(comparison, cells["lstm"]))
    return "\n".join([*lines, *missing, *_haste(comparison), _meaning_of_clear(comparison)])


def difference(one: CellResult, other: CellResult) -> Interval:
    """Return the interval of how far two cells are apart; runs of equal seeds are paired, and items are."""
    pairs = [(a, b) for a, b in zip(one.outcomes, other.outcomes, strict=False) if a.test is not None]
    gaps = [a.test - b.test for a, b in pairs if a.test is not None and b.test is not None]
    return Interval.of(gaps, [_minus(a.items, b.items) for a, b in pairs])


def difference_from(cell: CellResult, baseline: Score) -> Interval:
    """Return the interval of how far a cell is from a simple method; items are paired."""
    return Interval.of([test - baseline.value for test in cell.tests], [_minus(r, baseline.items) for r in cell.items])


def clearly_better(comparison: Comparison, gap: Interval) -> bool:
    """Whether the first of two is better by more than chance explains. One seed never shows that."""
    return _is_clear(comparison, gap) and comparison.metric.better(gap.mean, 0.0)


def _measured(comparison: Comparison) -> Comparison:
    """Return the comparison of the cells and simple methods whose metric is a number."""
    cells = [cell for cell in comparison.cells if not math.isnan(_mean(cell))]
    baselines = {name: score for name, score in comparison.baselines.items() if not math.isnan(score.value)}
    return replace(comparison, cells=cells, baselines=baselines)


def _not_measured(comparison: Comparison) -> list[str]:
    names = [f"the {cell_title(cell.cell)}" for cell in comparison.cells if math.isnan(_mean(cell))]
    names += [name for name, score in comparison.baselines.items() if math.isnan(score.value)]
    if not names:
        return []
    return [
        f"The {comparison.metric.name} of {', '.join(names)} cannot be taken: its value is not a number on this test "
        "data. Look for constant or missing values there, or for a training that diverged."
    ]


def _advise(comparison: Comparison) -> str:
    metric, best = comparison.metric, _best_cell(comparison)
    top, where = _mean(best), f"{_seconds(comparison)} s of training each"
    simple = _overkill(comparison, best)
    if simple is not None:
        found = metric.write(comparison.baselines[simple].value)
        gap = difference_from(best, comparison.baselines[simple])
        worse = "clearly worse" if _is_clear(comparison, gap) and metric.better(0.0, gap.mean) else "not clearly better"
        return (
            f"Use {simple}: a recurrent network is overkill here. It reaches {metric.name} {found}. "
            f"The best cell, the {cell_title(best.cell)}, "
            f"reaches {metric.write(top)} in {where}, which is {worse}."
        )
    for cell in sorted(comparison.cells, key=lambda cell: simplicity(cell.cell)):
        if cell is best:
            break
        if clearly_better(comparison, difference(best, cell)) or not _near(comparison, _mean(cell), top):
            continue
        return (
            f"Use the {cell_title(cell.cell)}: it is the simplest cell that is not clearly worse than the best. "
            f"In {where} it reaches {metric.name} {metric.write(_mean(cell))}, and the best, "
            f"the {cell_title(best.cell)}, {metric.write(top)}."
        )
    return f"Use the {cell_title(best.cell)}: in {where} it reaches the best {metric.name}, {metric.write(top)}."


def _doubt(comparison: Comparison) -> str:
    """Return a warning where a cell is advised that is better than the simple methods by chance, for all we know."""
    best = _best_cell(comparison)
    if not comparison.baselines or _overkill(comparison, best) is not None:
        return ""
    name = _best_baseline(comparison)
    score = comparison.baselines[name]
    gap = difference_from(best, score)
    if clearly_better(comparison, gap):
        return ""
    found = f"{comparison.metric.name} {comparison.metric.write(score.value)}"
    if gap.seeds < 2:
        return (
            f" In this one run the best cell is better than {name} ({found}), but one run gives no spread: run more "
            "seeds to know whether it is each time."
        )
    return f" But it is not clear that any cell is better than {name} ({found}): run more seeds to know."


def _haste(comparison: Comparison) -> list[str]:
    """Return a warning where the cells had no time to learn."""
    slowest = min(comparison.cells, key=lambda cell: cell.steps)
    if slowest.steps >= _FEW:
        return []
    return [
        f"In {_seconds(comparison)} s the {cell_title(slowest.cell)} made {slowest.steps:.0f} updates only, too few to "
        "have learnt much: compare again with more seconds before you rule a cell out."
    ]


def _overkill(comparison: Comparison, best: CellResult) -> str | None:
    """Return the simplest of the simple methods that is as good as the best cell for all we know."""
    for name, score in comparison.baselines.items():
        clear = clearly_better(comparison, difference_from(best, score))
        if not clear and _near(comparison, score.value, _mean(best)):
            return name
    return None


def _lstm_against(comparison: Comparison, lstm: CellResult, other: CellResult) -> str:
    name = cell_title(other.cell)
    change = _change(comparison, _mean(lstm), _mean(other), difference(lstm, other))
    return (
        f"LSTM or {name}, with as many parameters: the LSTM is {change}. "
        f"A step of one sequence costs the LSTM {lstm.step_microseconds:.1f} µs and the {name} "
        f"{other.step_microseconds:.1f} µs. An update of training costs {lstm.update_milliseconds:.1f} ms and "
        f"{other.update_milliseconds:.1f} ms."
    )


def _lstm_against_baseline(comparison: Comparison, lstm: CellResult) -> str:
    name = _best_baseline(comparison)
    score = comparison.baselines[name]
    change = _change(comparison, _mean(lstm), score.value, difference_from(lstm, score))
    return f"LSTM or {name}, the best of the simple methods: the LSTM is {change}."


def _change(comparison: Comparison, ours: float, theirs: float, gap: Interval) -> str:
    metric = comparison.metric
    if metric.write(ours) == metric.write(theirs):
        return f"equal ({metric.name} {metric.write(ours)})"
    word = "better" if metric.better(ours, theirs) else "worse"
    share = f" by {abs(ours - theirs) / abs(theirs):.1%}".replace("%", " %") if theirs else ""
    unclear = "which is not clear" if gap.seeds > 1 else "in one run, which gives no spread"
    surely = "which is clear" if _is_clear(comparison, gap) else unclear
    return f"{word}{share} ({metric.name} {metric.write(ours)} and {metric.write(theirs)}), {surely}"


def _meaning_of_clear(comparison: Comparison) -> str:
    found = comparison.cells[0].interval
    seeds = min(len(cell.tests) for cell in comparison.cells)
    items = f"{found.items:,} {comparison.metric.items}" if found.items else ""
    if seeds < 2:
        covered = f" The intervals cover the {items} only." if items else ""
        return f"Nothing counts as clear: one seed was run, and another may turn it round.{covered} Run more."
    only = "" if items else " of this one test set"
    covered = f"{seeds} seeds and {items}" if items else f"{seeds} seeds"
    return f"Clear means: the 95 % interval of the difference, over {covered}{only}, leaves zero out."


def _is_clear(comparison: Comparison, gap: Interval) -> bool:
    """Whether a difference is more than chance, and large enough to be seen in the digits that are written."""
    return gap.seeds > 1 and gap.excludes_zero and abs(gap.mean) >= 0.5 * 10.0**-comparison.metric.digits


def _minus(one: list[float], other: list[float]) -> list[float]:
    return [a - b for a, b in zip(one, other, strict=True)] if len(one) == len(other) else []


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
        if comparison.metric.better(comparison.baselines[name].value, comparison.baselines[best].value):
            best = name
    return best


def _mean(cell: CellResult) -> float:
    return statistics.fmean(cell.tests)


def _seconds(comparison: Comparison) -> str:
    return f"{statistics.fmean([cell.seconds for cell in comparison.cells]):.3g}"


def _near(comparison: Comparison, value: float, best: float) -> bool:
    return not comparison.metric.better(best, value) or abs(value - best) <= _NEAR * abs(best)
