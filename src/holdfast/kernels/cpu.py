"""The `cpu` backend: our compiled kernels for every cell, one call for a whole layer, forward and backward.

csrc/ holds the equations: kernels.h says what a call is, forward.h and backward.h sweep through time, products.h does
what needs no order. Here a call becomes one list of numbers (csrc/fields.h): flags, sizes and addresses.
"""

from __future__ import annotations

import struct
import warnings
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from types import ModuleType
from typing import TYPE_CHECKING

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
    if call.x.dtype in _HALF:
        wide = forward(_widened(call), save)
        return LayerResult._make([*[part.to(call.x.dtype) for part in wide[:3]], *wide[3:]])
    numbers = _Numbers(call)
    x, lstm = call.x, len(call.tensors) > 1 and call.num_states == 2
    h0 = call.tensors[0]
    y = x.new_empty((*x.shape[:-1], call.directions * h0.shape[2]))
    h_n = torch.empty_like(h0, memory_format=torch.contiguous_format)
    c_n = torch.empty_like(call.tensors[1], memory_format=torch.contiguous_format) if lstm else x.new_empty(0)
    # What is absent is a tensor of its own each time: an operator's results may not share memory, even of no size.
    gates_shape, cells_shape = kept_shapes(call) if save else ((0,), (0,))
    gates, cells, rest = (x.new_empty(size) for size in (gates_shape, cells_shape, workspace_size(call) if save else 0))
    numbers.add(save, (y, h_n, c_n, gates, cells, rest))
    module = _module()
    module.forward(x.dtype == torch.float64, numbers.values, cpu_team.num_threads(module))
    return LayerResult(y, h_n, c_n, gates, cells, rest)


def backward(call: LayerCall, result: LayerResult, d_y: Tensor, d_h: Tensor, d_c: Tensor, needs: Needs) -> list[Tensor]:
    """Return the needed gradients, in the order of their bits."""
    if call.x.dtype in _HALF:
        halves = [part.float() for part in (*result[:3], d_y, d_h, d_c)]
        wide = backward(_widened(call), LayerResult._make([*halves[:3], *result[3:]]), *halves[3:], needs=needs)
        flows = needs.flow_h + needs.flow_c  # those stay wide
        cut = len(wide) - flows
        return [grad.to(call.x.dtype) for grad in wide[:cut]] + wide[cut:]
    numbers = _Numbers(call)
    given = [part.contiguous() for part in result]
    numbers.add(1, given)
    seeds = [part.contiguous() for part in (d_y, d_h, d_c)]
    num_states = call.num_states
    states = [torch.empty_like(state, memory_format=torch.contiguous_format) for state in call.tensors[:num_states]]
    params = [
        torch.empty_like(param, memory_format=torch.contiguous_format) if needs.tensor(num_states + k) else None
        for k, param in enumerate(call.tensors[num_states:])
    ]
    d_x = call.x.new_empty(call.x.shape) if needs.x else None
    lead = (call.directions, *call.x.shape[:-1])
    flow_h = call.x.new_empty((*lead, call.out_size)) if needs.flow_h else None
    flow_c = call.x.new_empty((*lead, call.hidden_size)) if needs.flow_c else None
    numbers.add_gradients(seeds, d_x, states, params, (flow_h, flow_c))
    module = _module()
    module.backward(call.x.dtype == torch.float64, numbers.values, cpu_team.num_threads(module))
    return needs.pick([d_x, *states, *params, flow_h, flow_c])


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
        numbers = _Numbers(replace(call, tensors=copies))
        values, none = numbers.values, call.x.new_empty(0)
        numbers.add(0, (none,) * 6)
        size = self._module.packed_size(self._twice, values)
        kept = [call.x.new_empty(size + _ALIGN) for _ in range(call.directions)]
        numbers.set_frozen(kept)
        self._module.pack(self._twice, values)
        slots = _describe(call.spec)[1]
        for k, copied in enumerate(copies[call.num_states :]):
            direction, place = divmod(k, len(slots))
            if slots[place] in _MATRICES:
                values[_PARAMETERS_FROM + direction * len(PARAMETERS) + slots[place]] = 0
            else:
                kept.append(copied)
        return values, kept


_ALIGN = 16  # numbers: room to start a packed weight on a cache line


