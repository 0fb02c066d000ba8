"""The cards to share say what the page says, and are pictures of twice 1200 x 630."""

from __future__ import annotations

import struct

import pytest

TEXT = "I grew up in France. The soup was cold. It rained. Dinner was late. That is why I speak fluent"


@pytest.mark.parametrize(("view", "ready"), [("cell", "math"), ("memory", "#view canvas")])
def test_the_key_s_saves_a_card_of_the_view(page, studio, view, ready):
    page.goto(studio.url(f"#v={view}&m=lstm&u=48&t=4"))
    page.wait_for_selector(ready)
    with page.expect_download() as download:
        page.keyboard.press("s")
    content = download.value.path().read_bytes()
    assert content.startswith(b"\x89PNG")
    assert struct.unpack(">II", content[16:24]) == (2400, 1260)
    assert len(content) > 30_000
    assert download.value.suggested_filename == f"holdfast-{view}.png"


def test_the_key_x_saves_the_page_as_one_file(page, studio):
    page.goto(studio.url("#v=cell&m=gru&u=3&t=4"))
    page.wait_for_selector("math")
    with page.expect_download(timeout=60_000) as download:
        page.keyboard.press("x")
    content = download.value.path().read_text(encoding="utf-8")
    assert content.startswith("<!doctype html>")
    assert '"state":"v=cell&m=gru' in content


def test_a_view_without_a_card_says_so(page, studio):
    page.goto(studio.url("#v=gradient"))
    page.wait_for_selector("#view svg")
    page.locator("body").press("s")
    page.wait_for_selector("text=this view has none", state="attached")


def test_the_claims_strips_are_those_of_the_runs(client):
    asked = {"model": "lstm", "text": TEXT, "word": "France", "others": ["Germany", "Poland"], "beside": "rnn"}
    found = client.post("/api/1/claim", json=asked).json()
    lstm, rnn = found["strips"]
    assert (lstm["name"], rnn["name"]) == ("LSTM", "RNN")
    assert lstm["start"] == 4
    assert lstm["told"]
    assert set(lstm["known"]) == {1.0}
    assert lstm["guessing"] == pytest.approx(1 / 3)
    few = client.post("/api/1/claim", json={**asked, "text": "I grew up in France. I speak fluent"}).json()
    assert [strip["told"] for strip in few["strips"]] == [False]
