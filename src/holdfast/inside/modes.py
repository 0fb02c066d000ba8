"""A module in evaluation mode for as long as a block lasts, each part put back as it was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn

from holdfast.errors import ConfigError


def module_of(model: Any, purpose: str) -> Any:
    """Return a module itself, or the network of a trained estimator.

    Raises:
        ConfigError: it is neither.
    """
    module = model if isinstance(model, nn.Module) else getattr(model, "model", None)
    if not isinstance(module, nn.Module):
        raise ConfigError(f"{purpose} needs a module or a trained estimator, got {type(model).__name__}.")
    return module


@contextmanager
def evaluation(module: nn.Module) -> Iterator[None]:
    """Switch dropout and the like off inside the block, and put the mode of every part back afterwards."""
    before = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for part, training in before:
            part.training = training
