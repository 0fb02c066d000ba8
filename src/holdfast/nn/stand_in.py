"""A model's recurrent layers, with Holdfast layers standing in for torch.nn's for as long as a block lasts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn

from holdfast.nn.base import AbstractRecurrent
from holdfast.nn.convert import computes_as, twin_of


class _ForwardThrough:
    """Stands in for a torch.nn layer's forward. An object, so that a copied model uses its own weights."""

    def __init__(self, layer: AbstractRecurrent, module: nn.Module):
        self.layer, self.module = layer, module

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self.layer.train(self.module.training)
        return self.layer(*args, **kwargs)


@contextmanager
def recurrent_layers(model: nn.Module) -> Iterator[dict[str, AbstractRecurrent]]:
    """Yield the model's recurrent layers by their path in it; cells, which advance a single step, are left out.

    A torch.nn layer computes through a Holdfast layer that shares its weights until the block ends; inside another such
    block, through the same one.

    Raises:
        SpecError: a layer is of a subclass of a torch.nn layer, with behaviour of its own.
    """
    found: dict[str, AbstractRecurrent] = {}
    replaced: list[nn.Module] = []
    try:
        for name, module in list(model.named_modules()):
            if isinstance(module, AbstractRecurrent):
                found[name] = module
            elif computes_as(module, name) in (nn.LSTM, nn.GRU, nn.RNN):
                standing = module.__dict__.get("forward")
                if not isinstance(standing, _ForwardThrough):
                    standing = _ForwardThrough(twin_of(module), module)
                    module.forward = standing  # type: ignore[method-assign]
                    replaced.append(module)
                found[name] = standing.layer
        yield found
    finally:
        for module in replaced:
            del module.forward
