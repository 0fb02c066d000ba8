"""Which backend runs a call, and why the faster ones cannot: the whole choice in one place."""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType

import torch

from holdfast.errors import BackendError
from holdfast.kernels import cpu, reference, vendor
from holdfast.spec import CellSpec

MODULES: dict[str, ModuleType] = {"reference": reference, "cpu": cpu, "vendor": vendor}
BACKENDS = tuple(MODULES)


@dataclass(frozen=True, slots=True)
class CallRequest:
    """All that a backend may look at to say whether it can run one layer."""

    spec: CellSpec
    dtype: torch.dtype
    device: torch.device
    time: int
    batch: int
    input_size: int
    hidden_size: int
    directions: int
    lengths: bool
    resets: bool
    packed: bool  # which has lengths of its own
    masks: bool  # a training call of a spec with random masks
    trace: bool
    grad: bool
    flow: bool  # gradients of every step are wanted from the backward pass


@dataclass(frozen=True, slots=True)
class Choice:
    """The backend taken and, for every other one, why not (backend, reason) in the order tried."""

    backend: str
    refused: tuple[tuple[str, str], ...]


def choose(request: CallRequest, wanted: str) -> Choice:
    """Return the fastest backend that can run the request, or the wanted one.

    Raises:
        BackendError: `wanted` is no backend, or cannot run this call; the message gives its reason.
    """
    if wanted != "auto":
        if wanted not in BACKENDS:
            raise BackendError(f"backend must be 'auto' or one of {', '.join(BACKENDS)}, got {wanted!r}.")
        reason = unsupported(request, wanted)
        if reason is not None:
            raise BackendError(f"backend={wanted!r} cannot run this call: {reason}. backend='auto' picks one that can.")
        return Choice(wanted, ())
    refused: list[tuple[str, str]] = []
    for backend in _order(request):
        reason = unsupported(request, backend)
        if reason is None:
            return Choice(backend, tuple(refused))
        refused.append((backend, reason))
    raise BackendError(f"no backend can run this call: {refused}")


def unsupported(request: CallRequest, backend: str) -> str | None:
    """Return None when the backend can run the request, else a clause that says why not."""
    return MODULES[backend].unsupported(request)


def _order(request: CallRequest) -> tuple[str, ...]:
    """Return the backends from fastest to slowest for this size. Measured by `make bench`; see docs/lab-notes.md."""
    if request.dtype == torch.bfloat16:
        return ("cpu", "reference")  # oneDNN keeps c in bfloat16, where small updates of a large c are lost
    # oneDNN takes no ragged batch, and a compiled packed one has no known size to decide by.
    ragged = request.lengths or request.resets or request.packed
    if ragged or torch.compiler.is_exporting():  # nor may an exported program depend on its batch
        return ("cpu", "vendor", "reference")
    if request.spec.family == "lstm" and request.batch * request.hidden_size > VENDOR_FROM:
        return ("vendor", "cpu", "reference")
    return ("cpu", "vendor", "reference")


VENDOR_FROM = 4096
"""Batch times hidden size above which oneDNN's LSTM is taken before ours."""
