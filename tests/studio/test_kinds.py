"""What models of each kind say at a step, with gates forced, and of numbers that no network can read."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import holdfast
from holdfast.errors import ConfigError, DataError
from holdfast.inside.clamping import Clamp
from holdfast.studio import completion, exporting, tracing
from holdfast.studio.bundle import html_of
from holdfast.studio.evidence import gather, gather_against
from holdfast.studio.kinds import language
from holdfast.studio.problem import Problem
from holdfast.studio.request import Asked
from holdfast.studio.responses import json_response
from holdfast.studio.series import table_of
from holdfast.studio.studio import Studio
from holdfast.studio.subject import open_subject, shipped
from holdfast.tasks.language import LanguageModel
from holdfast.tasks.memory.task import Memory
from holdfast.train import TrainSettings

FROZEN = Path(__file__).resolve().parents[1] / "tasks" / "frozen"
TEXT = "I grew up in France. The soup was cold. So I speak fluent"
ONE_STEP = TrainSettings(max_steps=1, evaluate_every=0)


@pytest.fixture(scope="module")
def letters(tmp_path_factory):
    """A model of characters."""
    folder = tmp_path_factory.mktemp("letters") / "letters"
    model = LanguageModel(units="characters", hidden_size=5, num_layers=1, embedding_size=4, chunk_size=8,
                          batch_size=2, train=ONE_STEP)  # fmt: skip
    model.fit(f"{TEXT} French. " * 12, quiet=True)
    model.save_pretrained(folder)
    return open_subject(folder)


def embedded(page: str) -> dict:
    return json.loads(page.split('id="holdfast-data">')[1].split("</script>")[0])


def test_memory_model_says_at_a_step_what_it_would_say_if_the_sequence_ended_there(tmp_path):
    memory = Memory(task="latch", length=9, hidden_size=5, train=ONE_STEP).fit(folder=tmp_path / "latch", quiet=True)
    sequence = memory.draw(1)[0][0]
    subject = open_subject(tmp_path / "latch")

    def run(steps):
        return subject.run(subject.read("\n".join(",".join(map(repr, row)) for row in steps.astype(float).tolist())))

    whole = run(sequence)
    for t in range(len(sequence)):
        assert dict(whole.top(t)) == pytest.approx(dict(run(sequence[: t + 1]).answer["classes"]), abs=1e-6)
    assert whole.top(0) != whole.top(len(sequence) - 1)


def test_classifier_that_reads_both_ways_says_nothing_before_the_end():
    subject = open_subject(FROZEN / "classify_text-1")
    run = subject.run(subject.read("a good film"))
    assert subject.estimator.config.bidirectional
    assert run.top(0) == []
    assert run.top(len(run) - 1) == run.answer["classes"]


def test_what_would_be_computed_without_the_forced_gates_is_not_said():
    subject = open_subject(FROZEN / "classify_text-1")
    subject.estimator.config = replace(subject.estimator.config, bidirectional=False)
    reading, place = subject.read("a good film"), subject.description.places[0]
    forced = subject.run(reading, [Clamp(place.module, place.layer, "forward", "f", [0], range(2), 0.0)])
    assert forced.top(0) == []
    assert forced.top(len(forced) - 1)
    kind = open_subject(FROZEN / "recursive-1").kind
    assert kind.answer(SimpleNamespace(outputs=None, clamps=[1])) == {}


def test_exported_page_of_forced_gates_holds_the_forced_run():
    studio = Studio(shipped()[:1])
    clamps = [{"units": list(range(90)), "gate": "f", "from": 5, "to": 6, "value": 0}]
    reply = tracing.make_trace(studio, Asked({"model": "lstm", "text": TEXT, "clamps": clamps}))
    data = embedded(exporting.export(studio, Asked({"kind": "html", "trace": reply["id"], "state": "u=3"})).decode())
    asked = data["answers"]["POST /api/1/trace"]["asked"][0]
    assert asked["json"]["answer"] == json.loads(json.dumps(reply["answer"]))
    assert list(asked["question"]["clamps"][7].values()) == [0, "forward", 7, "f", 5, 6, 0]
    assert data["state"].startswith("u=3&cl=0,forward,0,f,5,6,0.0;0,forward,1,")


def test_only_models_of_language_are_asked_for_other_words_as_the_page_does():
    tagger = open_subject(FROZEN / "tag-1")
    data = embedded(html_of([tagger], "Alice saw Paris.", word="Paris", instead=["Rome"]))
    assert data["answers"]["POST /api/1/trace"]["asked"][0]["question"] == {
        "model": "tag-1",
        "text": "Alice saw Paris.",
    }
    data = embedded(html_of(shipped()[:1], "_France and Francer", word="France", instead=["Spain"]))
    question = data["answers"]["POST /api/1/trace"]["asked"][0]["question"]
    assert question["alternatives"] == ["_Spain and Francer"]


def test_chance_and_attribution_of_a_model_of_letters_are_about_the_same(letters):
    studio = Studio([letters])
    shown = completion.complete(studio, Asked({"models": ["letters"], "text": TEXT + " ", "target": "French"}))
    chance = shown["answers"][0]["target"]
    ids, score, _ = letters.estimator.score_of(*letters.kind.joined(TEXT + " ", "French"))
    assert score(letters.network.eval(), ids).exp().item() == pytest.approx(chance, rel=1e-4)
    asked = []
    whole = letters.estimator.score_of
    letters.estimator.score_of = lambda text, word: asked.append((text, word)) or whole(text, word)
    found = completion.attribute(studio, Asked({"model": "letters", "text": TEXT + " ", "target": "French"}))
    assert asked == [(TEXT, " French")]
    assert len(found["weights"]) == len(found["tokens"]) == len(TEXT)


def test_forced_gates_of_a_model_of_letters_are_compared_letter_by_letter(letters):
    clamps = [{"unit": 0, "gate": "f", "from": 3, "value": 1e-3}]
    asked = Asked({"models": ["letters"], "text": TEXT, "k": 5, "clamps": clamps})
    answer = completion.complete(Studio([letters]), asked)["answers"][0]
    assert answer["top"] == letters.kind.next_tokens(TEXT, 5)
    assert {len(token) for token, _ in answer["clamped"]["top"]} == {1}
    plain = completion.complete(Studio([letters]), Asked({"models": ["letters"], "text": TEXT, "k": 5}))["answers"][0]
    assert plain["top"] == letters.estimator.complete(TEXT, 5)


def test_chances_of_many_texts_are_read_a_few_at_a_time(monkeypatch):
    kind, texts = shipped()[0].kind, [TEXT, TEXT.replace("The soup was cold. ", ""), TEXT, f"The sun. {TEXT}"]
    whole, sizes = kind.chances(texts, "French"), []
    hidden = kind.estimator.model.hidden
    monkeypatch.setattr(language, "MOST_AT_ONCE", 40)
    monkeypatch.setattr(kind.estimator.model, "hidden", lambda ids: sizes.append(ids.numel()) or hidden(ids))
    np.testing.assert_allclose(kind.chances(texts, "French"), whole, rtol=1e-5)
    assert len(sizes) > 1
    assert max(sizes) <= 40


def test_a_curve_over_too_many_steps_is_refused():
    asked = {"models": ["rnn"], "text": "a " * 20_001, "target": "French", "distances": [0], "fills": 1}
    with pytest.raises(DataError, match="at most 20000"):
        completion.curve(Studio(shipped()), Asked(asked))


def test_a_backward_layer_claims_nothing():
    tagger = open_subject(FROZEN / "tag-1")
    assert gather(tagger, "Alice saw Paris.", "saw", ["met"]).start == 1
    with pytest.raises(ConfigError, match="has not read the word"):
        gather(tagger, "Alice saw Paris.", "saw", ["met"], direction="backward")
    with pytest.raises(ConfigError, match="has not read the word"):
        gather_against(tagger, "Alice saw Paris.", ["Alice met Paris."], direction="backward")


def test_unit_that_only_the_cell_state_has_is_given(tmp_path):
    from safetensors.numpy import load

    holdfast.LSTM(1, 6, proj_size=3).save_pretrained(tmp_path / "layer")
    studio = Studio([open_subject(tmp_path / "layer")])
    id = tracing.make_trace(studio, Asked({"model": "layer", "series": "1\n2\n3"}))["id"]
    assert sorted(load(tracing.unit_of(studio, id, 2, Asked({})))) == sorted("figoch")
    assert sorted(load(tracing.unit_of(studio, id, 5, Asked({})))) == sorted("figoc")
    with pytest.raises(Problem, match="no unit 6"):
        tracing.unit_of(studio, id, 6, Asked({}))


def test_numbers_that_float32_cannot_hold_and_empty_tables_are_refused(tmp_path):
    holdfast.LSTM(1, 2).save_pretrained(tmp_path / "layer")
    subject = open_subject(tmp_path / "layer")
    with pytest.raises(DataError, match="too large for float32"):
        subject.read("1\n1e39\n3")
    with pytest.raises(DataError, match="no rows"):
        subject.read("a\n")
    with pytest.raises(DataError, match="has no steps"):
        subject.read(table=table_of("a\n1").iloc[:0])
    with pytest.raises(Problem, match="infinite") as caught:
        json_response({"frames": [float("inf")]})
    assert caught.value.status == 422
