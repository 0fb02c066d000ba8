"""The memory model learns what has no answer without a memory, is saved whole, and goes on where it was stopped."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

import holdfast
from holdfast.errors import CheckpointError, ConfigError, DataError, HoldfastError
from holdfast.tasks.memory import Memory, MemoryConfig
from holdfast.tasks.memory.data import draw_test
from holdfast.tasks.memory.model import MemoryNetwork
from holdfast.tasks.memory.problems import KINDS
from holdfast.tasks.memory.score import measure_outputs
from tests.tasks.memory.samples import SMALLEST, small_memory


@pytest.mark.parametrize("cell", ["lstm", "gru", "lstm+coupled"])
def test_the_latch_is_learnt_in_seconds(cell):
    memory = small_memory("latch", steps=120, rate=2e-2, length=20, hidden_size=8, batch_size=32, cell=cell)
    found = memory.fit(quiet=True).evaluate(500)
    assert found["solved"] > 0.98
    assert found["loss"] < 0.1
    assert found["count"] == 500


def test_adding_is_learnt_far_below_what_no_memory_gives():
    memory = small_memory("adding", steps=500, rate=2e-2, length=10, hidden_size=16, batch_size=32)
    assert memory.fit(quiet=True).evaluate(500)["loss"] < 0.02  # always 1 has 0.167


def test_the_grammar_is_learnt_but_for_single_strings():
    memory = small_memory("reber", steps=600, rate=2e-2, hidden_size=16, batch_size=32, init="torch")
    assert memory.fit(quiet=True).evaluate(500)["solved"] > 0.9  # without the kept symbol 0.5


@pytest.mark.parametrize("task", list(SMALLEST))
def test_drawn_sequences_can_be_recalled_and_measured(task):
    memory = small_memory(task).fit(quiet=True)
    sequences, answers = memory.draw(6, seed=3)
    found = memory.recall(sequences)
    assert found.shape == answers.shape
    assert found.dtype.kind == answers.dtype.kind
    one = memory.recall([sequences[2]])[0]
    size = None if found.ndim == 1 else len(sequences[2])
    np.testing.assert_allclose(one, found[2] if size is None else found[2][:size], rtol=1e-5)
    assert 0 <= memory.evaluate(20)["solved"] <= 1


@pytest.mark.parametrize("task", list(SMALLEST))
def test_the_right_outputs_count_as_solved_and_others_do_not(task):
    drawn = draw_test(MemoryConfig(task=task, length=SMALLEST[task]), 50)
    if KINDS[task].answer == "number":
        right = drawn.answers[:, None].copy()
        wrong = right + 0.05
    else:
        right = np.where(np.arange(KINDS[task].outputs) == drawn.answers[..., None], 20.0, 0.0)
        right = right if drawn.legal is None else 20.0 * drawn.legal
        wrong = np.roll(right, 1, axis=-1)
    assert measure_outputs(right, drawn).right.all()
    assert measure_outputs(wrong, drawn).right.sum() == 0
    assert measure_outputs(right, drawn).loss < 0.7 < 1.0 or task == "adding"
    assert measure_outputs(right, drawn).loss < measure_outputs(wrong, drawn).loss


def test_one_illegal_symbol_spoils_a_string():
    drawn = draw_test(MemoryConfig(task="reber"), 30)
    outputs = drawn.legal * 2.0
    last = drawn.lengths[4] - 2  # the step that asks for the kept symbol
    outputs[last, 4, drawn.answers[last, 4]] = -1.0
    assert np.flatnonzero(~measure_outputs(outputs, drawn).right).tolist() == [4]


def test_measured_loss_is_the_loss_that_training_minimises():
    for task in SMALLEST:
        memory = small_memory(task).fit(quiet=True)
        drawn = draw_test(memory.config, 30)
        with torch.no_grad():
            loss, count = memory.model.loss(drawn)
        found = memory.measure(drawn)
        assert found.loss == pytest.approx(float(loss), rel=1e-5)
        assert found.answers.sum() == count


@pytest.mark.parametrize("task", ["adding", "copy", "temporal_order"])
def test_loaded_model_equals_the_saved_one(tmp_path, task):
    memory = small_memory(task, cell="lstm+peephole", num_layers=2).fit(quiet=True)
    memory.save_pretrained(tmp_path / "model")
    again = Memory.from_pretrained(tmp_path / "model")
    assert again.config == memory.config
    assert again.layers == memory.layers
    sequences, _ = memory.draw(5)
    assert (again.recall(sequences) == memory.recall(sequences)).all()
    assert again.evaluate(50) == memory.evaluate(50)
    assert sorted(path.name for path in (tmp_path / "model").iterdir()) == ["config.json", "model.safetensors"]


def test_settings_that_do_not_fit_the_layers_are_refused(tmp_path):
    small_memory().fit(quiet=True).save_pretrained(tmp_path / "whole")
    for name, value in {"task": "latch", "hidden_size": 6, "cell": "gru", "length": -1, "colour": "blue"}.items():
        folder = shutil.copytree(tmp_path / "whole", tmp_path / name)
        config = json.loads((folder / "config.json").read_text())
        config["task"][name] = value
        (folder / "config.json").write_text(json.dumps(config))
        with pytest.raises(CheckpointError):
            Memory.from_pretrained(folder)


@pytest.mark.parametrize("task", ["adding", "reber"])
def test_a_killed_run_goes_on_exactly(tmp_path, monkeypatch, task):
    settings = replace(small_memory().config.train, max_steps=30, checkpoint_every=10, evaluate_every=7)
    whole = small_memory(task, train=settings).fit(quiet=True)
    calls, loss = [], MemoryNetwork.loss

    def dies(self, drawn):
        calls.append(1)
        if len(calls) == 26:
            raise RuntimeError("killed")
        return loss(self, drawn)

    with monkeypatch.context() as patch:
        patch.setattr(MemoryNetwork, "loss", dies)
        with pytest.raises(RuntimeError, match="killed"):
            small_memory(task, train=settings).fit(folder=tmp_path / "run", quiet=True)
    again = small_memory(task, train=settings).fit(folder=tmp_path / "run", quiet=True)
    assert again.result.steps == 30
    assert all(torch.equal(a, b) for a, b in zip(again.model.parameters(), whole.model.parameters(), strict=True))


@pytest.mark.parametrize("task", ["adding", "latch", "reber", "copy"])
def test_gradient_flow_follows_the_last_answer_of_each_sequence(task):
    memory = small_memory(task).fit(quiet=True)
    drawn = draw_test(memory.config, 7)
    losses, lengths = memory.losses_of(7)
    assert lengths.tolist() == drawn.lengths.tolist()
    if task in ("adding", "latch"):
        np.testing.assert_allclose(losses.detach().numpy(), memory.measure(drawn).losses, rtol=1e-4)
    given, _ = memory.losses_of(memory.draw(7, seed=1))
    assert given.shape == (7,)
    flow = holdfast.gradient_flow(memory, 7)
    assert flow.top.h.shape == (lengths.max(),)
    assert flow.top.counts.tolist() == [(lengths > lag).sum() for lag in range(lengths.max())]
    assert (flow.top.h > 0).all()
    sequences, answers = memory.draw(3)
    with pytest.raises(DataError, match=r"Memory.draw returns both"):
        memory.losses_of((sequences, answers[:2]))


def test_a_folder_of_another_problem_is_refused(tmp_path):
    small_memory("adding", length=10).fit(folder=tmp_path, quiet=True)
    with pytest.raises(ConfigError, match="Choose another folder"):
        small_memory("latch", length=10).fit(folder=tmp_path, quiet=True)
    with pytest.raises(HoldfastError, match="length was 10 and is 11"):
        small_memory("adding", length=11).fit(folder=tmp_path, quiet=True)


@pytest.mark.parametrize(
    ("fields", "says"),
    [({"task": "tower"}, "task must be one of"), ({"length": 1}, "from 2 to"), ({"length": -3}, "whole number"),
     ({"task": "smnist", "length": 100}, "cannot be chosen"), ({"task": "reber", "length": 9}, "cannot be chosen"),
     ({"task": "reber", "lengths": "mixed"}, "cannot be mixed"), ({"lengths": "all"}, "lengths must be"),
     ({"cell": "rnn", "init": "chrono"}, "Use init=auto"), ({"cell": "tower"}, "no cell"), ({"length": 10**7}, "to"),
     ({"hidden_size": 0}, "hidden_size"), ({"data": 3}, "name of a folder"), ({"tower": 1}, "tower")],
)  # fmt: skip
def test_settings_out_of_range_are_refused(fields, says):
    with pytest.raises(ConfigError, match=says):
        Memory(**fields)


def test_what_auto_chooses():
    assert [MemoryConfig(cell=cell).scheme for cell in ("lstm", "gru", "rnn", "lstm+no_forget_gate")] == [
        "chrono", "chrono", "orthogonal", "orthogonal"
    ]  # fmt: skip
    assert MemoryConfig(init="torch").scheme == "torch"
    assert [MemoryConfig(task=task).steps for task in ("adding", "latch", "pmnist")] == [200, 1000, 784]


def test_chrono_starts_memories_as_long_as_the_sequences():
    memory = small_memory("copy", length=80, hidden_size=64, steps=1, rate=1e-9).fit(quiet=True)
    forget = memory.model.modules_by_name["recurrent"].bias_ih_l0[64:128].detach()
    assert 0.0 <= forget.min() < forget.max() <= np.log(100)
    assert forget.max() > np.log(80)


@pytest.mark.parametrize(
    "sequences", [[], [[]], [[[1.0]]], [np.zeros((3, 3))], [np.zeros(3)], ["text"], [None], [[[1.0, 2.0], [1.0]]]]
)
def test_sequences_that_are_none_are_refused(sequences):
    memory = small_memory().fit(quiet=True)
    with pytest.raises(DataError):
        memory.recall(sequences)


def test_what_needs_a_trained_model_says_so():
    with pytest.raises(ConfigError, match="not trained yet"):
        small_memory().evaluate()
    with pytest.raises(ConfigError, match="not trained yet"):
        small_memory().recall([np.zeros((2, 2))])
    memory = small_memory("reber").fit(quiet=True)
    for use in (memory.evaluate, memory.draw, memory.losses_of):
        with pytest.raises(ConfigError, match="one sequence at least"):
            use(0)
