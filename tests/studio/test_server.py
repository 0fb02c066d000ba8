"""The Studio's API as the page asks it, in a process of its own."""

from __future__ import annotations

import json

import numpy as np
import pytest
from safetensors.numpy import load

from tests.studio.conftest import start_studio, stop_studio

TEXT = "I grew up in France. The soup was cold. So I speak fluent"


@pytest.fixture(scope="module")
def trace(client):
    others = [TEXT.replace("France", country) for country in ("Germany", "Poland")]
    answer = client.post("/api/1/trace", json={"model": "lstm", "text": TEXT, "alternatives": others})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_models_are_described_before_any_is_loaded(client):
    found = client.get("/api/1/models").json()
    lstm = found["models"][0]
    assert [model["id"] for model in found["models"]] == ["lstm", "gru", "rnn"]
    assert (lstm["cell"], lstm["gates"], lstm["units"], lstm["reads"]) == ("lstm", "figoch", "words", "text")
    assert lstm["layers"] == [{"hidden": 96, "directions": 1}]
    assert lstm["score"].startswith("right language after 150 words: ")
    assert set(lstm["scores"]) == {"5", "50", "100", "150", "200"}
    assert found["key"] in found["text"]
    assert not [word for word in found["alternatives"] if word in found["text"]]


def test_first_text_has_only_words_the_models_know(client):
    text = client.get("/api/1/models").json()["text"]
    for model in ("lstm", "gru", "rnn"):
        assert client.post("/api/1/trace", json={"model": model, "text": text}).json()["unknown"] == []


def test_trace_names_tokens_with_their_places(trace):
    assert trace["tokens"][4] == ["France", 13, 19]
    assert trace["T"] == len(trace["tokens"]) == 15
    assert trace["alternatives"] == 2
    assert trace["layers"][0]["hidden"] == 96
    assert trace["layers"][0]["cmax"] > 1
    assert trace["answer"]["next"][0][0] == "French"


def test_frames_hold_the_step_and_the_next_words(client, trace):
    found = client.get(f"/api/1/trace/{trace['id']}/frames", params={"unit": 7, "from": 3, "to": 99}).json()["frames"]
    assert [frame["t"] for frame in found] == list(range(3, 15))
    assert found[1]["tok"] == "France"
    last = found[-1]
    assert last["top"][0][0] == "French"
    assert 0.5 < last["top"][0][1] <= 1
    assert np.isclose(last["c"], last["gates"]["f"] * last["c0"] + last["gates"]["i"] * last["gates"]["g"])
    assert np.isclose(last["h"], last["gates"]["o"] * last["tanh_c"])


def test_maps_are_the_lanes_as_bytes(client, trace):
    path = f"/api/1/trace/{trace['id']}"
    answer = client.get(f"{path}/maps", params={"what": "f,c"})
    maps = load(answer.content)
    header = json.loads(answer.content[8 : 8 + int.from_bytes(answer.content[:8], "little")])
    scale = float(header["__metadata__"]["scale.c"])
    exact = load(client.get(f"{path}/maps", params={"what": "f,c", "dtype": "f32"}).content)
    lanes = load(client.get(f"{path}/unit/5").content)
    assert maps["f"].shape == exact["c"].shape == (96, 15)
    assert sorted(lanes) == sorted("figoch")
    np.testing.assert_array_equal(exact["f"][5], lanes["f"])
    np.testing.assert_array_equal(maps["f"], np.rint(255 * exact["f"]).astype(np.uint8))
    assert np.abs((maps["c"].astype(float) - 128) / 127 * scale - exact["c"]).max() <= scale / 254 * 1.001
    again = client.get(f"{path}/maps", params={"what": "f,c"}, headers={"if-none-match": answer.headers["etag"]})
    assert again.status_code == 304


def test_map_of_some_steps_is_a_part_of_the_whole(client, trace):
    path = f"/api/1/trace/{trace['id']}/maps"
    whole = load(client.get(path, params={"what": "o"}).content)["o"]
    part = load(client.get(path, params={"what": "o", "from": 4, "to": 9}).content)["o"]
    np.testing.assert_array_equal(part, whole[:, 4:9])
    other = load(client.get(path, params={"what": "o", "alternative": 1}).content)["o"]
    assert (other != whole).any()
    np.testing.assert_array_equal(other[:, :4], whole[:, :4])


@pytest.mark.parametrize("by", ["index", "tau", "cluster", "mean", "keeps"])
def test_every_order_is_a_permutation(client, trace, by):
    found = client.get(f"/api/1/trace/{trace['id']}/order", params={"by": by}).json()
    assert sorted(found["permutation"]) == list(range(96))
    assert len(found["score"]) == 96
    if by in ("tau", "keeps"):
        scores = [found["score"][unit] for unit in found["permutation"]]
        assert scores == sorted(scores, reverse=True)
        assert found["means"] == "steps"


