"""Holdfast itself through each of its doors, and two yardsticks: our padded run and our plain cell."""

from __future__ import annotations

import re
from dataclasses import replace

import torch
from torch import nn

import holdfast
from benchmarks.layer_calls import Feed, layer_contestant, load_weights, make_infer_call
from benchmarks.problem import AbsentError, Contestant, Problem, describe_module, make_module, make_problem
from benchmarks.registry import Case
from holdfast.errors import BackendError

ARGUMENT = {"dense": "x", "packed": "packed", "lengths": "x, lengths=lengths", "resets": "x, resets=resets"}


def automatic(problem: Problem) -> Contestant:
    """Return what a user gets who asks for nothing: backend="auto"."""
    return _contestant("holdfast", problem)


def forced_cpu(problem: Problem) -> Contestant:
    """Return our own kernels, printed beside a case where "auto" takes another backend.

    Raises:
        AbsentError: the `cpu` backend refuses the case; the message is its reason.
    """
    try:
        return _contestant("holdfast cpu", problem, backend="cpu")
    except BackendError as error:
        raise AbsentError(f"refused: {error}") from error


def frozen(problem: Problem) -> Contestant:
    """Return `freeze()`, which packs the weights once, as ONNX Runtime does.

    Raises:
        AbsentError: there is no freeze(), or it refuses the case.
    """
    case = problem.case
    module = load_weights(make_module(case), problem)
    if not hasattr(module, "freeze"):
        raise AbsentError(f"holdfast.{type(module).__name__} has no freeze() yet")
    feed = Feed(problem, False, module)
    try:
        # Frozen weights are no parameters, so the module beside it says what the results are called.
        layer = module.freeze()  # type: ignore[operator]
        call = make_infer_call(layer, feed)
        call()
    except BackendError as error:
        raise AbsentError(f"refused: {error}") from error

    def results() -> dict[str, torch.Tensor]:
        y, state = call()  # type: ignore[misc]
        states = state if isinstance(state, tuple) else (state,)
        return {"y": feed.pad(y), **dict(zip(("h_n", "c_n"), states, strict=False))}

    door = f"{describe_module(case, 'holdfast')}.freeze()({ARGUMENT[case.feed]})"
    return Contestant("holdfast freeze", door, problem, call, results)


def padded(problem: Problem) -> Contestant:
    """Return the same module run over the whole padded batch: what `lengths=` is there to beat."""
    return _contestant("padded", make_problem(replace(problem.case, feed="dense")))


def plain(problem: Problem) -> Contestant:
    """Return our plain cell of the same size: what a variant is measured by."""
    return _contestant("plain", make_problem(replace(problem.case, variant="")))


def _contestant(name: str, problem: Problem, **extra: object) -> Contestant:
    case = problem.case
    module = load_weights(make_module(case, **extra), problem)
    door = f"{describe_module(case, 'holdfast', **extra)}({ARGUMENT[case.feed]})"
    masked = case.work == "train" and holds_masks(case)
    backend = explained_backend(module, Feed(problem, case.work == "train", module))
    return layer_contestant(name, door, module, problem, masked=masked, backend=backend)


def holds_masks(case: Case) -> bool:
    return case.variant in ("zoneout", "variational dropout")


def explained_backend(module: nn.Module, feed: Feed) -> str:
    """Return the backends that `holdfast.explain` names for the layers, each once."""
    with torch.set_grad_enabled(feed.train):
        text = holdfast.explain(module, feed.x, **feed.kwargs)
    return "+".join(dict.fromkeys(re.findall(r"^\S.*\): (\w+)$", text, re.MULTILINE)))
