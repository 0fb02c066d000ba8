"""Checkpoints: a folder of safetensors and JSON that is either whole or not there. Never pickle.

checkpoint/
    state.json              format, progress, and the size and checksum of every other file
    model.safetensors       the weights
    best.safetensors        the weights of the best evaluation, once there was one
    optimizer.safetensors   the optimizer's moments
    worker-0.safetensors    random states, data position and carried state of each process

A new one is written beside the old as checkpoint.new, flushed to the disk, and only then put in place by
two renames.
"""

from __future__ import annotations

import json
import os
import shutil
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from holdfast.errors import CheckpointError

FORMAT_VERSION = 1
NAME, NEW, OLD = "checkpoint", "checkpoint.new", "checkpoint.old"
STATE_FILE = "state.json"
MEND = "Start again in another folder (or call train with resume=False), or restore the folder from a copy."


@dataclass(frozen=True)
class Checkpoint:
    """All that a run needs to go on.

    Attributes:
        progress: JSON: step, seconds, best score and whatever else the loop counts.
        model: the weights, by name.
        best: the weights of the best evaluation, or None.
        optimizer: the optimizer's tensors, by parameter number and name.
        workers: one safetensors blob for each process.
    """

    progress: dict[str, Any]
    model: dict[str, Tensor]
    best: dict[str, Tensor] | None
    optimizer: dict[str, Tensor]
    workers: list[bytes]


def write_checkpoint(folder: Path, checkpoint: Checkpoint) -> Path:
    """Put a checkpoint in place of the last one, which stays whole until the new one is.

    Raises:
        CheckpointError: the disk is full, or the folder cannot be written.
    """
    new, place, old = folder / NEW, folder / NAME, folder / OLD
    try:
        recover(folder)
        new.mkdir(parents=True)
        files = {}
        for name, blob in _blobs(checkpoint):
            _write_file(new / name, blob)
            files[name] = {"size": len(blob), "crc32": zlib.crc32(blob)}
        state = {"format": FORMAT_VERSION, "files": files, "progress": checkpoint.progress}
        _write_file(new / STATE_FILE, json.dumps(state).encode())
        _flush_folder(new)
        if place.exists():
            os.rename(place, old)
        os.rename(new, place)  # killed between the two: `recover` finishes it
        _flush_folder(folder)
        shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        raise CheckpointError(f"{folder}: cannot write the checkpoint: {error}. The last one is whole.") from error
    return place


def read_checkpoint(folder: Path) -> Checkpoint | None:
    """Return the checkpoint of a folder, or None when there is none.

    Raises:
        CheckpointError: it is broken, or of another format.
    """
    recover(folder)
    place = folder / NAME
    if not place.exists():
        return None
    state = _read_state(place / STATE_FILE)
    blobs = {name: _read_file(place / name, entry) for name, entry in state["files"].items()}
    count = sum(name.startswith("worker-") for name in blobs)
    try:
        workers = [blobs[f"worker-{rank}.safetensors"] for rank in range(count)]
        tensors = {name: load(blobs[f"{name}.safetensors"]) for name in ("model", "optimizer")}
        best = load(blobs["best.safetensors"]) if "best.safetensors" in blobs else None
    except KeyError as error:
        raise CheckpointError(f"{place}: the file {error} is not listed in {STATE_FILE}. {MEND}") from error
    except (SafetensorError, ValueError) as error:
        raise CheckpointError(f"{place}: a file is no safetensors file: {error}. {MEND}") from error
    return Checkpoint(state["progress"], tensors["model"], best, tensors["optimizer"], workers)


def remove_checkpoint(folder: Path) -> None:
    """Delete a folder's checkpoint, and what an unfinished write may have left."""
    for name in (NEW, OLD, NAME):
        shutil.rmtree(folder / name, ignore_errors=True)


def recover(folder: Path) -> None:
    """Bring a folder in order after a run that was killed while it wrote.

    checkpoint.old exists only once checkpoint.new is complete, so if the place between them is empty, the new moves in.
    """
    new, place, old = folder / NEW, folder / NAME, folder / OLD
    if not place.exists() and old.exists():
        os.rename(new if new.exists() else old, place)
    for leftover in (new, old):
        if leftover.exists():
            shutil.rmtree(leftover)


