"""A saved language model: load equals save, broken files give our error, runs resume, and old formats keep loading."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from holdfast.errors import CheckpointError, ConfigError
from holdfast.tasks.language import LanguageModel
from holdfast.tasks.text import UNITS
from tests.tasks.language_samples import small_model, small_text

TEXT = small_text(120)


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("saved") / "model"
    small_model(steps=5, units="bpe", dropout=0.1, tie=True).fit(TEXT, quiet=True).save_pretrained(folder)
    return folder


@pytest.mark.parametrize("units", UNITS)
@pytest.mark.parametrize("tie", [False, True])
def test_loaded_model_equals_the_saved_one(tmp_path, units, tie):
    lm = small_model(steps=5, units=units, tie=tie, dropout=0.2).fit(TEXT, quiet=True)
    lm.save_pretrained(tmp_path / "model")
    again = LanguageModel.from_pretrained(tmp_path / "model")
    assert again.config == lm.config
    assert again.layers == lm.layers
    assert again.evaluate(TEXT) == lm.evaluate(TEXT)
    assert again.generate("Ann", length=20, seed=1) == lm.generate("Ann", length=20, seed=1)
    assert sorted(p.name for p in (tmp_path / "model").iterdir()) == [
        "config.json", "model.safetensors", "vocabulary.json",
    ]  # fmt: skip


def test_loaded_model_can_be_trained_on(tmp_path):
    lm = small_model(steps=20).fit(TEXT, quiet=True)
    lm.save_pretrained(tmp_path)
    again = LanguageModel.from_pretrained(tmp_path)
    before = again.evaluate(TEXT)["loss"]
    assert again.fit(TEXT, quiet=True).evaluate(TEXT)["loss"] < before


def test_every_cut_off_file_is_refused(saved, tmp_path):
    for name in ("config.json", "model.safetensors", "vocabulary.json"):
        whole = (saved / name).read_bytes()
        for length in {0, 1, len(whole) // 3, len(whole) // 2, len(whole) - 2}:
            folder = shutil.copytree(saved, tmp_path / f"{name}-{length}")
            (folder / name).write_bytes(whole[:length])
            with pytest.raises(CheckpointError, match=name):
                LanguageModel.from_pretrained(folder)
        folder = shutil.copytree(saved, tmp_path / f"{name}-gone")
        (folder / name).unlink()
        with pytest.raises(CheckpointError, match=f"{name} is missing"):
            LanguageModel.from_pretrained(folder)


@pytest.mark.parametrize("name", ["config.json", "vocabulary.json", "model.safetensors"])
def test_changed_bytes_load_or_give_our_error(saved, tmp_path, name):
    random = np.random.default_rng(0)
    folder = shutil.copytree(saved, tmp_path / "model")
    whole = (saved / name).read_bytes()
    refused = 0
    for _ in range(60):
        broken = bytearray(whole)
        # A weight file's numbers may be anything; its header is where a change breaks it.
        for at in random.integers(0, min(len(broken), 700), random.integers(1, 6)):
            broken[at] = random.integers(256)
        (folder / name).write_bytes(broken)
        try:
            LanguageModel.from_pretrained(folder)
        except CheckpointError:  # any other error fails the test
            refused += 1
    assert refused > 30


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("config.json", {"format": 99}, "format 99"),
        ("config.json", {"kind": "forecast"}, "not a language model"),
        ("config.json", {"task": {"colour": 1}}, "unknown settings colour"),
        ("config.json", {"task": {"hidden_size": 9}}, "do not fit together"),
        ("config.json", {"task": None}, "expected named settings"),
        ("config.json", {"task": {"train": {"learning_rate": "x"}}}, "config.json"),
        ("vocabulary.json", {"units": "bytes"}, "do not fit together"),
    ],
)
def test_files_that_do_not_fit_are_refused(saved, tmp_path, name, change, message):
    folder = shutil.copytree(saved, tmp_path / "model")
    fields = json.loads((folder / name).read_text(encoding="utf-8"))
    (folder / name).write_text(json.dumps(fields | change), encoding="utf-8")
    with pytest.raises(CheckpointError, match=message):
        LanguageModel.from_pretrained(folder)


def test_run_in_a_folder_resumes_to_the_same_weights(tmp_path):
    whole = small_model(steps=30).fit(TEXT, folder=tmp_path / "whole", quiet=True)
    small_model(steps=30).fit(TEXT, folder=tmp_path / "parts", quiet=True)
    again = small_model(steps=30).fit(TEXT, folder=tmp_path / "parts", quiet=True)  # it was done: nothing changes
    for left, right in zip(whole.model.parameters(), again.model.parameters(), strict=True):
        assert torch.equal(left, right)
    assert LanguageModel.from_pretrained(tmp_path / "parts").evaluate(TEXT) == whole.evaluate(TEXT)


def test_folder_holds_the_best_model_while_training(tmp_path, monkeypatch):
    losses = iter([{"loss": 3.0}, {"loss": 1.0}, {"loss": 2.0}])
    seen: list[bytes] = []

    def evaluate(task):
        seen.append((tmp_path / "model.safetensors").read_bytes())
        return next(losses)

    monkeypatch.setattr("holdfast.tasks.language.task._FitTask.evaluate", evaluate)
    lm = small_model(steps=15)
    lm.config = replace(lm.config, train=replace(lm.config.train, evaluate_every=5))
    lm.fit(TEXT, folder=tmp_path, quiet=True)
    seen.append((tmp_path / "model.safetensors").read_bytes())
    assert len({*seen}) == 3  # at first, after the first and the second evaluation; the third was worse
    assert seen[2] == seen[3]


def test_a_resumed_run_keeps_the_best_model_of_before(tmp_path, monkeypatch):
    losses = iter([{"loss": 1.0}, {"loss": 2.0}])
    seen: list[bytes] = []

    def evaluate(task):
        return next(losses)

    def save(run):
        seen.append((tmp_path / "model.safetensors").read_bytes())

    monkeypatch.setattr("holdfast.tasks.language.task._FitTask.evaluate", evaluate)
    small_model(steps=5).fit(TEXT, folder=tmp_path, quiet=True)
    best = (tmp_path / "model.safetensors").read_bytes()
    monkeypatch.setattr("holdfast.train.loop._Run.save", save)  # called right after the worse evaluation
    small_model(steps=10).fit(TEXT, folder=tmp_path, quiet=True)
    assert seen == [best]


@pytest.mark.parametrize("fields", [{"batch_size": 4}, {"batch_size": 30}, {"chunk_size": 10}, {"chunk_size": 90}])
def test_a_run_of_text_cut_otherwise_is_not_resumed(tmp_path, fields):
    small_model(steps=3).fit(TEXT, folder=tmp_path, quiet=True)
    with pytest.raises(CheckpointError, match=r"not cut as it was.* was \d+ and is \d+"):
        small_model(steps=6, **fields).fit(TEXT, folder=tmp_path, quiet=True)


def test_a_run_of_other_documents_is_not_resumed(tmp_path):
    documents = TEXT.splitlines()
    small_model(steps=3).fit(documents=documents, folder=tmp_path, quiet=True)
    with pytest.raises(CheckpointError, match="batch_size was 8 and is 9"):
        small_model(steps=6, batch_size=9).fit(documents=documents, folder=tmp_path, quiet=True)


def test_folder_of_another_model_is_left_alone(tmp_path):
    small_model(steps=2).fit(TEXT, folder=tmp_path, quiet=True)
    before = (tmp_path / "model.safetensors").read_bytes()
    with pytest.raises(ConfigError, match="Choose another folder"):
        small_model(steps=2, hidden_size=25).fit(TEXT, folder=tmp_path, quiet=True)
    assert (tmp_path / "model.safetensors").read_bytes() == before
