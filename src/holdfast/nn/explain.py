"""Say which backend runs each layer and cell of a model, and why the faster ones do not."""

from __future__ import annotations

import torch
from torch import nn

from holdfast.kernels.call import LayerCall, LayerResult
from holdfast.kernels.dispatch import CallRequest, Choice, order_rule
from holdfast.nn.base import AbstractRecurrent
from holdfast.nn.cell import AbstractCell
from holdfast.nn.freeze import Frozen
from holdfast.nn.trace import FlowSink


class ChoiceRecorder:
    """Sits on a layer or a cell while `explain` runs and writes down each choice."""

    wants_gates = False
    attach = False

    def __init__(self, name: str, module: AbstractRecurrent | AbstractCell, lines: list[str]):
        self.name, self.wanted, self.lines = name or module.name, module.backend, lines
        self.is_cell = isinstance(module, AbstractCell)

    def note(
        self, call: LayerCall, request: CallRequest, choice: Choice, result: LayerResult, sink: FlowSink | None
    ) -> None:
        where = f" layer {call.layer} {'forward' if call.directions == 1 else 'both'}"
        steps = f"T={request.time} "
        if self.is_cell:
            where = steps = ""
        size = f"{steps}B={request.batch} I={request.input_size} H={request.hidden_size}"
        self.lines.append(f"{self.name}{where} ({request.spec.key}, {size}): {choice.backend}")
        self.lines += [f"    not {backend}: {reason}" for backend, reason in choice.refused]
        rule = order_rule(request) if self.wanted == "auto" else f"asked for with backend={self.wanted!r}"
        self.lines += [f"    {rule}"] if rule is not None else []


def explain(module: nn.Module, *args: object, **kwargs: object) -> str:
    """Run `module` once and return, layer by layer, the backend that ran and why the ones before it did not.

    Where both `cpu` and `vendor` could run a layer, the measured rule that chose is printed too. Gradients, train mode
    and autocast are as the caller has them, since the choice depends on them. Random states are put back afterwards.

    Args:
        *args, **kwargs: What to call `module` with.

    Example:
        >>> import torch, holdfast
        >>> print(holdfast.explain(holdfast.LSTM(3, 5, backend="reference"), torch.zeros(7, 2, 3)))
        LSTM layer 0 forward (lstm, T=7 B=2 I=3 H=5): reference
            asked for with backend='reference'
    """
    lines: list[str] = []
    named = list(module.named_modules())
    found = [(name, layer) for name, layer in named if isinstance(layer, (AbstractRecurrent, AbstractCell))]
    frozen = [f"{name or layer.name} (frozen): cpu" for name, layer in named if isinstance(layer, Frozen)]
    if not found and not frozen:
        return "No Holdfast layer here. holdfast.convert(model) swaps torch.nn's recurrent layers."
    before = [layer._recorder for _, layer in found]  # a record() may be under way
    try:
        for name, layer in found:
            layer._recorder = ChoiceRecorder(name, layer, lines)  # type: ignore[assignment]
        with torch.random.fork_rng():
            module(*args, **kwargs)
    finally:
        for (_, layer), recorder in zip(found, before, strict=True):
            layer._recorder = recorder  # type: ignore[assignment]
    return "\n".join(lines + frozen)
