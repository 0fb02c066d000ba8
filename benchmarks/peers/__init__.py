"""The contestants, one module each: `contestants(problem, threads)` returns them or raises AbsentError with the reason.

A case names its peers; `NAMES` says which module makes them. Ours come from `ours`, and so do the two yardsticks.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

NAMES = {
    "torch": "torch_nn",
    "onnxruntime": "onnx_runtime",
    "openvino": "openvino_model",
    "jax": "jax_scan",
    "loop": "python_loop",
    "sb3": "reset_loop",
}


def peer_module(name: str) -> ModuleType:
    return import_module(f"benchmarks.peers.{NAMES[name]}")
