"""MNIST from a folder that the user names, read pixel by pixel, in order or in one fixed disorder. Needs no torch."""

from __future__ import annotations

import gzip
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from holdfast.errors import ConfigError, DataError
from holdfast.tasks.memory.problems import Drawn

HELD_OUT = 5000
"""The last images of the training file, which validate."""
PERMUTATION_SEED = 92916
"""The one disorder of pmnist, the same for all runs."""
MEAN, DEVIATION = 0.1307, 0.3081
"""Of all training pixels, where 1 is white."""
SIDE, CLASSES = 28, 10
_MAGIC = {3: 0x803, 1: 0x801}  # by the number of axes of unsigned bytes
_MEND = (
    "The folder must hold MNIST's four files, train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte "
    "and t10k-labels-idx1-ubyte, each as it is or as .gz; nothing is downloaded."
)


@dataclass(frozen=True)
class Images:
    """Images as sequences of pixels.

    Attributes:
        pixels: [N, 784] bytes, in the order in which they are read.
        labels: [N] digits.
    """

    pixels: NDArray[np.uint8]
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)

    def drawn(self, chosen: NDArray[np.int64] | slice) -> Drawn:
        """Return the chosen images as a network reads them: one scaled pixel a step."""
        pixels = self.pixels[chosen].astype(np.float32)
        pixels /= 255 * DEVIATION
        pixels -= MEAN / DEVIATION
        lengths = np.full(len(pixels), SIDE * SIDE, dtype=np.int64)
        return Drawn(np.ascontiguousarray(pixels.T)[..., None], self.labels[chosen], lengths)


def read_mnist(folder: str, *, permuted: bool) -> tuple[Images, Images, Images]:
    """Return the images to train on (all but the last 5,000), to validate and to test.

    Raises:
        ConfigError: no folder is named.
        DataError: a file is missing or broken.
    """
    if not folder:
        raise ConfigError(f"Sequential MNIST reads its images from the folder named as data. {_MEND}")
    order = np.arange(SIDE * SIDE)
    if permuted:
        order = np.random.default_rng(PERMUTATION_SEED).permutation(order)
    parts = []
    for name in ("train", "t10k"):
        pixels = _read(Path(folder), f"{name}-images-idx3-ubyte", 3)
        labels = _read(Path(folder), f"{name}-labels-idx1-ubyte", 1)
        if pixels.shape[1:] != (SIDE, SIDE) or len(pixels) != len(labels) or not len(labels):
            raise DataError(
                f"{folder}: the {name} files hold images of shape {pixels.shape} and {len(labels)} labels, which do "
                f"not fit together. {_MEND}"
            )
        if labels.max() >= CLASSES:
            raise DataError(f"{folder}: the {name} labels reach {labels.max()}, and digits end at 9. {_MEND}")
        parts.append(Images(pixels.reshape(len(pixels), -1)[:, order], labels.astype(np.int64)))
    train, test = parts
    cut = len(train) - min(HELD_OUT, len(train) // 2)
    return Images(train.pixels[:cut], train.labels[:cut]), Images(train.pixels[cut:], train.labels[cut:]), test


def _read(folder: Path, name: str, axes: int) -> NDArray[np.uint8]:
    """Read an IDX file of unsigned bytes: a magic number, the length of each axis, the bytes."""
    path = next((folder / full for full in (name, f"{name}.gz") if (folder / full).exists()), None)
    if path is None:
        raise DataError(f"{folder / name}: there is no such file, nor one with .gz. {_MEND}")
    try:
        with (gzip.open if path.suffix == ".gz" else open)(path, "rb") as file:
            content = file.read()
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} cannot be read: {error}. {_MEND}") from error
    head = 4 * (1 + axes)
    numbers = struct.unpack(f">{1 + axes}I", content[:head]) if len(content) >= head else (0,)
    if numbers[0] != _MAGIC[axes] or len(content) - head != int(np.prod(numbers[1:], dtype=object)):
        raise DataError(f"{path} is no whole IDX file of unsigned bytes with {axes} axes. {_MEND}")
    return np.frombuffer(content, dtype=np.uint8, offset=head).reshape(numbers[1:])
