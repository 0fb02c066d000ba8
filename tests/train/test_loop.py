from __future__ import annotations

import dataclasses
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import types

import numpy as np
import pytest
import torch

from holdfast.errors import ConfigError, MissingDependencyError, TrainingError
from holdfast.train import Callback, TensorBoard, TrainSettings, loop, train
from holdfast.train import callbacks as callback_file
from holdfast.train.checkpoint import read_checkpoint
from tests.train.toy import ToyTask, settings, weights


def run(folder=None, task=None, quiet=True, resume=True, callbacks=(), **how):
    task = task or ToyTask()
    return task, train(task, settings(**how), folder, quiet=quiet, resume=resume, callbacks=callbacks)


def score(task):
    with torch.no_grad():
        return float(task.evaluate()["loss"])


def read_log(folder):
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


@pytest.mark.parametrize(("optimizer", "rate"), [("adam", 1e-2), ("adamw", 1e-2), ("sgd", 1e-2)])
def test_training_lowers_the_loss(optimizer, rate):
    task = ToyTask()
    before = score(task)
    _, result = run(task=task, optimizer=optimizer, learning_rate=rate, max_steps=80)
    assert score(task) < 0.8 * before
    assert (result.steps, result.stopped, result.best) == (80, "steps", None)


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_weights_do_not_depend_on_how_an_update_is_cut_into_chunks(optimizer):
    found = {}
    for size, chunks in ((64, 1), (32, 2), (16, 4), (4, 16)):
        task, _ = run(task=ToyTask(size), chunks_per_update=chunks, optimizer=optimizer, max_steps=12)
        found[size] = weights(task)
    for size in (32, 16, 4):
        torch.testing.assert_close(found[size], found[64], rtol=0, atol=1e-10)


def test_unequal_chunks_count_by_their_tokens():
    # 128 = 2 * 48 + 32: an update of all three equals the update of the whole stream.
    cut, _ = run(task=ToyTask(48), chunks_per_update=3, max_steps=1, optimizer="sgd")
    whole, _ = run(task=ToyTask(128), max_steps=1, optimizer="sgd")
    torch.testing.assert_close(weights(cut), weights(whole), rtol=0, atol=1e-10)


def test_one_update_equals_plain_torch():
    task, _ = run(optimizer="adam", max_steps=3, clip_norm=0.05, learning_rate=0.01)
    plain = ToyTask()
    optimizer = torch.optim.Adam(plain.model.parameters(), lr=0.01)
    state = None
    for _ in range(3):
        loss, state, _ = plain.loss(next(plain.batches), state)
        state = tuple(part.detach() for part in state)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(plain.model.parameters(), 0.05)
        optimizer.step()
    torch.testing.assert_close(weights(task), weights(plain), rtol=0, atol=1e-12)


def test_state_is_carried_and_cut_off_its_graph():
    task, seen = ToyTask(), []
    plain_loss = task.loss
    task.loss = lambda batch, state: (seen.append(state), plain_loss(batch, state))[1]
    run(task=task, max_steps=2, chunks_per_update=2)
    first, second, third, fourth = seen
    assert first is None
    assert second[0].requires_grad
    assert not third[0].requires_grad
    assert third[0].abs().sum() > 0
    assert fourth[0].requires_grad


def test_equal_seeds_give_equal_bits():
    found = [weights(run(task=ToyTask(dropout=0.3), seed=seed)[0]) for seed in (3, 3, 4)]
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])


def test_the_callers_random_numbers_are_left_alone():
    numpy_state, python_state = np.random.get_state()[1].copy(), random.getstate()
    torch.manual_seed(9)
    expected = torch.rand(3)
    task = ToyTask(dropout=0.5)
    torch.manual_seed(9)
    run(task=task, max_steps=2)
    assert torch.equal(torch.rand(3), expected)
    assert np.array_equal(np.random.get_state()[1], numpy_state)
    assert random.getstate() == python_state


def test_best_weights_are_kept_and_patience_ends_the_run():
    task, kept = ToyTask(), []
    task.scores = [5.0, 3.0, 4.0, 3.5, 9.0]

    class Keep(Callback):
        def on_evaluate(self, record):
            kept.append(weights(task).clone())

    _, result = run(task=task, evaluate_every=2, patience=2, max_steps=100, callbacks=[Keep()])
    assert (result.stopped, result.steps, result.best) == ("patience", 8, 3.0)
    assert torch.equal(weights(task), kept[1])


