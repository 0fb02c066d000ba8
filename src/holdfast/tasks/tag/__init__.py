"""Tagging: a tag for each word of a sentence, and an intent for the whole. Torch is loaded on first use only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from holdfast.tasks.tag.config import Reading, TagConfig

if TYPE_CHECKING:
    from holdfast.tasks.tag.task import Tagger

__all__ = ["Reading", "TagConfig", "Tagger"]


def __getattr__(name: str) -> Any:
    if name == "Tagger":
        from holdfast.tasks.tag.task import Tagger

        return Tagger
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
