"""Problems of long memory that make their own data, and a network that learns them. Torch is loaded on first use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from holdfast.tasks.memory.config import MemoryConfig

if TYPE_CHECKING:
    from holdfast.tasks.memory.task import Memory

__all__ = ["Memory", "MemoryConfig"]


def __getattr__(name: str) -> Any:
    if name == "Memory":
        from holdfast.tasks.memory.task import Memory

        return Memory
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
