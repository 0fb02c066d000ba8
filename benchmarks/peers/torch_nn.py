"""torch.nn's own layers: oneDNN for an LSTM where it can, loops of single operators elsewhere."""

from __future__ import annotations

import torch

from benchmarks.layer_calls import layer_contestant, load_weights
from benchmarks.problem import AbsentError, Contestant, Problem, describe_module
from benchmarks.registry import FAMILIES


def contestants(problem: Problem, threads: int) -> list[Contestant]:
    case = problem.case
    if case.variant or case.feed not in ("dense", "packed"):
        raise AbsentError(f"torch.nn has no {case.variant or case.feed}")
    kind = getattr(torch.nn, FAMILIES[case.family])
    module = load_weights(kind(case.input_size, case.hidden_size, **case.constructor), problem)
    door = f"{describe_module(case, 'torch.nn')}({'packed' if case.feed == 'packed' else 'x'})"
    return [layer_contestant("torch", door, module, problem)]
