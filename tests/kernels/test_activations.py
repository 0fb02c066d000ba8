"""The vector layer in C++: activations to the last places, and masks equal to the reference's, on each CPU level.

The programs in tests/csrc are compiled with the flags of CMakeLists.txt. `test_activations 1 40000000` by hand tries
every float, in some minutes; here it is a sample, with every place where the arithmetic changes its course.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import torch

from holdfast.kernels import cpu_level
from holdfast.reference.masks import KINDS, drop_mask

ROOT = Path(__file__).resolve().parent.parent.parent
PLAIN = "-std=c++17 -O2 -Wall -Wextra -Werror -ffp-contract=fast -fno-math-errno -fno-trapping-math".split()
CROSS_COMPILER, EMULATOR = "aarch64-linux-gnu-g++", "qemu-aarch64-static"
STRIDE, POINTS = 4099, 400_000
LEVELS = ["v3", "v4", "neon"]

# seed, t, row, kind, layer, direction, p, first, count
PLACES = [
    (0, 0, 0, "recurrent_dropout", 0, 0, 0.5, 0, 1),
    (1, 7, 3, "zoneout_h", 0, 0, 0.1, 0, 63),
    (-1, 2, 1, "zoneout_c", 1, 1, 0.9, 0, 130),
    (-(2**63), 5, 2, "weight_drop", 3, 0, 0.25, 64, 65),
    (0x0123456789ABCDEF, 1, 4, "zoneout_h", 2, 1, 0.5, 16, 31),
    (2**63 - 1, 0, 0, "recurrent_dropout", 0, 1, 1.0, 4, 40),
    (99, 3, 0, "recurrent_dropout", 0, 0, 0.0, 0, 40),
    (5, 1, 2, "zoneout_h", 0, 1, 0.5, 6, 31),
    (6, 1, 0, "zoneout_c", 0, 0, 0.5, 7, 1),
]


def level_flags(level: str) -> list[str]:
    text = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
    found = dict(re.findall(r"set\(flags_(\w+)([^)]*)\)", text))
    return found[level].replace("${flags_v3}", found["v3"]).split()


def toolchain(level: str) -> tuple[list[str], list[str]]:
    """Return the compiler's command and the one that runs its programs, or skip."""
    if level in cpu_level.describe()["runnable"]:
        compiler = next(filter(None, map(shutil.which, ("c++", "g++", "clang++"))), None)
        if compiler is None:
            pytest.skip("no C++ compiler here")
        return [compiler], []
    if level != "neon":
        pytest.skip(f"this CPU or build does not run {level}")
    if shutil.which(CROSS_COMPILER) is None or shutil.which(EMULATOR) is None:
        pytest.skip(f"NEON needs {CROSS_COMPILER} and {EMULATOR} on this machine")
    return [CROSS_COMPILER, "-static"], [EMULATOR]


def build(source: str, level: str, folder: Path) -> list[str]:
    """Compile one program of tests/csrc for a level and return the command that runs it."""
    compiler, runner = toolchain(level)
    program = folder / source
    place = [f"-DHOLDFAST_LEVEL=level_{level}", f"-I{ROOT / 'csrc'}", str(ROOT / "tests/csrc" / f"{source}.cpp")]
    command = [*compiler, *PLAIN, *level_flags(level), *place, "-o", str(program)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [*runner, str(program)]


@pytest.mark.parametrize("level", LEVELS)
def test_activations_stay_within_two_ulp(level, tmp_path):
    command = build("test_activations", level, tmp_path)
    sample = (STRIDE, POINTS) if len(command) == 1 else (STRIDE * 16 + 1, POINTS // 40)  # an emulator is slow
    done = subprocess.run([*command, *map(str, sample)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("level", LEVELS)
def test_masks_equal_the_reference(level, tmp_path):
    command = build("test_masks", level, tmp_path)
    lines = [
        f"{seed % 2**64} {t} {row} {KINDS[kind] + 4 * direction + 8 * layer} {round(p * 2**24)} {first} {count}"
        for seed, t, row, kind, layer, direction, p, first, count in PLACES
    ]
    done = subprocess.run(command, input="\n".join(lines), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [expected_mask(*place) for place in PLACES]


def expected_mask(seed, t, row, kind, layer, direction, p, first, count) -> str:
    shape = (t + 1, row + 1, first + count)
    seed = torch.tensor(seed, dtype=torch.int64)
    mask = drop_mask(seed, kind, p, shape, layer=layer, direction=direction, device=torch.device("cpu"))
    return "".join("1" if drop else "0" for drop in mask[t, row, first:].tolist())
