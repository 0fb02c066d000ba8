from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given
from hypothesis import settings as limits
from hypothesis import strategies as st

from holdfast.errors import CheckpointError
from holdfast.train import checkpoint as files
from holdfast.train import train
from holdfast.train.carried import (
    detach,
    pack_random,
    pack_state,
    seed_everything,
    unpack_random,
    unpack_state,
)
from tests.train.toy import ToyTask, settings, weights


def run(folder, task=None, resume=True, **how):
    task = task or ToyTask()
    return task, train(task, settings(**how), folder, quiet=True, resume=resume)


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
def test_resume_gives_the_bits_of_a_straight_run(tmp_path, optimizer):
    how = {"optimizer": optimizer, "evaluate_every": 4, "log_every": 3, "chunks_per_update": 2}
    run(tmp_path / "a", ToyTask(dropout=0.3), max_steps=9, checkpoint_every=2, **how)
    # 9 is no multiple of 4: the end of the first run evaluates once more, which must not change what follows.
    resumed, _ = run(tmp_path / "a", ToyTask(dropout=0.3), max_steps=20, **how)
    straight, _ = run(tmp_path / "b", ToyTask(dropout=0.3), max_steps=20, **how)
    assert torch.equal(weights(resumed), weights(straight))


def test_finished_run_is_not_run_again(tmp_path):
    first, result = run(tmp_path, evaluate_every=5)
    log = (tmp_path / "log.jsonl").read_bytes()
    again, same = run(tmp_path, evaluate_every=5)
    assert (same.steps, same.best, same.stopped) == (result.steps, result.best, result.stopped)
    assert torch.equal(weights(first), weights(again))
    assert (tmp_path / "log.jsonl").read_bytes() == log


def test_resume_false_starts_anew(tmp_path):
    run(tmp_path)
    _, result = run(tmp_path, resume=False, max_steps=3)
    assert result.steps == 3
    assert len((tmp_path / "log.jsonl").read_text().splitlines()) == 3


def test_nothing_is_pickled_and_no_leftovers_stay(tmp_path):
    run(tmp_path, evaluate_every=5, checkpoint_every=5)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint", "log.jsonl"]
    names = ["best.safetensors", "model.safetensors", "optimizer.safetensors", "state.json", "worker-0.safetensors"]
    assert sorted(path.name for path in (tmp_path / "checkpoint").iterdir()) == names


@pytest.mark.parametrize("killed_at", range(1, 9))
def test_write_that_stops_anywhere_leaves_a_whole_checkpoint(tmp_path, monkeypatch, killed_at):
    """Each file, flush and rename of a write is one step; the process ends at one of them."""
    run(tmp_path, max_steps=5)
    calls = 0

    def ending(plain):
        def step(*args):
            nonlocal calls
            calls += 1
            if calls == killed_at:
                raise KeyboardInterrupt
            return plain(*args)

        return step

    with monkeypatch.context() as patch:
        patch.setattr(files, "_write_file", ending(files._write_file))
        patch.setattr(files, "_flush_folder", ending(files._flush_folder))
        patch.setattr(files.os, "rename", ending(os.rename))
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path, max_steps=8)
    checkpoint = files.read_checkpoint(tmp_path)
    assert checkpoint is not None
    assert checkpoint.progress["step"] == (5 if killed_at <= 6 else 8)
    resumed, _ = run(tmp_path)
    assert torch.equal(weights(resumed), weights(run(None)[0]))


def test_killed_first_write_starts_anew(tmp_path):
    (tmp_path / "checkpoint.new").mkdir()
    (tmp_path / "checkpoint.new" / "model.safetensors").write_bytes(b"half")
    assert run(tmp_path)[1].steps == 20


def test_full_disk_is_an_error_of_ours(tmp_path, monkeypatch):
    run(tmp_path, max_steps=5)

    def full(path, blob):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(files, "_write_file", full)
        with pytest.raises(CheckpointError, match="No space left"):
            run(tmp_path, max_steps=8)
    assert run(tmp_path, max_steps=8)[1].steps == 8


