"""The YAML file of settings that `train` commands read with --config and leave beside the model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from holdfast.errors import ConfigError, MissingDependencyError

NAME = "settings.yaml"


class SettingsFile:
    """The settings that --config names among a command's arguments, none without it.

    Raises:
        ConfigError: the file is missing or is no YAML of names and values.
    """

    def __init__(self, arguments: Sequence[str]):
        self.path = _config_path(arguments)
        self.values = {} if self.path is None else _read(self.path)

    def take(self, name: str, kind: Any, otherwise: Any) -> Any:
        """Return a setting of the command itself and drop it from `values`, which then hold the model's.

        Raises:
            ConfigError: the setting is of another kind.
        """
        if name not in self.values:
            return otherwise
        value = self.values.pop(name)
        if not isinstance(value, kind):
            raise ConfigError(f"{self.path}: {name} cannot be {value!r}.")
        return value

    def take_texts(self, name: str, otherwise: Any) -> Any:
        """Return a setting that is a text or a list of texts, as a tuple."""
        if name not in self.values:
            return otherwise
        value = self.values.pop(name)
        items = [value] if isinstance(value, str) else value
        if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
            raise ConfigError(f"{self.path}: {name} must be a text or a list of them, got {value!r}.")
        return tuple(items)


def save_settings(folder: Path, values: dict[str, Any]) -> None:
    """Write what a run was made with beside its model, in the form that --config reads."""
    (folder / NAME).write_text(_yaml().safe_dump(values, sort_keys=False, allow_unicode=True), encoding="utf-8")


def _config_path(arguments: Sequence[str]) -> Path | None:
    for n, argument in enumerate(arguments):
        if argument == "--config" and n + 1 < len(arguments):
            return Path(arguments[n + 1])
        if argument.startswith("--config="):
            return Path(argument.partition("=")[2])
    return None


def _yaml() -> Any:
    try:
        import yaml
    except ImportError as error:
        raise MissingDependencyError("pyyaml", "A file of settings", "torch") from error
    return yaml


def _read(path: Path) -> dict[str, Any]:
    yaml = _yaml()
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(f"{path}: there is no such file of settings. Check the name after --config.") from error
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ConfigError(f"{path} cannot be read as YAML: {error}") from error
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: expected lines of the form `name: value`, got {type(values).__name__}.")
    return values
