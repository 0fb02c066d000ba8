"""Classification of series and texts, with scikit-learn's conventions. Torch is loaded on first use only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from holdfast.tasks.classify.config import ClassifyConfig, Columns, SeriesSettings, TextSettings

if TYPE_CHECKING:
    from holdfast.tasks.classify.task import Classifier

__all__ = ["Classifier", "ClassifyConfig", "Columns", "SeriesSettings", "TextSettings"]


def __getattr__(name: str) -> Any:
    if name == "Classifier":
        from holdfast.tasks.classify.task import Classifier

        return Classifier
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