@pytest.mark.parametrize("name", ["state.json", "model.safetensors", "optimizer.safetensors", "worker-0.safetensors"])
@pytest.mark.parametrize("harm", ["gone", "empty", "cut", "flipped"])
def test_broken_file_is_named_with_the_mend(tmp_path, name, harm):
    run(tmp_path, max_steps=2)
    path = tmp_path / "checkpoint" / name
    blob = path.read_bytes()
    if harm == "gone":
        path.unlink()
    else:
        middle = len(blob) // 2
        flipped = blob[:middle] + bytes([blob[middle] ^ 0x80]) + blob[middle + 1 :]
        path.write_bytes({"empty": b"", "cut": blob[:middle], "flipped": flipped}[harm])
    with pytest.raises(CheckpointError, match=f"(?s){name}.*resume=False"):
        run(tmp_path)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 10**6) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)


@given(field=st.sampled_from(["format", "files", "progress", "step", "best", "log_length"]), value=JSON)
@limits(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_state_file_loads_or_is_an_error_of_ours(tmp_path_factory, field, value):
    folder = tmp_path_factory.mktemp("run")
    run(folder, max_steps=1)
    path = folder / "checkpoint" / "state.json"
    state = json.loads(path.read_text())
    (state if field in state else state["progress"])[field] = value
    path.write_text(json.dumps(state))
    try:
        run(folder, max_steps=2)
    except CheckpointError:
        pass


def test_foreign_checkpoints_are_refused(tmp_path):
    run(tmp_path, max_steps=2)
    with pytest.raises(CheckpointError, match="optimizer=adamw, not sgd"):
        run(tmp_path, optimizer="sgd")
    other = ToyTask()
    other.model.lstm = torch.nn.LSTM(2, 6, dtype=torch.float64)
    with pytest.raises(CheckpointError, match=r"(?s)another model.*weight_ih_l0.*choose another folder"):
        run(tmp_path, other)
    state_file = Path(tmp_path / "checkpoint" / "state.json")
    state_file.write_text(state_file.read_text().replace('"format": 1', '"format": 99'))
    with pytest.raises(CheckpointError, match="format 99"):
        run(tmp_path)


def test_tied_weights_stay_tied(tmp_path):
    def tied():
        task = ToyTask()
        task.model.again = task.model.out
        return task

    run(tmp_path, tied(), max_steps=5)
    resumed, _ = run(tmp_path, tied())
    assert resumed.model.again.weight is resumed.model.out.weight
    assert torch.equal(weights(resumed), weights(run(None)[0]))


def test_states_survive_packing():
    state = {"lstm": (torch.rand(2, 3), [torch.ones(1, dtype=torch.int64), None]), "count": 3, "name": "x"}
    tensors: dict[str, torch.Tensor] = {}
    packed = json.loads(json.dumps(pack_state(state, tensors)))
    back = unpack_state(packed, tensors, torch.device("cpu"))
    assert torch.equal(back["lstm"][0], state["lstm"][0])
    assert torch.equal(back["lstm"][1][0], state["lstm"][1][0])
    assert (back["lstm"][1][1], back["count"], back["name"]) == (None, 3, "x")
    assert unpack_state(pack_state(None, tensors), tensors, torch.device("cpu")) is None
    with pytest.raises(CheckpointError, match="set"):
        pack_state((set(),), tensors)


def test_detach_keeps_structure():
    part = torch.ones(2, requires_grad=True)
    cut = detach((part, {"a": [part * 2]}, None))
    assert isinstance(cut, tuple)
    assert not cut[1]["a"][0].requires_grad
    assert cut[2] is None


def test_random_states_survive_packing():
    import random

    with torch.random.fork_rng():
        numpy_state, python_state = np.random.get_state(), random.getstate()
        seed_everything(11)
        tensors: dict[str, torch.Tensor] = {}
        packed = json.loads(json.dumps(pack_random(tensors)))
        first = torch.rand(3), np.random.rand(3), random.random()
        unpack_random(packed, tensors)
        second = torch.rand(3), np.random.rand(3), random.random()
        np.random.set_state(numpy_state)
        random.setstate(python_state)
    assert torch.equal(first[0], second[0])
    assert np.array_equal(first[1], second[1])
    assert first[2] == second[2]