def _aligned(packed: Tensor) -> int:
    return (packed.data_ptr() + 63) // 64 * 64


class _Numbers:
    """The list of numbers that stands for one call, and the tensors whose memory it names."""

    __slots__ = ("_kept", "_slots", "values")

    def __init__(self, call: LayerCall):
        header, slots = _describe(call.spec)
        x = call.x.contiguous()
        tensors = [tensor.contiguous() for tensor in call.tensors]
        lengths, resets, rows, seed = [
            None if extra is None else extra.contiguous() for extra in (call.lengths, call.resets, call.rows, call.seed)
        ]
        if lengths is not None and lengths.dtype != torch.int64:
            lengths = lengths.long()
        packed = x.dim() == 2
        h0 = tensors[0]
        positions = x.shape[0] if packed else x.shape[0] * x.shape[1]
        self._kept: list[object] = [x, tensors, lengths, resets, rows, seed]
        self._slots = slots
        values = self.values = [
            *header, call.steps, h0.shape[1], x.shape[-1], call.hidden_size, h0.shape[2], call.directions, positions,
            call.layer, 0, packed, x.data_ptr(), _address(lengths), _address(rows), _address(resets), _address(seed),
            h0.data_ptr(),
        ]  # fmt: skip
        first = call.num_states
        values.append(tensors[1].data_ptr() if first == 2 else 0)
        self._add_parameters(tensors[first:], call.directions)

    def add(self, save: int, outputs: Sequence[Tensor]) -> None:
        """Add where the results go: y, h_n, c_n, gates, cells, rest."""
        values = self.values
        values[_SAVE] = save
        values += [0, 0]  # nothing frozen
        values += [part.data_ptr() for part in outputs]
        self._kept.append(outputs)

    def set_frozen(self, frozen: Sequence[Tensor]) -> None:
        """Name the packed weights of each direction; the caller keeps them."""
        for k, packed in enumerate(frozen):
            self.values[_OUTPUTS - 2 + k] = _aligned(packed)

    def add_gradients(
        self,
        seeds: Sequence[Tensor],
        d_x: Tensor | None,
        states: Sequence[Tensor],
        params: Sequence[Tensor | None],
        flows: Sequence[Tensor | None],
    ) -> None:
        """Add the gradients of y, h_n and c_n, and where those of everything else go."""
        values = self.values
        values += [part.data_ptr() for part in seeds]
        values += [_address(d_x), states[0].data_ptr(), states[1].data_ptr() if len(states) == 2 else 0]
        self._add_parameters(params, len(params) // len(self._slots))
        values += [_address(flow) for flow in flows]
        self._kept += [seeds, d_x, states, params, flows]

    def _add_parameters(self, params: Sequence[Tensor | None], directions: int) -> None:
        slots, count = self._slots, len(self._slots)
        pointers = [0] * (2 * len(PARAMETERS))
        for direction in range(directions):
            for slot, param in zip(slots, params[direction * count : (direction + 1) * count], strict=True):
                pointers[direction * len(PARAMETERS) + slot] = _address(param)
        self.values += pointers


# Where things stand in the list; csrc/fields.h has all of it.
_STEPS, _POSITIONS, _SAVE, _PACKED, _PARAMETERS_FROM = 10, 16, 18, 19, 27
_OUTPUTS = _PARAMETERS_FROM + 2 * len(PARAMETERS) + 2

_MATRICES = [PARAMETERS.index(name) for name in ("weight_ih", "weight_hh", "weight_hr")]


@lru_cache(maxsize=256)
def _describe(spec: CellSpec) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the numbers that stand for a spec, and where each of its parameters goes in PARAMETERS."""
    forget = 2 if spec.coupled else int(spec.forget_gate)
    header = (
        ("lstm", "gru", "rnn").index(spec.family), forget, (None, "ba2016", "state").index(spec.layer_norm),
        int(spec.peephole), int(spec.projected), int(spec.reset_order == "before"), int(spec.nonlinearity == "relu"),
        *[_bits(chance) for chance in (spec.recurrent_dropout, spec.zoneout_h, spec.zoneout_c)],
    )  # fmt: skip
    names = [parameter.name for parameter in parameter_table(spec, 1, 1, 1 if spec.projected else 0)]
    return header, tuple(PARAMETERS.index(name) for name in names)


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
