"""The single HTML file: opened from the disk with the network off it shows the numbers of the trace."""

from __future__ import annotations

import base64
import json
import re
import zlib
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load

from holdfast.errors import ConfigError
from holdfast.inside.clamping import Clamp
from holdfast.studio import bundle
from holdfast.studio.bundle import MOST_BYTES, html_of
from holdfast.studio.subject import open_subject, shipped

TEXT = "I grew up in France. Dinner </script> was <b>late</b> & cold. I speak fluent"


@pytest.fixture(scope="module")
def lstm():
    return next(subject for subject in shipped() if subject.id == "lstm")


@pytest.fixture(scope="module")
def content(lstm) -> str:
    return html_of([lstm], TEXT, word="France", instead=["Spain"], state="v=memory&m=lstm&u=48", note="A <note>.")


def data_of(page: str) -> dict:
    found = re.search(r'<script type="application/json" id="holdfast-data">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    return json.loads(found[1])


@pytest.fixture
def offline(chromium, tmp_path):
    """Open a page from the disk in a browser without a network; whatever goes wrong on it fails the test."""
    context = chromium.new_context(viewport={"width": 1280, "height": 900}, offline=True)
    wrong: list[str] = []

    def open_file(content: str, fragment: str = ""):
        path = tmp_path / "page.html"
        path.write_text(content, encoding="utf-8")
        page = context.new_page()
        page.on("console", lambda message: wrong.append(message.text) if message.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("request", lambda request: wrong.append(request.url) if request.url.startswith("http") else None)
        page.goto(path.as_uri() + fragment)
        page.wait_for_selector("body[data-ready=true]")
        return page

    yield open_file
    context.close()
    assert wrong == []


def shown(value: float) -> str:
    """Return a number as the page shows it: two digits, three where two would say 0 or 1 of what is neither."""
    text = f"{value:.2f}"
    if text.lstrip("-") in ("0.00", "1.00") and abs(value) not in (0.0, 1.0):
        text = f"{value:.3f}"
    return text.replace("-", "\u2212")


def test_the_file_holds_every_gate_and_the_frames_as_they_were_computed(lstm, content):
    answers = data_of(content)["answers"]
    run, base = lstm.run(lstm.read(TEXT)), "GET /api/1/trace/"
    maps = next(value for name, value in answers.items() if name.startswith(base) and "/maps?" in name)
    tensors = load(base64.b64decode(maps["base64"]))
    for letter in "figoch":
        np.testing.assert_array_equal(tensors[letter], run.lanes(0, "forward", letter).T)
    packed = next(value for name, value in answers.items() if name.endswith("unit=48") and "/frames?" in name)
    frames = json.loads(zlib.decompress(base64.b64decode(packed["deflated"]), -15))["frames"]
    assert len(frames) == len(run)
    for t, frame in enumerate(frames):
        assert frame["gates"] == run.frame(0, "forward", t, 48)["gates"]
        assert frame["top"] == [list(one) for one in run.top(t)]


def test_the_page_shows_the_numbers_of_the_trace_without_a_network(lstm, content, offline):
    page, run = offline(content, "#v=cell&m=lstm&u=48&t=4"), lstm.run(lstm.read(TEXT))
    page.wait_for_selector("math")
    assert page.inner_text(".export-note") == "A <note>."
    assert "</script>" in page.inner_text("#words").replace("\u200b", "")
    frame = run.frame(0, "forward", 4, 48)
    for value in (*frame["gates"].values(), frame["c"], frame["h"]):
        assert shown(value) in page.inner_text("#view"), value
    page = offline(content, "#v=memory&m=lstm&u=48&t=4")
    said = f"c = {shown(float(run.lanes(0, 'forward', 'c')[4, 48]))}"
    page.wait_for_selector(f"#view >> text={said}")


def test_every_view_opens_and_what_is_not_there_is_said(content, offline):
    for view in ("memory", "cell", "gradient", "complete", "game"):
        page = offline(content, f"#v={view}&m=lstm")
        page.wait_for_selector(f"body[data-view={view}]")
        page.wait_for_timeout(300)
    page = offline(content)
    assert "v=memory" in page.evaluate("location.hash")
    page.goto(page.url.split("#")[0] + "#v=cell&m=lstm")
    page.click("#edit")
    page.fill("#text", "Another text")
    page.wait_for_selector("text=holds only the trace it was made from")


def test_a_model_of_another_task_finds_its_text_in_the_file(offline):
    folder = Path(__file__).resolve().parents[1] / "tasks" / "frozen" / "classify_text-1"
    page = offline(html_of([open_subject(folder)], "a good film, a bad film", state="v=memory"))
    page.wait_for_selector("#view >> text=film")
    page.wait_for_selector("#view >> text=/c = .?[0-9.]+/")
    assert "Not in this file" not in page.inner_text("body")


def test_a_tagger_with_a_word_finds_its_text_in_the_file(offline):
    tagger = open_subject(Path(__file__).resolve().parents[1] / "tasks" / "frozen" / "tag-1")
    page = offline(html_of([tagger], "Alice saw Paris.", word="Paris", instead=["Rome"], state="v=memory"))
    page.wait_for_selector("#view >> text=/c = .?[0-9.]+/")
    assert "Not in this file" not in page.inner_text("body")


def test_forced_gates_stay_forced_in_the_file(lstm, offline):
    clamps = [Clamp("modules_by_name.recurrent", 0, "forward", "f", [48], range(5, 6), 0.0)]
    content = html_of([lstm], TEXT, word="France", instead=["Spain"], state="v=cell&m=lstm&u=48&t=5", clamps=clamps)
    page = offline(content)
    page.wait_for_selector("math")
    frame = lstm.run(lstm.read(TEXT), clamps).frame(0, "forward", 5, 48)
    assert shown(frame["c"]) != shown(lstm.run(lstm.read(TEXT)).frame(0, "forward", 5, 48)["c"])
    assert shown(frame["c"]) in page.inner_text("#view")
    assert "Gates were forced in this run (units: 1)" in page.inner_text(".export-note")


def test_nothing_in_a_text_ends_the_data_or_runs(lstm):
    page = html_of([lstm], TEXT, note="<script>alert(1)</script>")
    assert data_of(page)["answers"]["GET /api/1/models"]["json"]["text"] == TEXT
    assert page.count("</script>") == 3  # the data, the game's players, the page's own code
    assert "&lt;script&gt;alert(1)" in page
    policy = re.search(r'content-security-policy" content="([^"]+)"', page)
    assert policy is not None
    assert "default-src 'none'" in policy[1]
    assert "script-src 'sha256-" in policy[1]
    assert "unsafe" not in policy[1]
    assert "http://" not in page.replace("http://www.w3.org/", "")


def test_long_texts_are_cut_and_the_page_says_so(lstm):
    text = "It rained. " * 1500
    page = html_of([lstm], text)
    assert len(page.encode()) <= MOST_BYTES
    found = re.search(r"its first (\d+) of 4500 tokens are in this file", page)
    assert found is not None
    reply = data_of(page)["answers"]["POST /api/1/trace"]["asked"][0]["json"]
    assert reply["T"] == int(found[1])


def test_a_page_that_would_be_too_large_is_refused(lstm, monkeypatch):
    monkeypatch.setattr(bundle, "MOST_BYTES", 1000)
    with pytest.raises(ConfigError, match="at most"):
        html_of([lstm], TEXT)


def test_the_command_writes_the_page(tmp_path, capsys):
    from holdfast.cli.main import main

    path = Path(tmp_path) / "new" / "page.html"
    assert main(["trace", "lstm", TEXT, "--beside", "rnn", "-o", str(path)]) == 0
    data = data_of(path.read_text(encoding="utf-8"))
    assert [one["question"]["model"] for one in data["answers"]["POST /api/1/trace"]["asked"]] == ["lstm", "rnn"]
    assert "does not need long memory" in path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("kind", "start"), [("html", b"<!doctype html>"), ("npz", b"PK"), ("csv", b"step,token,"), ("png", b"\x89PNG")]
)
def test_the_page_can_save_what_it_shows(client, kind, start):
    if kind == "png":
        pytest.importorskip("matplotlib", reason="the picture needs Matplotlib")
    trace = client.post("/api/1/trace", json={"model": "gru", "text": TEXT}).json()["id"]
    reply = client.post("/api/1/export", json={"kind": kind, "trace": trace, "state": "#v=cell&u=3"})
    assert reply.status_code == 200
    assert reply.content.startswith(start)
    assert f"holdfast.{kind}" in reply.headers["content-disposition"]


def test_unknown_kinds_and_traces_are_refused(client):
    assert client.post("/api/1/export", json={"kind": "doc", "trace": "x"}).status_code == 400
    assert client.post("/api/1/export", json={"kind": "npz", "trace": "x"}).status_code == 404
