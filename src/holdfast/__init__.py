"""Holdfast: LSTM networks that hold on to what matters.

The names below are loaded when first touched: `import holdfast` needs no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from holdfast.errors import (
    BackendError,
    CheckpointError,
    ConfigError,
    DataError,
    DtypeError,
    HoldfastError,
    MissingDependencyError,
    ShapeError,
    SpecError,
    TrainingError,
)
from holdfast.spec import CellSpec

if TYPE_CHECKING:
    from holdfast.inside import gradient_flow
    from holdfast.nn import GRU, LSTM, RNN, GRUCell, LSTMCell, RNNCell, convert, explain, record, revert
    from holdfast.tasks.classify import Classifier
    from holdfast.tasks.compare import compare
    from holdfast.tasks.forecast import Forecaster
    from holdfast.tasks.language import LanguageModel
    from holdfast.tasks.tag import Tagger

__version__ = "0.1.0"

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "BackendError",
    "CellSpec",
    "CheckpointError",
    "Classifier",
    "ConfigError",
    "DataError",
    "DtypeError",
    "Forecaster",
    "GRUCell",
    "HoldfastError",
    "LSTMCell",
    "LanguageModel",
    "MissingDependencyError",
    "RNNCell",
    "ShapeError",
    "SpecError",
    "Tagger",
    "TrainingError",
    "compare",
    "convert",
    "explain",
    "gradient_flow",
    "record",
    "revert",
]

_LAZY = dict.fromkeys(
    ("GRU", "GRUCell", "LSTM", "LSTMCell", "RNN", "RNNCell", "convert", "explain", "record", "revert"), "holdfast.nn"
) | {
    "Classifier": "holdfast.tasks.classify",
    "Forecaster": "holdfast.tasks.forecast",
    "LanguageModel": "holdfast.tasks.language",
    "Tagger": "holdfast.tasks.tag",
    "compare": "holdfast.tasks.compare",
    "gradient_flow": "holdfast.inside.gradients",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'holdfast' has no attribute {name!r}")
    try:
        return getattr(import_module(_LAZY[name]), name)
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise MissingDependencyError("torch", f"holdfast.{name}", "torch") from error


def __dir__() -> list[str]:
    return sorted([*globals(), *_LAZY])
