"""The `cpu` backend: our compiled kernels for every cell, one call for a whole layer, forward and backward.

csrc/ holds the equations: kernels.h says what a call is, forward.h and backward.h sweep through time, products.h does
what needs no order. Here a call becomes one list of numbers (csrc/fields.h): flags, sizes and addresses.
"""

from __future__ import annotations

import struct
import warnings
from collections.abc import Callable, Sequence
from functools import lru_cache
from types import ModuleType
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from holdfast.errors import BackendError
from holdfast.kernels import cpu_level, cpu_team
from holdfast.kernels.call import LayerCall, LayerResult, Needs, kept_shapes
from holdfast.spec import CellSpec, parameter_table

if TYPE_CHECKING:
    from holdfast.kernels.dispatch import CallRequest

_MISSING = cpu_level.load().reason
"""Why there are no kernels here, or None: read once, since a compiled graph cannot trace an import."""

_HALF = (torch.bfloat16, torch.float16)  # computed in float32 throughout, and rounded at the end
_DTYPES = (torch.float32, torch.float64, *_HALF)

PARAMETERS = (
    "weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr", "weight_peep", "ln_ih_weight", "ln_ih_bias",
    "ln_hh_weight", "ln_hh_bias", "ln_c_weight", "ln_c_bias", "h_0", "c_0",
)  # fmt: skip
"""Where csrc/kernels.h has each parameter of a direction; the order of the parameter table."""


def unsupported(request: CallRequest) -> str | None:
    """Return None when the kernels can run the request, else a clause that says why not."""
    if _MISSING is not None:
        if not torch.compiler.is_compiling():
            _tell_once(_MISSING)
        return _MISSING
    # A packed batch has a row, and its number of rows may be unknown to a compiler.
    if not request.packed and request.batch == 0:
        return "the cpu kernels need at least one row"
    return unsupported_layer(request.device, request.dtype, request.input_size)


def unsupported_layer(device: torch.device, dtype: torch.dtype, input_size: int) -> str | None:
    """Return None when the kernels can run such a layer over some batch, else a clause that says why not."""
    if _MISSING is not None:
        return _MISSING
    if device.type != "cpu":
        return f"the cpu kernels need tensors on the CPU, got {device}"
    if dtype not in _DTYPES:
        return f"the cpu kernels need float32, float64, bfloat16 or float16, got {dtype}"
    if input_size == 0:
        return "the cpu kernels need at least one feature"
    return None


@lru_cache(maxsize=1)
def _tell_once(reason: str) -> None:
    """Warn a user who did not ask for it that everything runs on the slower backends."""
    if "turns the compiled kernels off" not in reason:
        message = f"Holdfast runs without its compiled kernels: {reason}. `holdfast doctor` says more."
        warnings.warn(message, RuntimeWarning, stacklevel=2)


def workspace_size(call: LayerCall) -> int:
    """Return how many numbers a saving call keeps in `rest`; csrc/kernels.h (rest_size) counts the same.

    For each direction and step: with layer norm the normalised sums of W x and W h and their scales, and for the LSTM
    those of c; under dropout what W_hh multiplied; of a GRU W_hn h + b_hn (or r h); before a projection o tanh(c).
    """
    spec, hidden = call.spec, call.hidden_size
    rows = len(spec.gates) * hidden
    size = 0
    if spec.layer_norm:
        size += 2 * rows + 3 + (hidden + 1 if spec.family == "lstm" else 0)
    if call.seed is not None and spec.recurrent_dropout > 0:
        size += call.out_size
    if spec.family == "gru":
        size += hidden
    if spec.projected:
        size += hidden
    steps = call.x.shape[0] if call.packed else call.x.shape[0] * call.x.shape[1]
    return call.directions * steps * size


