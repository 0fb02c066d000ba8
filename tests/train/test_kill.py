"""kill -9 at random moments, and once inside the write of a checkpoint: the resumed run ends with the same bits."""

from __future__ import annotations

import json
import random
import time

from holdfast.train.checkpoint import read_checkpoint
from tests.train.toy import LONG, forked_children, run_long

KILLS = 20


def start(folder, slow_write=False):
    context = forked_children()
    started = context.Event()
    process = context.Process(target=run_long, args=(folder, started, slow_write))
    process.start()
    assert started.wait(60)
    return process


def finish(folder):
    process = start(folder)
    began = time.monotonic()
    process.join()
    assert process.exitcode == 0
    return time.monotonic() - began


def kill(process):
    alive = process.is_alive()
    process.kill()
    process.join()
    return alive


def log_without_times(folder):
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [{name: value for name, value in line.items() if name != "seconds"} for line in lines]


def kill_inside_a_write(folder):
    process = start(folder, slow_write=True)
    while not (folder / "checkpoint.new" / "optimizer.safetensors").exists():
        time.sleep(0.005)
    assert kill(process)
    assert (folder / "checkpoint.new").exists()


def test_run_killed_twenty_times_equals_the_straight_run(tmp_path):
    straight, killed = tmp_path / "straight", tmp_path / "killed"
    # Moments spread so that all the kills together come well before the run's end, however busy the machine is.
    longest = finish(straight) / KILLS
    rng, hits = random.Random(0), 0
    kill_inside_a_write(killed)
    for _ in range(KILLS - 1):
        process = start(killed)
        time.sleep(rng.uniform(0.0, longest))
        hits += kill(process)
    assert hits == KILLS - 1, "the run ended before all the kills; make it longer"
    checkpoint = read_checkpoint(killed)
    assert checkpoint is not None
    assert 0 < checkpoint.progress["step"] < LONG["max_steps"]
    finish(killed)
    for name in ("model", "best", "optimizer", "worker-0"):
        file = f"checkpoint/{name}.safetensors"
        assert (killed / file).read_bytes() == (straight / file).read_bytes(), name
    assert log_without_times(killed) == log_without_times(straight)