def pack_module(module: nn.Module) -> dict[str, Tensor]:
    """Copy a module's state to the CPU. Tied weights are written under each of their names."""
    state = module.state_dict()
    wrong = [name for name, value in state.items() if not isinstance(value, Tensor)]
    if wrong:
        raise CheckpointError(f"The model keeps {', '.join(wrong)} outside of tensors, which a checkpoint cannot hold.")
    return {name: value.detach().cpu().clone().contiguous() for name, value in state.items()}


def load_module(module: nn.Module, weights: Mapping[str, Tensor], where: Path | str) -> None:
    """Put weights into a module.

    Raises:
        CheckpointError: names, shapes or dtypes differ: the checkpoint belongs to another model.
    """
    ours = module.state_dict()
    missing, unknown = sorted(set(ours) - set(weights)), sorted(set(weights) - set(ours))
    differ = [
        f"{name}: {weights[name].dtype} {tuple(weights[name].shape)}, here {value.dtype} {tuple(value.shape)}"
        for name, value in ours.items()
        if name in weights and (weights[name].shape, weights[name].dtype) != (value.shape, value.dtype)
    ]
    if missing or unknown or differ:
        raise CheckpointError(
            f"{where} belongs to another model: missing {missing[:5]}, unknown {unknown[:5]}, different {differ[:5]}. "
            "Build the model it was trained with, or choose another folder."
        )
    module.load_state_dict(dict(weights))


def pack_optimizer(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Return the optimizer's moments, as "number.name". Its settings are not kept: the resuming run has its own."""
    return {
        f"{number}.{name}": torch.as_tensor(value).detach().cpu().clone().contiguous()
        for number, values in optimizer.state_dict()["state"].items()
        for name, value in values.items()
        if value is not None
    }


def load_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor], where: Path | str) -> None:
    """Undo `pack_optimizer`.

    Raises:
        CheckpointError: the moments do not fit the parameters.
    """
    params = [param for group in optimizer.param_groups for param in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        number, _, name = key.partition(".")
        fits = number.isdecimal() and int(number) < len(params)
        if not fits or (value.ndim and value.shape != params[int(number)].shape):
            raise CheckpointError(f"{where}: the optimizer's {key} does not fit the model. {MEND}")
        state.setdefault(int(number), {})[name] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def pack_worker(tensors: dict[str, Tensor], facts: dict[str, Any]) -> bytes:
    """Return tensors and JSON as one safetensors blob."""
    return save(tensors, metadata={"facts": json.dumps(facts)})


def unpack_worker(blob: bytes, where: Path | str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Undo `pack_worker`."""
    try:
        # The header is 8 bytes of length and then JSON; safetensors reads metadata from files only.
        header = json.loads(blob[8 : 8 + int.from_bytes(blob[:8], "little")])
        return load(blob), json.loads(header["__metadata__"]["facts"])
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{where}: a worker's file is broken: {error}. {MEND}") from error


def _blobs(checkpoint: Checkpoint) -> list[tuple[str, bytes]]:
    blobs = [("model.safetensors", save(checkpoint.model)), ("optimizer.safetensors", save(checkpoint.optimizer))]
    if checkpoint.best is not None:
        blobs.append(("best.safetensors", save(checkpoint.best)))
    return blobs + [(f"worker-{rank}.safetensors", blob) for rank, blob in enumerate(checkpoint.workers)]


def _write_file(path: Path, blob: bytes) -> None:
    with path.open("wb") as file:
        file.write(blob)
        file.flush()
        os.fsync(file.fileno())


def _flush_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _read_state(path: Path) -> dict[str, Any]:
    try:
        state = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read: {error}. {MEND}") from error
    if not isinstance(state, dict) or state.get("format") != FORMAT_VERSION:
        found = state.get("format") if isinstance(state, dict) else state
        raise CheckpointError(f"{path}: format {found!r} is not {FORMAT_VERSION}, the one read here. {MEND}")
    if not isinstance(state.get("files"), dict) or not isinstance(state.get("progress"), dict):
        raise CheckpointError(f"{path} has no files or no progress. {MEND}")
    return state


def _read_file(path: Path, entry: Any) -> bytes:
    try:
        blob = path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error}. {MEND}") from error
    if entry != {"size": len(blob), "crc32": zlib.crc32(blob)}:
        raise CheckpointError(f"{path} is damaged: its size or checksum is not the one written. {MEND}")
    return blob
