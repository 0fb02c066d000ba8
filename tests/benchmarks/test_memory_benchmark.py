"""The benchmark of long memory records figures beside the goal, goes on where it was stopped, and makes its table."""

from __future__ import annotations

import json
import sys

import pytest

from benchmarks import memory
from benchmarks.memory import Case, settings

TINY = Case(
    settings("latch", 1e-2, length=6, hidden_size=4), 0.2, {"lstm": 1e-2, "rnn": 1e-3}, "solved", {"Who": "0.9"}, 2
)


@pytest.fixture
def record(tmp_path, monkeypatch):
    """Return what runs the benchmark with arguments, on a tiny problem, and gives what it wrote."""
    monkeypatch.setattr(memory, "CASES", {"tiny": TINY})
    monkeypatch.setattr(memory, "LATCH", TINY)
    monkeypatch.setattr(memory, "OUT", tmp_path / "memory.json")
    monkeypatch.setattr(memory, "REACHED", (4, 8))
    monkeypatch.setattr(memory, "REACH_UPDATES", 2)

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["memory", "--runs", str(tmp_path / "runs"), *arguments])
        memory.main()
        return json.loads((tmp_path / "memory.json").read_text())

    return run


def test_a_problem_is_recorded_and_not_trained_again(record, monkeypatch):
    found = record("--set", "tiny")["tiny"]
    assert [cell["cell"] for cell in found["cells"]] == ["lstm", "rnn"]
    assert [len(cell["outcomes"]) for cell in found["cells"]] == [2, 2]
    assert found["goal"] == "solved"
    assert 0 <= found["solved"]["lstm"]["solved"] <= 1
    assert found["solved"]["lstm"]["solved"] == found["cells"][0]["outcomes"][0]["test"]
    again = record("--set", "tiny", "--cells", "lstm")["tiny"]
    assert again["cells"][0]["outcomes"][0]["test"] == found["cells"][0]["outcomes"][0]["test"]
    assert again["cells"][0]["outcomes"][0]["steps"] == found["cells"][0]["outcomes"][0]["steps"]


def test_the_search_is_recorded_apart_and_the_table_has_the_rest(record, capsys):
    found = record("--set", "tiny", "--search", "--cells", "rnn", "--seconds", "0.1")
    assert list(found) == ["tiny: searched"]
    record("--set", "tiny")
    capsys.readouterr()
    record("--table")
    rows = capsys.readouterr().out.splitlines()
    assert len(rows) == 3
    assert rows[2].startswith("| tiny | accuracy | ")
    assert "| 0.9 (Who) |" in rows[2]


def test_reach_stops_at_the_first_length_that_is_not_learnt(record):
    reach = record("--reach")["reach"]
    for cell in reach["cells"].values():
        assert cell["longest"] in (0, 4, 8)
        assert len(cell["solved"]) == 1 + (cell["longest"] >= 4)
