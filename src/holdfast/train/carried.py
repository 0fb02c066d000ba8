"""What is carried from one update to the next besides weights: recurrent states and random states."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from holdfast.errors import CheckpointError


def map_tensors(state: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """Apply `change` to every tensor of a state made of tuples, lists, dicts and plain values."""
    if isinstance(state, Tensor):
        return change(state)
    if isinstance(state, tuple):
        parts = [map_tensors(part, change) for part in state]
        return type(state)(*parts) if hasattr(state, "_fields") else tuple(parts)
    if isinstance(state, list):
        return [map_tensors(part, change) for part in state]
    if isinstance(state, dict):
        return {key: map_tensors(part, change) for key, part in state.items()}
    return state


def detach(state: Any) -> Any:
    """Cut a state off the graph that made it."""
    return map_tensors(state, Tensor.detach)


def pack_state(state: Any, tensors: dict[str, Tensor]) -> Any:
    """Describe a state as JSON, and put its tensors into `tensors` by number. A named tuple comes back as a tuple."""
    if isinstance(state, Tensor):
        name = f"state.{len(tensors)}"
        tensors[name] = state.detach().cpu().clone().contiguous()
        return {"tensor": name, "device": str(state.device)}
    if isinstance(state, tuple | list):
        kind = "tuple" if isinstance(state, tuple) else "list"
        return {kind: [pack_state(part, tensors) for part in state]}
    if isinstance(state, dict) and all(isinstance(key, str) for key in state):
        return {"dict": {key: pack_state(part, tensors) for key, part in state.items()}}
    if state is None or isinstance(state, bool | int | float | str):
        return {"value": state}
    raise CheckpointError(
        f"The carried state holds a {type(state).__name__}, which a checkpoint cannot keep. "
        "Carry tensors, numbers and texts in tuples, lists and dicts with text keys."
    )


def unpack_state(packed: Any, tensors: dict[str, Tensor], device: torch.device) -> Any:
    """Undo `pack_state`; tensors that were on an accelerator go to `device`.

    Raises:
        KeyError, IndexError: `packed` is nothing that `pack_state` returned.
    """
    (kind, value) = next(iter(packed.items()))
    if kind == "tensor":
        return tensors[value].clone().to("cpu" if packed["device"] == "cpu" else device)
    if kind == "dict":
        return {key: unpack_state(part, tensors, device) for key, part in value.items()}
    if kind == "value":
        return value
    parts = [unpack_state(part, tensors, device) for part in value]
    return {"tuple": tuple(parts), "list": parts}[kind]


def seed_everything(seed: int) -> None:
    """Start the random numbers of torch (all devices), NumPy and Python from a seed."""
    torch.manual_seed(seed)
    np.random.seed(seed % 2**32)  # the global generator, because a task may use it
    random.seed(seed)


def pack_random(tensors: dict[str, Tensor]) -> dict[str, Any]:
    """Describe the random states of torch, NumPy and Python as JSON, torch's own as tensors in `tensors`."""
    tensors["random.torch"] = torch.get_rng_state()
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        tensors["random.cuda"] = torch.cuda.get_rng_state()
    name, keys, position, has_gauss, gauss = np.random.get_state()
    version, numbers, spare = random.getstate()
    return {
        "numpy": [name, np.asarray(keys).tolist(), position, has_gauss, gauss],
        "python": [version, list(numbers), spare],
    }


def unpack_random(packed: dict[str, Any], tensors: dict[str, Tensor]) -> None:
    """Undo `pack_random`."""
    torch.set_rng_state(tensors["random.torch"])
    if "random.cuda" in tensors and torch.cuda.is_available():
        torch.cuda.set_rng_state(tensors["random.cuda"])
    name, keys, position, has_gauss, gauss = packed["numpy"]
    np.random.set_state((name, np.array(keys, dtype=np.uint32), position, has_gauss, gauss))
    version, numbers, spare = packed["python"]
    random.setstate((version, tuple(numbers), spare))
