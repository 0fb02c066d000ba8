"""The choice of a CPU level: what is asked for, what there is, and what is said when there is none."""

from __future__ import annotations

import pytest

from holdfast.errors import ConfigError
from holdfast.kernels import cpu_level


@pytest.fixture(autouse=True)
def forget_choice():
    cpu_level.load.cache_clear()
    yield
    cpu_level.load.cache_clear()


def test_none_turns_the_kernels_off(monkeypatch):
    monkeypatch.setenv(cpu_level.VARIABLE, "none")
    found = cpu_level.load()
    assert found.module is None
    assert "none" in (found.reason or "")


def test_an_unknown_level_is_refused(monkeypatch):
    monkeypatch.setenv(cpu_level.VARIABLE, "v9")
    with pytest.raises(ConfigError, match="v3, v4, neon or none"):
        cpu_level.load()


def test_a_build_without_kernels_says_so(monkeypatch):
    def missing(name):
        raise ModuleNotFoundError(name=name)

    monkeypatch.delenv(cpu_level.VARIABLE, raising=False)
    monkeypatch.setattr(cpu_level.importlib, "import_module", missing)
    assert "without compiled kernels" in (cpu_level.load().reason or "")


def test_describe_names_level_or_reason(monkeypatch):
    monkeypatch.delenv(cpu_level.VARIABLE, raising=False)
    facts = cpu_level.describe()
    assert set(facts) == {"level", "runnable", "machine", "cpu", "reason"}
    assert (facts["level"] is None) == (facts["reason"] is not None)
    assert facts["level"] is None or facts["level"] in facts["runnable"]
