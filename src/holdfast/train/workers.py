"""One process or several: who writes, and what they tell each other. `torchrun` starts several."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, distributed

from holdfast.errors import ConfigError


@dataclass(frozen=True)
class Workers:
    """The processes of a run: this one's rank, their number, and the device that they exchange tensors on."""

    rank: int = 0
    size: int = 1
    device: torch.device | None = None

    @property
    def writes(self) -> bool:
        """Whether this process writes files and shows progress: the first one alone does."""
        return self.rank == 0

    def add(self, *values: float) -> list[float]:
        """Return the sums of each value over all processes."""
        if self.size == 1:
            return list(values)
        together = torch.tensor(values, dtype=torch.float64, device=self.device)
        distributed.all_reduce(together)
        return together.tolist()

    def first(self, *values: float) -> list[float]:
        """Return the first process's values."""
        if self.size == 1:
            return list(values)
        together = torch.tensor(values, dtype=torch.float64, device=self.device)
        distributed.broadcast(together, src=0)
        return together.tolist()

    def gather(self, blob: bytes) -> list[bytes]:
        """Return every process's bytes, in the order of ranks. (torch's own gathering of objects would pickle them.)"""
        if self.size == 1:
            return [blob]
        lengths = [int(n) for n in self.add(*(float(len(blob) * (rank == self.rank)) for rank in range(self.size)))]
        padded = torch.zeros(max(lengths), dtype=torch.uint8)
        padded[: len(blob)] = torch.frombuffer(bytearray(blob), dtype=torch.uint8)
        parts: list[Tensor] = [torch.zeros_like(padded, device=self.device) for _ in lengths]
        distributed.all_gather(parts, padded.to(self.device or "cpu"))
        return [part[:length].cpu().numpy().tobytes() for part, length in zip(parts, lengths, strict=True)]


@contextmanager
def join_workers(device: torch.device) -> Iterator[Workers]:
    """Join the processes that torchrun started, or stay alone; a group that is already there is used and left.

    A task that gives each process its own share of the data reads RANK and WORLD_SIZE, which torchrun sets.
    """
    ready = distributed.is_available() and distributed.is_initialized()
    if not ready and int(os.environ.get("WORLD_SIZE", "1")) < 2:
        yield Workers()
        return
    if not ready:
        distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield Workers(distributed.get_rank(), distributed.get_world_size(), device)
    finally:
        if not ready:
            distributed.destroy_process_group()


def check_one_process(task: str) -> None:
    """Refuse to go on where torchrun started several processes, for a task whose data is not divided among them.

    Raises:
        ConfigError: there are several.
    """
    count = os.environ.get("WORLD_SIZE", "1")
    if count != "1":
        raise ConfigError(
            f"torchrun started {count} processes, and {task} does not divide its data among them yet: each would train "
            "on all of it. Start one process."
        )