class Evaluations(Callback):
    """Notes when each evaluation came."""

    def __init__(self):
        self.steps, self.seconds = [], []

    def on_evaluate(self, record):
        self.steps.append(record["step"])
        self.seconds.append(record["seconds"])


@pytest.mark.parametrize(
    ("evaluations", "steps"), [(4, [5, 10, 15, 20]), (1, [20]), (3, [7, 14, 20]), (50, [*range(1, 21)])]
)
def test_evaluations_share_the_steps_out(evaluations, steps):
    seen = Evaluations()
    _, result = run(max_steps=20, evaluations=evaluations, evaluate_every=1000, callbacks=[seen])
    assert seen.steps == steps
    assert result.best is not None


@pytest.mark.parametrize("tick", [0.001, 0.004, 0.03])
@pytest.mark.parametrize("budget", [1.0, 3.0])
def test_evaluations_share_the_seconds_out_however_quick_the_updates_are(monkeypatch, tick, budget):
    now = itertools.count(0.0, tick)
    monkeypatch.setattr(loop.time, "monotonic", lambda: next(now))
    seen = Evaluations()
    _, result = run(max_steps=None, max_seconds=budget, evaluations=5, callbacks=[seen])
    assert result.stopped == "seconds"
    assert seen.seconds == pytest.approx([budget * part / 5 for part in range(1, 6)], abs=4 * tick)


def test_evaluations_go_on_where_they_were_after_a_resume(tmp_path):
    seen = Evaluations()
    run(tmp_path, max_steps=12, callbacks=[seen])
    run(tmp_path, max_steps=20, evaluations=4, callbacks=[seen])
    assert seen.steps == [15, 20]


def test_end_of_the_data_ends_the_run():
    task = ToyTask()
    task.batches.limit = 5
    assert run(task=task, chunks_per_update=2)[1].stopped == "data"
    assert task.batches.position == 5


def test_seconds_end_the_run_and_drive_the_schedule():
    rates = []

    class Watch(Callback):
        def on_step(self, record):
            rates.append((record["seconds"], record["lr"]))

    _, result = run(max_steps=None, max_seconds=0.3, schedule="linear", learning_rate=1.0, callbacks=[Watch()],
                    optimizer="sgd", clip_norm=1e-9)  # fmt: skip
    assert result.stopped == "seconds"
    assert 0.3 <= result.seconds < 3
    for seconds, rate in rates:
        assert rate == pytest.approx(1 - seconds / 0.3)


def test_log_has_a_line_a_record_and_no_folder_means_no_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run(max_steps=4)
    assert list(tmp_path.iterdir()) == []
    run(tmp_path / "run", max_steps=4, log_every=2, evaluate_every=4)
    log = read_log(tmp_path / "run")
    assert [line["step"] for line in log] == [2, 4, 4]
    assert set(log[0]) == {"step", "epoch", "loss", "lr", "grad_norm", "error", "seconds"}
    assert set(log[2]) == {"step", "validation", "seconds"}


@pytest.mark.parametrize("stage", ["loss", "gradient"])
def test_not_finite_stops_with_step_checkpoint_and_advice_and_loses_nothing(tmp_path, stage):
    task = ToyTask()
    if stage == "loss":
        task.poison_at = 8
    else:
        task.model.out.weight.register_hook(lambda grad: grad * (torch.nan if task.batches.position == 8 else 1.0))
    with pytest.raises(TrainingError, match=r"step 8: .*(step 6).*learning_rate.*clip_norm") as caught:
        run(tmp_path, task, checkpoint_every=3)
    assert str(tmp_path / "checkpoint") in str(caught.value)
    assert torch.isfinite(weights(task)).all()
    healed, result = run(tmp_path, checkpoint_every=3)
    straight, _ = run()
    assert result.steps == 20
    assert torch.equal(weights(healed), weights(straight))


def test_weights_that_are_not_finite_never_replace_a_good_checkpoint(tmp_path):
    task = ToyTask()
    run(tmp_path, task, max_steps=2)
    task.watch = lambda: task.model.out.bias.data.fill_(torch.inf) if task.batches.position == 4 else None
    with pytest.raises(TrainingError):
        run(tmp_path, task, max_steps=4, checkpoint_every=1)
    checkpoint = read_checkpoint(tmp_path)
    assert checkpoint is not None
    assert checkpoint.progress["step"] == 3
    assert all(value.isfinite().all() for value in checkpoint.model.values())


