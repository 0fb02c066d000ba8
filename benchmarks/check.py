"""Compare every contestant with the reference in float64 before it is timed: a wrong answer gets no time."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from benchmarks.layer_calls import layer_contestant, load_weights
from benchmarks.problem import Contestant, Problem, Results, make_module

CAP = 1e-4
"""Largest error allowed, as a share of the largest value of the same tensor.

float32 rounds at 6e-8; sums over T*B = 32000 terms and a thousand steps of a contracting recurrence reach 1e-6 to
1e-5 in any order of summation. A wrong gate order, a missing bias or bfloat16 in disguise (4e-3) stand far above it.
The tests' own budget, twice the error of torch, is stricter; here the question is only: is it the same work?
"""


@dataclass(frozen=True)
class Verdict:
    """The worst tensor of a contestant and its relative error; `red` says why no time may be printed, else empty."""

    worst: str
    error: float
    red: str = ""


class Oracle:
    """The reference in float64, run once for each problem that a case's contestants work on, with or without masks."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, bool], Results] = {}

    def results(self, problem: Problem, masked: bool) -> Results:
        key = (problem.case.name, masked)
        if key not in self._known:
            # A packed batch is the padded one with lengths, which is how the reference defines it.
            if problem.case.feed == "packed":
                problem = replace(problem, case=replace(problem.case, feed="lengths"))
            module = make_module(problem.case, backend="reference", dtype=torch.float64)
            load_weights(module, problem)
            self._known[key] = layer_contestant("oracle", "", module, problem, masked=masked).results()
        return self._known[key]

    def judge(self, contestant: Contestant) -> Verdict:
        """Compare all that the contestant returns; y, and when training every gradient, must be there."""
        exact = self.results(contestant.problem, contestant.masked)
        return judge(contestant.results(), exact)


def judge(found: Results, exact: Results) -> Verdict:
    missing = [name for name in exact if name not in found and name not in ("h_n", "c_n")]
    if missing:
        return Verdict(missing[0], float("inf"), f"does not return {', '.join(missing)}")
    errors = {name: relative_error(found[name], exact[name]) for name in exact if name in found}
    worst = max(errors, key=lambda name: errors[name])
    error = errors[worst]
    return Verdict(worst, error, "" if error <= CAP else f"wrong: {worst} is off by {error:.1e} of its largest value")


def relative_error(found: Tensor, exact: Tensor) -> float:
    """Return the largest difference as a share of the largest exact value; infinite for NaN or another shape."""
    if found.shape != exact.shape:
        return float("inf")
    difference = (found.double() - exact.double()).abs().max().item()
    scale = max(exact.abs().max().item(), torch.finfo(torch.float32).tiny)
    error = difference / scale
    return error if error == error else float("inf")
