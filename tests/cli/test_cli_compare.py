"""`holdfast compare` on small files: the table and the verdict are printed, and kept where --out says."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from holdfast.cli.main import COMMANDS, main

TASKS = [words[1] for words in COMMANDS if words[0] == "compare" and words[1] != "memory"]
"""Those that read a file."""


def write_data(task, folder):
    path = folder / {"language": "input.txt", "tag": "data.conll"}.get(task, "data.csv")
    random = np.random.default_rng(0)
    if task == "language":
        path.write_text("the cat sat on the mat. the dog sat on the cat! " * 40)
    elif task == "forecast":
        values = 50 + np.arange(80) + 10 * np.sin(np.arange(80) * np.pi / 6) + random.normal(0, 1, 80)
        rows = [f"{2000 + n // 12}-{n % 12 + 1:02}-01,{value:.3f}" for n, value in enumerate(values)]
        path.write_text("\n".join(["ds,y", *rows]))
    elif task == "tag":
        path.write_text("Ann\tB-PER\nsaw\tO\nRome\tB-LOC\n\nin\tO\nOslo\tB-LOC\n\n" * 20)
    else:
        rows = [f"{n},{t},{(n % 2) + random.normal():.3f},{'ab'[n % 2]}" for n in range(40) for t in range(12)]
        path.write_text("\n".join(["id,time,x,label", *rows]))
    return path


@pytest.mark.parametrize("task", TASKS)
def test_compare_prints_a_table_and_a_verdict(task, tmp_path, capsys):
    small = ["--seconds", "0.1", "--runs", "2", "--cells", "rnn", "--hidden-size", "4", "--quiet"]
    extra = ["--horizon", "6"] if task == "forecast" else []
    out = tmp_path / "comparison"
    assert main(["compare", task, str(write_data(task, tmp_path)), *small, *extra, "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("| | ")
    assert "| RNN |" in printed
    assert "Clear means" in printed
    assert (out / "comparison.md").read_text() == printed


def test_compare_of_irregular_times_with_duplicates(tmp_path, capsys):
    small = ["--seconds", "0.1", "--runs", "1", "--cells", "rnn", "--hidden-size", "4", "--horizon", "6", "--quiet"]
    random = np.random.default_rng(0)
    rows = [f"2024-01-{n // 24 + 1:02}T{n % 24:02}:{random.integers(60):02},{random.normal()}" for n in range(96)]
    path = tmp_path / "irregular.csv"
    path.write_text("\n".join(["ds,y", *rows, rows[-1]]))
    command = ["compare", "forecast", str(path), *small]
    assert main(command) == 2
    assert main([*command, "--duplicates", "last", "--freq", "h"]) == 2
    assert "irregular='resample'" in capsys.readouterr().err
    assert main([*command, "--duplicates", "last", "--freq", "h", "--irregular", "resample"]) == 0
    assert "| RNN |" in capsys.readouterr().out


@pytest.mark.parametrize("task", TASKS)
def test_compare_of_a_missing_file_says_so(task, tmp_path, capsys):
    assert main(["compare", task, str(tmp_path / "nothing.csv"), "--quiet"]) == 2
    assert "nothing.csv" in capsys.readouterr().err


def test_compare_without_a_file_says_how(capsys):
    assert main(["compare", "language"]) == 2
    assert "holdfast compare language input.txt" in capsys.readouterr().err


def test_compare_memory_makes_its_own_data(tmp_path, capsys):
    small = ["--seconds", "0.1", "--runs", "2", "--cells", "rnn", "--hidden-size", "4", "--quiet"]
    assert main(["compare", "memory", "--task", "adding", "--length", "30", *small, "--out", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert "| RNN |" in printed
    assert "| always 1 | 0.1" in printed
    assert (tmp_path / "comparison.md").read_text() == printed


@pytest.mark.parametrize(
    ("arguments", "says"),
    [(["--task", "smnist"], "nothing is downloaded"), (["--task", "pmnist", "--data", "nowhere"], "no such file"),
     (["--length", "1"], "length must be"), (["--cells", "tower"], "no cell"),
     (["--cell", "rnn", "--init", "chrono"], "Use init=auto")],
)  # fmt: skip
def test_compare_memory_says_what_is_wrong(arguments, says, capsys):
    assert main(["compare", "memory", *arguments, "--seconds", "0.1", "--quiet"]) == 2
    assert says in capsys.readouterr().err


def test_help_of_compare_memory_loads_no_torch():
    script = (
        "import sys\nfrom holdfast.cli.main import main\n"
        "try:\n    main(['compare', 'memory', '--help'])\n"
        "except SystemExit:\n    print('torch' in sys.modules, file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert "--length" in done.stdout
    assert done.stderr.strip() == "False"
