"""A run as files of plain numbers: .npz with every gate and state, or a .csv with one row a step."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from holdfast.errors import ConfigError

if TYPE_CHECKING:
    from holdfast.studio.run import Run


def npz_bytes(run: Run) -> bytes:
    """Return a NumPy archive, readable without pickle: "labels" [T], and "layer0.forward.f" [T, H] and so on.

    The states before the first step are there as "layer0.forward.h0" and "c0" [H].
    """
    arrays: dict[str, np.ndarray] = {"labels": np.array(run.reading.labels, dtype=np.str_)}
    for layer, place in enumerate(run.subject.description.places):
        for direction in ("forward", "backward")[: place.directions]:
            traced, name = run.layer(layer, direction), f"layer{layer}.{direction}"
            for letter in traced.values:
                arrays[f"{name}.{letter}"] = run.lanes(layer, direction, letter)
            arrays[f"{name}.h0"] = traced.h0[0].float().cpu().numpy()
            if traced.c0 is not None:
                arrays[f"{name}.c0"] = traced.c0[0].float().cpu().numpy()
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def csv_bytes(run: Run, layer: int, direction: str, units: Sequence[int] = ()) -> bytes:
    """Return a table as UTF-8 CSV: step, token, then a column for each letter and unit, such as f12.

    Raises:
        ConfigError: there is no such layer, direction or unit.
    """
    letters = {letter: run.lanes(layer, direction, letter) for letter in run.layer(layer, direction).values}
    fewest = min(values.shape[1] for values in letters.values())
    wrong = [unit for unit in units if not 0 <= unit < fewest]
    if wrong:
        raise ConfigError(f"Units are numbered 0 to {fewest - 1}; got {', '.join(map(str, wrong))}.")
    columns = [(letter, u) for letter, values in letters.items() for u in (units or range(values.shape[1]))]
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["step", "token", *(f"{letter}{unit}" for letter, unit in columns)])
    for t, label in enumerate(run.reading.labels):
        writer.writerow([t, label, *(repr(float(letters[letter][t, unit])) for letter, unit in columns)])
    return buffer.getvalue().encode("utf-8", "replace")


def write_whole(path: Path, content: bytes) -> None:
    """Write a file, whole or not at all."""
    from holdfast.nn.whole_file import whole_file  # its package loads torch, which the first page does without

    with whole_file(path) as file:
        file.write(content)
