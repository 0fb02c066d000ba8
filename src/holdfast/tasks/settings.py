"""What every task's config shares: settings by name, checked, to and from JSON or YAML. Needs no torch."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any, TypeVar, get_args

from holdfast.errors import ConfigError

Config = TypeVar("Config", bound="TaskConfig")
Record = TypeVar("Record")
MOST = 10**9
"""Beyond it a whole number in a saved file is no size or count."""


class TaskConfig:
    """The base of a task's config, which is a frozen dataclass whose fields all have defaults.

    A field whose default is made by a dataclass (such as TrainSettings) holds settings of its own.
    """

    def to_dict(self) -> dict[str, Any]:
        """Return every setting, ready for JSON or YAML."""
        return dataclasses.asdict(self)  # type: ignore[call-overload]

    @classmethod
    def from_dict(cls: type[Config], fields: Any, where: str = "config") -> Config:
        """Make a config of named settings; those left out take their defaults.

        Raises:
            ConfigError: a setting is unknown, has the wrong type or is out of range.
        """
        return _construct(cls, fields, where, where)


def check_choices(config: Any, **allowed: Any) -> None:
    """Refuse a setting that is none of the values of its Literal type, given by name."""
    for name, choices in allowed.items():
        if getattr(config, name) not in get_args(choices):
            raise ConfigError(f"{name} must be one of {', '.join(get_args(choices))}, got {getattr(config, name)!r}.")


def check_whole(config: Any, names: Iterable[str], least: int = 1) -> None:
    """Refuse settings that are no whole numbers of at least `least`."""
    for name in names:
        value = getattr(config, name)
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise ConfigError(f"{name} must be a whole number of at least {least}, got {value!r}.")


def check_share(config: Any, *names: str) -> None:
    """Refuse settings that are no numbers of at least 0 and below 1."""
    for name in names:
        value = getattr(config, name)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1:
            raise ConfigError(f"{name} must be at least 0 and below 1, got {value!r}.")


def read_record(owner: type[Record], fields: Any, least: int = 0, **allowed: Any) -> Record:
    """Make a dataclass of what JSON says it held, every value of its field's type; lists become tuples.

    Args:
        least: The smallest whole number that a field may hold.
        allowed: What fields may hold, by name: a Literal type, or a collection.

    Raises:
        ValueError: it is no record of this kind.
    """
    if not isinstance(fields, dict):
        raise ValueError(f"expected named fields, got {fields!r}")
    fields_of: Any = owner  # a dataclass, which the type variable does not say
    known = {field.name: str(field.type) for field in dataclasses.fields(fields_of)}
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()}
    for name, value in values.items():
        kinds = known.get(name, "no field").split(" | ")
        fits = any(_is_kind(value, kind) for kind in kinds)
        if fits and name in allowed:
            choices = get_args(allowed[name]) or allowed[name]
            fits = all(one in choices for one in (value if isinstance(value, tuple) else (value,)))
        if not fits or (type(value) is int and not least <= value <= MOST):
            raise ValueError(f"{name} cannot be {value!r}")
    try:
        return owner(**values)
    except TypeError as error:
        raise ValueError(str(error)) from error


def _is_kind(value: Any, kind: str) -> bool:
    if kind == "tuple[str, ...]":
        return isinstance(value, tuple) and all(isinstance(one, str) for one in value)
    if kind == "None":
        return value is None
    plain: dict[str, Any] = {"int": int, "str": str, "bool": bool, "float": (int, float)}
    return kind in plain and isinstance(value, plain[kind]) and (kind == "bool" or not isinstance(value, bool))


def _construct(owner: Any, fields: Any, here: str, where: str) -> Any:
    if not isinstance(fields, dict):
        raise ConfigError(f"{here}: expected named settings, got {fields!r}.")
    known = {field.name: field for field in dataclasses.fields(owner)}
    unknown = [name for name in fields if name not in known]
    if unknown:
        raise ConfigError(f"{here}: unknown settings {', '.join(map(str, unknown))}. Known: {', '.join(known)}.")
    values = dict(fields)
    for name in fields:
        make: Any = known[name].default_factory
        default = None if make is dataclasses.MISSING else make()
        if dataclasses.is_dataclass(default) and not isinstance(fields[name], type(default)):
            given = fields[name]
            if isinstance(given, dict):
                # What is left out takes the value of this very default, which need not be its class's.
                given = {field.name: getattr(default, field.name) for field in dataclasses.fields(default)} | given
            values[name] = _construct(type(default), given, f"{where}: {name}", where)
    try:
        return owner(**values)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from error
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{where}: a setting has the wrong type: {error}") from error
