"""Digits read pixel by pixel: the files of MNIST, in order and in one fixed disorder, and what is broken in them."""

from __future__ import annotations

import gzip
import os

import numpy as np
import pytest

from holdfast.errors import ConfigError, DataError
from holdfast.tasks.memory import Memory
from holdfast.tasks.memory.mnist import read_mnist
from tests.tasks.memory.samples import small_memory, write_idx, write_images


@pytest.fixture
def folder(tmp_path):
    write_images(tmp_path / "digits", ending=".gz")
    return tmp_path / "digits"


def test_pixels_are_read_row_by_row(tmp_path):
    (images, labels), (tested, answers) = write_images(tmp_path / "plain")
    train, held, test = read_mnist(str(tmp_path / "plain"), permuted=False)
    assert [len(part) for part in (train, held, test)] == [20, 20, 20]
    assert np.array_equal(np.concatenate([train.pixels, held.pixels]), images.reshape(40, 784))
    assert np.array_equal(np.concatenate([train.labels, held.labels]), labels)
    drawn = test.drawn(np.array([3, 1]))
    assert drawn.inputs.shape == (784, 2, 1)
    np.testing.assert_allclose(drawn.inputs[:, 1, 0], (tested[1].ravel() / 255 - 0.1307) / 0.3081, rtol=1e-4, atol=1e-5)
    assert drawn.answers.tolist() == answers[[3, 1]].tolist()


def test_the_disorder_is_one_for_all_images_and_reads(folder):
    plain = read_mnist(str(folder), permuted=False)
    mixed, again = (read_mnist(str(folder), permuted=True) for _ in range(2))
    order = np.full(784, -1)
    for one, other, third in zip(plain, mixed, again, strict=True):
        assert np.array_equal(other.pixels, third.pixels)
        assert np.array_equal(np.sort(one.pixels), np.sort(other.pixels))
        assert np.array_equal(one.labels, other.labels)
    columns = {tuple(column): n for n, column in enumerate(np.concatenate([p.pixels for p in plain]).T)}
    order = np.array([columns[tuple(column)] for column in np.concatenate([p.pixels for p in mixed]).T])
    assert len(set(order)) == 784
    assert (order == np.arange(784)).sum() < 10


@pytest.mark.parametrize("task", ["smnist", "pmnist"])
def test_digits_are_learnt_from_and_measured(folder, tmp_path, task):
    memory = small_memory(task, data=str(folder), steps=2).fit(folder=tmp_path / "run", quiet=True)
    assert memory.evaluate()["count"] == 20
    sequences, digits = memory.draw(4)
    assert sequences[0].shape == (784, 1)
    assert Memory.from_pretrained(tmp_path / "run").recall(sequences).shape == digits.shape
    other = small_memory("smnist" if task == "pmnist" else "pmnist", data=str(folder), steps=4)
    with pytest.raises(Exception, match="permuted was"):
        other.fit(folder=tmp_path / "run", quiet=True)


def test_what_is_missing_is_named(folder):
    with pytest.raises(ConfigError, match="nothing is downloaded"):
        small_memory("smnist").fit(quiet=True)
    (folder / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(DataError, match="t10k-labels-idx1-ubyte"):
        small_memory("smnist", data=str(folder)).fit(quiet=True)


@pytest.mark.parametrize("broken", ["cut", "not gzip", "wrong axes", "empty", "label 11", "too few", "small images"])
def test_broken_files_are_refused(folder, broken):
    labels, images = folder / "train-labels-idx1-ubyte.gz", folder / "train-images-idx3-ubyte.gz"
    if broken == "cut":
        images.write_bytes(images.read_bytes()[:-100])
    elif broken == "not gzip":
        labels.write_bytes(b"no gzip at all")
    elif broken == "wrong axes":
        write_idx(labels, np.zeros((40, 1)))
    elif broken == "empty":
        labels.write_bytes(gzip.compress(b""))
    elif broken == "label 11":
        write_idx(labels, np.full(40, 11))
    elif broken == "too few":
        write_idx(labels, np.zeros(39))
    else:
        write_idx(images, np.zeros((40, 14, 14)))
    with pytest.raises(DataError, match="The folder must hold"):
        read_mnist(str(folder), permuted=False)


@pytest.mark.skipif("HOLDFAST_DATA" not in os.environ, reason="needs HOLDFAST_DATA with mnist")
def test_the_real_files_are_read():
    train, held, test = read_mnist(os.path.join(os.environ["HOLDFAST_DATA"], "mnist"), permuted=False)
    assert [len(part) for part in (train, held, test)] == [55_000, 5_000, 10_000]
    assert test.labels[:5].tolist() == [7, 2, 1, 0, 4]
    pixels = train.drawn(slice(0, 5000)).inputs
    assert pixels.mean() == pytest.approx(0.0, abs=0.02)
    assert pixels.std() == pytest.approx(1.0, abs=0.02)
