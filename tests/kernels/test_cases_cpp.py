"""The kernels in C++ alone, on recorded random calls: a small set under AddressSanitizer and UBSan, and NEON emulated.

`make sanitize` runs more of them, and `make sanitize SANITIZER=thread` looks for races.
"""

from __future__ import annotations

import os
import subprocess

import pytest

from tests.csrc import record
from tests.csrc.programs import Unavailable, build_run_cases

# Another family, sanitizer and number of calls each; an emulator is slow, and knows no sanitizer.
RUNS = [("x86", "address", 40), ("arm", None, 30)]


@pytest.mark.parametrize(("family", "sanitizer", "count"), RUNS, ids=["sanitized", "neon"])
def test_recorded_calls_have_exact_results_and_touch_nothing_else(family, sanitizer, count, tmp_path):
    try:
        command = build_run_cases(family, tmp_path, sanitizer)
    except Unavailable as missing:
        pytest.skip(str(missing))
    path = tmp_path / "cases"
    with path.open("wb") as file:
        record.write(file, seed=0, count=count)
    # Tests run in a process that may hold a preloaded library or its own options.
    environment = {key: value for key, value in os.environ.items() if not key.endswith("SAN_OPTIONS")}
    done = subprocess.run([*command, str(path)], capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
