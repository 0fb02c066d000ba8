"""Every gate and state of every step, from a bare layer or from the layers inside a bigger model."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from holdfast.errors import HoldfastError
from holdfast.kernels.dispatch import CallRequest, Choice
from holdfast.nn.base import AbstractRecurrent
from holdfast.reference.sequence import Place, SequenceResult
from holdfast.spec import GATES

DIRECTIONS = ("forward", "backward")

Key = tuple[str, int, str]


@dataclass(frozen=True)
class LayerTrace:
    """One layer in one direction: gates and states, each [T, B, H], zero in padding, by name as attributes.

    An LSTM has `i f g o c h`, a GRU `r z n h`, an RNN `h`; h is what the layer gave out ([T, B, P] when projected).
    A tied f is 1 - i, an absent one 1. `lengths` [B] is None when every row ran to the end; `h0`, `c0` [B, ...] are the
    states before the first step read. The rows of a packed sequence stand in the caller's order.
    """

    values: dict[str, Tensor]
    lengths: Tensor | None
    h0: Tensor
    c0: Tensor | None
    backend: str

    def __getattr__(self, name: str) -> Tensor:
        values = self.__dict__.get("values", {})
        if name in values:
            return values[name]
        raise AttributeError(f"this trace has {', '.join(values)}, not {name!r}")


@dataclass
class Trace:
    """What `trace` and `record` return: `trace[name, layer, direction]` is a LayerTrace.

    `name` is the module's path in the model ("" for a bare layer), direction "forward" or "backward". A module that was
    called several times has no single answer: `calls(name)` lists its calls in order.
    """

    output: Any = None
    state: Any = None
    _calls: dict[str, list[dict[tuple[int, str], LayerTrace]]] = field(default_factory=dict)

    def __getitem__(self, key: Key) -> LayerTrace:
        name, layer, direction = key
        calls = self.calls(name)
        if len(calls) > 1:
            raise LookupError(
                f"{name!r} was called {len(calls)} times: take trace.calls({name!r})[k][layer, direction]."
            )
        if (layer, direction) not in calls[0]:
            raise KeyError(f"{name!r} has (layer, direction) {sorted(calls[0])}, not {(layer, direction)}.")
        return calls[0][layer, direction]

    def __iter__(self) -> Iterator[Key]:
        return iter([(name, *place) for name, calls in self._calls.items() for place in calls[0]])

    def __len__(self) -> int:
        return sum(len(calls[0]) for calls in self._calls.values())

    def calls(self, name: str) -> list[dict[tuple[int, str], LayerTrace]]:
        """Return one mapping of (layer, direction) to LayerTrace for each call of the module.

        Raises:
            KeyError: the module made no call while recording; the message lists those that did.
        """
        if name not in self._calls:
            raise KeyError(f"no recorded layer is named {name!r}; recorded: {sorted(self._calls)}.")
        return self._calls[name]


class Recorder:
    """Sits on a layer while a trace runs and keeps what each layer and direction computed."""

    wants_gates = True

    def __init__(self, trace: Trace, name: str, attach: bool):
        self.trace, self.name, self.attach = trace, name, attach

    def note(
        self,
        place: Place,
        request: CallRequest,
        choice: Choice,
        result: SequenceResult,
        state: tuple[Tensor, ...],
        lengths: Tensor | None,
    ) -> None:
        calls = self.trace._calls.setdefault(self.name, [])
        if place == Place(0, 0):
            calls.append({})
        kept = [tensor if self.attach else tensor.detach() for tensor in (result.gates, result.output, *state)]
        gates, h, h0, *rest = kept
        values = dict(zip(GATES[request.spec.family], gates.unbind(2), strict=True))
        if result.cells is not None and rest:
            values["c"] = result.cells if self.attach else result.cells.detach()
        values["h"] = h
        c0 = rest[0] if rest else None
        calls[-1][place.layer, DIRECTIONS[place.direction]] = LayerTrace(values, lengths, h0, c0, choice.backend)


@contextmanager
def record(model: nn.Module, *, attach: bool = False) -> Iterator[Trace]:
    """Record every recurrent layer of `model`, torch.nn's own included, while the block runs.

    A torch.nn layer computes through a Holdfast layer that shares its weights for as long as the block lasts. Cells,
    which advance a single step, are not recorded.

    Args:
        attach: Keep the graph, so that gradients flow through the recorded gates. Runs on `reference`.

    Raises:
        HoldfastError: a layer of the model is being recorded already.
        SpecError: a layer is of a subclass of a torch.nn layer, with behaviour of its own.

    Example:
        >>> import torch, holdfast
        >>> model = torch.nn.ModuleDict({"encoder": torch.nn.LSTM(3, 5)})
        >>> with holdfast.record(model) as trace:
        ...     _ = model["encoder"](torch.zeros(7, 2, 3))
        >>> trace["encoder", 0, "forward"].f.shape
        torch.Size([7, 2, 5])
    """
    from holdfast.nn.convert import computes_as, twin_of

    trace = Trace()
    recorded: list[AbstractRecurrent] = []
    replaced: list[nn.Module] = []
    try:
        for name, module in list(model.named_modules()):
            if isinstance(module, AbstractRecurrent):
                layer = module
            elif computes_as(module, name) in (nn.LSTM, nn.GRU, nn.RNN):
                if isinstance(module.__dict__.get("forward"), _ForwardThrough):
                    raise HoldfastError(f"layer {name!r} is being recorded already; close that record() first.")
                layer = twin_of(module)
                module.forward = _ForwardThrough(layer, module)  # type: ignore[method-assign]
                replaced.append(module)
            else:
                continue
            if layer._recorder is not None:
                raise HoldfastError(f"layer {name!r} is being recorded already; close that record() first.")
            layer._recorder = Recorder(trace, name, attach)
            recorded.append(layer)
        yield trace
    finally:
        for layer in recorded:
            layer._recorder = None
        for module in replaced:
            del module.forward


class _ForwardThrough:
    """Stands in for a torch.nn layer's forward. An object, so that a copied model uses its own weights."""

    def __init__(self, layer: AbstractRecurrent, module: nn.Module):
        self.layer, self.module = layer, module

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self.layer.train(self.module.training)
        return self.layer(*args, **kwargs)
