"""The Gradient view's runs: exact curves, limits, and no process left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from holdfast.spec import GATES
from holdfast.studio import gradient_runs
from holdfast.studio.gradient_runs import GradientRuns
from holdfast.studio.gradient_settings import LIMITS, GradientSettings
from holdfast.studio.gradient_training import Training, hidden_size, losses_of
from holdfast.studio.gradient_words import fading, sentence
from holdfast.studio.problem import Problem

SMALL = {"length": 12, "hidden": 5, "seeds": 2, "steps": 3, "rate": 0.1}


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_until(happened, seconds=60.0):
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, f"not within {seconds} s"
        time.sleep(0.02)


def step_by_hand(cell, parts, x, h, c, shift_c):
    """One step in float64, from the equations: returns h and c, which `shift_c` is added to before h reads it."""
    w, r, b, d = parts
    read, kept = (part.chunk(len(GATES[cell]), dim=-1) for part in (x @ w.T + b, h @ r.T + d))
    gate = dict(zip(GATES[cell], zip(read, kept, strict=True), strict=True))
    if cell == "rnn":
        return torch.tanh(sum(gate["h"])), c
    if cell == "gru":
        reset, z = sum(gate["r"]).sigmoid(), sum(gate["z"]).sigmoid()
        return (1 - z) * torch.tanh(gate["n"][0] + reset * gate["n"][1]) + z * h, c
    i, f, o = (sum(gate[name]).sigmoid() for name in "ifo")
    c = f * c + i * sum(gate["g"]).tanh() + shift_c
    return o * c.tanh(), c


def brute_force(cell, learner):
    """The norm of d loss / d state by lag: the whole run anew for every step, with a shift of that step's state."""
    network = learner.network.double()
    parts = list(network.recurrent.parameters())
    x, answers = learner.batch[0].double(), learner.batch[1].double()
    steps, rows, size = len(x), x.shape[1], parts[1].shape[1]
    curves = {"h": [], "c": []}
    for at in reversed(range(steps)):
        shifts = torch.zeros(2, rows, size, dtype=torch.float64, requires_grad=True)
        h = c = torch.zeros(rows, size, dtype=torch.float64)
        for t in range(steps):
            h, c = step_by_hand(cell, parts, x[t], h, c, shifts[1] if t == at else 0.0)
            h = h + shifts[0] if t == at else h
        output = network.head(h)[:, 0]
        loss = (
            (output - answers).square()
            if learner.task == "adding"
            else torch.nn.functional.softplus(torch.where(answers > 0, -output, output))
        )
        (found,) = torch.autograd.grad(loss.sum(), shifts)
        curves["h"].append(found[0].norm(dim=-1).mean().item())
        curves["c"].append(found[1].norm(dim=-1).mean().item())
    return curves


@pytest.mark.parametrize("task", ["thirty", "adding"])
def test_streamed_curves_are_those_of_brute_force(task):
    settings = GradientSettings(task=task, bias=2.0, recurrent=1.5 if task == "adding" else 0.0, **SMALL)
    run = GradientRuns().start(settings)
    with run.looked_at():
        wait_until(lambda: run.ended)
    event = run.latest
    assert event["done"]
    assert "stopped" not in event
    assert event["step"] == settings.steps
    training = Training(settings)
    while not training.done:
        training.step()
    assert event["loss"] == training.event()["loss"]
    for cell, learners in training.learners.items():
        expected = [brute_force(cell, learner) for learner in learners]
        np.testing.assert_allclose(event["flow"][cell], np.mean([one["h"] for one in expected], axis=0), rtol=1e-4)
        if cell == "lstm":
            np.testing.assert_allclose(
                event["flow_c"][cell], np.mean([one["c"] for one in expected], axis=0), rtol=1e-4
            )
    assert list(event["flow_c"]) == ["lstm"]
    assert list(event["forget"]) == ["lstm", "gru"]


def test_product_of_the_gates_starts_at_the_bias():
    training = Training(GradientSettings(length=30, bias=3.0, seeds=2, cells=("lstm", "gru")))
    for curve in training.event()["forget"].values():
        assert curve[0] == 1.0
        assert curve[10] == pytest.approx(torch.sigmoid(torch.tensor(3.0)).item() ** 10, rel=0.15)


def test_equal_seeds_give_equal_runs_and_others_do_not():
    def last(seed):
        training = Training(GradientSettings(seed=seed, **SMALL))
        training.step()
        return training.event()

    assert last(0) == last(0)
    assert last(0)["loss"] != last(7)["loss"]


def test_easy_task_is_solved_and_then_said_so():
    training = Training(GradientSettings(task="latch", length=8, seeds=1, rate=0.01, steps=120, cells=("lstm",)))
    assert training.event()["solved"] == {"lstm": [0, 1]}
    while not training.done:
        training.step()
    assert training.event()["solved"] == {"lstm": [1, 1]}
    assert training.event()["loss"]["lstm"] < 0.1


def test_exploding_recurrent_weights_grow_the_gradient():
    flow = Training(GradientSettings(length=60, recurrent=2.0, cells=("rnn",))).event()["flow"]["rnn"]
    assert flow[-1] > 20 * flow[0]


def test_cells_have_about_equal_parameters():
    for hidden in (4, 16, 64):
        sizes = {cell: hidden_size(cell, hidden) for cell in GATES}
        assert sizes["lstm"] == hidden
        networks = Training(GradientSettings(length=4, hidden=hidden, seeds=1)).learners
        counts = {cell: sum(p.numel() for p in one[0].network.parameters()) for cell, one in networks.items()}
        assert max(counts.values()) < 1.2 * min(counts.values())