def forward(call: LayerCall, save: int) -> LayerResult:
    """Run a layer.

    Args:
        save: 0 nothing, 1 what `backward` reads, 2 also zeros in padding.
    """
    x, tensors = call.x, call.tensors
    if x.dtype in _HALF:
        wide = forward(_widened(call), save)
        return LayerResult._make([*[part.to(x.dtype) for part in wide[:3]], *wide[3:]])
    layout = _describe(call.spec)
    numbers = _Numbers(call, layout, save)
    # What is absent is a tensor of its own each time: an operator's results may not share memory, even of no size.
    y = x.new_empty((*x.shape[:-1], call.directions * tensors[0].shape[2]))
    h_n = torch.empty_like(tensors[0], memory_format=torch.contiguous_format)
    lstm = layout.num_states == 2
    c_n = torch.empty_like(tensors[1], memory_format=torch.contiguous_format) if lstm else x.new_empty(0)
    gates_shape, cells_shape = kept_shapes(call) if save else (0, 0)
    gates, cells = x.new_empty(gates_shape), x.new_empty(cells_shape)
    rest = x.new_empty(workspace_size(call) if save and layout.keeps_more else 0)
    result = LayerResult(y, h_n, c_n, gates, cells, rest)
    numbers.add_results(result)
    numbers.run(_module().forward)
    return result


def backward(
    call: LayerCall, result: LayerResult, d_y: Tensor | None, d_h: Tensor | None, d_c: Tensor | None, needs: Needs
) -> list[Tensor]:
    """Return the needed gradients, in the order of their bits; None among those given means zero."""
    x, tensors, bits = call.x, call.tensors, needs.bits
    if x.dtype in _HALF:
        halves = [None if part is None else part.float() for part in (d_y, d_h, d_c)]
        outputs = LayerResult._make([*[part.float() for part in result[:3]], *result[3:]])
        wide = backward(_widened(call), outputs, *halves, needs=needs)
        flows = needs.flow_h + needs.flow_c  # those stay wide
        cut = len(wide) - flows
        return [grad.to(x.dtype) for grad in wide[:cut]] + wide[cut:]
    layout = _describe(call.spec)
    numbers = _Numbers(call, layout, 1)
    numbers.add_results([part.contiguous() for part in result])
    # The sweep needs room for the gradients of the states, wanted or not.
    always = (1 << (1 + layout.num_states)) - 2
    grads: list[Tensor | None] = [
        torch.empty_like(given, memory_format=torch.contiguous_format) if (bits | always) >> k & 1 else None
        for k, given in enumerate((x, *tensors))
    ]
    flow_h = flow_c = None
    if bits >> len(grads):
        lead = (call.directions, *x.shape[:-1])
        flow_h = x.new_empty((*lead, call.out_size)) if needs.flow_h else None
        flow_c = x.new_empty((*lead, call.hidden_size)) if needs.flow_c else None
    numbers.add_gradients([None if part is None else part.contiguous() for part in (d_y, d_h, d_c)], grads)
    numbers.add(flow_h, flow_c)
    numbers.run(_module().backward)
    return needs.pick([*grads, flow_h, flow_c])


