"""The vector layer in C++: activations to the last places, and masks equal to the reference's, on each CPU level.

The programs in tests/csrc are compiled with the flags of CMakeLists.txt. `test_activations 1 40000000` by hand tries
every float, in some minutes; here it is a sample, with every place where the arithmetic changes its course.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import torch

from holdfast.reference.masks import KINDS, drop_mask
from tests.csrc.programs import ROOT, Unavailable, compile_to, level_flags, toolchain

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


def build(source: str, level: str, folder: Path) -> list[str]:
    """Compile one program of tests/csrc for a level and return the command that runs it."""
    try:
        compiler, runner = toolchain(level)
    except Unavailable as missing:
        pytest.skip(str(missing))
    place = [f"-DHOLDFAST_LEVEL=level_{level}", str(ROOT / "tests/csrc" / f"{source}.cpp")]
    return [*runner, str(compile_to(folder / source, compiler, ["-O2", *level_flags(level), *place]))]


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
