"""Files take their place whole or not at all, and the umask says who may read them."""

from __future__ import annotations

import os
import sys

import pytest
import torch

import holdfast
from holdfast.nn.whole_file import whole_file

posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no umask")


@pytest.fixture(params=[0o077, 0o022], ids=["private", "open"])
def rights(request):
    """The rights that a new file has under the umask that is set meanwhile."""
    before = os.umask(request.param)
    yield 0o666 & ~request.param
    os.umask(before)


def test_a_block_that_fails_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "new" / "file.txt"
    with whole_file(path) as file:
        file.write(b"old")
    with pytest.raises(TypeError), whole_file(path) as file:
        file.writelines([b"half of the n", None])
    assert path.read_bytes() == b"old"
    assert list(path.parent.iterdir()) == [path]


@posix
def test_traces_pictures_and_models_are_as_private_as_the_umask_says(tmp_path, rights):
    pytest.importorskip("matplotlib", reason="pictures need Matplotlib")
    trace = holdfast.LSTM(3, 4).trace(torch.randn(5, 1, 3))
    trace.save(tmp_path / "missing" / "trace.npz")
    holdfast.inside.plot_gates(trace["", 0, "forward"], tmp_path / "gates.png")
    holdfast.LSTM(3, 4).save_pretrained(tmp_path / "model")
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(written) == 4
    for path in written:
        assert path.stat().st_mode & 0o777 == rights
