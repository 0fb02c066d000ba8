"""Layers in other processes: DataLoader workers, a forked child, and two ranks of DistributedDataParallel."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import warnings

import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from tests.cases import FAMILIES, OURS

needs_fork = pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="this system has no fork")


class Encoded(Dataset):
    """Each item went through a layer, in whichever process asked for it."""

    def __init__(self, layer):
        self.layer = layer
        self.x = torch.randn(6, 5, 3)

    def __len__(self):
        return len(self.x)

    def __getitem__(self, index):
        with torch.no_grad():
            return self.layer(self.x[index])[0]


@needs_fork
@pytest.mark.parametrize("family", FAMILIES)
def test_dataloader_workers_use_a_layer(family):
    layer = OURS[family](3, 8)
    dataset = Encoded(layer)
    before = [dataset[k] for k in range(len(dataset))]  # the parent's kernels have run already

    def collate(items):
        with torch.no_grad():
            return layer(dataset.x[:1].expand(len(items), -1, -1).transpose(0, 1))[0], torch.stack(items)

    loader = DataLoader(dataset, batch_size=2, num_workers=2, multiprocessing_context="fork", collate_fn=collate)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of forking with threads
        batches = list(loader)
    torch.testing.assert_close(torch.cat([items for _, items in batches]), torch.stack(before))


TWO_RANKS = """
import gc, os, sys, torch
import torch.distributed as dist
import torch.multiprocessing as mp
import holdfast

def step(rank, port, folder):
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    dist.init_process_group("gloo", rank=rank, world_size=2)
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = torch.nn.ModuleDict({"a": holdfast.LSTM(3, 5, 2, bidirectional=True), "b": torch.nn.GRU(10, 4)})
    model = holdfast.convert(model)
    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.parts = model
        def forward(self, x):
            return self.parts["b"](self.parts["a"](x)[0])[0]
    net = Net()
    wrapped = torch.nn.parallel.DistributedDataParallel(net)
    x = torch.randn(6, 4, 3)
    wrapped(x[:, rank * 2 : rank * 2 + 2]).square().mean().backward()
    grads = [p.grad.clone() for p in net.parameters()]
    net.zero_grad()
    net(x).square().mean().backward()
    for found, whole in zip(grads, (p.grad for p in net.parameters()), strict=True):
        torch.testing.assert_close(found, whole)
    optimizer = torch.optim.SGD(wrapped.parameters(), lr=0.1)
    optimizer.step()
    flat = torch.cat([p.detach().flatten() for p in net.parameters()])
    both = [torch.empty_like(flat) for _ in range(2)]
    dist.all_gather(both, flat)
    assert torch.equal(*both)
    del wrapped, optimizer
    gc.collect()  # a process group that ends together with DDP can wait for ever for its own threads
    dist.destroy_process_group()
    open(os.path.join(folder, f"rank{rank}"), "w").close()

if __name__ == "__main__":
    mp.spawn(step, args=(int(sys.argv[1]), sys.argv[2]), nprocs=2)
"""


@pytest.mark.skipif(not torch.distributed.is_available(), reason="this PyTorch has no torch.distributed")
def test_two_ranks_of_distributed_data_parallel_equal_one_process(tmp_path):
    script = tmp_path / "two_ranks.py"
    script.write_text(TWO_RANKS)
    port = 20000 + os.getpid() % 20000
    done = subprocess.run(
        [sys.executable, str(script), str(port), str(tmp_path)], capture_output=True, text=True, timeout=240,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert (tmp_path / "rank0").exists()
    assert (tmp_path / "rank1").exists()
