"""What every test starts from: one seed, one thread, and memory that is NaN until somebody writes it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

# For the processes that tests start as well: OpenMP's threads spin while they wait, and two test workers with two
# threads each on two cores spend nearly all their time doing so. Tests of threading set their own number.
os.environ.setdefault("OMP_NUM_THREADS", "1")

torch = pytest.importorskip("torch", reason="the tests need PyTorch")

# A longer campaign than every day's: pytest --hypothesis-profile=long -k fuzz
hypothesis = pytest.importorskip("hypothesis", reason="the tests need Hypothesis")
hypothesis.settings.register_profile("long", max_examples=5000)

NUMERIC = {"reference", "kernels"}
"""Folders whose tests run with NaN-filled `torch.empty`, so that a value nobody wrote is seen."""


@pytest.fixture(autouse=True)
def one_seed_one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(autouse=True)
def unwritten_memory_is_nan(request):
    if request.path.parent.name not in NUMERIC:
        yield
        return
    torch.use_deterministic_algorithms(True, warn_only=True)  # what makes torch.empty fill its memory
    filled = torch.utils.deterministic.fill_uninitialized_memory
    torch.utils.deterministic.fill_uninitialized_memory = True
    yield
    torch.utils.deterministic.fill_uninitialized_memory = filled
    torch.use_deterministic_algorithms(False)


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """Return the folder of real datasets that HOLDFAST_DATA names; tests that need it are skipped without it."""
    folder = os.environ.get("HOLDFAST_DATA")
    if not folder:
        pytest.skip("HOLDFAST_DATA is not set: it names the folder of real datasets")
    if not Path(folder).is_dir():
        pytest.skip(f"HOLDFAST_DATA={folder} is no folder")
    return Path(folder)
