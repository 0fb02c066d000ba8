"""A trace as plain arrays, as an .npz file that NumPy alone reads, and as a long table."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

import numpy as np
import torch
from torch import Tensor

from holdfast.errors import CheckpointError, MissingDependencyError
from holdfast.nn.step_labels import fitting, row_labels
from holdfast.nn.whole_file import whole_file

if TYPE_CHECKING:
    import pandas
    from numpy.typing import NDArray

    from holdfast.nn.trace import LayerTrace, Trace

    Arrays = dict[str, NDArray[Any]]
    Place = tuple[str, int, int, str]  # name, call, layer, direction

MARK, FORMAT = "holdfast_trace", "1"
BESIDES = ("h0", "c0", "lengths", "backend", "zoneout", "d_h", "d_c")
"""What an array of a layer may be besides its gates and states."""


def as_array(tensor: Tensor) -> NDArray[Any]:
    """Return a tensor's numbers, those of bfloat16, which NumPy lacks, as float32."""
    tensor = tensor.detach().cpu()
    return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()


def layer_arrays(traced: LayerTrace) -> Arrays:
    """Return the gates, the states, h0, c0, lengths, and the gradients where a backward pass left them."""
    found: dict[str, Tensor | None] = {**traced.values, "h0": traced.h0, "c0": traced.c0, "lengths": traced.lengths}
    found |= traced.gradients or {}
    return {name: as_array(value) for name, value in found.items() if value is not None}


def entries(trace: Trace) -> Iterator[tuple[Place, LayerTrace]]:
    """Yield every layer, direction and call of a trace."""
    for name in dict.fromkeys(key[0] for key in trace):
        for number, call in enumerate(trace.calls(name)):
            for (layer, direction), traced in call.items():
                yield (name, number, layer, direction), traced


def trace_arrays(trace: Trace) -> Arrays:
    """Return all arrays by "name/layer/direction/gate"; see `Trace.to_numpy`."""
    arrays = {}
    for place, traced in entries(trace):
        again = len(trace.calls(place[0])) > 1
        arrays |= {f"{_prefix(place, again)}/{gate}": array for gate, array in layer_arrays(traced).items()}
    return arrays


def save_trace(trace: Trace, path: str | os.PathLike[str]) -> None:
    """Write a trace; see `Trace.save`."""
    arrays = {MARK: np.array(FORMAT), **trace_arrays(trace)}
    for place, traced in entries(trace):
        prefix = _prefix(place, len(trace.calls(place[0])) > 1)
        arrays[f"{prefix}/backend"] = np.array(traced.backend)
        if traced.zoneout:
            arrays[f"{prefix}/zoneout"] = np.array(traced.zoneout)
    if trace.labels is not None:
        arrays["labels"] = _label_array(trace.labels)
    with whole_file(path) as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]  # the keys are never savez's own arguments


def load_trace(path: str | os.PathLike[str]) -> tuple[dict[str, list[Any]], Any]:
    """Return the calls by name, each a mapping from (layer, direction) to a LayerTrace, and the labels.

    Raises:
        CheckpointError: the file is missing, or `save` did not write it.
    """
    try:
        with _archive(path) as file:
            arrays = {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, BadZipFile, zlib.error, RuntimeError) as error:
        raise CheckpointError(f"{path} cannot be read as a trace: {error}.") from error
    if str(arrays.pop(MARK, "")) != FORMAT:
        raise CheckpointError(f"{path} is no trace that Trace.save of this version wrote.")
    labels = arrays.pop("labels", None)
    grouped: dict[str, Arrays] = {}
    for key, array in arrays.items():
        prefix, _, gate = key.rpartition("/")
        grouped.setdefault(prefix, {})[gate] = array
    calls: dict[str, dict[int, Any]] = {}
    for prefix, own in grouped.items():
        try:
            name, number, layer, direction = _place_of(prefix)
            traced = _layer_of(own)
        except (KeyError, ValueError, TypeError) as error:
            raise CheckpointError(f"{path} holds an array that belongs to no layer: {prefix!r}.") from error
        calls.setdefault(name, {}).setdefault(number, {})[layer, direction] = traced
    for name, numbered in calls.items():
        if sorted(numbered) != list(range(len(numbered))):
            raise CheckpointError(f"{path} holds calls {sorted(numbered)} of {name!r}, not 0, 1 and so on.")
    listed = {name: [numbered[k] for k in range(len(numbered))] for name, numbered in calls.items()}
    return listed, None if labels is None else _labels_of(labels)


