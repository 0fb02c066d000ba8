"""Every gate and state of every step, from a bare layer or from the layers inside a bigger model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from holdfast.errors import HoldfastError, ShapeError
from holdfast.kernels.call import LayerCall, LayerResult
from holdfast.kernels.dispatch import CallRequest, Choice
from holdfast.nn.base import AbstractRecurrent
from holdfast.nn.stand_in import recurrent_layers
from holdfast.nn.step_labels import Labels, fitting, read_labels
from holdfast.nn.trace_export import entries, layer_arrays, load_trace, save_trace, trace_arrays, trace_frame
from holdfast.reference.packing import callers_order, unpack
from holdfast.spec import GATES

if TYPE_CHECKING:
    from os import PathLike

    import pandas
    from numpy.typing import NDArray

DIRECTIONS = ("forward", "backward")

Key = tuple[str, int, str]
Packing = tuple[Tensor, "Tensor | None"]  # lengths and rows, as unpack takes them


@dataclass(frozen=True)
class LayerTrace:
    """One layer in one direction: gates and states, each [T, B, H], zero in padding, by name as attributes.

    An LSTM has `i f g o c h`, a GRU `r z n h`, an RNN `h`; h is what the layer gave out ([T, B, P] when projected).
    A tied f is 1 - i, an absent one 1. `lengths` [B] is None when every row ran to the end; `h0`, `c0` [B, ...] are the
    states before the first step read. The rows of a packed sequence stand in the caller's order.

    With gradients=True, and once a backward pass has run, `d_h` [T, B, H or P] and the LSTM's `d_c` [T, B, H] are the
    total derivatives of the loss by each state, through the future too; a later backward pass replaces them. With
    zoneout, d_c is by the c that h(t) reads, before the old value may be kept. `zoneout` is the chance that a unit of
    the state that carries the memory (c, or h without c) keeps its old value whatever its gates say.
    """

    values: dict[str, Tensor]
    lengths: Tensor | None
    h0: Tensor
    c0: Tensor | None
    backend: str
    gradients: dict[str, Tensor] | None = None
    zoneout: float = 0.0

    @property
    def kept_share(self) -> Tensor | None:
        """The share of its old memory that a unit keeps at each step [T, B, H]: f of an LSTM, z of a GRU.

        With zoneout p it is p + (1 - p) f, exact in evaluation and the expectation in training. None for an RNN, which
        has no gate that keeps. Padding has no meaning.
        """
        gate = self.values.get("f", self.values.get("z"))
        return gate if gate is None or not self.zoneout else self.zoneout + (1 - self.zoneout) * gate

    def __getattr__(self, name: str) -> Tensor:
        values, gradients = self.__dict__.get("values", {}), self.__dict__.get("gradients")
        if name in values:
            return values[name]
        if name == "d_h" or (name == "d_c" and "c" in values):
            if gradients is None:
                raise AttributeError(f"{name!r} is kept only when asked for: record(model, gradients=True)")
            if name not in gradients:
                raise AttributeError(f"{name!r} is there after a backward pass through this layer; none has run yet")
            return gradients[name]
        raise AttributeError(f"this trace has {', '.join(values)}, not {name!r}")

    def to_numpy(self) -> dict[str, NDArray[Any]]:
        """Return the gates, the states, h0, c0, lengths, and d_h and d_c where there are any, as NumPy arrays.

        They share their memory with the trace where they can; bfloat16, which NumPy lacks, becomes float32.
        """
        return layer_arrays(self)


@dataclass
class Trace:
    """What `trace` and `record` return: `trace[name, layer, direction]` is a LayerTrace.

    `name` is the module's path in the model ("" for a bare layer), direction "forward" or "backward". A module that was
    called several times has no single answer: `calls(name)` lists its calls in order.

    `labels` names the steps where names were given: one tuple for all rows, or one a row.
    """

    output: Any = None
    state: Any = None
    labels: Labels | None = None
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

    def to_numpy(self) -> dict[str, NDArray[Any]]:
        """Return every array of `LayerTrace.to_numpy`, by "name/layer/direction/gate".

        A bare layer has no name: "0/forward/f". A module called several times is "name#0", "name#1" and so on.
        """
        return trace_arrays(self)

    def save(self, path: str | PathLike[str]) -> None:
        """Write the arrays of `to_numpy`, the backends and the labels as an .npz file, whole or not at all.

        `numpy.load` reads it without pickle; `Trace.load` makes a trace of it again. The output is not written.
        """
        save_trace(self, path)

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Trace:
        """Read what `save` wrote.

        Raises:
            CheckpointError: the file is missing, or `save` did not write it.
        """
        calls, labels = load_trace(path)
        return cls(labels=labels, _calls=calls)

    def to_dataframe(self) -> pandas.DataFrame:
        """Return a long table: name, layer, direction, call, row, step, label, unit, and a column a gate and state.

        Steps of padding are left out; d_h and d_c are columns too where there are any.

        Raises:
            MissingDependencyError: pandas is not installed.
        """
        return trace_frame(self)


class FlowSink:
    """What the backward pass of one call hands the gradients of every step to; they end up in the call's traces."""

    def __init__(self):
        self.traces: list[LayerTrace] = []  # one a direction
        self.packing: Packing | None = None

    def __call__(self, gradients: list[Tensor]) -> None:
        for direction, trace in enumerate(self.traces):
            for name, gradient in zip(("d_h", "d_c"), gradients, strict=False):
                if trace.gradients is not None:
                    trace.gradients[name] = _dense(gradient[direction], self.packing)


