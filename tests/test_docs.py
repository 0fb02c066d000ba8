"""The pages and docstrings tell the truth: their Python runs, their links lead somewhere, and the examples run."""

from __future__ import annotations

import doctest
import importlib
import inspect
import os
import pkgutil
import re
import runpy
import sys
from pathlib import Path

import pytest

import holdfast
from holdfast.kernels import cpu_level
from holdfast.spec import CellSpec, parameter_table

ROOT = Path(__file__).parents[1]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(holdfast.__path__, "holdfast.")
    if not module.name.endswith(("_kernels", "__main__"))
)


def skip_without_kernels(text: str) -> None:
    """Skip where `text` freezes a layer and nothing here can."""
    if ".freeze()" in text and cpu_level.load().module is None:
        pytest.skip("freeze() needs compiled kernels")


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def python_blocks(page: Path) -> str:
    """Return the page's ```python blocks as one program, each line where it stands in the page."""
    lines, inside = [], False
    for line in page.read_text(encoding="utf-8").splitlines():
        fence = line.startswith("```")
        lines.append(line if inside and not fence else "")
        inside = (line == "```python") if fence and not inside else inside and not fence
    return "\n".join(lines)


@pytest.mark.parametrize("page", [page for page in PAGES if python_blocks(page).strip()], ids=relative)
def test_python_of_a_page_runs(page, tmp_path, monkeypatch, capsys):
    skip_without_kernels(python_blocks(page))
    monkeypatch.chdir(tmp_path)
    exec(compile(python_blocks(page), str(page), "exec"), {"__name__": "page"})


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_links_of_a_page_lead_to_files(page):
    prose = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    targets = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", prose)
    missing = [
        target for target in targets if "://" not in target and not (page.parent / target.replace("%20", " ")).exists()
    ]
    assert not missing


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings_run(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    module = importlib.import_module(name)
    skip_without_kernels(inspect.getsource(module))
    failed, _ = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert failed == 0


@pytest.mark.parametrize("path", EXAMPLES, ids=relative)
def test_example_runs(path, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [str(path), "--tiny"])
    monkeypatch.syspath_prepend(path.parent)  # as Python does for a script
    runpy.run_path(str(path), run_name="__main__")
    assert capsys.readouterr().out.strip()
    assert not os.listdir(tmp_path), "an example writes nothing unless asked"


@pytest.mark.skipif(cpu_level.load().module is None, reason="without compiled kernels it prints another backend")
def test_explain_prints_what_the_readme_shows():
    import torch

    shown = holdfast.explain(holdfast.LSTM(64, 128), torch.randn(100, 16, 64))
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "\n".join("    " + line for line in shown.splitlines()) in readme


@pytest.mark.parametrize("family", ["lstm", "gru", "rnn"])
def test_page_lists_every_parameter_of_the_family(family):
    page = (ROOT / "docs" / "math" / f"{family}.md").read_text(encoding="utf-8")
    flags = {"layer_norm": "ba2016", "initial_state": "learned"}
    flags |= {"peephole": True, "projected": True} if family == "lstm" else {}
    for parameter in parameter_table(CellSpec(family, **flags), 2, 3, 1 if family == "lstm" else 0):
        assert f"`{parameter.name}`" in page, parameter.name


@pytest.mark.parametrize("line", re.findall(r"^    holdfast (.+)$", (ROOT / "README.md").read_text("utf-8"), re.M))
def test_commands_of_the_readme_are_understood(line, capsys):
    from holdfast.cli.main import main

    words = re.findall(r'"[^"]*"|\S+', line)
    flags = [word for word in words if word.startswith("--")]
    with pytest.raises(SystemExit) as stop:
        main([word for word in words[:2] if not word.startswith("-")] + ["--help"])
    assert stop.value.code == 0
    shown = capsys.readouterr().out
    assert all(flag in shown for flag in flags), line
