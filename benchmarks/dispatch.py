"""Measure where oneDNN runs the plain float32 LSTM faster than we do, and suggest the table of kernels/dispatch.py.

python -m benchmarks.dispatch [--threads 2] [--batches 1 4 16] [--times 1 35 100] [--hiddens 32 64 128]
                              [--seconds 1] [--rounds 9] [--out benchmarks/results/dispatch.json]

`cpu` and `vendor` run in turns over every batch, number of steps and hidden size (I = H), in inference and in training
(forward, backward, and the gradients of x and of every parameter). Times are medians.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Sequence
from itertools import product
from pathlib import Path

import torch

from benchmarks.layer_calls import layer_contestant, load_weights
from benchmarks.problem import Contestant, Problem, describe_module, make_module, make_problem
from benchmarks.registry import Case
from benchmarks.timing import measure
from holdfast.kernels import cpu_level
from holdfast.kernels.dispatch import Region

Row = dict[str, float | int | str]

BACKENDS = ("cpu", "vendor")
WORKS = {"inference": "infer", "training": "train"}
NOISE = 0.03
"""Times closer than this count as equal: then `cpu` serves, whose bits depend on no number of threads."""

MAX_REGIONS = 3


def time_case(work: str, size: tuple[int, int, int], settings: argparse.Namespace) -> Row:
    """Time both backends on one size (B, T, H) and return the row."""
    batch, steps, hidden = size
    problem = make_problem(Case(WORKS[work], batch, steps, hidden, hidden, suite="dispatch"))
    entrants = [contestant(problem, backend) for backend in BACKENDS]
    ours, theirs = [timing.median_ms for timing in measure(entrants, settings.seconds, settings.rounds)]
    return {"work": work, "B": batch, "T": steps, "H": hidden, "cpu": ours, "vendor": theirs}


def contestant(problem: Problem, backend: str) -> Contestant:
    module = load_weights(make_module(problem.case, backend=backend), problem)
    door = describe_module(problem.case, "holdfast", backend=backend)
    return layer_contestant(backend, door, module, problem, backend=backend)


def suggest(rows: Sequence[Row]) -> list[Region]:
    """Return the few regions that lose least time against the faster backend of every row.

    A region is added as long as it takes a tenth of what is lost without it.
    """
    found: list[Region] = []
    lost = loss(rows, found)
    while len(found) < MAX_REGIONS:
        best = min(candidates(rows), key=lambda region: loss(rows, [*found, region]))
        less = loss(rows, [*found, best])
        if less > 0.9 * lost or lost == 0:
            break
        found, lost = [*found, best], less
    return found


def candidates(rows: Sequence[Row]) -> list[Region]:
    """Return the regions whose edges lie on the grid, wider ones first."""
    batches, hiddens = (sorted({1, *(int(row[key]) for row in rows)}) for key in "BH")
    products = sorted({0, *(int(row["B"]) * int(row["H"]) for row in rows)})
    return [Region(*edges) for edges in product(batches, hiddens, products)]


def loss(rows: Sequence[Row], regions: Sequence[Region]) -> float:
    """Return the sum of log(time taken / time of the faster backend), without what is noise."""
    total = 0.0
    for row in rows:
        ours, theirs = math.log(float(row["cpu"])), math.log(float(row["vendor"]))
        taken = theirs if any(region.holds(int(row["B"]), int(row["H"])) for region in regions) else ours
        slack = taken - min(ours, theirs)
        total += slack if slack > NOISE else 0.0
    return total


def show(rows: Sequence[Row], regions: Sequence[Region]) -> str:
    """Return one table a number of steps, vendor's time over ours; above 1 we are faster, [.] goes to vendor."""
    lines: list[str] = []
    hiddens = sorted({int(row["H"]) for row in rows})
    for steps in sorted({int(row["T"]) for row in rows}):
        lines += [f"T={steps:<6}" + "".join(f"{f'H={hidden}':>9}" for hidden in hiddens)]
        for batch in sorted({int(row["B"]) for row in rows}):
            cells = {int(row["H"]): cell(row, regions) for row in rows if row["T"] == steps and row["B"] == batch}
            lines += [f"  B={batch:<4}" + "".join(f"{cells.get(hidden, ''):>9}" for hidden in hiddens)]
    return "\n".join(lines)


def cell(row: Row, regions: Sequence[Region]) -> str:
    ratio = f"{float(row['vendor']) / float(row['cpu']):.2f}"
    return f"[{ratio}]" if any(region.holds(int(row["B"]), int(row["H"])) for region in regions) else f"{ratio} "


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 4, 16, 32, 64, 128])
    parser.add_argument("--times", type=int, nargs="+", default=[1, 35, 100])
    parser.add_argument("--hiddens", type=int, nargs="+", default=[32, 64, 128, 200, 256, 512, 650, 1024])
    parser.add_argument("--works", nargs="+", choices=list(WORKS), default=list(WORKS))
    parser.add_argument("--seconds", type=float, default=1.0, help="for the two of a case together, about")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--out", type=Path)
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    settings = parse(argv)
    torch.set_num_threads(settings.threads)
    record: dict[str, object] = {"threads": settings.threads, "torch": torch.__version__, **cpu_level.describe()}
    rows: list[Row] = []
    for work in settings.works:
        own: list[Row] = []
        for size in product(settings.batches, settings.times, settings.hiddens):
            own.append(time_case(work, size, settings))
            print("{work} B={B} T={T} H={H}: cpu {cpu:.4f} ms, vendor {vendor:.4f} ms".format(**own[-1]), flush=True)
        regions = suggest(own)
        record[work] = {"regions": [region._asdict() for region in regions], "loss": round(loss(own, regions), 3)}
        rows += own
        print(f"\n{work}: vendor's time / ours\n{show(own, regions)}\n")
        print(f'suggested:  "{work}": {tuple(regions)!r},\n')
    if settings.out is not None:
        settings.out.write_text(json.dumps({**record, "cases": rows}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
