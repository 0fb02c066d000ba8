"""The demo from training to the files it leaves, with a budget too small to learn anything."""

from __future__ import annotations

import json

import numpy as np
import pytest

from holdfast.cli import demo
from holdfast.cli.demo import DemoConfig
from holdfast.errors import ConfigError
from holdfast.tasks.france import experiment, report
from holdfast.tasks.france.experiment import GAPS, Stage, blank_probabilities, cell_config, held_out, measure
from holdfast.tasks.language import LanguageModel

CELLS = ("lstm", "gru", "rnn")


@pytest.fixture(autouse=True)
def small(monkeypatch):
    stages = (Stage(budget=0.5, documents=400, short=0.95), Stage(budget=0.5, documents=200, short=0.8))
    monkeypatch.setattr(experiment, "STAGES", stages)
    monkeypatch.setattr(experiment, "MEASURE_DOCUMENTS", 4)


@pytest.fixture
def finished(tmp_path, capsys):
    """A folder that the demo has filled, and what it printed."""
    pytest.importorskip("matplotlib", reason="the demo's picture needs Matplotlib")
    out = tmp_path / "run"
    assert demo.run(DemoConfig(seconds=1.5, out=out)) == 0
    return out, capsys.readouterr().out


def test_demo_writes_models_picture_and_result(finished):
    out, printed = finished
    found = json.loads((out / "result.json").read_text())
    assert list(found["gaps"]) == [str(gap) for gap in GAPS]
    for row in found["gaps"].values():
        assert set(row) == set(CELLS)
        assert all(0 <= p <= 1 for p in row.values())
    assert 0 < found["control"] <= 1
    assert all(found["cells"][cell]["steps"] >= 2 for cell in CELLS)
    assert (out / "country.png").read_bytes().startswith(b"\x89PNG")
    assert sorted(entry.name for entry in out.iterdir()) == ["country.png", "gru", "lstm", "result.json", "rnn"]
    for cell in CELLS:
        model = LanguageModel.from_pretrained(out / cell)
        assert model.config.cell == cell
        assert len(model.complete("I grew up in France. I speak fluent", top=5)) == 5
    assert "gap (words)" in printed
    assert "speak fluent ___" in printed
    assert str(out / "lstm") in printed


def test_text_uses_the_models_that_are_there(finished, capsys):
    out, _ = finished
    before = (out / "lstm" / "model.safetensors").stat().st_mtime_ns
    assert demo.run(DemoConfig(text="I grew up in Zanzibar. I speak fluent", out=out)) == 0
    printed = capsys.readouterr().out
    assert "earlier run" in printed
    assert "never met, and read as <unk>: Zanzibar" in printed
    assert (out / "lstm" / "model.safetensors").stat().st_mtime_ns == before


def test_broken_models_are_trained_again_and_quiet_says_less(finished, capsys):
    out, _ = finished
    (out / "gru" / "model.safetensors").write_bytes(b"not a model")
    assert demo.run(DemoConfig(text="I speak fluent", seconds=1.0, out=out)) == 0
    assert "cannot be used again" in capsys.readouterr().out
    assert demo.run(DemoConfig(text="I speak fluent", out=out, quiet=True)) == 0
    assert "earlier run" not in capsys.readouterr().out


def test_wrong_settings_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="above 0"):
        DemoConfig(seconds=0.0)
    with pytest.raises(ConfigError, match="empty"):
        demo.run(DemoConfig(text="  ", out=tmp_path / "none"))
    assert not (tmp_path / "none").exists()


def test_batched_probabilities_equal_those_of_complete():
    data = [experiment.training_set(stage) for stage in experiment.STAGES]
    model, steps, _ = experiment.train_cell(cell_config("gru"), data, steps=6)
    assert steps == 6
    documents = [*held_out(5, 2), *held_out(50, 2)]
    batched = blank_probabilities(model, documents)
    np.testing.assert_allclose(batched.sum(axis=1), 1.0, atol=1e-6)
    for row, document in zip(batched, documents, strict=True):
        for word, p in model.complete(document.prompt, top=3):
            assert row[model.tokenizer.encode_tokens([word])[0]] == pytest.approx(p, abs=1e-5)
    found = measure(model, gaps=(5, 20), count=3)
    assert set(found.gaps) == {5, 20}


def test_table_has_one_row_for_each_gap_and_the_control():
    found = experiment.Measurement({5: 0.125, 200: 1.0}, 0.5)
    lines = report.table({"lstm": found, "rnn": found}).splitlines()
    assert lines[0].split() == ["gap", "(words)", "LSTM", "RNN"]
    assert [line.split()[-1] for line in lines[1:]] == ["0.12", "1.00", "0.50"]


def test_example_passes_japan():
    document = report.example()
    assert document.country == "France"
    assert "Japan" in document.detours
    assert document.prompt.endswith("speak fluent")