def test_loss_of_one_row_is_not_that_of_another():
    training = Training(GradientSettings(length=8, seeds=1, cells=("gru",)))
    (learner,) = training.learners["gru"]
    losses = losses_of(learner.network, learner.batch, "latch")
    assert losses.shape == (32,)
    assert losses.std() > 0


@pytest.mark.parametrize("name", LIMITS)
def test_numbers_beyond_the_limits_are_refused_with_the_limit(name):
    low, high = LIMITS[name]
    for value, limit in ((high * 2 + 1, high), (low - 1, low)):
        with pytest.raises(Problem, match=name) as caught:
            GradientSettings.from_dict(
                {name: value if isinstance(getattr(GradientSettings, name), float) else int(value)}
            )
        assert caught.value.limit == limit
        assert f"{high:g}" in caught.value.hint


@pytest.mark.parametrize(
    "given",
    [{"task": "chess"}, {"cells": []}, {"cells": ["lstm", "lstm"]}, {"cells": "lstm"}, {"cells": ["mlp"]},
     {"bias": "1"}, {"length": 30.5}, {"rate": float("nan")}, {"seeds": True}, {"colour": 1}, [1]],
)  # fmt: skip
def test_what_is_no_setting_is_refused_with_a_hint(given):
    with pytest.raises(Problem) as caught:
        GradientSettings.from_dict(given)
    assert caught.value.hint


def test_settings_survive_json():
    settings = GradientSettings(task="adding", cells=("rnn",), bias=-2)
    assert GradientSettings.from_dict(settings.to_dict()) == settings


def test_stop_ends_the_process_and_a_second_stop_does_nothing():
    run = GradientRuns().start(GradientSettings(steps=5000))
    assert alive(run.pid)
    run.stop()
    assert not alive(run.pid)
    wait_until(lambda: run.ended)
    assert run.latest["stopped"] == "asked"
    assert run.latest["done"]
    run.stop()


def test_leaving_ends_the_process_after_the_grace():
    run = GradientRuns(grace=0.3).start(GradientSettings(steps=5000))
    with run.looked_at():
        time.sleep(0.7)
        assert alive(run.pid)
    wait_until(lambda: run.ended)
    assert not alive(run.pid)
    assert run.latest["stopped"] == "left"


def test_time_limit_ends_the_run_with_what_it_had():
    run = GradientRuns(time_limit=0.0).start(GradientSettings(length=4, hidden=2, seeds=1, steps=5000))
    with run.looked_at():
        wait_until(lambda: run.ended)
    assert not alive(run.pid)
    assert run.latest["stopped"] == "time"
    assert run.latest["flow"]["lstm"]


def test_a_new_run_ends_the_one_before():
    runs = GradientRuns()
    first = runs.start(GradientSettings(steps=5000))
    second = runs.start(GradientSettings(steps=5000))
    assert not alive(first.pid)
    assert runs.find(second.id) is second
    assert runs.find(first.id) is None
    wait_until(lambda: first.ended)
    assert first.latest["stopped"] == "replaced"
    runs.close()
    assert not alive(second.pid)


def test_a_process_does_not_outlive_a_killed_server():
    program = (
        "import time; from holdfast.studio.gradient_runs import GradientRuns; "
        "from holdfast.studio.gradient_settings import GradientSettings; "
        "print(GradientRuns().start(GradientSettings(steps=5000)).pid, flush=True); time.sleep(60)"
    )
    server = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    with server.stdout as stdout:
        pid = int(stdout.readline())
        assert alive(pid)
        os.kill(server.pid, signal.SIGKILL)
        server.wait()
    wait_until(lambda: not alive(pid))


def test_a_process_that_breaks_says_why(monkeypatch):
    monkeypatch.setattr(gradient_runs.sys, "executable", "/bin/false")
    run = GradientRuns().start(GradientSettings())
    wait_until(lambda: run.ended)
    assert run.latest["stopped"] == "broken"
    assert "code 1" in run.latest["problem"]["detail"]
    assert run.latest["problem"]["hint"]


def test_sentences_are_made_of_the_numbers():
    fades = [0.25 * 0.5 ** (k / 2.2) for k in range(31)]
    assert fading(fades, "With bias 1 the LSTM's signal") == (
        "With bias 1 the LSTM's signal halves every 2.2 steps; 30 steps back 0.0079 % is left."
    )
    assert fading([1.0] * 10, "it") == "it holds: 9 steps back 100 % is left."
    assert fading([1.0] * 9 + [0.51], "it") == "it halves every 9.3 steps; 9 steps back 51 % is left."
    assert fading([1.0, 0.35, 1.01], "it") == "it dips: 1 steps back 35 % is left, and 2 steps back 101 %."
    assert fading([1.0, 2.0, 400.0], "it") == "it grows: 2 steps back it is 400 times as large."
    assert "3 steps back nothing" in fading([1.0, 0.1, 1e-30, 0.0], "it")
    assert "exploded" in fading([1.0, None], "it")
    both = sentence(-1.5, {"lstm": fades, "rnn": [1.0, 1e-20]})
    assert both.startswith("With bias −1.5 the LSTM's signal halves")
    assert both.endswith("The RNN's halves every 0.015 steps; 1 steps back 1·10⁻¹⁸ % is left.")
