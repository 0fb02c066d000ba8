"""What the `train` commands of all tasks share: the device, the folder, and what is said at the end."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from holdfast.errors import ConfigError, MissingDependencyError

if TYPE_CHECKING:
    from holdfast.train import TrainResult


def device_named(name: str, task: str) -> Any:
    """Return torch's device of that name.

    Raises:
        MissingDependencyError: torch is not installed.
        ConfigError: the device cannot be used here.
    """
    try:
        import torch
    except ImportError as error:
        raise MissingDependencyError("torch", f"The {task} task", task) from error
    try:
        return torch.zeros((), device=name).device
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(f"--device {name} cannot be used here: {str(error).splitlines()[0]}") from error


def check_folder(out: Path) -> None:
    """Refuse a file where a folder is asked for."""
    if out.exists() and not out.is_dir():
        raise ConfigError(f"{out} is a file; --out names a folder.")


def report_training(result: TrainResult | None, folder: Path, unit: str, verb: str) -> None:
    """Say why training ended, how good the model is and what to do next.

    Args:
        unit: Of the validation loss, such as "nats a token".
        verb: The command to try next, such as "language generate".
    """
    if result is None:
        return
    ends = {"interrupted": "stopped by Ctrl-C", "patience": "stopped early: no more progress"}
    best = "not measured" if result.best is None else f"{result.best:.4f} {unit}"
    why = ends.get(result.stopped, "done")
    print(f"{why} after {result.steps} steps and {result.seconds:.0f} s; best validation loss {best}")
    print(f"The model is in {folder}. Try next:")
    print(f"  holdfast {verb} --model {folder}")
    sys.stdout.flush()
