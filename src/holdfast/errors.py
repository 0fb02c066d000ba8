"""The errors Holdfast raises, all under one root, each still catchable as the built-in it refines.

HoldfastError
├── ShapeError               ValueError, RuntimeError    an axis is missing or has the wrong size
├── DtypeError               TypeError, ValueError, RuntimeError   a dtype is not what the layer or the file needs
├── SpecError                ValueError, TypeError       no such cell variant, or two flags that contradict
├── BackendError             RuntimeError                the backend asked for cannot do this call
├── DataError                ValueError                  a file or a record is broken: names file, row and mend
├── ConfigError              ValueError                  a setting is unknown or out of range
├── CheckpointError          RuntimeError                a saved model or checkpoint cannot be read or does not fit
├── TrainingError            RuntimeError                training cannot go on (a loss that is not finite)
└── MissingDependencyError   ImportError                 an optional package is needed: gives the pip line
"""

from __future__ import annotations


class HoldfastError(Exception):
    """Root of every error Holdfast raises on purpose."""


class ShapeError(HoldfastError, ValueError, RuntimeError):
    """An input has the wrong number or size of axes."""


class DtypeError(HoldfastError, TypeError, ValueError, RuntimeError):
    """A dtype is not one the layer, the backend or the file can use."""


class SpecError(HoldfastError, ValueError, TypeError):
    """A cell variant does not exist, or two of its flags contradict each other."""


class BackendError(HoldfastError, RuntimeError):
    """The backend that was asked for cannot do this call; the message says why."""


class DataError(HoldfastError, ValueError):
    """Data from outside is broken; the message names the file, the row and the mend."""


class ConfigError(HoldfastError, ValueError):
    """A setting is unknown or out of range."""


class CheckpointError(HoldfastError, RuntimeError):
    """A saved model or checkpoint cannot be read, or does not fit what it is loaded into."""


class TrainingError(HoldfastError, RuntimeError):
    """Training cannot go on; the message names the step and the last good checkpoint."""


class MissingDependencyError(HoldfastError, ImportError):
    """An optional package is needed; the message gives the line that installs it."""

    def __init__(self, package: str, purpose: str, extra: str):
        super().__init__(f"{purpose} needs the package {package}. Install it with: pip install 'holdfast[{extra}]'")
        self.package = package
        self.extra = extra
