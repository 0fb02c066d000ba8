"""The module behind LSTM, GRU and RNN: torch.nn's interface and names, with the extras of the cell specification."""

from __future__ import annotations

import numbers
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from holdfast.errors import ShapeError, SpecError
from holdfast.kernels.dispatch import BACKENDS
from holdfast.nn.dropout import drop_weight
from holdfast.nn.init import Init, check_init, draw_parameters
from holdfast.nn.inputs import close_sequence, close_state, open_sequence, open_state
from holdfast.nn.stack import run_stack
from holdfast.reference.sequence import Place
from holdfast.spec import CellSpec, Parameter, layer_input_size, parameter_suffix, parameter_table

if TYPE_CHECKING:
    from os import PathLike

    from holdfast.kernels.call import LayerCall
    from holdfast.nn.freeze import Frozen
    from holdfast.nn.trace import Recorder, Trace
    from holdfast.reference.sequence import Forced

    Forcing = Callable[[LayerCall], Sequence[Forced] | None]  # what to force in each direction of a call, None: nothing


class AbstractRecurrent(nn.Module):
    """A stack of recurrent layers of one cell specification. Use LSTM, GRU or RNN."""

    def __init__(
        self,
        spec: CellSpec,
        input_size: int,
        hidden_size: int,
        num_layers: int,
        *,
        batch_first: bool,
        dropout: float,
        bidirectional: bool,
        proj_size: int,
        weight_drop: float,
        init: Init,
        backend: str,
        device: Any,
        dtype: Any,
    ):
        super().__init__()
        _check_sizes(input_size, hidden_size, num_layers, proj_size)
        _check_chances(dropout, weight_drop, num_layers)
        check_init(init, spec)
        self.input_size, self.hidden_size, self.num_layers = input_size, hidden_size, num_layers
        self.bias, self.batch_first, self.dropout = spec.bias, batch_first, float(dropout)
        self.bidirectional, self.proj_size = bidirectional, proj_size
        self.adopt(spec, weight_drop=weight_drop, init=init, backend=backend)
        for name, parameter in self._table():
            self.register_parameter(name, nn.Parameter(torch.empty(parameter.shape, device=device, dtype=dtype)))
        self.reset_parameters()

    def adopt(self, spec: CellSpec, *, weight_drop: float = 0.0, init: Init = "torch", backend: str = "auto") -> None:
        """Set what torch.nn's layers do not have; `convert` calls this on a layer that was torch's."""
        if backend != "auto" and backend not in BACKENDS:
            raise SpecError(f"backend must be 'auto' or one of {', '.join(BACKENDS)}, got {backend!r}.")
        self.spec, self.spec_key = spec, spec.key
        self.weight_drop, self.init, self.backend = float(weight_drop), init, backend
        self._recorder: Recorder | None = None
        self._forcing: Forcing | None = None  # while gates are clamped
        # Listed once: a call reads them for each layer, and a compiled graph cannot trace the table's cache.
        self._names = {
            (place.layer, place.direction): tuple(
                parameter.name + parameter_suffix(place.layer, place.direction) for parameter in self.place_table(place)
            )
            for place in self.places()
        }

    @property
    def name(self) -> str:
        """The family's public name: LSTM, GRU or RNN."""
        return self.spec.family.upper()

    @property
    def num_directions(self) -> int:
        return 2 if self.bidirectional else 1

    @property
    def dtype(self) -> torch.dtype:
        """The dtype of the weights."""
        return self.weight_ih_l0.dtype  # type: ignore[return-value]

    @property
    def all_weights(self) -> list[list[Tensor]]:
        """The parameters, one list for each layer and direction, as torch.nn lists them."""
        return [list(self.direction_parameters(place)) for place in self.places()]

    def places(self) -> Iterator[Place]:
        for layer in range(self.num_layers):
            for direction in range(self.num_directions):
                yield Place(layer, direction)

    def place_table(self, place: Place) -> tuple[Parameter, ...]:
        """Return the rows of the parameter table for one layer and direction."""
        layer, proj_size = place.layer, self.proj_size
        size = layer_input_size(layer, self.input_size, self.hidden_size, proj_size, self.num_directions)
        return parameter_table(self.spec, size, self.hidden_size, proj_size)

    def _table(self):
        for place in self.places():
            suffix = parameter_suffix(place.layer, place.direction)
            for parameter in self.place_table(place):
                yield parameter.name + suffix, parameter

    def direction_parameters(self, place: Place) -> tuple[Tensor, ...]:
        """Return the parameters of one layer and direction in table order, as the module holds them now."""
        names, own = self._names[place.layer, place.direction], self._parameters
        # Parametrised or pruned ones are attributes of another kind, which nn.Module's slower search finds.
        # A name stands in `own` only with a parameter, which the type checker cannot know.
        return tuple([own[name] if name in own else getattr(self, name) for name in names])  # type: ignore[misc]

    def call_weights(self, place: Place, seed: Tensor | None) -> tuple[Tensor, ...]:
        """Return the weights a call computes with: the parameters, with weight drop applied while training."""
        params = self.direction_parameters(place)
        if seed is None or not self.weight_drop:
            return params
        return (params[0], drop_weight(params[1], self.weight_drop, seed, place), *params[2:])

    def layer_weights(self, layer: int, seed: Tensor | None) -> tuple[Tensor, ...]:
        """Return the weights of one layer's directions, one after the other, as a call computes with them."""
        weights = self.call_weights(Place(layer, 0), seed)
        return (*weights, *self.call_weights(Place(layer, 1), seed)) if self.bidirectional else weights

    def reset_parameters(self) -> None:
        """Draw all parameters anew, by the scheme given as `init`."""
        for place in self.places():
            names = [parameter.name for parameter in self.place_table(place)]
            named = list(zip(names, self.direction_parameters(place), strict=True))
            draw_parameters(named, self.spec, self.hidden_size, self.init)

    def flatten_parameters(self) -> None:
        """Do nothing: there for code written for torch.nn. No kernel here needs one block of memory."""

    def forward(
        self,
        x: Tensor | PackedSequence,
        hx: Any = None,
        *,
        lengths: Tensor | None = None,
        resets: Tensor | None = None,
    ) -> tuple[Any, Any]:
        """Run the stack over a batch of sequences.

        Args:
            x: [T, B, I] ([B, T, I] when batch_first), [T, I] unbatched, or a PackedSequence.
            hx: Initial state: h_0 [L*D, B, H or P], and for the LSTM a tuple with c_0 [L*D, B, H]; no B axis when
                unbatched. None means zero, or the learned initial state.
            lengths: [B] integers in 0..T, any order: steps of each row that count. The others are neither computed nor
                returned as anything but zero, and the final states are those of each row's last counted step.
            resets: [T, B] bool ([B, T] when batch_first): the state becomes the initial one before these steps, and no
                gradient crosses. Reading backwards, the cut lies between the same two steps.

        Returns:
            Output [T, B, D*H] (D*P when projected) in the form of `x`, and the final state in the form of `hx`.

        Raises:
            ShapeError, DtypeError: an argument does not fit; the message says what was expected.
            BackendError: the backend given to the constructor cannot run this call.
        """
        given = open_sequence(self, x, lengths, resets)
        y, states = run_stack(self, given, open_state(self, hx, given))
        return close_sequence(self, y, given), close_state(states, given)

    def trace(
        self,
        x: Tensor | PackedSequence,
        hx: Any = None,
        *,
        attach: bool = False,
        gradients: bool = False,
        labels: Any = None,
        **call: Any,
    ) -> Trace:
        """Run the stack and return every gate and state of every step.

        Args:
            x, hx, **call: As for a call, lengths and resets included.
            attach: Keep the graph, so that gradients flow through the gates. Runs on `reference`.
            gradients: Also keep, from a later backward pass, the gradient of every state, as `.d_h` and `.d_c`.
            labels: Names of the steps, kept as `.labels`: one list for all rows, or one list a row.

        Returns:
            A trace whose `["", layer, "forward"]` has the gates as [T, B, H], with `.output` and `.state` of the call.
        """
        from holdfast.nn.trace import record

        with record(self, attach=attach, gradients=gradients, labels=labels) as trace:
            trace.output, trace.state = self(x, hx, **call)
        return trace

    def freeze(self) -> Frozen:
        """Return an object for inference with a copy of the weights, packed once for this CPU.

        It is called as the layer is in evaluation mode, and spares what a call costs beside the arithmetic: most where
        one step at a time is wanted. It always runs on `cpu`, and does not see later changes of this layer.

        Raises:
            BackendError: the layer is not on the CPU, or there are no compiled kernels for it.

        Example:
            >>> import torch, holdfast
            >>> frozen = holdfast.LSTM(3, 5).freeze()
            >>> y, state = frozen(torch.zeros(1, 1, 3))
            >>> y, state = frozen(torch.zeros(1, 1, 3), state)  # the next step
        """
        from holdfast.nn.freeze import Frozen

        return Frozen(self)

    def save_pretrained(self, folder: str | PathLike[str]) -> None:
        """Write config.json and model.safetensors into `folder`; `from_pretrained` reads them on any device."""
        from holdfast.nn.build import save_model, to_layer

        save_model(folder, [to_layer("", self)], {"": self}, {"kind": "layer"})

    @classmethod
    def from_pretrained(cls, folder: str | PathLike[str], device: Any = "cpu"):
        """Load a bare layer that `save_pretrained` wrote.

        Raises:
            CheckpointError: the folder is missing, broken, or holds something else than one layer of this family.
        """
        from holdfast.nn.build import load_layer

        return load_layer(cls, folder, device)

    def extra_repr(self) -> str:
        shown = [f"{self.input_size}, {self.hidden_size}"]
        defaults = {"num_layers": 1, "batch_first": False, "dropout": 0.0, "bidirectional": False, "proj_size": 0}
        defaults |= {"weight_drop": 0.0, "backend": "auto"}
        shown += [f"{key}={getattr(self, key)}" for key, default in defaults.items() if getattr(self, key) != default]
        hidden = ("family", "projected")
        shown += [f"{key}={value!r}" for key, value in self.spec.to_dict().items() if key not in hidden]
        return ", ".join(shown)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__({**state, "_recorder": None, "_forcing": None})

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_recorder": None, "_forcing": None}


