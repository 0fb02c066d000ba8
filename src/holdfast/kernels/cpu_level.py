"""Which compiled kernels this machine runs: the level is chosen once, on first use. Needs no torch.

A level is one compilation of csrc/ for a kind of CPU: v3 (AVX2), v4 (AVX-512) or neon. The environment variable
HOLDFAST_CPU_LEVEL names one to use instead of the best, or "none" to do without.
"""

from __future__ import annotations

import importlib
import os
import platform
from functools import lru_cache
from types import ModuleType
from typing import Any, NamedTuple

from holdfast.errors import ConfigError

VARIABLE = "HOLDFAST_CPU_LEVEL"
LEVELS = ("v3", "v4", "neon")


class Kernels(NamedTuple):
    """What `load` found. Either `module` and `level` are set, or `reason` says why there are none."""

    module: ModuleType | None
    level: str | None
    reason: str | None


@lru_cache(maxsize=1)
def load() -> Kernels:
    """Import the compiled module and choose its level.

    Raises:
        ConfigError: HOLDFAST_CPU_LEVEL names no level.
    """
    wanted = os.environ.get(VARIABLE, "")
    if wanted not in ("", "none", *LEVELS):
        raise ConfigError(f"{VARIABLE} must be one of {', '.join(LEVELS)} or none, got {wanted!r}.")
    if wanted == "none":
        return Kernels(None, None, f"{VARIABLE}=none turns the compiled kernels off")
    try:
        module = importlib.import_module("holdfast._kernels")
    except ModuleNotFoundError as error:
        if error.name != "holdfast._kernels":
            raise
        return Kernels(None, None, "holdfast was installed without compiled kernels (no C++ compiler worked)")
    except ImportError as error:
        return Kernels(None, None, f"the compiled kernels do not load here: {error}")
    runnable = module.runnable_levels()
    if not runnable:
        return Kernels(None, None, "this CPU is older than x86-64-v3 (AVX2), the least that the kernels need")
    if wanted and wanted not in runnable:
        return Kernels(None, None, f"{VARIABLE}={wanted}, but this CPU and build run {', '.join(runnable)} only")
    level = wanted or runnable[0]
    module.use_level(level)
    return Kernels(module, level, None)


def describe() -> dict[str, Any]:
    """Return what `holdfast doctor` prints: level, levels runnable here, the CPU, and why there is none."""
    found = load()
    return {
        "level": found.level,
        "runnable": list(found.module.runnable_levels()) if found.module is not None else [],
        "machine": platform.machine(),
        "cpu": cpu_name(),
        "reason": found.reason,
    }


def cpu_name() -> str:
    """Return the CPU's own name where the system tells it, else its architecture."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            for line in lines:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass  # not Linux
    return platform.processor() or platform.machine()
