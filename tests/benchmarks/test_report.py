import json

import pytest

from benchmarks.check import Oracle, Verdict
from benchmarks.problem import Contestant, make_problem
from benchmarks.registry import SUITES, Case, Goal
from benchmarks.report import make_row, write_report
from benchmarks.run import passes, place
from benchmarks.timing import measure

CASE = Case("infer", 3, 6, 4, 5, peers=("torch", "jax"), goals=(Goal(1.5, ("torch", "jax")),))


def entry(peer, ms):
    return {"peer": peer, "door": "layer(x)", "backend": "", "ms": ms, "best_ms": ms, "of_limit": 0.5}


def record(*rows):
    machine, limit = {"cpu": "one"}, {"gflops": 100.0, "read_gb_per_s": 10.0, "how": "so"}
    settings = {"threads": 1, "seconds": 0.1, "rounds": 2, "threads_set_by": "hand"}
    return {
        "command": "python -m benchmarks.run",
        "machine": machine,
        "limit": limit,
        "peers": {"torch": "2"},
        "settings": settings,
        "cases": list(rows),
    }


def test_ratio_is_against_the_fastest_peer():
    entries = {"holdfast": entry("holdfast", 2.0), "torch": entry("torch", 6.0), "jax": entry("jax", 4.0)}
    row = make_row(CASE, entries, 1.0)
    assert (row["fastest_peer"], row["times_as_fast"]) == ("jax", 2.0)
    assert row["goals"][0]["got"] == 2.0
    assert row["goals"][0]["met"] is True


def test_vendor_meets_1_within_noise():
    goal = Goal(1.0, ("torch",))
    case = Case("infer", 3, 6, 4, 5, goals=(goal,))
    for backend, met in (("vendor", True), ("cpu", False)):
        ours = {**entry("holdfast", 1.01), "backend": backend}
        assert make_row(case, {"holdfast": ours, "torch": entry("torch", 1.0)}, 1.0)["goals"][0]["met"] is met


def test_goal_without_a_time_is_not_met():
    entries = {"holdfast": {"peer": "holdfast", "reason": "wrong"}, "torch": entry("torch", 6.0)}
    row = make_row(CASE, entries, 1.0)
    assert row["times_as_fast"] is None
    assert row["goals"][0]["met"] is None
    assert row["goals"][0]["missing"] == ["jax"]


def test_report_shows_losses_and_absences(tmp_path):
    entries = {
        "holdfast": entry("holdfast", 2.0),
        "torch": entry("torch", 1.0),
        "jax": {"peer": "jax", "reason": "jax is not installed"},
    }
    path = tmp_path / "new" / "cpu.json"
    write_report(path, record(make_row(CASE, entries, 1.0)))
    assert json.loads(path.read_text(encoding="utf-8"))["cases"][0]["goals"][0]["met"] is False
    text = path.with_suffix(".md").read_text(encoding="utf-8")
    assert "**no**" in text
    assert "jax is not installed" in text
    assert "0 of 1 goals met" in text
    assert sorted(file.name for file in path.parent.iterdir()) == ["cpu.json", "cpu.md"]


def test_red_contestant_gets_no_time(monkeypatch):
    one = Contestant("torch", "layer(x)", make_problem(CASE), lambda: None, dict)
    entries = {"torch": {"peer": "torch"}}
    monkeypatch.setattr(Oracle, "judge", lambda *_: Verdict("y", 1.0, "wrong: y"))
    assert not passes(one, entries, Oracle())
    assert entries["torch"]["reason"] == "wrong: y"


def test_measured_again_takes_its_old_place():
    names = [case.name for case in SUITES["table"][:3]]
    rows = [{"name": name, "run": 1} for name in names]
    assert place({"name": names[1], "run": 2}, rows) == [rows[0], {"name": names[1], "run": 2}, rows[2]]
    assert place(rows[0], rows[1:]) == rows


@pytest.mark.parametrize("rounds", [1, 3])
def test_contestants_run_in_turns_and_are_touched_before_every_call(rounds):
    log = []
    problem = make_problem(CASE)

    def contestant(name):
        return Contestant(name, "", problem, lambda: log.append(name), dict, lambda: log.append(f"touch {name}"))

    timings = measure([contestant("a"), contestant("b")], 0.0, rounds)
    assert [timing.repeats for timing in timings] == [1, 1]
    assert log[0::2] == [f"touch {name}" for name in log[1::2]]
    turns = log[9::2]  # after two calls each to learn how long one takes: one to warm up and one that counts
    assert turns == ["a", "a", "b", "b"] * rounds
