"""`holdfast studio` as a command: quick help, a clear end, and refusals that say how to mend them."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.studio.conftest import start_studio, stop_studio

MODELS = Path(__file__).resolve().parents[2] / "src" / "holdfast" / "studio" / "models"


def run(*words, timeout=60):
    command = [sys.executable, "-m", "holdfast.cli", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout)


def test_help_loads_neither_torch_nor_starlette():
    probe = (
        "import sys; from holdfast.cli.main import main\n"
        "try: main(['studio', '--help'])\n"
        "except SystemExit: pass\n"
        "loaded = {'torch', 'starlette', 'uvicorn', 'pandas', 'matplotlib'} & set(sys.modules)\n"
        "sys.exit(f'loaded {loaded}' if loaded else 0)"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "--no-browser" in done.stdout


def test_taken_port_is_told():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = run("studio", "--no-browser", "--port", taken.getsockname()[1])
    assert done.returncode == 2
    assert "is taken by another program" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--port", "99999"], "Port 99999 cannot be used: ports end at 65535. Name one from 1024 to 65535"),
        (["{tmp}/nothing"], "is no folder"),
        (["{tmp}"], "config.json is missing"),
        (["--port", "70000"], "70000 cannot be used"),
    ],
)
def test_what_cannot_be_opened_is_refused(tmp_path, words, says):
    done = run("studio", "--no-browser", *(word.format(tmp=tmp_path) for word in words))
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_first_page_needs_no_torch_and_ctrl_c_ends_quietly():
    studio = start_studio(MODELS / "rnn")
    try:
        with studio.client() as client:
            assert client.get("/").status_code == 200
            assert client.get("/static/app.js").status_code == 200
            maps = Path(f"/proc/{studio.process.pid}/maps")
            if maps.exists():
                assert "libtorch" not in maps.read_text()
        studio.process.send_signal(signal.SIGINT)
        said, _ = studio.process.communicate(timeout=30)
    finally:
        stop_studio(studio)
    assert studio.process.returncode == 0
    assert "The Studio has ended." in said
    assert "Traceback" not in said