def _archive(path: str | os.PathLike[str]) -> Any:
    found = np.load(path, allow_pickle=False)
    if not isinstance(found, np.lib.npyio.NpzFile):
        raise ValueError("it holds one array alone, not an .npz archive")
    return found


def trace_frame(trace: Trace) -> pandas.DataFrame:
    """Return a long table; see `Trace.to_dataframe`."""
    pd = import_pandas("Trace.to_dataframe")
    parts = [pd.DataFrame(_columns(place, traced, trace.labels)) for place, traced in entries(trace)]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def import_pandas(purpose: str) -> Any:
    """Return pandas, or say how to get it."""
    try:
        import pandas
    except ImportError as error:
        raise MissingDependencyError("pandas", purpose, "tables") from error
    return pandas


def _columns(place: Place, traced: LayerTrace, labels: Any) -> dict[str, Any]:
    name, call, layer, direction = place
    arrays = layer_arrays(traced)
    steps, rows = traced.h.shape[:2]
    units = max(array.shape[2] for array in arrays.values() if array.ndim == 3)
    lengths = arrays.get("lengths", np.full(rows, steps))
    row, step, unit = np.indices((rows, steps, units)).reshape(3, -1)
    known = step < lengths[row]
    row, step, unit = row[known], step[known], unit[known]
    own = labels if labels is not None and fitting(labels, steps, lengths.tolist()) else None
    shown = None if own is None else [row_labels(own, r)[t] for r, t in zip(row, step, strict=True)]
    found = {"name": name, "layer": layer, "direction": direction, "call": call, "row": row, "step": step}
    found |= {"label": np.full(len(row), None) if shown is None else shown, "unit": unit}
    for gate, array in arrays.items():
        if array.ndim == 3:
            there = unit < array.shape[2]  # a projected h has fewer units
            values = array[step, row, np.minimum(unit, array.shape[2] - 1)]
            found[gate] = values if there.all() else np.where(there, values, np.nan)
    return found


def _prefix(place: Place, again: bool) -> str:
    name, call, layer, direction = place
    called = f"{name}#{call}" if again else name
    return f"{called}/{layer}/{direction}" if called else f"{layer}/{direction}"


def _place_of(prefix: str) -> Place:
    *names, layer, direction = prefix.rsplit("/", 2)
    called = names[0] if names else ""
    name, mark, call = called.rpartition("#")
    if direction not in ("forward", "backward") or int(layer) < 0:
        raise ValueError(f"no layer or direction: {prefix!r}")
    return (name, int(call), int(layer), direction) if mark else (called, 0, int(layer), direction)


def _layer_of(arrays: Arrays) -> LayerTrace:
    from holdfast.nn.trace import LayerTrace

    tensors = {name: torch.from_numpy(array) for name, array in arrays.items() if name != "backend"}
    values = {name: value for name, value in tensors.items() if name not in BESIDES}
    values["h"]  # every cell has it: its absence is a KeyError
    gradients = {name: tensors[name] for name in ("d_h", "d_c") if name in tensors}
    return LayerTrace(
        values,
        tensors.get("lengths"),
        tensors["h0"],
        tensors.get("c0"),
        str(arrays["backend"]),
        gradients or None,
        float(arrays.get("zoneout", 0.0)),
    )


def _label_array(labels: Any) -> NDArray[np.str_]:
    """Return labels as [T], or [B, T] with empty ones after the end of a row; no label may end in a null character."""
    if not labels or isinstance(labels[0], str):
        return np.array(labels, dtype=np.str_)
    steps = max(map(len, labels))
    return np.array([[*row, *[""] * (steps - len(row))] for row in labels], dtype=np.str_)


def _labels_of(array: NDArray[Any]) -> Any:
    rows = array.tolist()
    return tuple(rows) if array.ndim == 1 else tuple(tuple(row) for row in rows)
