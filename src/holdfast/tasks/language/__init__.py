"""Language modelling: train on text, measure perplexity, generate and complete. Torch is loaded on first use only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from holdfast.tasks.language.config import LanguageConfig

if TYPE_CHECKING:
    from holdfast.tasks.language.task import LanguageModel

__all__ = ["LanguageConfig", "LanguageModel"]


def __getattr__(name: str) -> Any:
    if name == "LanguageModel":
        from holdfast.tasks.language.task import LanguageModel

        return LanguageModel
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
