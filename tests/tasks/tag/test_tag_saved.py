"""A saved tagger: load equals save, broken files give our error, killed and repeated runs give the same weights."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import holdfast
from holdfast.errors import CheckpointError, ConfigError
from holdfast.tasks.tag import Reading, TagConfig, Tagger
from holdfast.tasks.tag.data import Vocabulary, pair_up
from holdfast.tasks.tag.model import build_network
from holdfast.tasks.tag.task import _budget
from holdfast.train import Callback
from tests.tasks.tag_samples import small_sentences, small_tagger

WORDS, TAGS, INTENTS = small_sentences()


def same_weights(left: Tagger, right: Tagger) -> bool:
    pairs = zip(left.model.state_dict().values(), right.model.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("saved") / "model"
    small_tagger(20).fit(WORDS, TAGS, intents=INTENTS, quiet=True).save_pretrained(folder)
    return folder


@pytest.mark.parametrize("fields", [{}, {"cell": "gru", "num_layers": 2}, {"crf": "no", "character_hidden_size": 0}])
def test_loaded_tagger_equals_the_saved_one(tmp_path, fields):
    tagger = small_tagger(5, **fields).fit(WORDS, TAGS, intents=INTENTS, quiet=True)
    tagger.save_pretrained(tmp_path / "model")
    again = holdfast.Tagger.from_pretrained(tmp_path / "model")
    assert (again.config, again.layers, again.vocabulary) == (tagger.config, tagger.layers, tagger.vocabulary)
    assert again.evaluate(WORDS, TAGS, intents=INTENTS) == tagger.evaluate(WORDS, TAGS, intents=INTENTS)
    kinds = {layer["kind"] for layer in json.loads((tmp_path / "model" / "config.json").read_text())["layers"]}
    assert {"embedding", "recurrent", "linear", "pooling"} <= kinds
    assert ("crf" in kinds) == ("crf" not in fields)


def test_every_cut_off_file_is_refused(saved, tmp_path):
    for name in ("config.json", "model.safetensors", "vocabulary.json"):
        whole = (saved / name).read_bytes()
        for length in {0, len(whole) // 2, len(whole) - 2}:
            folder = shutil.copytree(saved, tmp_path / f"{name}-{length}")
            (folder / name).write_bytes(whole[:length])
            with pytest.raises(CheckpointError, match=name):
                Tagger.from_pretrained(folder)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("config.json", {"kind": "language"}, "not a tagger"),
        ("config.json", {"task": {"hidden_size": 9}}, "do not fit together"),
        ("vocabulary.json", {"tags": ["O", "B-X"]}, "do not fit together"),
        ("vocabulary.json", {"tags": ["O", "O"]}, "different texts"),
        ("vocabulary.json", {"affixes": ["~a"]}, "do not fit together"),
        ("vocabulary.json", {"affixes": None}, "affixes must be a list"),
        ("vocabulary.json", {"words": 3}, "words must be a list"),
        ("vocabulary.json", {"scheme": "odd"}, "no vocabulary of a tagger"),
    ],
)
def test_files_that_do_not_fit_are_refused(saved, tmp_path, name, change, message):
    folder = shutil.copytree(saved, tmp_path / "model")
    fields = json.loads((folder / name).read_text(encoding="utf-8"))
    (folder / name).write_text(json.dumps(fields | change), encoding="utf-8")
    with pytest.raises(CheckpointError, match=message):
        Tagger.from_pretrained(folder)


def test_equal_seeds_give_equal_weights_and_others_do_not():
    runs = [small_tagger(8, seed=seed).fit(WORDS, TAGS, quiet=True) for seed in (1, 1, 2)]
    assert same_weights(runs[0], runs[1])
    assert not same_weights(runs[0], runs[2])


class _Stop(Exception):
    """Ends a run in the middle, as a kill does."""


def test_killed_run_resumes_to_the_same_weights(tmp_path, monkeypatch):
    def run(name: str, folder: Path) -> Tagger:
        return small_tagger(50).fit(WORDS, TAGS, intents=INTENTS, folder=folder / name, quiet=True)

    whole = run("whole", tmp_path)

    def on_step(self: Callback, record: dict[str, object]) -> None:
        if record["step"] == 37:  # after the checkpoint at 30
            raise _Stop

    with monkeypatch.context() as patch:
        patch.setattr(Callback, "on_step", on_step)
        with pytest.raises(_Stop):
            run("parts", tmp_path)
    assert Tagger.from_pretrained(tmp_path / "parts").tag(["Ann"])  # the best so far is there
    again = run("parts", tmp_path)
    assert same_weights(whole, again)
    assert again.result.steps == 50
    with pytest.raises(ConfigError, match="other layers or made from other data"):
        small_tagger(5, hidden_size=5).fit(WORDS, TAGS, folder=tmp_path / "parts")


def test_second_fit_goes_on_from_the_weights():
    tagger = small_tagger(15).fit(WORDS, TAGS, quiet=True)
    before = {name: value.clone() for name, value in tagger.model.state_dict().items()}
    vocabulary = tagger.vocabulary
    tagger.fit(WORDS[:50], TAGS[:50], quiet=True)
    assert tagger.vocabulary is vocabulary
    assert any(not torch.equal(before[name], value) for name, value in tagger.model.state_dict().items())
    assert tagger.evaluate(WORDS, TAGS)["accuracy"] > 0.7


def test_epochs_are_the_budget_unless_steps_are_given():
    tagger = Tagger(epochs=3, batch_size=10, hidden_size=4, word_size=4, character_hidden_size=0)
    assert tagger.fit(WORDS[:100], TAGS[:100], quiet=True).result.steps == 3 * 9  # 90 sentences train, 10 are held out
    assert _budget(TagConfig(), 1).max_steps == 60
    assert _budget(TagConfig(), 100).max_steps == 4000
    assert _budget(TagConfig(), 784).max_steps == 8 * 784
    assert small_tagger(4, epochs=3).fit(WORDS, TAGS, quiet=True).result.steps == 4


def test_files_train_as_lists_do(tmp_path):
    def write(name, words, tags):
        rows = ["\n".join(f"{w} {t}" for w, t in zip(*pair, strict=True)) for pair in zip(words, tags, strict=True)]
        (tmp_path / name).write_text("\n\n".join(rows), encoding="utf-8")
        return tmp_path / name

    train, valid = write("train.txt", WORDS[20:], TAGS[20:]), write("valid.txt", WORDS[:20], TAGS[:20])
    by_files = small_tagger(10).fit(files=train, validation=valid, reading=Reading(scheme="bio"), quiet=True)
    by_lists = small_tagger(10).fit(WORDS[20:], TAGS[20:], validation=(WORDS[:20], TAGS[:20]), quiet=True)
    assert same_weights(by_files, by_lists)
    assert by_files.evaluate(files=[train, valid]) == by_lists.evaluate(WORDS[20:] + WORDS[:20], TAGS[20:] + TAGS[:20])


def test_a_folder_without_affixes_loads_as_it_was(tmp_path):
    tagger = small_tagger(5)
    tagger.vocabulary = replace(Vocabulary.learn(pair_up(WORDS, TAGS), "bio"), affixes=())
    tagger.model = build_network(tagger.config, tagger.vocabulary)
    assert "affixes" not in tagger.model.modules_by_name
    tagger.fit(WORDS, TAGS, quiet=True).save_pretrained(tmp_path)
    path = tmp_path / "vocabulary.json"
    fields = json.loads(path.read_text(encoding="utf-8"))
    assert fields.pop("affixes") == []  # the key that older folders lack
    path.write_text(json.dumps(fields), encoding="utf-8")
    assert Tagger.from_pretrained(tmp_path).tag(WORDS) == tagger.tag(WORDS)
