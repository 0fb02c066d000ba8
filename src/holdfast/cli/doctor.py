"""`holdfast doctor`: what this installation can do and what is missing. Loads no torch."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from holdfast import __version__
from holdfast.kernels import cpu_level

# Package, the extra that brings it, and what it is for. No extra: every installation has it.
PACKAGES = (
    ("numpy", None, "arrays"),
    ("safetensors", None, "saved models"),
    ("tyro", None, "the command line"),
    ("torch", "torch", "training and the layers"),
    ("tqdm", "torch", "the progress bar"),
    ("pyyaml", "torch", "--config files"),
    ("tokenizers", "language", "byte-pair encoding"),
    ("pandas", "tables", "tables and series"),
    ("matplotlib", "plot", "pictures"),
    ("starlette", "studio", "the Studio"),
    ("uvicorn", "studio", "the Studio"),
)


@dataclass(frozen=True)
class DoctorCommand:
    """Show what this installation can do, and what is missing with the line that installs it."""


def run(config: DoctorCommand) -> int:
    """Print the report. Returns 0, or 1 when a package that every installation needs is missing."""
    versions = {name: installed_version(name) for name, _, _ in PACKAGES}
    print("\n".join(report(versions)))
    return int(any(extra is None and versions[name] is None for name, extra, _ in PACKAGES))


def report(versions: dict[str, str | None]) -> list[str]:
    """Return the lines of the report, given the versions that are installed (None: missing)."""
    kernels = cpu_level.describe()
    lines = [
        _line("holdfast", __version__),
        _line("Python", f"{platform.python_version()} on {platform.system()} {platform.machine()}"),
        _line("CPU", kernels["cpu"]),
    ]
    if kernels["level"]:
        others = [level for level in kernels["runnable"] if level != kernels["level"]]
        also = f" (also runs here: {', '.join(others)})" if others else ""
        lines.append(_line("kernels", f"compiled, level {kernels['level']}{also}"))
    else:
        lines.append(_line("kernels", f"none: {kernels['reason']}"))
    if versions["torch"] is None:
        lines.append(_line("backends", "none without torch"))
    else:
        lines.append(_line("backends", ", ".join(["reference", *(["cpu"] if kernels["level"] else []), "vendor"])))
    lines.append("")
    lines.append("packages")
    for name, extra, purpose in PACKAGES:
        mend = f"pip install 'holdfast[{extra}]'" if extra else f"pip install {name}"
        state = versions[name] or f"missing, needed for {purpose}: {mend}"
        lines.append("  " + _line(name, state))
    return lines


def installed_version(package: str) -> str | None:
    """Return the version of an installed package, without importing it; None when it is missing."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _line(name: str, value: str) -> str:
    return f"{name:<12} {value}"
