"""`holdfast tag`: train, evaluate and predict on files, as a user runs them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import holdfast as package
from tests.tasks.tag_samples import small_sentences

SMALL = (
    "--hidden-size", "24", "--word-size", "48", "--character-hidden-size", "8", "--batch-size", "8", "--epochs", "12",
    "--train.learning-rate", "0.02",
)  # fmt: skip


def holdfast(*words, cwd=None) -> subprocess.CompletedProcess[str]:
    source = str(Path(package.__file__).parents[1])
    environment = os.environ | {"PYTHONPATH": source, "COLUMNS": "100", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "holdfast.cli", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=environment, timeout=120)


def write(path: Path, count: int, seed: int) -> Path:
    sentences = []
    for words, tags, intent in zip(*small_sentences(count, seed), strict=True):
        rows = "\n".join(f"{word}\t{tag}" for word, tag in zip(words, tags, strict=True))
        sentences.append(f"# intent = {intent}\n{rows}\n")
    path.write_text("\n".join(sentences), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("tag")
    train, valid = write(folder / "train.txt", 120, 0), write(folder / "valid.txt", 30, 1)
    done = holdfast("tag", "train", "--files", train, "--validation", valid, "--out", folder / "run", *SMALL)
    assert done.returncode == 0, done.stderr
    assert "best validation loss 0.0" in done.stdout
    assert "(1 - F1 of the chunks + share of wrong intents)" in done.stdout
    assert "holdfast tag predict" in done.stdout
    return folder


def test_evaluate_prints_f1_and_intents(trained):
    done = holdfast("tag", "evaluate", "--model", trained / "run", "--files", trained / "valid.txt")
    figures = dict(line.rsplit(maxsplit=1) for line in done.stdout.splitlines()[:5])
    assert float(figures["f1"]) > 0.9
    assert float(figures["intent accuracy"]) > 0.9
    assert "in 30 sentences" in done.stdout


def test_predict_prints_a_row_a_word(trained):
    done = holdfast("tag", "predict", "Bob Lee flies to New York", "--model", trained / "run")
    assert done.stdout.splitlines() == [
        "# intent = flight", "Bob\tB-PER", "Lee\tI-PER", "flies\tO", "to\tO", "New\tB-TO", "York\tI-TO", "",
    ]  # fmt: skip
    done = holdfast("tag", "predict", "--files", trained / "valid.txt", "--model", trained / "run", "--proba")
    rows = [line.split("\t") for line in done.stdout.splitlines() if "\t" in line]
    assert all(0 <= float(row[2]) <= 1 for row in rows)
    again = trained / "again.txt"
    again.write_text(done.stdout, encoding="utf-8")  # what predict prints can be read again
    done = holdfast(
        "tag", "evaluate", "--model", trained / "run", "--files", again, "--reading.tag-column", 2
    )  # fmt: skip
    assert "accuracy         1.0000" in done.stdout


def test_settings_of_a_run_are_read_again(trained, tmp_path):
    settings = trained / "run" / "settings.yaml"
    done = holdfast("tag", "train", "--config", settings, "--epochs", 1, "--out", tmp_path / "run", "--quiet")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert "hidden_size: 24" in (tmp_path / "run" / "settings.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("train", "--files", "none.txt", "--out", "x"), "none.txt: there is no such file"),
        (("train", "--files", "bad.txt", "--out", "x"), "bad.txt, row 2: 1 columns"),
        (("train", "--files", "inside.txt", "--out", "x"), "inside.txt, row 2: I-X without its B-X"),
        (("predict", "a b", "--model", "none"), "config.json is missing"),
        (("predict", "--model", "none"), "Give either a sentence or --files"),
        (("train", "--files", "bad.txt", "--out", "x", "--crf", "perhaps"), "perhaps"),
        (("train", "--out", "x"), "--files"),
    ],
)
def test_mistakes_end_with_one_message(tmp_path, words, message):
    (tmp_path / "bad.txt").write_text("a O\nb\n")
    (tmp_path / "inside.txt").write_text("a B-Y\nb I-X\n")
    done = holdfast("tag", *words, cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("words", [(), ("train",), ("evaluate",), ("predict",)])
def test_help_loads_no_torch(words):
    code = (
        "import sys\nfrom holdfast.cli.main import main\n"
        f"try:\n    code = main({['tag', *words, '--help']!r})\nexcept SystemExit as end:\n    code = end.code\n"
        "assert not code, code\nassert 'torch' not in sys.modules, 'torch was imported'\n"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(package.__file__).parents[1]), "COLUMNS": "100"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert "tag" in done.stdout
