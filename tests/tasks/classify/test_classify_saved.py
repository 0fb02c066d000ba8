"""A saved classifier equals the one it was, broken files give our error, and a run that was killed goes on exactly."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import pytest

from holdfast.errors import CheckpointError, ConfigError, HoldfastError
from holdfast.tasks.classify import Classifier
from holdfast.tasks.classify.model import ClassifyNetwork
from tests.tasks.classify.samples import small_classifier, small_series, small_texts

DATA = {"series": small_series(), "text": small_texts()}


@pytest.mark.parametrize("kind", list(DATA))
@pytest.mark.parametrize("pooling", ["attention", "max"])
def test_loaded_model_equals_the_saved_one(tmp_path, kind, pooling):
    x, y = DATA[kind]
    classifier = small_classifier(5, pooling=pooling).fit(x, y, quiet=True)
    classifier.save_pretrained(tmp_path / "model")
    again = Classifier.from_pretrained(tmp_path / "model")
    assert again.config == classifier.config
    assert again.layers == classifier.layers
    assert again.classes_.tolist() == classifier.classes_.tolist()
    assert (again.predict_proba(x) == classifier.predict_proba(x)).all()
    names = sorted(path.name for path in (tmp_path / "model").iterdir())
    assert names == ["config.json", "model.safetensors", "reader.json"]


def test_classes_keep_their_type(tmp_path):
    x, y = small_series(20)
    small_classifier(2).fit(x, [label == "up" for label in y], quiet=True).save_pretrained(tmp_path)
    assert Classifier.from_pretrained(tmp_path).predict(x).dtype == bool


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "reader.json"])
def test_every_cut_off_file_is_refused(tmp_path, name):
    x, y = DATA["text"]
    small_classifier(2).fit(x, y, quiet=True).save_pretrained(tmp_path / "whole")
    whole = (tmp_path / "whole" / name).read_bytes()
    for length in {0, 1, len(whole) // 3, len(whole) - 2}:
        folder = shutil.copytree(tmp_path / "whole", tmp_path / f"cut-{length}")
        (folder / name).write_bytes(whole[:length])
        with pytest.raises(CheckpointError, match=name):
            Classifier.from_pretrained(folder)


@pytest.mark.parametrize(
    ("field", "value"),
    [("classes", ["one"]), ("classes", [["a"], ["b", "c"]]), ("join", 0), ("kind", "image"), ("num_features", 5),
     ("columns", {"x": 1}), ("vocabulary", {"units": "bytes"})],
)  # fmt: skip
def test_facts_that_do_not_fit_are_refused(tmp_path, field, value):
    x, y = DATA["series"]
    small_classifier(2).fit(x, y, quiet=True).save_pretrained(tmp_path)
    facts = json.loads((tmp_path / "reader.json").read_text())
    (tmp_path / "reader.json").write_text(json.dumps(facts | {field: value}))
    with pytest.raises(CheckpointError):
        Classifier.from_pretrained(tmp_path)


@pytest.mark.parametrize("kind", list(DATA))
def test_a_killed_run_goes_on_exactly(tmp_path, monkeypatch, kind):
    x, y = DATA[kind]
    settings = replace(small_classifier(30).config.train, checkpoint_every=10, evaluate_every=7)
    whole = small_classifier(train=settings, dropout=0.3).fit(x, y, validation=0.2, quiet=True)
    calls, loss = [], ClassifyNetwork.loss

    def dies(self, *arguments):
        calls.append(1)
        if len(calls) == 26:
            raise RuntimeError("killed")
        return loss(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(ClassifyNetwork, "loss", dies)
        with pytest.raises(RuntimeError, match="killed"):
            small_classifier(train=settings, dropout=0.3).fit(x, y, validation=0.2, folder=tmp_path / "run", quiet=True)
    assert Classifier.from_pretrained(tmp_path / "run").predict_proba(x).shape == (len(x), 2)
    again = small_classifier(train=settings, dropout=0.3)
    again.fit(x, y, validation=0.2, folder=tmp_path / "run", quiet=True)
    assert again.result.steps == 30
    assert (again.predict_proba(x) == whole.predict_proba(x)).all()


def test_a_folder_of_another_model_is_refused(tmp_path):
    x, y = DATA["series"]
    small_classifier(2).fit(x, y, folder=tmp_path, quiet=True)
    with pytest.raises(ConfigError, match="Choose another folder"):
        small_classifier(2).fit(x, [label.upper() for label in y], folder=tmp_path, quiet=True)
    with pytest.raises(HoldfastError, match="Choose another folder"):
        small_classifier(2, hidden_size=9).fit(x, y, folder=tmp_path, quiet=True)