class FrozenLayers:
    """Layers in evaluation whose weights are packed once, in the order this CPU level reads them.

    A call fills in sizes and addresses and no more. Later changes of the weights are not seen.
    """

    def __init__(self, layers: Sequence[LayerCall]):
        """Take a call of each layer over one row; of x and the states only shapes and dtype matter."""
        self._module, self._directions = _module(), layers[0].directions
        self._half = layers[0].x.dtype if layers[0].x.dtype in _HALF else None
        self._twice, self._width = layers[0].x.dtype == torch.float64, self._directions * layers[0].out_size
        first = layers[0].tensors[: layers[0].num_states]
        self._row_bytes = [
            state.nbytes * (1 if self._half is None else 2) for state in first
        ]  # of a layer, for one row
        self._layers = [self._pack(call if self._half is None else _widened(call)) for call in layers]

    def run(
        self,
        x: Tensor,
        steps: int,
        states: Sequence[Tensor],
        lengths: Tensor | None,
        resets: Tensor | None,
        rows: Tensor | None,
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Run the layers over x [T, B, I] or packed [N, I], from the states [L*D, B, size] of all of them.

        Everything lies on the CPU, is contiguous and checked; lengths are int64. See LayerCall for the rest.
        """
        half = self._half
        if half is not None:
            x, states = x.float(), [state.float() for state in states]
        finals = [torch.empty_like(state) for state in states]
        y = self._sweep(x, steps, states, finals, (_address(lengths), _address(rows), _address(resets)))
        if half is not None:
            y, finals = y.to(half), [final.to(half) for final in finals]
        return y, tuple(finals)

    def _sweep(
        self, x: Tensor, steps: int, states: Sequence[Tensor], finals: Sequence[Tensor], extras: tuple[int, int, int]
    ) -> Tensor:
        *lead, _ = x.shape
        packed, batch = len(lead) == 1, states[0].shape[1]
        positions = lead[0] if packed else lead[0] * lead[1]
        threads = cpu_team.num_threads(self._module)
        h0, h_n, h_bytes = states[0].data_ptr(), finals[0].data_ptr(), self._row_bytes[0] * batch
        c0 = c_n = c_bytes = 0
        if len(states) == 2:
            c0, c_n, c_bytes = states[1].data_ptr(), finals[1].data_ptr(), self._row_bytes[1] * batch
        for row, _ in self._layers:
            y = x.new_empty((*lead, self._width))
            values = row.copy()
            values[_STEPS : _STEPS + 2] = steps, batch
            values[_POSITIONS] = positions
            values[_PACKED:_PARAMETERS_FROM] = packed, x.data_ptr(), *extras, 0, h0, c0
            values[_OUTPUTS : _OUTPUTS + 3] = y.data_ptr(), h_n, c_n
            if batch:
                self._module.forward(self._twice, values, threads)
            h0, h_n, c0, c_n = h0 + h_bytes, h_n + h_bytes, c0 + c_bytes, c_n + c_bytes
            x = y if self._half is None else y.to(self._half).float()  # each layer rounds what it hands on
        return y

    def _pack(self, call: LayerCall) -> tuple[list[int], list[Tensor]]:
        """Return one layer's numbers, its weights packed, and the tensors they name: of the matrices, no copy else."""
        copies = [tensor.detach().clone(memory_format=torch.contiguous_format) for tensor in call.tensors]
        layout = _describe(call.spec)
        numbers = _Numbers(call._replace(tensors=copies), layout, 0)
        numbers.add_results((call.x.new_empty(0),) * 6)
        values = numbers.values
        size = self._module.packed_size(self._twice, values)
        kept = [call.x.new_empty(size + _ALIGN) for _ in range(call.directions)]
        values[_OUTPUTS - 2 : _OUTPUTS - 2 + len(kept)] = [_aligned(packed) for packed in kept]
        self._module.pack(self._twice, values)
        for slot, copied in zip(layout.both_slots, copies[layout.num_states :], strict=False):
            if slot % len(PARAMETERS) in _MATRICES:
                values[_PARAMETERS_FROM + slot] = 0
            else:
                kept.append(copied)
        return values, kept


_ALIGN = 16  # numbers: room to start a packed weight on a cache line


def _aligned(packed: Tensor) -> int:
    return (packed.data_ptr() + 63) // 64 * 64


class _Numbers:
    """The list of numbers that stands for one call, and the tensors whose memory it names."""

    __slots__ = ("_kept", "_layout", "_slots", "_twice", "values")

    def __init__(self, call: LayerCall, layout: _Layout, save: int):
        _, x, lengths, resets, rows, seed, layer, directions, tensors = call
        x, tensors = x.contiguous(), [tensor.contiguous() for tensor in tensors]
        if lengths is not None:
            lengths = lengths.to(torch.int64).contiguous()
        resets, rows, seed = [None if extra is None else extra.contiguous() for extra in (resets, rows, seed)]
        self._layout, self._slots = layout, layout.slots if directions == 1 else layout.both_slots
        self._twice = x.dtype == torch.float64
        self._kept: list[object] = [x, lengths, resets, rows, seed, tensors]
        *lead, input_size = x.shape
        _, batch, out_size = tensors[0].shape
        packed = len(lead) == 1
        hidden = out_size if not layout.projected else call.hidden_size
        positions = lead[0] if packed else lead[0] * lead[1]
        steps = lead[0] if not packed else call.steps
        states = [state.data_ptr() for state in tensors[: layout.num_states]]
        self.values: list[int] = [
            *layout.header, steps, batch, input_size, hidden, out_size, directions, positions, layer, save, packed,
            x.data_ptr(), _address(lengths), _address(rows), _address(resets), _address(seed), *states,
        ]  # fmt: skip
        if len(states) == 1:
            self.values.append(0)
        self._add_parameters(tensors[layout.num_states :])

    def add_results(self, results: Sequence[Tensor]) -> None:
        """Add where the results go: y, h_n, c_n, gates, cells, rest."""
        self.values += (0, 0)  # nothing frozen
        self.values += [part.data_ptr() for part in results]
        self._kept.append(results)

    def add_gradients(self, given: Sequence[Tensor | None], wanted: Sequence[Tensor | None]) -> None:
        """Add the gradients of y, h_n and c_n, and where those of x, the states and the parameters go."""
        first = 1 + self._layout.num_states
        self.add(*given, *wanted[:first])
        if first == 2:
            self.values.append(0)
        self._add_parameters(wanted[first:])
        self._kept.append(wanted)

    def add(self, *tensors: Tensor | None) -> None:
        self.values += [0 if tensor is None else tensor.data_ptr() for tensor in tensors]
        self._kept.append(tensors)

    def run(self, kernel: Callable[[bool, list[int], int], None]) -> None:
        kernel(self._twice, self.values, cpu_team.num_threads(_module()))

    def _add_parameters(self, params: Sequence[Tensor | None]) -> None:
        pointers = [0] * (2 * len(PARAMETERS))
        for slot, param in zip(self._slots, params, strict=True):
            if param is not None:
                pointers[slot] = param.data_ptr()
        self.values += pointers


# Where things stand in the list; csrc/fields.h has all of it.
_STEPS, _POSITIONS, _PACKED, _PARAMETERS_FROM = 10, 16, 19, 27
_OUTPUTS = _PARAMETERS_FROM + 2 * len(PARAMETERS) + 2

_MATRICES = [PARAMETERS.index(name) for name in ("weight_ih", "weight_hh", "weight_hr")]


class _Layout(NamedTuple):
    """What a spec settles once and for all about the list of numbers."""

    header: tuple[int, ...]  # the numbers that stand for the spec itself
    slots: tuple[int, ...]  # where each parameter of the first direction goes in PARAMETERS
    both_slots: tuple[int, ...]  # the same for both directions, one after the other
    num_states: int
    projected: bool
    keeps_more: bool  # whether a saving call may have a workspace beside gates and cells


@lru_cache(maxsize=256)
def _describe(spec: CellSpec) -> _Layout:
    forget = 2 if spec.coupled else int(spec.forget_gate)
    header = (
        ("lstm", "gru", "rnn").index(spec.family), forget, (None, "ba2016", "state").index(spec.layer_norm),
        int(spec.peephole), int(spec.projected), int(spec.reset_order == "before"), int(spec.nonlinearity == "relu"),
        *[_bits(chance) for chance in (spec.recurrent_dropout, spec.zoneout_h, spec.zoneout_c)],
    )  # fmt: skip
    names = [parameter.name for parameter in parameter_table(spec, 1, 1, 1 if spec.projected else 0)]
    slots = tuple([PARAMETERS.index(name) for name in names])
    both = (*slots, *[len(PARAMETERS) + slot for slot in slots])
    keeps_more = bool(spec.layer_norm or spec.recurrent_dropout or spec.family == "gru" or spec.projected)
    return _Layout(header, slots, both, len(spec.states), spec.projected, keeps_more)


def _bits(chance: float) -> int:
    """Return a float64 as the integer of the same bits."""
    return struct.unpack("<q", struct.pack("<d", chance))[0]


def _widened(call: LayerCall) -> LayerCall:
    tensors = [tensor.float() for tensor in call.tensors]
    return LayerCall(
        call.spec, call.x.float(), call.lengths, call.resets, call.rows, call.seed, call.layer, call.directions, tensors
    )


def _address(tensor: Tensor | None) -> int:
    return 0 if tensor is None else tensor.data_ptr()


def _module() -> ModuleType:
    found = cpu_level.load()
    if found.module is None:
        raise BackendError(f"backend='cpu' cannot run: {found.reason}.")
    return found.module
