"""Turn the torch.nn recurrent layers of any model into Holdfast's, in place, and back.

A layer keeps its identity: only its class changes and a few attributes come or go. So its Parameter objects, hooks,
train mode, parametrizations, and every reference to it (optimizers, DDP, tied weights, lists) stay what they were.
"""

from __future__ import annotations

from typing import TypeVar

from torch import nn

from holdfast.errors import SpecError
from holdfast.nn.base import AbstractRecurrent
from holdfast.nn.cell import AbstractCell
from holdfast.nn.gru import GRU, GRUCell
from holdfast.nn.lstm import LSTM, LSTMCell
from holdfast.nn.rnn import RNN, RNNCell
from holdfast.spec import CellSpec, parameter_suffix

Model = TypeVar("Model", bound=nn.Module)

TWINS: dict[type[nn.Module], type[nn.Module]] = {
    nn.LSTM: LSTM,
    nn.GRU: GRU,
    nn.RNN: RNN,
    nn.LSTMCell: LSTMCell,
    nn.GRUCell: GRUCell,
    nn.RNNCell: RNNCell,
}
_BACK = {ours: theirs for theirs, ours in TWINS.items()}

# What torch.nn.RNNBase keeps besides its parameters, rebuilt by its own _init_flat_weights.
_TORCH_ONLY = ("_flat_weights_names", "_flat_weights", "_flat_weight_refs", "_all_weights")
_OURS_ONLY = ("spec", "spec_key", "weight_drop", "init", "backend", "_recorder", "_forcing", "_names")


def convert(model: Model) -> Model:
    """Swap every torch.nn LSTM, GRU, RNN and their cells in `model` for Holdfast's, in place.

    Returns:
        `model` itself; a bare torch.nn layer becomes a Holdfast layer in place too.

    Raises:
        SpecError: a subclass of a torch.nn layer is found, whose own behaviour a swap would lose; nothing is changed.

    Example:
        >>> import torch, holdfast
        >>> model = torch.nn.Sequential(torch.nn.LSTM(3, 5))
        >>> holdfast.convert(model)[0]
        LSTM(3, 5)
    """
    layers = [(name, module, computes_as(module, name)) for name, module in model.named_modules()]
    for _, module, theirs in layers:
        if theirs is not None:
            _become_ours(module, theirs)
    return model


def revert(model: Model) -> Model:
    """Swap every Holdfast layer in `model` back to torch.nn's, in place.

    Returns:
        `model` itself.

    Raises:
        SpecError: a layer uses a variant that torch.nn does not have, or is of a subclass with behaviour of its own;
            nothing is changed.
    """
    found = []
    for name, module in model.named_modules():
        if not isinstance(module, (AbstractRecurrent, AbstractCell)):
            continue
        ours = _unparametrized(module)
        if ours not in _BACK:
            raise SpecError(
                f"layer {name!r} is a {ours.__module__}.{ours.__qualname__}, a subclass of a Holdfast layer with code "
                "of its own that going back would drop. Replace it by the plain layer first."
            )
        if not module.spec.plain or getattr(module, "weight_drop", 0):
            raise SpecError(f"layer {name!r} is a {module.spec.key!r} cell, which torch.nn does not have.")
        found.append((module, _BACK[ours]))
    for module, theirs in found:
        _become_theirs(module, theirs)
    return model


def computes_as(module: nn.Module, name: str = "") -> type[nn.Module] | None:
    """Return the torch.nn recurrent class that `module` is, None if it is no such layer.

    Raises:
        SpecError: `module` is of a subclass with behaviour of its own.
    """
    kind = _unparametrized(module)
    if kind in TWINS:
        return kind
    for theirs in TWINS:
        if issubclass(kind, theirs):
            raise SpecError(
                f"layer {name!r} is a {kind.__module__}.{kind.__qualname__}, a subclass of torch.nn.{theirs.__name__} "
                "with code of its own that a swap would drop. Replace it by the plain layer first, or leave it out "
                "by converting the submodules around it one by one."
            )
    return None


def twin_of(module: nn.Module) -> AbstractRecurrent:
    """Return a Holdfast layer that shares the parameters of a torch.nn layer, which stays as it is."""
    twin = module.__class__.__new__(module.__class__)
    twin.__dict__ = {**module.__dict__}
    for registry in ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks"):
        twin.__dict__[registry] = type(module.__dict__[registry])()  # the module's own call runs the hooks
    theirs = computes_as(module)
    if theirs is None:
        raise SpecError(f"{type(module).__name__} is no torch.nn recurrent layer")
    _become_ours(twin, theirs)
    if not isinstance(twin, AbstractRecurrent):
        raise SpecError(f"torch.nn.{theirs.__name__} is a single step and has no sequence to trace")
    return twin


def _unparametrized(module: nn.Module) -> type[nn.Module]:
    """Return the class that torch.nn.utils.parametrize extended, or the module's own."""
    return type(module).__mro__[1] if _is_parametrized(module) else type(module)


def _is_parametrized(module: nn.Module) -> bool:
    return "parametrizations" in module._modules and type(module).__name__.startswith("Parametrized")


def _change_class(module: nn.Module, new: type[nn.Module]) -> None:
    """Give `module` the class `new`, carrying over the properties that parametrizations put on the class."""
    old = type(module)
    if _is_parametrized(module):
        body = {key: value for key, value in old.__dict__.items() if key not in ("__dict__", "__weakref__", "__doc__")}
        new = type(f"Parametrized{new.__name__}", (new,), body)
    module.__class__ = new


def _become_ours(module: nn.Module, theirs: type[nn.Module]) -> None:
    is_lstm = theirs in (nn.LSTM, nn.LSTMCell)
    family = "lstm" if is_lstm else "gru" if theirs in (nn.GRU, nn.GRUCell) else "rnn"
    spec = CellSpec(
        family,
        bias=bool(module.bias),
        projected=getattr(module, "proj_size", 0) > 0,
        nonlinearity=str(module.nonlinearity) if family == "rnn" else "tanh",
    )
    for name in _TORCH_ONLY:
        module.__dict__.pop(name, None)
    _change_class(module, TWINS[theirs])
    if isinstance(module, (AbstractRecurrent, AbstractCell)):
        module.adopt(spec)


def _become_theirs(module: nn.Module, theirs: type[nn.Module]) -> None:
    places = []
    if isinstance(module, AbstractRecurrent):
        places = [(place, module.place_table(place)) for place in module.places()]
    for name in _OURS_ONLY:
        module.__dict__.pop(name, None)
    mode = {nn.LSTM: "LSTM", nn.GRU: "GRU"}.get(theirs)
    if theirs is nn.RNN:
        mode = f"RNN_{str(module.nonlinearity).upper()}"
    _change_class(module, theirs)
    if mode is None:
        return
    module.mode = mode  # type: ignore[assignment]
    names = [
        [parameter.name + parameter_suffix(place.layer, place.direction) for parameter in table]
        for place, table in places
    ]
    module._all_weights = names  # type: ignore[assignment]
    module._flat_weights_names = [name for group in names for name in group]  # type: ignore[assignment]
    module._init_flat_weights()  # type: ignore[operator]
