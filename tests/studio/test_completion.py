"""What the Studio answers about texts: completions, forced gates, distances, and texts made longer."""

from __future__ import annotations

import numpy as np
import pytest

from holdfast.studio import fillers
from holdfast.studio.subject import MODELS
from holdfast.tasks.language.task import LanguageModel

TEXT = "I grew up in France. The soup was cold. So I speak fluent"


@pytest.fixture(scope="module")
def lstm():
    return LanguageModel.from_pretrained(MODELS / "lstm")


def ask(client, path, **body):
    answer = client.post(f"/api/1/{path}", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_completion_is_that_of_the_language_model(client, lstm):
    found = ask(client, "complete", models=["lstm", "rnn"], text=TEXT, k=4, target="French")
    words = lstm.complete(TEXT, top=4)
    first, second = found["answers"]
    assert [word for word, _ in first["top"]] == [word for word, _ in words]
    np.testing.assert_allclose([p for _, p in first["top"]], [p for _, p in words], rtol=1e-6)
    assert first["target"] == pytest.approx(dict(words)["French"])
    assert first["clamped"] is None
    assert second["model"] == "rnn"
    assert second["target"] < 0.5 < first["target"]


def test_unknown_words_are_named(client):
    found = ask(client, "complete", models=["lstm"], text="Zorp ate Zorp in France", k=1, target="Klingon")
    assert found["unknown"][0] == "Zorp"
    assert len(found["unknown"]) == len(set(found["unknown"]))
    assert found["answers"][0]["target"] is None


def test_forgetting_everything_forgets_the_country(client):
    forget = {"units": list(range(96)), "gate": "f", "from": 5, "to": 6, "value": 0}
    found = ask(client, "complete", models=["lstm", "gru"], text=TEXT, k=3, target="French", clamps=[forget])
    lstm, gru = found["answers"]
    assert lstm["clamped"]["target"] < 0.5 < lstm["target"]
    assert gru["clamped"] is None  # a GRU has no f


def test_curve_holds_for_the_lstm_and_starts_at_the_text_itself(client):
    plain = ask(client, "complete", models=["lstm"], text=TEXT, k=1, target="French")["answers"][0]["target"]
    found = ask(client, "curve", models=["lstm"], text=TEXT, target="French", distances=[0, 12, 60], fills=4)
    curve = found["curves"][0]
    assert curve["distances"] == [0, 12, 60]
    assert curve["mean"][0] == pytest.approx(plain)
    assert min(curve["mean"]) > 0.9
    assert all(low <= mean <= high for low, mean, high in zip(curve["low"], curve["mean"], curve["high"], strict=True))


def test_curve_from_a_key_begins_at_the_shortest_text_and_shows_the_rnn_forgetting(client):
    body = {"models": ["lstm", "rnn"], "text": TEXT, "target": "French", "distances": [0, 3, 20], "fills": 4}
    found = ask(client, "curve", key="France", **body)
    short = ask(client, "complete", models=["rnn"], text="I grew up in France. So I speak fluent", k=1, target="French")
    lstm, rnn = (curve["mean"] for curve in found["curves"])
    assert found["apart"] == 4  # So, I, speak, fluent
    assert rnn[0] == pytest.approx(short["answers"][0]["target"])
    assert min(rnn[:2]) > 0.5 > rnn[2]
    assert min(lstm) > 0.9
    for key in ("Poland", "fluent", ""):  # not there, in the last sentence, none
        assert ask(client, "curve", key=key, **body)["apart"] is None


@pytest.mark.parametrize(
    ("text", "head", "tail", "words"),
    [
        ("I grew up in France. It rained. I speak", "I grew up in France.", "I speak", 2),
        ("In France, with Anna. It rained. I don't speak", "In France, with Anna.", "I don't speak", 5),
        ("In France.\nI speak", "In France.", "I speak", 2),
    ],
)
def test_the_gap_counts_the_words_between_key_and_end(text, head, tail, words):
    assert fillers.gap(text, "France") == (head, tail, words)
    longer = fillers.bridge(head, tail, 8, seed=0)
    assert longer.startswith(f"{head} ")
    assert longer.endswith(f" {tail}")
    assert len(longer.split()) == len(f"{head} {tail}".split()) + 8


def test_attribution_sums_to_what_the_text_adds_and_rests_on_the_country(client):
    found = ask(client, "attribute", model="lstm", text=TEXT, target="French")
    tokens, weights = [token[0] for token in found["tokens"]], found["weights"]
    assert len(tokens) == len(weights)
    # "speak fluent" asks for a language at all; of what stands before, the country says which.
    before = tokens.index("So")
    assert tokens[int(np.argmax(weights[:before]))] == "France"
    assert found["gap"] < 0.05 * abs(sum(weights))


@pytest.mark.parametrize(
    ("path", "body", "says"),
    [
        ("complete", {"models": ["lstm"], "text": ""}, "nothing to read"),
        ("complete", {"models": ["lstm"], "text": "a", "k": 21}, "k must be"),
        ("complete", {"models": "lstm", "text": "a"}, "models must be a list"),
        ("complete", {"models": ["lstm"] * 5, "text": "a"}, "4 are the most"),
        ("curve", {"models": ["lstm"], "text": TEXT, "target": "Klingon"}, "does not know the word"),
        ("curve", {"models": ["lstm"], "text": TEXT, "target": "French", "distances": [501]}, "distance must be"),
        ("curve", {"models": ["lstm"], "text": TEXT * 4000, "target": "French"}, "too long"),
        ("attribute", {"model": "lstm", "text": TEXT, "target": "Klingon"}, "does not know"),
        ("attribute", {"model": "lstm", "text": "up " * 3000, "target": "French"}, "too long to attribute"),
        ("insert", {"text": TEXT, "at": 3, "words": -1}, "words must be"),
    ],
)
def test_what_cannot_be_answered_is_told(client, path, body, says):
    answer = client.post(f"/api/1/{path}", json=body)
    assert 400 <= answer.status_code < 500
    assert says in answer.json()["detail"]


def test_insert_puts_whole_sentences_at_a_sentence_end(client):
    found = ask(client, "insert", text=TEXT, at=30, words=9, seed=3)
    assert len(found["inserted"].replace(".", " ").split()) == 9
    assert found["text"] == TEXT.replace("The soup", f"{found['inserted']} The soup")
    assert ask(client, "insert", text="🎉 up. So", at=6, words=5, seed=0)["text"].startswith("🎉 up. ")


@pytest.mark.parametrize("words", [3, 8, 25, 200])
def test_fillings_have_exactly_so_many_words(words):
    longer, inserted = fillers.insert(TEXT, fillers.default_place(TEXT), words, seed=1)
    assert len(inserted.replace(".", " ").split()) == words
    assert longer.startswith("I grew up in France. The soup was cold. ")
    assert longer.endswith(" So I speak fluent")
    assert "France" not in inserted


def test_texts_without_a_country_get_fillings_without_one():
    from holdfast.tasks.france.sentences import COUNTRIES

    for seed in range(5):
        inserted = fillers.insert("It rained.", 0, 100, seed)[1]
        assert not [country for country in COUNTRIES if country in inserted]
