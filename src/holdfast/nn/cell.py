"""A single step as a module: torch.nn's cells, with the variants that need no memory between calls."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from holdfast.errors import DtypeError, ShapeError
from holdfast.kernels.call import LayerCall, LayerResult
from holdfast.kernels.dispatch import CallRequest, choose
from holdfast.kernels.ops import run_layer
from holdfast.nn.init import Init, check_init, draw_parameters
from holdfast.nn.inputs import autocasting
from holdfast.spec import CellSpec, parameter_table

if TYPE_CHECKING:
    from holdfast.nn.explain import ChoiceRecorder


class AbstractCell(nn.Module):
    """One step of one cell specification. Use LSTMCell, GRUCell or RNNCell.

    Recurrent dropout and zoneout are not here: their masks belong to a whole sequence, so they live in the layers.
    """

    _recorder: ChoiceRecorder | None = None  # while `explain` runs

    def __init__(
        self, spec: CellSpec, input_size: int, hidden_size: int, *, init: Init, backend: str, device: Any, dtype: Any
    ):
        super().__init__()
        check_init(init, spec)
        self.input_size, self.hidden_size, self.bias = input_size, hidden_size, spec.bias
        self.adopt(spec, init=init, backend=backend)
        for parameter in self._table():
            self.register_parameter(
                parameter.name, nn.Parameter(torch.empty(parameter.shape, device=device, dtype=dtype))
            )
        self.reset_parameters()

    def adopt(self, spec: CellSpec, *, init: Init = "torch", backend: str = "auto") -> None:
        """Set what torch.nn's cells do not have; `convert` calls this on a cell that was torch's."""
        self.spec, self.spec_key, self.init, self.backend = spec, spec.key, init, backend
        self._names = tuple(parameter.name for parameter in self._table())

    @property
    def name(self) -> str:
        return f"{self.spec.family.upper()}Cell"

    def _table(self):
        return parameter_table(self.spec, self.input_size, self.hidden_size)

    def _params(self) -> tuple[Tensor, ...]:
        return tuple([getattr(self, name) for name in self._names])

    def reset_parameters(self) -> None:
        """Draw all parameters anew, by the scheme given as `init`."""
        names = [parameter.name for parameter in self._table()]
        draw_parameters(list(zip(names, self._params(), strict=True)), self.spec, self.hidden_size, self.init)

    def forward(self, x: Tensor, hx: Any = None) -> Any:
        """Advance one step.

        Args:
            x: [B, I], or [I] unbatched.
            hx: h [B, H] (and c [B, H] as a tuple for the LSTM), without B when unbatched. None means the initial state.

        Returns:
            h, or (h, c) for the LSTM, shaped as given.

        Raises:
            ShapeError, DtypeError: an argument does not fit.
        """
        if x.dim() not in (1, 2):
            raise ShapeError(f"{self.name}: Expected input to be 1D or 2D, got {x.dim()}D instead")
        if x.shape[-1] != self.input_size:
            raise ShapeError(f"{self.name} expects {self.input_size} features on the last axis, got {x.shape[-1]}.")
        rows = x.unsqueeze(0) if x.dim() == 2 else x[None, None]
        device_type = x.device.type
        autocast = autocasting(x.device)
        params = self._params()
        if autocast and x.is_floating_point():
            dtype = torch.get_autocast_dtype(device_type)
            rows, params = rows.to(dtype), tuple([param.to(dtype) for param in params])
        elif x.dtype != params[0].dtype:
            raise DtypeError(f"{self.name} input dtype ({x.dtype}) does not match weight dtype ({params[0].dtype}).")
        states = self._open_state(hx, rows, params, x.dim() == 1)
        with torch.autocast(device_type, enabled=False) if autocast else nullcontext():
            result = self._step(rows, states, params)
        found = [state.squeeze(0) for state in (result.h, result.c)[: len(states)]]
        found = [state.squeeze(0) for state in found] if x.dim() == 1 else found
        return (found[0], found[1]) if len(found) == 2 else found[0]

    def _open_state(self, hx: Any, x: Tensor, params: tuple[Tensor, ...], unbatched: bool) -> tuple[Tensor, ...]:
        """Return the states as [1, B, H] each; x is [1, B, I]."""
        names, rows = self.spec.states, x.shape[1]
        if hx is None:
            if self.spec.initial_state == "learned":
                return tuple([start.expand(1, rows, -1) for start in params[len(params) - len(names) :]])
            return tuple([x.new_zeros(1, rows, self.hidden_size) for _ in names])
        states = (hx,) if isinstance(hx, Tensor) else tuple(hx)
        if len(states) != len(names):
            raise ShapeError(f"{self.name} expects {len(names)} state tensors, got {len(states)}.")
        states = tuple([state[None, None] if unbatched else state.unsqueeze(0) for state in states])
        for name, state in zip(names, states, strict=True):
            if tuple(state.shape) != (1, rows, self.hidden_size):
                raise ShapeError(
                    f"{self.name}: {name} must have shape ({rows}, {self.hidden_size}), got {tuple(state.shape[1:])}"
                )
        return tuple([state if state.dtype == x.dtype else state.to(x.dtype) for state in states])

    def _step(self, x: Tensor, states: tuple[Tensor, ...], params: tuple[Tensor, ...]) -> LayerResult:
        call = LayerCall(self.spec, x, None, None, None, None, 0, 1, (*states, *params))
        request = CallRequest(
            spec=self.spec,
            dtype=x.dtype,
            device=x.device,
            time=1,
            batch=x.shape[1],
            input_size=self.input_size,
            hidden_size=self.hidden_size,
            directions=1,
            lengths=False,
            resets=False,
            packed=False,
            masks=False,
            trace=False,
            grad=call.wants_grad,
            flow=False,
        )
        choice = choose(request, self.backend)
        result = run_layer(call, key=self.spec_key, backend=choice.backend, grad=request.grad)
        if self._recorder is not None:
            self._recorder.note(call, request, choice, result, None)
        return result

    def extra_repr(self) -> str:
        flags = [f"{key}={value!r}" for key, value in self.spec.to_dict().items() if key != "family"]
        return ", ".join([f"{self.input_size}, {self.hidden_size}", *flags])
