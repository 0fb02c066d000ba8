"""The threads the `cpu` kernels run on: torch's own OpenMP team, since a second pool beside it gave no parallelism.

The team is reached through GOMP_parallel of the OpenMP library that torch has loaded. Without it (macOS, an
unusual build) and in a forked child, where the parent's team does not exist, kernels stay on the calling thread.
"""

from __future__ import annotations

import ctypes
import os
from functools import lru_cache
from types import ModuleType

import torch

_LIBRARIES = ("libgomp", "libiomp5", "libomp")


def num_threads(module: ModuleType) -> int:
    """Return how many threads a kernel may use now: torch's setting, and 1 where there is no team."""
    return torch.get_num_threads() if _join(module) else 1


@lru_cache(maxsize=1)
def _join(module: ModuleType) -> bool:
    address = _team_address()
    if not address:
        return False
    module.use_team(address)
    os.register_at_fork(after_in_child=lambda: module.use_team(0))
    return True


def _team_address() -> int:
    """Return the address of GOMP_parallel in the OpenMP library that torch loaded, or 0."""
    for path in _loaded_libraries():
        try:
            function = ctypes.CDLL(path, mode=getattr(os, "RTLD_NOLOAD", 0) | os.RTLD_NOW).GOMP_parallel
        except (OSError, AttributeError):
            continue  # gone, or an OpenMP library without GNU's entry point
        return ctypes.cast(function, ctypes.c_void_p).value or 0
    return 0


def _loaded_libraries() -> list[str]:
    """Return the OpenMP libraries in this process, those inside torch's folder first."""
    try:
        with open("/proc/self/maps", encoding="utf-8") as lines:
            paths = dict.fromkeys(line.split(maxsplit=5)[5].strip() for line in lines if line.count("/"))
    except OSError:
        return []
    found = [path for path in paths if os.path.basename(path).startswith(_LIBRARIES)]
    return sorted(found, key=lambda path: "torch" not in path)
