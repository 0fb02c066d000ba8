"""The rules of the code base that a reader relies on, checked on the source text."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "src" / "holdfast"

LADDER = [
    {"errors"},
    {"spec", "_kernels"},
    {"layers"},
    {"runtime", "reference"},
    {"kernels"},
    {"nn"},
    {"inside"},
    {"train"},
    {"tasks"},
    {"exchange"},
    {"studio"},
    {"cli"},
]
RUNG = {name: rung for rung, names in enumerate(LADDER) for name in names}
RUNTIME_USERS = ("exchange", "cli")
BANNED = {"utils", "util", "helpers", "common", "misc", "core"}
SOURCES = sorted(PACKAGE.rglob("*.py"))


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def area_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_areas(path: Path) -> set[str]:
    areas = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name_of(path)}: relative import"
            module = node.module or ""
            names = [f"holdfast.{alias.name}" for alias in node.names] if module == "holdfast" else [module]
        else:
            continue
        areas |= {name.split(".")[1] for name in names if name.startswith("holdfast.")}
    return areas - {"__version__"}


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_every_import_points_up_the_ladder(path):
    area = area_of(path)
    if area == "__init__":
        return  # the public names, lazy: it may name any area
    assert area in RUNG, f"{area} has no rung: add it to LADDER"
    for target in imported_areas(path) - {area}:
        assert target in RUNG, f"{name_of(path)} imports {target}, which has no rung (or the lazy top-level name)"
        assert RUNG[target] < RUNG[area], f"{name_of(path)} imports {target}"
        assert target != "runtime" or area in RUNTIME_USERS, f"{name_of(path)} imports runtime"


def test_package_itself_loads_lazily():
    top = ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8"))
    loaded = {
        node.module for node in top.body if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("hold")
    }
    assert loaded <= {"holdfast.errors", "holdfast.spec"}


def long_files(pattern: str, limit: int) -> list[str]:
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in ROOT.glob(pattern)}
    return [f"{name_of(path)}: {length} lines, at most {limit}" for path, length in lengths.items() if length > limit]


@pytest.mark.parametrize(
    ("pattern", "limit"),
    [("src/**/*.py", 400), ("src/**/*.js", 300), ("benchmarks/**/*.py", 400), ("csrc/*", 500), ("tests/**/*.py", 500)],
)
def test_files_are_short(pattern, limit):
    assert long_files(pattern, limit) == []


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_functions_are_short(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    long = {node.name: code_lines(node) for node in functions if code_lines(node) > 40}
    assert long == {}


def code_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of the body, without its docstring."""
    body = function.body[1:] if ast.get_docstring(function) else function.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def test_no_file_has_a_banned_name():
    names = [path for folder in ("src", "tests", "benchmarks") for path in (ROOT / folder).rglob("*.py")]
    assert [name_of(path) for path in names if path.stem in BANNED] == []


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_source_has_no_bare_assert_and_swallows_no_error(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        where = f"{name_of(path)}:{getattr(node, 'lineno', 0)}"
        assert not isinstance(node, ast.Assert), f"{where}: assert vanishes under -O; raise one of errors.py"
        if isinstance(node, ast.ExceptHandler):
            names = {name.id for name in ast.walk(node.type) if isinstance(name, ast.Name)} if node.type else {"all"}
            # Some libraries raise nothing more precise: then it is caught to be raised again as one of ours.
            blanket = names & {"all", "Exception", "BaseException"}
            assert not blanket or any(isinstance(n, ast.Raise) for n in ast.walk(node)), f"{where}: swallows errors"


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_nothing_unpickles(path):
    assert "pickle" not in imported_modules(path)


def imported_modules(path: Path) -> set[str]:
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return plain | {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}


def test_only_the_binding_knows_python_and_nothing_knows_torch():
    for path in (ROOT / "csrc").iterdir():
        includes = [line for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("#include")]
        assert not any("torch" in line or "ATen" in line for line in includes), name_of(path)
        if path.name != "bindings.cpp":
            assert not any("nanobind" in line or "Python.h" in line for line in includes), name_of(path)
