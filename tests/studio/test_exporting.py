"""Files of a trace that are taken away hold its numbers."""

from __future__ import annotations

import csv
import io

import numpy as np
import pytest
from safetensors.numpy import load

TEXT = "I grew up in France. The soup was cold. So I speak fluent"


@pytest.fixture
def trace(client):
    others = [TEXT.replace("France", "Germany")]
    return client.post("/api/1/trace", json={"model": "gru", "text": TEXT, "alternatives": others}).json()["id"]


def export(client, **body):
    answer = client.post("/api/1/export", json=body)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-disposition"].endswith(f'.{body["kind"]}"')
    return answer


def test_archive_and_table_hold_the_lanes(client, trace):
    lanes = load(client.get(f"/api/1/trace/{trace}/unit/7").content)
    archive = np.load(io.BytesIO(export(client, kind="npz", trace=trace).content), allow_pickle=False)
    table = list(csv.DictReader(io.StringIO(export(client, kind="csv", trace=trace, state="#v=memory&l=0").text)))
    assert archive["labels"][4] == table[4]["token"] == "France"
    for letter in "zrnh":
        np.testing.assert_array_equal(archive[f"layer0.forward.{letter}"][:, 7], lanes[letter])
        assert [float(row[f"{letter}7"]) for row in table] == lanes[letter].astype(float).tolist()


def test_picture_is_a_png(client, trace):
    pytest.importorskip("matplotlib", reason="pictures need Matplotlib")
    picture = export(client, kind="png", trace=trace, state="l=0").content
    assert picture.startswith(b"\x89PNG")
    assert int.from_bytes(picture[16:20], "big") >= 1200  # its width


def test_page_is_one_file_with_the_text(client, trace):
    page = export(client, kind="html", trace=trace, state="v=memory&u=7").text
    assert page.lower().startswith("<!doctype html>")
    assert "The soup was cold" in page
    assert len(page.encode()) < 5_000_000


def test_other_kinds_and_places_are_refused(client, trace):
    assert client.post("/api/1/export", json={"kind": "exe", "trace": trace}).status_code == 400
    assert client.post("/api/1/export", json={"kind": "csv", "trace": "0"}).status_code == 404
    assert client.post("/api/1/export", json={"kind": "csv", "trace": trace, "state": "l=5"}).status_code == 422