class Recorder:
    """Sits on a layer while a trace runs and keeps what each layer and direction computed."""

    wants_gates = True

    def __init__(self, trace: Trace, name: str, attach: bool, gradients: bool):
        self.trace, self.name, self.attach, self.gradients = trace, name, attach, gradients

    def flow_sink(self) -> FlowSink | None:
        """Return what one call's backward pass is to fill, or None where no gradients are recorded.

        Raises:
            HoldfastError: inside torch.compile, whose backward pass hands nothing out.
        """
        if self.gradients and torch.compiler.is_compiling():
            raise HoldfastError("record(gradients=True) cannot look into torch.compile: call the model uncompiled.")
        return FlowSink() if self.gradients else None

    def note(
        self, call: LayerCall, request: CallRequest, choice: Choice, result: LayerResult, sink: FlowSink | None
    ) -> None:
        calls = self.trace._calls.setdefault(self.name, [])
        if call.layer == 0:
            calls.append({})
        packing = (call.lengths, call.rows) if call.packed and call.lengths is not None else None
        traces = [self._trace_of(call, choice, result, direction, packing) for direction in range(call.directions)]
        for direction, traced in enumerate(traces):
            calls[-1][call.layer, DIRECTIONS[direction]] = traced
        if sink is not None:
            sink.traces, sink.packing = traces, packing

    def _trace_of(
        self, call: LayerCall, choice: Choice, result: LayerResult, direction: int, packing: Packing | None
    ) -> LayerTrace:
        size = call.out_size
        own = result.y[..., direction * size : (direction + 1) * size]
        gates = _dense(self._kept(result.gates[direction]), packing)
        values = dict(zip(GATES[call.spec.family], gates.unbind(2), strict=True))
        if call.num_states == 2:
            values["c"] = _dense(self._kept(result.cells[direction]), packing)
        values["h"] = _dense(self._kept(own), packing)
        h0, *c0 = [self._kept(state) for state in call.states(direction)]
        lengths = callers_order(*packing) if packing is not None else call.lengths
        gradients = {} if self.gradients else None
        zoneout = call.spec.zoneout_c if c0 else call.spec.zoneout_h
        return LayerTrace(values, lengths, h0, c0[0] if c0 else None, choice.backend, gradients, zoneout)

    def _kept(self, tensor: Tensor) -> Tensor:
        return tensor if self.attach else tensor.detach()


def _dense(steps: Tensor, packing: Packing | None) -> Tensor:
    """Return [T, B, ...] of what stands in the layout of the call's data."""
    return steps if packing is None else unpack(steps, *packing)


@contextmanager
def record(
    model: nn.Module, *, attach: bool = False, gradients: bool = False, labels: Iterable[Any] | None = None
) -> Iterator[Trace]:
    """Record every recurrent layer of `model`, torch.nn's own included, while the block runs.

    A torch.nn layer computes through a Holdfast layer that shares its weights for as long as the block lasts. Cells,
    which advance a single step, are not recorded.

    Args:
        attach: Keep the graph, so that gradients flow through the recorded gates. Runs on `reference`.
        gradients: Have the backward pass, when it runs, also leave the gradient of every state in the trace, as `.d_h`
            and `.d_c`. Not together with `attach`.
        labels: Names of the steps, kept as `trace.labels`: one list for all rows, or one list a row. They belong to the
            calls that have as many steps.

    Raises:
        ShapeError: at the end of the block, no call has a step for each label.
        HoldfastError: a layer of the model is being recorded already, or both attach and gradients are asked for.
        SpecError: a layer is of a subclass of a torch.nn layer, with behaviour of its own.

    Example:
        >>> import torch, holdfast
        >>> model = torch.nn.ModuleDict({"encoder": torch.nn.LSTM(3, 5)})
        >>> with holdfast.record(model) as trace:
        ...     _ = model["encoder"](torch.zeros(7, 2, 3))
        >>> trace["encoder", 0, "forward"].f.shape
        torch.Size([7, 2, 5])
    """
    if attach and gradients:
        raise HoldfastError("attach=True keeps the graph for derivatives of your own; gradients=True needs it off.")
    trace = Trace(labels=read_labels(labels))
    recorded: list[AbstractRecurrent] = []
    with recurrent_layers(model) as layers:
        try:
            for name, layer in layers.items():
                if layer._recorder is not None:
                    raise HoldfastError(f"layer {name!r} is being recorded already; close that record() first.")
                layer._recorder = Recorder(trace, name, attach, gradients)
                recorded.append(layer)
            yield trace
            _check_labels(trace)
        finally:
            for layer in recorded:
                layer._recorder = None


def _check_labels(trace: Trace) -> None:
    """Refuse labels that fit no call."""
    if trace.labels is None:
        return
    shapes = []
    for _, traced in entries(trace):
        steps, rows = traced.h.shape[:2]
        lengths = [steps] * rows if traced.lengths is None else traced.lengths.tolist()
        if fitting(trace.labels, steps, lengths):
            return
        shapes.append(f"{steps} steps of {rows} rows")
    given = len(trace.labels) if not trace.labels or isinstance(trace.labels[0], str) else list(map(len, trace.labels))
    raise ShapeError(
        f"There are {given} labels, but the calls recorded have {', '.join(dict.fromkeys(shapes)) or 'no steps'}. Give "
        "one label for each step, or one such list for each row."
    )
