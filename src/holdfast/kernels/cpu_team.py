"""The threads the `cpu` kernels run on: torch's own OpenMP team, since a second pool beside it gave no parallelism.

The team is reached through GOMP_parallel of the OpenMP library that torch has loaded. Without it (macOS, an unusual
build) and in a forked child, where the parent's team does not exist, the kernels have a small pool of their own.
"""

from __future__ import annotations

import ctypes
import os
from functools import lru_cache
from types import ModuleType

import torch

_LIBRARIES = ("libgomp", "libiomp5", "libomp")
_ENTRIES = ("GOMP_parallel", "omp_get_thread_num", "omp_get_num_threads")


def num_threads(module: ModuleType) -> int:
    """Return how many threads a kernel may use now: torch's own setting."""
    _join(module)
    return torch.get_num_threads()


@lru_cache(maxsize=1)
def _join(module: ModuleType) -> None:
    entries = _entry_points()
    if entries is not None:
        module.use_team(*entries)
        os.register_at_fork(after_in_child=lambda: module.use_team(0, 0, 0))


def _entry_points() -> tuple[int, ...] | None:
    """Return the addresses of the team's entry points in the OpenMP library that torch loaded."""
    for path in _loaded_libraries():
        try:
            library = ctypes.CDLL(path, mode=getattr(os, "RTLD_NOLOAD", 0) | os.RTLD_NOW)
            functions = [getattr(library, name) for name in _ENTRIES]
        except (OSError, AttributeError):
            continue  # gone, or an OpenMP library without GNU's entry point
        return tuple([ctypes.cast(function, ctypes.c_void_p).value or 0 for function in functions])
    return None


def _loaded_libraries() -> list[str]:
    """Return the OpenMP libraries in this process, those inside torch's folder first."""
    try:
        with open("/proc/self/maps", encoding="utf-8") as lines:
            paths = dict.fromkeys(line.split(maxsplit=5)[5].strip() for line in lines if line.count("/"))
    except OSError:
        return []
    found = [path for path in paths if os.path.basename(path).startswith(_LIBRARIES)]
    return sorted(found, key=lambda path: "torch" not in path)
