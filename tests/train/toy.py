"""A tiny task: guess the scaled sum of a stream of noise so far. State is carried from one chunk to the next."""

from __future__ import annotations

import multiprocessing
import multiprocessing.forkserver
import os
import time
from pathlib import Path
from typing import Any

import torch
from torch import nn

from holdfast.train import TrainSettings, train
from holdfast.train import checkpoint as checkpoint_files


class Chunks:
    """Chunks of a stream of noise [T, B, 2] that starts again at its end; `rows` are those that this process reads."""

    def __init__(self, chunk_size: int, length: int = 128, rows: slice = slice(None), dtype=torch.float64):
        generator = torch.Generator().manual_seed(5)
        self.x = torch.randn(length, 4, 2, generator=generator, dtype=dtype)[:, rows]
        steps = torch.arange(1, length + 1, dtype=dtype)[:, None]
        self.y = self.x.sum(2).cumsum(0) / steps.sqrt()
        self.chunk_size, self.position, self.limit = chunk_size, 0, None

    @property
    def epoch(self) -> float:
        return self.position * self.chunk_size / len(self.x)

    def __iter__(self):
        return self

    def __next__(self):
        if self.position == self.limit:
            raise StopIteration
        begin = self.position * self.chunk_size % len(self.x)
        self.position += 1
        return self.x[begin : begin + self.chunk_size], self.y[begin : begin + self.chunk_size]

    def state_dict(self) -> dict[str, Any]:
        return {"position": self.position}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.position = state["position"]


class Toy(nn.Module):
    def __init__(self, dropout: float, dtype=torch.float64):
        super().__init__()
        torch.manual_seed(1)
        self.lstm = nn.LSTM(2, 5, dtype=dtype)
        self.dropout = nn.Dropout(dropout)
        self.out = nn.Linear(5, 1, dtype=dtype)

    def forward(self, x, state):
        h, state = self.lstm(x, state)
        return self.out(self.dropout(h)).squeeze(-1), state


class ToyTask:
    def __init__(self, chunk_size: int = 16, dropout: float = 0.0, dtype=torch.float64, **how):
        self.model = Toy(dropout, dtype)
        self.batches = Chunks(chunk_size, dtype=dtype, **how)
        self.poison_at: int | None = None
        self.scores: list[float] | None = None  # what `evaluate` says, one after another, instead of the truth
        self.watch = lambda: None

    def loss(self, batch, state):
        self.watch()
        x, y = batch
        guess, state = self.model(x, state)
        loss = (guess - y).square().mean()
        if self.batches.position == self.poison_at:
            loss = loss * torch.nan
        return loss, state, {"count": float(y.numel()), "error": float(loss.detach().sqrt())}

    def evaluate(self):
        if self.scores is not None:
            return {"loss": self.scores.pop(0)}
        guess, _ = self.model(self.batches.x, None)
        return {"loss": (guess - self.batches.y).square().mean()}


def settings(**how) -> TrainSettings:
    usual = {"max_steps": 20, "evaluate_every": 0, "checkpoint_every": 0, "log_every": 1, "schedule": "constant"}
    return TrainSettings(**{**usual, **how})


def weights(task: ToyTask) -> torch.Tensor:
    return torch.cat([param.detach().flatten() for param in task.model.parameters()])


def forked_children() -> Any:
    """Return a multiprocessing context that forks children from a fresh server with torch loaded."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.train.server"])
    before = os.environ.get("PYTHONPATH")
    root = str(Path(__file__).parents[2])
    os.environ["PYTHONPATH"] = root if before is None else os.pathsep.join((root, before))
    try:
        multiprocessing.forkserver.ensure_running()
    finally:
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before
    return context


LONG = {"max_steps": 800, "checkpoint_every": 10, "evaluate_every": 64, "log_every": 5, "schedule": "cosine"}


def run_long(folder: Path, started: Any, slow_write: bool = False) -> None:
    """A run to be killed: dropout draws random numbers, and with `slow_write` a file is written in two halves."""
    torch.set_num_threads(1)
    if slow_write:
        checkpoint_files._write_file = _write_slowly
    task = ToyTask(dropout=0.2)
    started.set()
    train(task, settings(**LONG), folder, quiet=True)


def _write_slowly(path: Path, blob: bytes) -> None:
    with path.open("wb") as file:
        file.write(blob[: len(blob) // 2])
        file.flush()
        time.sleep(0.1)
        file.write(blob[len(blob) // 2 :])
