"""What scikit-learn asks of an estimator: its settings by name, and what it is. Needs scikit-learn for nothing else."""

from __future__ import annotations

import dataclasses
import sys
import warnings
from typing import Any, TypeVar

from holdfast.errors import ConfigError

Self = TypeVar("Self", bound="SklearnConventions")


class SklearnConventions:
    """Parameters by name, over the fields of `self.config`; those of nested settings as `train__learning_rate`."""

    config: Any
    _device_given: Any
    model: Any
    _estimator_type = "classifier"

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return every setting by name, nested ones too if `deep`."""
        found = {field.name: getattr(self.config, field.name) for field in dataclasses.fields(self.config)}
        if deep:
            for name, value in list(found.items()):
                if dataclasses.is_dataclass(value):
                    nested = dataclasses.fields(value)
                    found |= {f"{name}__{field.name}": getattr(value, field.name) for field in nested}
        return {**found, "device": self._device_given}

    def set_params(self: Self, **params: Any) -> Self:
        """Change settings by name for the next fit.

        Raises:
            ConfigError: a name is unknown, or a value is out of range.
        """
        known = self.get_params()
        unknown = [name for name in params if name not in known]
        if unknown:
            raise ConfigError(f"Invalid parameters {unknown} for {type(self).__name__}. Known: {', '.join(known)}.")
        if "device" in params:
            import torch

            self._device_given = params.pop("device")
            self.device = torch.device(self._device_given)
        whole = {name: value for name, value in params.items() if "__" not in name}
        for name, value in params.items():
            owner, _, field = name.partition("__")
            if field:
                whole[owner] = dataclasses.replace(whole.get(owner, getattr(self.config, owner)), **{field: value})
        self.config = dataclasses.replace(self.config, **whole)
        return self

    def _network(self) -> Any:
        if self.model is None:
            raise _unfitted("This classifier is not trained yet. Call fit first, or load one with from_pretrained.")
        return self.model

    def __sklearn_is_fitted__(self) -> bool:
        return self.model is not None

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import ClassifierTags, InputTags, Tags, TargetTags

        return Tags(
            estimator_type="classifier",
            target_tags=TargetTags(required=True),
            transformer_tags=None,
            classifier_tags=ClassifierTags(),
            regressor_tags=None,
            input_tags=InputTags(three_d_array=True, string=True),
        )


def warn_of_column() -> None:
    """Warn that labels came in one column, as scikit-learn does and with its own kind of warning if it is loaded."""
    kind: type[Warning] = UserWarning
    if "sklearn" in sys.modules:
        from sklearn.exceptions import DataConversionWarning as kind
    message = "A column-vector y was passed when a 1d array was expected. Change the shape of y with y.ravel()."
    warnings.warn(message, kind, stacklevel=4)


def _unfitted(message: str) -> ConfigError:
    """Return our error, which is scikit-learn's own as well where that is loaded."""
    if "sklearn" not in sys.modules:
        return ConfigError(message)
    from sklearn.exceptions import NotFittedError

    return type("NotFittedError", (ConfigError, NotFittedError), {})(message)
