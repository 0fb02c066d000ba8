"""The contest with NeuralForecast: its verdict counts against the better of the peer's rows, and it asks for a peer."""

from __future__ import annotations

import sys

import pytest

from benchmarks.neuralforecast_lstm import OURS, SERIES, main, summed_up, table


def runs_of(fit: float, error: float) -> list[dict[str, float]]:
    return [{"seed": seed, "fit_seconds": fit + seed, "predict_seconds": fit, "MSE": error} for seed in range(3)]


def test_goals_count_against_the_better_of_the_peers_rows():
    ours, theirs = iter([(4.0, 0.3), (9.0, 0.5)]), iter([(30.0, 0.4), (10.0, 0.6)])
    found = summed_up({name: runs_of(*next(ours if name in OURS else theirs)) for name in (*OURS, *SERIES)})
    first, second = found["beside_the_better_of_the_peers_rows"].values()
    assert first["times_faster"] == {"fit": 2.2, "predict": 2.5}
    assert first["error_beside_theirs"] == {"MSE": 0.75}
    assert first["goals"] == {"fit": True, "predict": True, "error": True}
    assert second["goals"] == {"fit": False, "predict": False, "error": False}


def test_the_table_has_a_row_for_everybody_losing_ones_too():
    names = (*OURS, *SERIES)
    lines = table({"set": summed_up({name: runs_of(1.0, 0.5) for name in names})}).splitlines()
    assert [line.split(" | ")[1] for line in lines[2:]] == list(names)
    assert lines[2] == "| set | Holdfast | 2 | 1 | - | MSE 0.5 |"


@pytest.mark.parametrize(
    ("python", "said"), [([], "name the Python"), (["--python", "nowhere"], "no program 'nowhere'")]
)
def test_without_the_peers_python_it_says_what_to_give(python, said, monkeypatch, capsys):
    monkeypatch.delenv("NEURALFORECAST_PYTHON", raising=False)
    monkeypatch.setattr(sys, "argv", ["neuralforecast_lstm", "--data", "somewhere", *python])
    with pytest.raises(SystemExit):
        main()
    assert said in capsys.readouterr().err
