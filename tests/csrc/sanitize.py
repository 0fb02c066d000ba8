"""Run recorded random calls on every level of this CPU under a sanitizer: what `make sanitize` does."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import torch

from tests.csrc import programs, record


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sanitizer", choices=list(programs.SANITIZERS), default="address")
    parser.add_argument("--family", choices=["x86", "arm"], default="arm" if programs.ON_ARM else "x86")
    parser.add_argument("--count", type=int, default=400, help="recorded calls (default: 400)")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # Emulated, a sanitizer of the other CPU does not run.
        emulated = args.family == "arm" and not programs.ON_ARM
        command = programs.build_run_cases(args.family, folder, None if emulated else args.sanitizer)
        with (folder / "cases").open("wb") as file:
            record.write(file, args.seed, args.count)
        print(f"{args.count} calls of seed {args.seed}, sanitizer {'none' if emulated else args.sanitizer}", flush=True)
        return subprocess.run([*command, str(folder / "cases")], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