def _check_sizes(input_size: int, hidden_size: int, num_layers: int, proj_size: int) -> None:
    for label, size in (("input_size", input_size), ("hidden_size", hidden_size)):
        if not isinstance(size, int):
            raise TypeError(f"{label} should be of type int, got: {type(size).__name__}")
    if hidden_size <= 0:
        raise ShapeError(f"hidden_size must be greater than zero, got {hidden_size}")
    if input_size < 0:
        raise ShapeError(f"input_size must not be negative, got {input_size}")
    if num_layers <= 0:
        raise ShapeError(f"num_layers must be greater than zero, got {num_layers}")
    if proj_size < 0:
        raise ShapeError("proj_size should be a positive integer or zero to disable projections")
    if proj_size >= hidden_size:
        raise ShapeError("proj_size has to be smaller than hidden_size")


def _check_chances(dropout: float, weight_drop: float, num_layers: int) -> None:
    for label, chance in (("dropout", dropout), ("weight_drop", weight_drop)):
        if not isinstance(chance, numbers.Number) or isinstance(chance, bool) or not 0 <= float(chance) <= 1:  # type: ignore[arg-type]
            raise SpecError(f"{label} should be a number in range [0, 1], the probability to drop, got {chance!r}")
    if weight_drop >= 1:
        raise SpecError("weight_drop=1 would leave no recurrent weight; it must be below 1.")
    if dropout > 0 and num_layers == 1:
        warnings.warn(
            "dropout acts between recurrent layers, all but the last, so a non-zero dropout expects num_layers "
            f"greater than 1, but got dropout={dropout} and num_layers={num_layers}",
            stacklevel=4,
        )
