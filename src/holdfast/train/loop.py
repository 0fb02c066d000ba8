"""The training loop: update, log, evaluate, checkpoint, until a budget is spent.

A run with a budget of steps is the same to the bit each time at an equal number of threads, even when it was killed and
resumed on the way.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from holdfast.errors import CheckpointError, TrainingError
from holdfast.train.callbacks import Callback, ProgressBar, on_terminal
from holdfast.train.carried import pack_random, pack_state, seed_everything, unpack_random, unpack_state
from holdfast.train.checkpoint import (
    MEND,
    NAME,
    Checkpoint,
    load_module,
    load_optimizer,
    pack_module,
    pack_optimizer,
    pack_worker,
    read_checkpoint,
    remove_checkpoint,
    unpack_worker,
    write_checkpoint,
)
from holdfast.train.interrupt import Interrupt, catch_interrupt
from holdfast.train.log import RunLog
from holdfast.train.metrics import RunningMean
from holdfast.train.schedule import budget_share, learning_rate
from holdfast.train.settings import TrainSettings
from holdfast.train.task import Task
from holdfast.train.update import ADVICE, NotFiniteError, Updater, UpdateResult
from holdfast.train.workers import Workers, join_workers

Stop = Literal["steps", "seconds", "patience", "interrupted", "data"]


@dataclass(frozen=True)
class TrainResult:
    """How a run ended.

    Attributes:
        steps: Updates made, those before a resume included.
        best: The lowest validation loss, or None without an evaluation.
        seconds: Time spent training and evaluating, without the time between a kill and the resume.
        stopped: What ended the run: a budget, patience, Ctrl-C, or the end of the data.
    """

    steps: int
    best: float | None
    seconds: float
    stopped: Stop


def train(
    task: Task,
    settings: TrainSettings,
    folder: Path | str | None = None,
    *,
    resume: bool = True,
    quiet: bool = False,
    callbacks: Sequence[Callback] = (),
) -> TrainResult:
    """Train a task's model; afterwards it holds the weights of the best evaluation, or the last ones if there was none.

    Ctrl-C finishes the update, writes a checkpoint and returns; a second one ends at once.

    Args:
        task: The model with its data and its loss.
        settings: How to train, and for how long.
        folder: Where checkpoint/ and log.jsonl go. None writes nothing.
        resume: Go on from the folder's checkpoint, if it has one; otherwise that one is deleted.
        quiet: Show no progress; without it there is a bar, on a terminal only.
        callbacks: Watchers of the run.

    Raises:
        TrainingError: the loss or the gradient is not finite; names the step and the last good checkpoint.
        CheckpointError: the folder's checkpoint is broken or belongs to another model, or cannot be written.
    """
    device = next((param.device for param in task.model.parameters()), torch.device("cpu"))
    watchers = list(callbacks)
    with ExitStack() as stack:
        workers = stack.enter_context(join_workers(device))
        stack.enter_context(_own_random_numbers(settings.seed + workers.rank))
        stack.enter_context(_mode_kept(task.model))
        interrupt = stack.enter_context(catch_interrupt(quiet))
        run = _Run(task, settings, None if folder is None else Path(folder), workers, device, resume)
        stack.callback(run.log.close)
        stack.callback(run.updater.leave_workers)
        if workers.writes:
            if not quiet and on_terminal():
                watchers.append(ProgressBar(settings.step_limit, settings.max_seconds))
            run.watchers = watchers
        result = None
        try:
            result = run.go(interrupt)
            return result
        finally:
            for watcher in run.watchers:
                watcher.on_end(result)


@dataclass
class _Progress:
    """What a run counts; goes to JSON and back exactly."""

    step: int = 0
    seconds: float = 0.0
    best: float | None = None
    worse: int = 0  # evaluations since the best one
    evaluated: int = 0  # step of the last evaluation
    total: float = 0.0  # loss since the last line of the log, and its count
    count: float = 0.0
    log_length: int = 0

    def check(self) -> None:
        """Raise ValueError when a count, read from JSON, is no number of its kind."""
        for name, value in vars(self).items():
            whole = name in ("step", "worse", "evaluated", "log_length")
            fits = isinstance(value, int if whole else int | float) and not isinstance(value, bool) and value >= 0
            if not fits and not (name == "best" and (value is None or isinstance(value, float))):
                raise ValueError(f"{name} cannot be {value!r}")


class _Run:
    """One run: its counts, its files and the state it carries."""

    def __init__(
        self, task: Task, settings: TrainSettings, folder: Path | None, workers: Workers, device: Any, resume: bool
    ):
        self.task, self.settings, self.folder, self.workers, self.device = task, settings, folder, workers, device
        self.progress = _Progress()
        self.watchers: list[Callback] = []
        self.best_weights: dict[str, Tensor] | None = None
        self.state: Any = None
        self._saved_step: int | None = None
        if folder is not None and not resume and workers.writes:
            remove_checkpoint(folder)
        workers.add(0.0)  # the others wait until the folder is in order
        checkpoint = self._read() if folder is not None and resume else None
        self.updater = Updater(task, settings, workers, device)
        try:
            if checkpoint is not None:
                self._restore(checkpoint)
        except BaseException:
            self.updater.leave_workers()
            raise
        self.log = RunLog(folder if workers.writes else None, self.progress.log_length)
        self._running_mean = RunningMean(self.progress.total, self.progress.count)
        self._started = time.monotonic() - self.progress.seconds
        self._share = budget_share(settings, self.progress.step, self.progress.seconds)

    def go(self, interrupt: Interrupt) -> TrainResult:
        self.task.model.train()
        try:
            stopped = self._loop(interrupt)
            finished = stopped != "interrupted" and self.settings.evaluates
            if finished and self.progress.evaluated != self.progress.step:
                self._evaluate()
            self.save()
        except NotFiniteError as error:
            self._take_best()
            raise TrainingError(
                f"Training stopped at step {self.progress.step + 1}: {error}. {self._last_good()} {ADVICE}."
            ) from error
        self._take_best()
        return TrainResult(self.progress.step, self.progress.best, self.progress.seconds, stopped)

    def _loop(self, interrupt: Interrupt) -> Stop:
        settings, progress = self.settings, self.progress
        while True:
            stop = self._stop(interrupt)
            if stop is not None:
                return stop
            batches = self._next_batches()
            if not batches:
                return "data"
            rate = learning_rate(settings, progress.step, progress.seconds)
            found, self.state = self.updater(batches, self.state, rate)
            progress.step += 1
            self._record(found, rate)
            if self._is_due():
                self._evaluate()
            if settings.checkpoint_every and progress.step % settings.checkpoint_every == 0:
                self.save()

    def _stop(self, interrupt: Interrupt) -> Stop | None:
        """Say why the run ends now, if it does. The clock is the first process's; an interrupt may be anyone's."""
        progress, settings = self.progress, self.settings
        (progress.seconds,) = self.workers.first(time.monotonic() - self._started)
        (asked,) = self.workers.add(float(interrupt.asked))
        if settings.step_limit is not None and progress.step >= settings.step_limit:
            return "steps"
        if settings.max_seconds is not None and progress.seconds >= settings.max_seconds:
            return "seconds"
        if settings.patience is not None and progress.worse >= settings.patience:
            return "patience"
        return "interrupted" if asked else None

    def _is_due(self) -> bool:
        """Whether an evaluation comes after this update."""
        settings, progress = self.settings, self.progress
        if not settings.evaluations:
            return bool(settings.evaluate_every) and progress.step % settings.evaluate_every == 0
        before, self._share = self._share, budget_share(settings, progress.step, progress.seconds)
        return int(self._share * settings.evaluations) > int(before * settings.evaluations)

    def _next_batches(self) -> list[Any]:
        batches = []
        for _ in range(self.settings.chunks_per_update):
            try:
                batches.append(next(self.task.batches))
            except StopIteration:
                break
        return batches

    def _record(self, found: UpdateResult, rate: float) -> None:
        progress, mean = self.progress, self._running_mean
        mean.add(found.loss, found.count)
        figures = {"lr": rate, "grad_norm": found.grad_norm, **found.metrics, "seconds": progress.seconds}
        place = {"step": progress.step, "epoch": self.task.batches.epoch}
        for watcher in self.watchers:
            watcher.on_step({**place, "loss": found.loss, **figures})
        if progress.step % self.settings.log_every == 0:
            self.log.write({**place, "loss": mean.mean, **figures})
            mean.reset()

    def _evaluate(self) -> None:
        progress = self.progress
        self.task.model.eval()
        with torch.no_grad():
            validation = {name: float(value) for name, value in self.task.evaluate().items()}
        self.task.model.train()
        (loss,) = self.workers.first(validation["loss"])
        progress.evaluated = progress.step
        if math.isfinite(loss) and (progress.best is None or loss < progress.best):
            progress.best, progress.worse = loss, 0
            self.best_weights = pack_module(self.task.model)
        else:
            progress.worse += 1
        record = {"step": progress.step, "validation": validation, "seconds": time.monotonic() - self._started}
        self.log.write(record)
        for watcher in self.watchers:
            watcher.on_evaluate({**record, "best": progress.best})

    def save(self) -> None:
        """Write a checkpoint, unless the last one says the same already."""
        if self.folder is None or self._saved_step == self.progress.step:
            return
        weights = pack_module(self.task.model)
        wrong = [name for name, value in weights.items() if value.is_floating_point() and not _finite(value)]
        if wrong:
            raise NotFiniteError(f"the weights {', '.join(wrong[:3])} are not finite")
        facts = {"data": self.task.batches.state_dict()}
        tensors: dict[str, Tensor] = {}
        facts["state"] = pack_state(self.state, tensors)
        facts["random"] = pack_random(tensors)
        blobs = self.workers.gather(pack_worker(tensors, facts))
        if self.workers.writes:
            progress = self.progress
            progress.seconds = time.monotonic() - self._started
            progress.total, progress.count = self._running_mean.total, self._running_mean.count
            progress.log_length = self.log.settle()
            counts = {**vars(progress), "optimizer": self.settings.optimizer}
            write_checkpoint(
                self.folder,
                Checkpoint(counts, weights, self.best_weights, pack_optimizer(self.updater.optimizer), blobs),
            )
        self._saved_step = self.progress.step

    def _read(self) -> Checkpoint | None:
        checkpoint = None
        if self.folder is None:
            return None
        for rank in range(self.workers.size):  # in turn, because reading may also tidy up
            if rank == self.workers.rank:
                checkpoint = read_checkpoint(self.folder)
            self.workers.add(0.0)
        return checkpoint

    def _restore(self, checkpoint: Checkpoint) -> None:
        where = (self.folder or Path()) / NAME
        counts = dict(checkpoint.progress)
        made_with = counts.pop("optimizer", None)
        if made_with != self.settings.optimizer:
            raise CheckpointError(
                f"{where} was written with optimizer={made_with}, not {self.settings.optimizer}. Resume with the same."
            )
        if len(checkpoint.workers) != self.workers.size:
            raise CheckpointError(
                f"{where} was written by {len(checkpoint.workers)} processes, and this run has {self.workers.size}. "
                "Resume with as many."
            )
        load_module(self.task.model, checkpoint.model, where)
        load_optimizer(self.updater.optimizer, checkpoint.optimizer, where)
        tensors, facts = unpack_worker(checkpoint.workers[self.workers.rank], where)
        try:
            self.progress = _Progress(**counts)
            self.progress.check()
            self.task.batches.load_state_dict(facts["data"])
            self.state = unpack_state(facts["state"], tensors, self.device)
            unpack_random(facts["random"], tensors)
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise CheckpointError(f"{where} does not fit this run: {error!r}. {MEND}") from error
        self.best_weights = checkpoint.best
        self._saved_step = self.progress.step

    def _take_best(self) -> None:
        if self.best_weights is not None:
            self.task.model.load_state_dict(self.best_weights)

    def _last_good(self) -> str:
        if self.folder is None:
            return "No checkpoint was kept, because no folder was given."
        place = self.folder / NAME
        if not place.exists():
            return f"There is no checkpoint in {self.folder} yet (checkpoint_every={self.settings.checkpoint_every})."
        return f"The last good checkpoint is {place} (step {self._saved_step}); training resumes from it."


def _finite(value: Tensor) -> bool:
    return bool(torch.isfinite(value).all())


@contextmanager
def _own_random_numbers(seed: int) -> Iterator[None]:
    """Seed the global random numbers for a run, and give the caller's back afterwards."""
    numpy_state, python_state = np.random.get_state(), random.getstate()
    with torch.random.fork_rng():
        seed_everything(seed)
        try:
            yield
        finally:
            np.random.set_state(numpy_state)
            random.setstate(python_state)


@contextmanager
def _mode_kept(model: torch.nn.Module) -> Iterator[None]:
    training = model.training
    try:
        yield
    finally:
        model.train(training)
