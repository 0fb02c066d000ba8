"""Say which backend runs each layer of a model, and why the faster ones do not."""

from __future__ import annotations

import torch
from torch import nn

from holdfast.kernels.call import LayerCall, LayerResult
from holdfast.kernels.dispatch import CallRequest, Choice
from holdfast.nn.base import AbstractRecurrent
from holdfast.nn.trace import FlowSink


class _ChoiceRecorder:
    wants_gates = False
    attach = False

    def __init__(self, name: str, lines: list[str]):
        self.name, self.lines = name, lines

    def note(
        self, call: LayerCall, request: CallRequest, choice: Choice, result: LayerResult, sink: FlowSink | None
    ) -> None:
        direction = "forward" if call.directions == 1 else "both"
        where = f"{self.name or request.spec.family.upper()} layer {call.layer} {direction}"
        size = f"T={request.time} B={request.batch} I={request.input_size} H={request.hidden_size}"
        self.lines.append(f"{where} ({request.spec.key}, {size}): {choice.backend}")
        self.lines += [f"    not {backend}: {reason}" for backend, reason in choice.refused]


def explain(module: nn.Module, *args: object, **kwargs: object) -> str:
    """Run `module` once and return, layer by layer, the backend that ran and why the ones before it did not.

    Gradients, train mode and autocast are as the caller has them, since the choice depends on them. Random states are
    put back afterwards.

    Args:
        *args, **kwargs: What to call `module` with.

    Example:
        >>> import torch, holdfast
        >>> print(holdfast.explain(holdfast.LSTM(3, 5, peephole=True), torch.zeros(7, 2, 3)).splitlines()[0])
        LSTM layer 0 forward (lstm peephole=True, T=7 B=2 I=3 H=5): reference
    """
    lines: list[str] = []
    layers = [(name, layer) for name, layer in module.named_modules() if isinstance(layer, AbstractRecurrent)]
    if not layers:
        return (
            "No Holdfast layer here; cells are not explained. "
            "holdfast.convert(model) swaps torch.nn's recurrent layers."
        )
    before = [layer._recorder for _, layer in layers]  # a record() may be under way
    try:
        for name, layer in layers:
            layer._recorder = _ChoiceRecorder(name, lines)  # type: ignore[assignment]
        with torch.random.fork_rng():
            module(*args, **kwargs)
    finally:
        for (_, layer), recorder in zip(layers, before, strict=True):
            layer._recorder = recorder
    return "\n".join(lines)