def test_interrupt_finishes_the_update_and_resumes_to_the_same_bits(tmp_path, capsys):
    task = ToyTask()
    task.watch = lambda: os.kill(os.getpid(), signal.SIGINT) if task.batches.position == 6 else None
    handler = signal.getsignal(signal.SIGINT)
    _, result = run(tmp_path, task)
    assert (result.stopped, result.steps) == ("interrupted", 6)
    assert signal.getsignal(signal.SIGINT) is handler
    assert capsys.readouterr() == ("", "")
    resumed, result = run(tmp_path)
    assert (result.stopped, result.steps) == ("steps", 20)
    assert torch.equal(weights(resumed), weights(run()[0]))


def test_second_interrupt_ends_at_once(tmp_path):
    task = ToyTask()

    def interrupt_twice():
        # By the handler itself: two signals so close together may be delivered as one.
        for _ in range(2):
            signal.getsignal(signal.SIGINT)(signal.SIGINT, None)

    task.watch = lambda: interrupt_twice() if task.batches.position == 6 else None
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, task, checkpoint_every=2)
    assert run(tmp_path)[1].steps == 20


def test_bfloat16_trains_with_float32_weights():
    task, seen = ToyTask(dtype=torch.float32), []
    task.model.out.register_forward_hook(lambda module, args, out: seen.append(out.dtype))
    before = weights(task).clone()
    run(task=task, precision="bfloat16", max_steps=3)
    assert set(seen) == {torch.bfloat16}
    assert weights(task).dtype == torch.float32
    assert not torch.equal(weights(task), before)


def test_progress_is_shown_on_a_terminal_only(tmp_path, capsys, monkeypatch):
    run(tmp_path / "a", quiet=False)
    assert capsys.readouterr() == ("", "")
    monkeypatch.setattr(callback_file.sys.stderr, "isatty", lambda: True, raising=False)
    run(tmp_path / "b", quiet=True)
    assert capsys.readouterr() == ("", "")
    run(tmp_path / "c", quiet=False, evaluate_every=10)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "20/20" in captured.err
    assert "validation" in captured.err


def test_model_mode_is_put_back():
    task = ToyTask()
    task.model.eval()
    run(task=task, max_steps=1)
    assert not task.model.training


def test_frozen_model_is_refused():
    task = ToyTask()
    task.model.requires_grad_(False)
    with pytest.raises(TrainingError, match="requires_grad"):
        run(task=task)


def test_missing_tensorboard_gives_the_line_to_run(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'holdfast\[tensorboard\]'"):
        TensorBoard(tmp_path)


def test_tensorboard_gets_every_figure(monkeypatch):
    written = []

    class Writer:
        def __init__(self, folder):
            self.close = lambda: written.append("closed")

        def add_scalar(self, name, value, step):
            written.append((name, step))

    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", types.SimpleNamespace(SummaryWriter=Writer))
    run(max_steps=1, evaluate_every=1, callbacks=[TensorBoard("unused")])
    assert {("train/loss", 1), ("train/lr", 1), ("validation/loss", 1)} <= set(written)
    assert written[-1] == "closed"


def test_settings_load_no_torch():
    code = "import sys; from holdfast.train import TrainSettings; TrainSettings(); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize(
    "how",
    [
        {"optimizer": "adagrad"}, {"schedule": "step"}, {"precision": "float16"}, {"learning_rate": 0},
        {"learning_rate": float("nan")}, {"clip_norm": 0}, {"max_steps": 0}, {"max_steps": 1.5}, {"patience": 0},
        {"chunks_per_update": 0}, {"seed": True}, {"weight_decay": -1}, {"patience": 1, "evaluate_every": 0},
        {"evaluations": -1}, {"evaluations": 0.5},
    ],
    ids=str,
)  # fmt: skip
def test_bad_settings_are_refused(how):
    with pytest.raises(ConfigError, match=next(iter(how))):
        TrainSettings(**how)


def test_every_setting_survives_a_round_trip():
    chosen = TrainSettings(max_steps=7, patience=2)
    assert TrainSettings(**chosen.to_dict()) == chosen
    assert dataclasses.replace(chosen, max_steps=None).step_limit == 10_000
    assert TrainSettings(max_seconds=1.0).step_limit is None
