"""Which backend runs a call, and why the faster ones cannot: the whole choice in one place."""

from __future__ import annotations

from types import ModuleType
from typing import NamedTuple

import torch

from holdfast.errors import BackendError
from holdfast.kernels import cpu, reference, vendor
from holdfast.spec import CellSpec

MODULES: dict[str, ModuleType] = {"reference": reference, "cpu": cpu, "vendor": vendor}
BACKENDS = tuple(MODULES)


class Region(NamedTuple):
    """Sizes with at least so many rows and units, and with more than so many of both multiplied."""

    batch: int = 1
    hidden: int = 1
    product: int = 0

    def describe(self) -> str:
        """Return what a call of this region must meet, for a reader."""
        least = [f"{name} >= {size}" for name, size in (("B", self.batch), ("H", self.hidden)) if size > 1]
        return ", ".join(least + [f"B*H > {self.product}"] * (self.product > 0)) or "any size"

    def holds(self, batch: int, hidden: int) -> bool:
        return hidden >= self.hidden and batch >= self.batch and batch * hidden > self.product


MEASURED_BY = "benchmarks/dispatch.py"
VENDOR_FASTER: dict[str, tuple[Region, ...]] = {
    "inference": (Region(batch=64, hidden=900),),
    "training": (),
}
"""Where oneDNN runs a plain float32 LSTM faster than our kernels: in any of these regions. MEASURED_BY prints them."""


class CallRequest(NamedTuple):
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
    clamped: bool = False  # gates or states are forced to given values


class Choice(NamedTuple):
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
    if request.clamped and backend != "reference":
        return "gates are clamped, which only reference computes"
    return MODULES[backend].unsupported(request)


def order_rule(request: CallRequest) -> str | None:
    """Return what put `cpu` and `vendor` in their order, for a reader; None where not both could run this call."""
    if unsupported(request, "cpu") is not None or unsupported(request, "vendor") is not None:
        return None
    if request.dtype == torch.bfloat16:
        return "cpu before vendor: oneDNN keeps c in bfloat16, where small updates of a large c are lost"
    first, second = _order(request)[:2]
    work, product = _work(request), request.batch * request.hidden_size
    where = " or ".join([region.describe() for region in VENDOR_FASTER[work]]) or "no size"
    return f"{first} before {second}: plain LSTM, {work}, B*H = {product}; oneDNN wins at {where} ({MEASURED_BY})"


def _order(request: CallRequest) -> tuple[str, ...]:
    """Return the backends from fastest to slowest for this call."""
    if request.dtype == torch.bfloat16:
        return ("cpu", "reference")  # oneDNN keeps c in bfloat16, where small updates of a large c are lost
    # oneDNN takes no ragged batch, and a compiled packed one has no known size to decide by.
    ragged = request.lengths or request.resets or request.packed
    plain = request.spec.family == "lstm" and request.dtype == torch.float32
    if ragged or not plain or torch.compiler.is_exporting():  # nor may an exported program depend on its batch
        return ("cpu", "vendor", "reference")
    batch, hidden = request.batch, request.hidden_size
    for region in VENDOR_FASTER[_work(request)]:
        if region.holds(batch, hidden):
            return ("vendor", "cpu", "reference")
    return ("cpu", "vendor", "reference")


def _work(request: CallRequest) -> str:
    return "training" if request.grad else "inference"
