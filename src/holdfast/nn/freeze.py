"""A layer frozen for inference: its weights packed once for this CPU, and nothing left to choose at a call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

import torch
from torch import Tensor, nn
from torch._compile import _disable_dynamo  # torch.compiler.disable would load all of Dynamo
from torch.autograd import forward_ad
from torch.nn.utils.rnn import PackedSequence

from holdfast.errors import BackendError
from holdfast.kernels import cpu
from holdfast.kernels.call import LayerCall
from holdfast.nn.inputs import close_sequence, close_state, open_sequence, open_state

if TYPE_CHECKING:
    from holdfast.nn.base import AbstractRecurrent

States = tuple[Tensor, ...]


class Frozen(nn.Module):
    """What `lstm.freeze()` returns: called like the layer in evaluation mode, without gradients, always on `cpu`.

    It holds a copy of the weights, so later changes of the layer are not seen, and has no parameters. `state_dict`,
    pickling and `torch.save` are refused; a copy is the object itself, which never changes. Under autocast it computes
    in the dtype of the weights and rounds the results.
    """

    def __init__(self, layer: AbstractRecurrent):
        super().__init__()
        first = layer.layer_weights(0, None)[0]
        reason = cpu.unsupported_layer(first.device, first.dtype, layer.input_size)
        if reason is not None:
            raise BackendError(f"freeze() runs on the cpu kernels alone, and cannot here: {reason}.")
        self.name, self.spec, self.dtype = layer.name, layer.spec, layer.dtype
        self.input_size, self.hidden_size, self.proj_size = layer.input_size, layer.hidden_size, layer.proj_size
        self.num_layers, self.num_directions = layer.num_layers, layer.num_directions
        self.batch_first = layer.batch_first
        with torch.no_grad():
            calls = [_one_step(layer, number) for number in range(layer.num_layers)]
            self._layers = cpu.FrozenLayers(calls)
            starts = [call.tensors[: call.num_states] for call in calls]
            # [L*D, 1, size] each: where a call without hx begins.
            self._start = tuple([torch.cat(parts) for parts in zip(*starts, strict=True)])
        self._start_of_batch = self._start
        self.eval()

    def forward(
        self,
        x: Tensor | PackedSequence,
        hx: Any = None,
        *,
        lengths: Tensor | None = None,
        resets: Tensor | None = None,
    ) -> tuple[Any, Any]:
        """Run the layers; arguments and results are those of the layer's own call.

        Raises:
            ShapeError, DtypeError: an argument does not fit; the message says what was expected.
            BackendError: a gradient would be needed, or an argument is not on the CPU.
        """
        if torch.compiler.is_compiling():
            return _run_uncompiled(self, x, hx, lengths, resets)
        return self._run(x, hx, lengths, resets)

    def _run(self, x: Any, hx: Any, lengths: Tensor | None, resets: Tensor | None) -> tuple[Any, Any]:
        given = open_sequence(self, x, lengths, resets)
        states = open_state(self, hx, given)
        start = self._states_of(given.batch) if states is None else tuple([self._ready(state) for state in states])
        y, finals = self._layers.run(
            self._ready(given.x), given.steps, start, _plain(given.lengths), _plain(given.resets), _plain(given.rows)
        )
        if torch.is_autocast_enabled("cpu"):
            dtype = torch.get_autocast_dtype("cpu")
            y, finals = y.to(dtype), tuple([final.to(dtype) for final in finals])
        return close_sequence(self, y, given), close_state(finals, given)

    def _states_of(self, batch: int) -> States:
        """Return the states of a call without hx; kept for the next such call, since the kernels only read them."""
        states = self._start_of_batch
        if states[0].shape[1] != batch:
            states = tuple([state.expand(-1, batch, -1).contiguous() for state in self._start])
            self._start_of_batch = states
        return states

    def _ready(self, tensor: Tensor) -> Tensor:
        """Return x or a state as the kernels read it.

        Raises:
            BackendError: it is not on the CPU, or a gradient or a tangent would be lost.
        """
        if not tensor.is_cpu:
            raise BackendError(f"a frozen {self.name} runs on the CPU, got a tensor on {tensor.device}.")
        if (tensor.requires_grad and torch.is_grad_enabled()) or _has_tangent(tensor):
            raise BackendError(
                f"a frozen {self.name} has no gradients, and its input asks for one. Call the layer it was made from, "
                "or this one under torch.no_grad()."
            )
        if tensor.is_neg():  # the imaginary part of a conjugate: its memory has the other sign
            tensor = tensor.resolve_neg()
        if tensor.dtype != self.dtype:  # under autocast
            tensor = tensor.to(self.dtype)
        return tensor.contiguous()

    def extra_repr(self) -> str:
        return f"{self.name}({self.input_size}, {self.hidden_size}, num_layers={self.num_layers}): {self.spec.key}"

    def __copy__(self) -> Frozen:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Frozen:
        return self

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        self._refuse_saving()

    def state_dict(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuse: a file without these weights would pass for a whole model."""
        self._refuse_saving()

    def _refuse_saving(self) -> NoReturn:
        raise BackendError(
            f"a frozen {self.name} cannot be saved: its weights are packed for this CPU. Save the layer it was made "
            "from, and call freeze() again after loading."
        )


@_disable_dynamo
def _run_uncompiled(frozen: Frozen, x: Any, hx: Any, lengths: Tensor | None, resets: Tensor | None) -> tuple[Any, Any]:
    """Run outside the compiled graph, which cannot see through addresses."""
    return frozen._run(x, hx, lengths, resets)


def _one_step(layer: AbstractRecurrent, number: int) -> LayerCall:
    """Return one layer's call over a step of zeros, with the states that it begins with."""
    params, count, num_states = layer.layer_weights(number, None), layer.num_directions, len(layer.spec.states)
    x = params[0].new_zeros(1, 1, params[0].shape[1])
    if layer.spec.initial_state == "learned":  # the last rows of each direction's parameter table
        ends = [(way + 1) * len(params) // count - num_states for way in range(count)]
        states = [torch.stack([params[end + k] for end in ends]).unsqueeze(1) for k in range(num_states)]
    else:
        sizes = (layer.proj_size or layer.hidden_size, layer.hidden_size)[:num_states]
        states = [x.new_zeros(count, 1, size) for size in sizes]
    return LayerCall(layer.spec, x, None, None, None, None, number, count, (*states, *params))


def _plain(extra: Tensor | None) -> Tensor | None:
    """Return lengths, resets or rows as the kernels read them."""
    if extra is None:
        return None
    return extra.contiguous() if extra.dtype in (torch.bool, torch.int64) else extra.long().contiguous()


def _has_tangent(tensor: Tensor) -> bool:
    return forward_ad._current_level >= 0 and forward_ad.unpack_dual(tensor).tangent is not None
