"""Small memory models for the tests, and images of digits in MNIST's format."""

from __future__ import annotations

import gzip
import struct

import numpy as np

from holdfast.tasks.memory import Memory, MemoryConfig
from holdfast.train import TrainSettings

SMALLEST = {"adding": 4, "copy": 2, "temporal_order": 10, "temporal_order3": 10, "latch": 4, "reber": 0}
"""A short length of each problem that draws its sequences."""


def small_memory(task="adding", steps=3, rate=1e-2, length=None, **fields):
    """Return an unfitted model of 5 units, or as told, that trains for a few steps."""
    train = fields.pop("train", TrainSettings(max_steps=steps, learning_rate=rate, evaluate_every=0))
    length = SMALLEST.get(task, 0) if length is None else length
    settings = {"hidden_size": 5, "batch_size": 8} | fields
    return Memory(MemoryConfig(task=task, length=length, train=train, **settings))


def write_idx(path, array):
    """Write bytes as MNIST's files hold them; packed if the name ends with .gz."""
    content = struct.pack(f">{1 + array.ndim}I", 0x800 + array.ndim, *array.shape) + array.astype(np.uint8).tobytes()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


def write_images(folder, train=40, test=20, ending=""):
    """Write images whose digit is the bright row of pixels, as the four files of MNIST; return images and labels."""
    folder.mkdir(exist_ok=True)
    random = np.random.default_rng(0)
    parts = []
    for name, count in (("train", train), ("t10k", test)):
        labels = random.integers(0, 10, count)
        images = random.integers(0, 60, (count, 28, 28))
        images[np.arange(count), 2 * labels] = 255
        write_idx(folder / f"{name}-images-idx3-ubyte{ending}", images)
        write_idx(folder / f"{name}-labels-idx1-ubyte{ending}", labels)
        parts.append((images, labels))
    return parts
