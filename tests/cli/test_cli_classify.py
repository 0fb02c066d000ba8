"""`holdfast classify`: train, evaluate and predict on tables, as a user runs them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import holdfast as package
from tests.tasks.classify.samples import small_series, small_texts

pytest.importorskip("pyarrow", reason="pyarrow is not installed")

SMALL = ("--hidden-size", "12", "--dropout", "0.1", "--train.learning-rate", "0.02", "--train.max-steps", "80")


def holdfast(*words, cwd=None) -> subprocess.CompletedProcess[str]:
    source = str(Path(package.__file__).parents[1])
    environment = os.environ | {"PYTHONPATH": source, "COLUMNS": "100", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "holdfast.cli", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=environment, timeout=120, check=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("classify")
    x, y = small_series()
    rows = [f"s{n},{t},{a},{b},{y[n]}" for n, series in enumerate(x) for t, (a, b) in enumerate(series.tolist())]
    (folder / "series.csv").write_text("id,time,a,b,label\n" + "\n".join(rows))
    x, y = small_texts()
    rows = [f"{text},{label}" for text, label in zip(x, y, strict=True)]
    (folder / "reviews.csv").write_text("review,stars\n" + "\n".join(rows))
    done = holdfast("classify", "train", "series.csv", "--out", "run", *SMALL, cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "holdfast classify predict series.csv --model run" in done.stdout
    return folder


def test_series_are_evaluated_and_predicted(folder):
    report = holdfast("classify", "evaluate", "series.csv", "--model", "run", cwd=folder).stdout.splitlines()
    assert float(report[0].split()[1]) >= 0.9
    assert report[0].startswith("accuracy")
    lines = holdfast("classify", "predict", "series.csv", "--model", "run", cwd=folder).stdout.splitlines()
    assert lines[0] == "id,class,probability"
    assert len(lines) == 61
    assert lines[1].startswith("s0,down,")
    lines = holdfast("classify", "predict", "series.csv", "--model", "run", "--proba", cwd=folder).stdout.splitlines()
    assert lines[0] == "id,class,down,up"


def test_texts_are_trained_on_and_the_settings_are_read_again(folder):
    columns = ("--text-column", "review", "--label-column", "stars")
    done = holdfast("classify", "train", "reviews.csv", "--out", "texts", *columns, *SMALL, "--quiet", cwd=folder)
    assert (done.returncode, done.stdout) == (0, "")
    assert holdfast("classify", "evaluate", "reviews.csv", "--model", "texts", cwd=folder).stdout.startswith("accuracy")
    done = holdfast("classify", "train", "--config", "texts/settings.yaml", "--out", "again", cwd=folder)
    assert done.returncode == 0, done.stderr
    one, other = (yaml.safe_load((folder / name / "settings.yaml").read_text()) for name in ("texts", "again"))
    assert one == other
    assert (folder / "texts" / "model.safetensors").read_bytes() == (
        folder / "again" / "model.safetensors"
    ).read_bytes()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("train", "none.csv", "--out", "x"), "none.csv: there is no such file"),
        (("train", "series.csv", "--out", "x", "--label-column", "class"), "there is no column 'class'"),
        (("train", "series.csv", "--out", "x", "--validation", "series.csv", "--held-out", "0.1"), "not both"),
        (("evaluate", "series.csv", "--model", "nowhere"), "nowhere"),
        (("predict", "reviews.csv", "--model", "run"), "there is no column 'id'"),
    ],
)
def test_wrong_input_ends_with_one_message(folder, words, message):
    done = holdfast("classify", *words, cwd=folder)
    assert done.returncode == 2
    assert done.stderr.startswith("holdfast: ")
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_help_loads_no_torch():
    script = "import sys\nfrom holdfast.cli.main import main\ntry:\n    main(['classify', 'train', '--help'])\n"
    script += "except SystemExit:\n    pass\nassert not {'torch', 'pandas', 'sklearn', 'pyarrow'} & set(sys.modules)"
    environment = os.environ | {"PYTHONPATH": str(Path(package.__file__).parents[1])}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
