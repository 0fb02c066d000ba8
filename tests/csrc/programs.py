"""Compile the C++ programs of this folder with the flags of CMakeLists.txt, for this CPU or for NEON emulated."""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from holdfast.kernels import cpu_level

ROOT = Path(__file__).resolve().parent.parent.parent
ON_ARM = platform.machine().lower() in ("arm64", "aarch64")
CROSS_COMPILER, EMULATOR = "aarch64-linux-gnu-g++", "qemu-aarch64-static"
PLAIN = "-std=c++17 -Wall -Wextra -Werror -ffp-contract=fast -fno-math-errno -fno-trapping-math".split()
OF_A_LEVEL = ["-fno-exceptions", "-fno-rtti", "-Wno-maybe-uninitialized"]  # in CMakeLists.txt too
SANITIZERS = {
    "address": ["-fsanitize=address,undefined", "-fno-sanitize-recover=undefined"],
    "thread": ["-fsanitize=thread"],
}


class Unavailable(Exception):
    """What is missing here to compile or run a program."""


def level_flags(level: str) -> list[str]:
    text = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
    found = dict(re.findall(r"set\(flags_(\w+)([^)]*)\)", text))
    return found[level].replace("${flags_v3}", found["v3"]).split()


def toolchain(level: str) -> tuple[list[str], list[str]]:
    """Return the compiler's command and the one that runs its programs.

    Raises:
        Unavailable: this machine cannot compile for the level, or cannot run what it compiled.
    """
    if level in cpu_level.describe()["runnable"]:
        compiler = next(filter(None, map(shutil.which, ("c++", "g++", "clang++"))), None)
        if compiler is None:
            raise Unavailable("no C++ compiler here")
        return [compiler], []
    if level != "neon":
        raise Unavailable(f"this CPU or build does not run {level}")
    if shutil.which(CROSS_COMPILER) is None or shutil.which(EMULATOR) is None:
        raise Unavailable(f"NEON needs {CROSS_COMPILER} and {EMULATOR} on this machine")
    return [CROSS_COMPILER, "-static"], [EMULATOR]


def compile_to(output: Path, compiler: Sequence[str], arguments: Sequence[str]) -> Path:
    """Run the compiler, and show what it says when it fails."""
    command = [*compiler, *PLAIN, f"-I{ROOT / 'csrc'}", *arguments, "-o", str(output)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stderr}"
    return output


def build_run_cases(family: str, folder: Path, sanitizer: str | None = None) -> list[str]:
    """Compile run_cases.cpp with the kernels of all levels of one kind of CPU; return the command that runs it.

    Args:
        family: "x86" or "arm".
        sanitizer: A key of SANITIZERS.

    Raises:
        Unavailable: there is no compiler or emulator for it, or no such sanitizer.
    """
    levels = ["v3", "v4"] if family == "x86" else ["neon"]
    compiler, runner = toolchain(levels[0])
    # The faults are told apart by place, so a little debugging information is worth its time.
    flags = ["-O1", "-g1", "-fno-omit-frame-pointer", *SANITIZERS[sanitizer]] if sanitizer else ["-O2"]
    _check_linking(folder, compiler, flags)
    objects: list[str] = []
    for level in levels:
        names = [f"-DHOLDFAST_LEVEL=level_{level}", f'-DHOLDFAST_LEVEL_NAME="{level}"']
        arguments = [*flags, *level_flags(level), *OF_A_LEVEL, *names, "-c", str(ROOT / "csrc/level.cpp")]
        objects.append(str(compile_to(folder / f"{level}.o", compiler, arguments)))
    present = [f"-DHOLDFAST_HAS_{level.upper()}=1" for level in levels]
    sources = [str(ROOT / path) for path in ("csrc/run.cpp", "csrc/team.cpp", "tests/csrc/run_cases.cpp")]
    program = compile_to(folder / "run_cases", compiler, [*flags, *present, *sources, *objects, "-pthread"])
    return [*runner, str(program)]


def _check_linking(folder: Path, compiler: Sequence[str], flags: Sequence[str]) -> None:
    source = folder / "empty.cpp"
    source.write_text("int main() {}\n", encoding="utf-8")
    command = [*compiler, *flags, str(source), "-o", str(folder / "empty")]
    if subprocess.run(command, capture_output=True, check=False).returncode != 0:
        raise Unavailable(f"{compiler[0]} cannot link a program with {' '.join(flags)}")