def test_facts_agree_with_orders(client, trace):
    path = f"/api/1/trace/{trace['id']}"
    order = client.get(f"{path}/order", params={"by": "tau"}).json()
    first = order["permutation"][0]
    facts = client.get(f"{path}/facts", params={"unit": first}).json()
    assert facts["rank"] == 1
    assert facts["tau"] == order["score"][first]
    assert facts["half_life"] == pytest.approx(facts["tau"] * np.log(2))
    assert facts["keeps"] == client.get(f"{path}/order", params={"by": "keeps"}).json()["score"][first]
    kept = client.get(f"{path}/order", params={"by": "keeps"}).json()
    assert facts["keeps_words"] == kept["words"][first]
    best = client.get(f"{path}/facts", params={"unit": kept["permutation"][0]}).json()
    assert 0 < best["keeps_words"] < best["keeps"]  # the word itself and full stops are steps, and no words after it
    assert best["tau_kept"] > best["tau"]
    assert first not in facts["similar"]
    assert all(len(step) == 3 for step in facts["written"] + facts["wiped"])


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        ({"model": "lstm", "text": "  \n"}, 422, "nothing to read"),
        ({"model": "nobody", "text": "a"}, 404, "no model 'nobody'"),
        ({"model": "lstm"}, 400, "text must be a text"),
        ({"model": "lstm", "series": "1,2"}, 422, "reads text"),
        ({"model": "lstm", "text": "a " * 20_001}, 422, "20001 steps"),
        ({"model": "lstm", "text": "a " * 15_000, "alternatives": ["a " * 15_000] * 16}, 413, "million values"),
        ({"model": "lstm", "text": "a", "clamps": "f"}, 400, "clamps must be a list"),
    ],
)
def test_what_cannot_be_traced_is_told(client, body, status, says):
    answer = client.post("/api/1/trace", json=body)
    problem = answer.json()
    assert answer.status_code == problem["status"] == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert says in problem["detail"]
    assert {"title", "detail", "hint"} <= set(problem)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/1/trace/0123/frames", 404),
        ("/api/1/trace/{id}/frames?unit=96", 422),
        ("/api/1/trace/{id}/frames?layer=1", 422),
        ("/api/1/trace/{id}/frames?direction=backward", 422),
        ("/api/1/trace/{id}/frames?from=x", 400),
        ("/api/1/trace/{id}/maps?what=z", 422),
        ("/api/1/trace/{id}/maps?alternative=2", 404),
        ("/api/1/trace/{id}/unit/96", 404),
        ("/api/1/trace/{id}/order?by=colour", 422),
        ("/api/1/nothing", 404),
        ("/static/nothing.js", 404),
    ],
)
def test_what_is_not_there_is_told(client, trace, path, status):
    answer = client.get(path.format(id=trace["id"]))
    assert answer.status_code == answer.json()["status"] == status
    assert answer.json()["detail"]


def test_traces_are_dropped_least_recently_used_first(client):
    ids = [client.post("/api/1/trace", json={"model": "rnn", "text": f"I grew up {n}"}).json()["id"] for n in range(8)]
    assert client.get(f"/api/1/trace/{ids[0]}/order").status_code == 200
    ids.append(client.post("/api/1/trace", json={"model": "rnn", "text": "one more"}).json()["id"])
    assert [client.get(f"/api/1/trace/{id}/order").status_code for id in ids] == [200, 404, *[200] * 7]


@pytest.mark.parametrize(
    ("text", "spans"),
    [("grew 🎉 up", [(0, 4), (5, 7), (8, 10)]), ("שלום עולם.", [(0, 4), (5, 9), (9, 10)]), ("<script> up", None)],
)
def test_places_count_as_javascript_counts(client, text, spans):
    found = client.post("/api/1/trace", json={"model": "lstm", "text": text}).json()
    wide = text.encode("utf-16-le")
    for token, start, end in found["tokens"]:
        assert wide[2 * start : 2 * end].decode("utf-16-le") == token
    assert spans is None or [tuple(token[1:]) for token in found["tokens"]] == spans


def test_broken_model_is_shown_and_the_others_work(tmp_path, client):
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "config.json").write_text("{")
    from holdfast.studio.subject import MODELS

    running = start_studio(tmp_path / "broken", MODELS / "gru", MODELS / "gru")
    try:
        with running.client() as own:
            models = own.get("/api/1/models").json()["models"]
            assert [model["id"] for model in models] == ["broken", "gru", "gru-2"]
            assert "cannot be read as JSON" in models[0]["error"]
            assert own.post("/api/1/trace", json={"model": "gru-2", "text": TEXT}).status_code == 200
            assert own.post("/api/1/trace", json={"model": "broken", "text": TEXT}).status_code == 422
    finally:
        stop_studio(running)


def test_page_opens_and_shows_the_text(page, studio):
    page.goto(studio.url())
    page.wait_for_load_state("networkidle")
    assert page.url.startswith(f"{studio.base}/")
    assert "token" not in page.url
    assert page.title()
