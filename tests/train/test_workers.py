from __future__ import annotations

import os
import socket

import pytest
import torch
from safetensors.torch import load_file
from torch import distributed

from holdfast.errors import CheckpointError
from holdfast.train import train
from tests.train.toy import ToyTask, forked_children, settings

pytestmark = pytest.mark.skipif(
    not (distributed.is_available() and distributed.is_gloo_available()), reason="this torch has no gloo"
)


def work(rank, size, port, folder, steps, uneven):
    """What torchrun would start: each process reads its own rows of the batch."""
    os.environ |= {"RANK": str(rank), "WORLD_SIZE": str(size), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    torch.set_num_threads(1)
    cut = 1 if uneven else 2
    task = ToyTask(rows=slice(0, cut) if rank == 0 else slice(cut, 4))
    train(task, settings(max_steps=steps, chunks_per_update=2, evaluate_every=5), folder, quiet=True)


def start_two(folder, steps, uneven=False):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    context = forked_children()
    group = [context.Process(target=work, args=(rank, 2, port, folder, steps, uneven)) for rank in range(2)]
    for process in group:
        process.start()
    for process in group:
        process.join(60)
        assert process.exitcode == 0


def last_weights(folder):
    return load_file(folder / "checkpoint" / "model.safetensors")


@pytest.mark.parametrize("uneven", [False, True])
def test_two_processes_equal_one_with_the_whole_batch(tmp_path, uneven):
    start_two(tmp_path / "two", 12, uneven)
    train(ToyTask(), settings(max_steps=12, chunks_per_update=2), tmp_path / "one", quiet=True)
    two, one = last_weights(tmp_path / "two"), last_weights(tmp_path / "one")
    for name in one:
        torch.testing.assert_close(two[name], one[name], rtol=0, atol=1e-10)
    assert len((tmp_path / "two" / "log.jsonl").read_text().splitlines()) == 12 + 3
    assert (tmp_path / "two" / "checkpoint" / "worker-1.safetensors").exists()


def test_two_processes_resume(tmp_path):
    start_two(tmp_path / "cut", 5)
    start_two(tmp_path / "cut", 10)
    start_two(tmp_path / "straight", 10)
    cut, straight = last_weights(tmp_path / "cut"), last_weights(tmp_path / "straight")
    for name in straight:
        assert torch.equal(cut[name], straight[name])
    with pytest.raises(CheckpointError, match="2 processes"):
        train(ToyTask(), settings(), tmp_path / "cut", quiet=True)
