"""The command line as a user meets it: in a process of its own, on small files."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from tests.tasks.language_samples import small_text

SMALL = (
    "--hidden-size", "24", "--num-layers", "1", "--dropout", "0", "--batch-size", "8", "--chunk-size", "20",
    "--train.max-steps", "60", "--train.learning-rate", "0.02", "--train.evaluate-every", "30",
)  # fmt: skip

# The package under test, compiled kernels included: in site-packages when installed, in src otherwise.
SOURCE = str(Path(str(importlib.util.find_spec("holdfast").origin)).parents[1])


def holdfast(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"COLUMNS": "100", "OMP_NUM_THREADS": "1", "PYTHONIOENCODING": "utf-8"}
    environment["PYTHONPATH"] = os.pathsep.join([SOURCE, environment.get("PYTHONPATH", "")])
    return subprocess.run(
        [sys.executable, "-m", "holdfast.cli", *map(str, arguments)],
        capture_output=True, text=True, encoding="utf-8", env=environment, cwd=cwd, timeout=120, check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("cli")
    (folder / "input.txt").write_text(small_text(), encoding="utf-8")
    done = holdfast("language", "train", "--files", folder / "input.txt", "--out", folder / "run", *SMALL)
    assert done.returncode == 0, done.stderr
    assert "validation loss" in done.stdout
    return folder


@pytest.mark.parametrize(
    "words",
    [
        ("--help",), ("language", "--help"), ("language", "train", "--help"), ("language", "evaluate", "--help"),
        ("language", "generate", "--help"), ("language", "complete", "--help"), ("doctor",), ("doctor", "--help"),
        ("demo", "--help"), ("--version",),
    ],
)  # fmt: skip
def test_help_and_doctor_load_no_torch(words):
    code = (
        "import sys\nfrom holdfast.cli.main import main\n"
        f"try:\n    code = main({list(words)!r})\nexcept SystemExit as end:\n    code = end.code\n"
        "assert not code, code\nassert 'torch' not in sys.modules, 'torch was imported'\n"
    )
    environment = os.environ | {"PYTHONPATH": SOURCE, "COLUMNS": "100"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout) > 10


def test_overview_lists_every_command():
    from holdfast.cli.main import COMMANDS

    shown = holdfast("--help").stdout
    for words, command in COMMANDS.items():
        assert f"{' '.join(words)} " in shown
        assert command.help in shown


def test_every_option_is_explained():
    shown = holdfast("language", "train", "--help").stdout
    for name in ("--files", "--out", "--hidden-size", "--train.max-seconds", "--train.learning-rate"):
        assert name in shown
    assert "example:" in shown.lower()


def test_doctor_names_versions():
    shown = holdfast("doctor").stdout
    for name in ("holdfast", "Python", "CPU", "kernels", "backends", "torch", "numpy", "tokenizers", "matplotlib"):
        assert name in shown


def test_doctor_says_what_is_missing_and_the_mend():
    from holdfast.cli.doctor import PACKAGES, report

    lines = "\n".join(report({name: None for name, _, _ in PACKAGES}))
    assert "none without torch" in lines
    assert "pip install 'holdfast[language]'" in lines
    assert "pip install numpy" in lines


def test_train_writes_a_model_with_its_settings(trained):
    run = trained / "run"
    settings = yaml.safe_load((run / "settings.yaml").read_text(encoding="utf-8"))
    assert settings["hidden_size"] == 24
    assert settings["train"]["max_steps"] == 60
    assert {"config.json", "model.safetensors", "vocabulary.json"} <= {path.name for path in run.iterdir()}


def test_generate_repeats_with_a_seed(trained):
    how = ("--model", trained / "run", "--prime", "Ann", "--length", 40)
    outputs = {holdfast("language", "generate", *how, "--seed", seed).stdout for seed in (1, 1, 2)}
    assert len(outputs) == 2
    assert all(text.startswith("Ann") and len(text) == 3 + 40 + 1 for text in outputs)


def test_evaluate_prints_the_figures(trained):
    done = holdfast("language", "evaluate", "--model", trained / "run", "--files", trained / "input.txt")
    assert "perplexity" in done.stdout
    assert "bits per character" in done.stdout
    by_line = holdfast(
        "language", "evaluate", "--model", trained / "run", "--files", trained / "input.txt", "--by-line"
    )
    assert "perplexity" in by_line.stdout


def test_complete_prints_words_with_probabilities(trained):
    done = holdfast("language", "complete", "Ann", "--model", trained / "run", "--top", 3)
    rows = [line.split() for line in done.stdout.splitlines()]
    assert len(rows) == 3
    assert 0 < float(rows[0][0]) <= 1


def test_config_file_and_flags_over_it(trained, tmp_path):
    settings = trained / "run" / "settings.yaml"
    flags = ("--out", tmp_path / "b", "--train.max-steps", 5, "--by-line", "--quiet")
    done = holdfast("language", "train", "--config", settings, *flags)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    resolved = yaml.safe_load((tmp_path / "b" / "settings.yaml").read_text(encoding="utf-8"))
    expected = yaml.safe_load(settings.read_text(encoding="utf-8"))
    expected["train"]["max_steps"], expected["by_line"] = 5, True
    assert resolved == expected


def test_nothing_is_written_outside_the_folder_named(tmp_path):
    (tmp_path / "input.txt").write_text(small_text(), encoding="utf-8")
    done = holdfast("language", "train", "--files", "input.txt", "--out", "run", *SMALL, "--quiet", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["input.txt", "run"]


def test_ctrl_c_leaves_a_model_that_loads(trained, tmp_path):
    words = ("language", "train", "--files", trained / "input.txt", "--out", tmp_path / "run", *SMALL)
    endless = ("--train.max-steps", 10**6, "--train.checkpoint-every", 5)
    environment = os.environ | {"PYTHONPATH": SOURCE, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        [sys.executable, "-m", "holdfast.cli", *map(str, (*words, *endless))],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
    ) as process:  # fmt: skip
        deadline = time.monotonic() + 60
        while not (tmp_path / "run" / "checkpoint").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        shown, complaints = process.communicate(timeout=60)
    assert process.returncode == 0, complaints
    assert "Traceback" not in complaints
    assert "stopped by Ctrl-C" in shown
    done = holdfast("language", "generate", "--model", tmp_path / "run", "--length", 10)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("language", "train", "--files", "none.txt", "--out", "x"), "none.txt: there is no such file"),
        (("language", "generate", "--model", "nothing"), "config.json is missing"),
        (("language", "train", "--files", "a", "--out", "x", "--hidden-size", "0"), "hidden_size must be"),
        (("language", "train", "--files", "a", "--out", "x", "--config", "no.yaml"), "no such file of settings"),
        (("language", "train", "--files", "a", "--out", "x", "--device", "toaster"), "--device toaster"),
        (("language", "train", "--out", "x"), "--files"),
        (("language", "sing"), "no command 'language sing'"),
        (("sing",), "no command 'sing'"),
    ],
)
def test_wrong_input_gives_one_message_and_code_2(tmp_path, words, message):
    done = holdfast(*words, cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("text", "message"),
    [("colour: 1", "unknown settings colour"), ("a: [", "cannot be read as YAML"), ("- 1", "expected lines"),
     ("files: 3", "files must be"), ("device: 3", "device cannot be"), ("train: {lr: 1}", "unknown settings lr")],
)  # fmt: skip
def test_wrong_config_file_is_refused(tmp_path, text, message):
    from holdfast.cli.language import train_defaults
    from holdfast.errors import ConfigError

    path = tmp_path / "c.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=message):
        train_defaults(["--config", str(path)])
