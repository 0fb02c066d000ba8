"""The settings of a language model, and so the flags of `holdfast language train`. Needs no torch."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from holdfast.errors import ConfigError
from holdfast.train.settings import TrainSettings

Cell = Literal["lstm", "gru", "rnn"]
Units = Literal["characters", "bytes", "words", "tokens", "bpe"]
Init = Literal["torch", "orthogonal", "chrono"]


@dataclass(frozen=True)
class LanguageConfig:
    """What a language model is made of and how it is trained.

    Raises:
        ConfigError: a value is out of range.
    """

    cell: Cell = "lstm"
    """The recurrent cell."""
    units: Units = "characters"
    """What one step reads: characters, bytes, words (punctuation apart), tokens (cut at spaces only), or BPE."""
    vocabulary_size: int = 10_000
    """How many different words or BPE tokens to keep; rarer words become <unk>. Characters and bytes keep all."""
    hidden_size: int = 256
    """Units in each recurrent layer."""
    num_layers: int = 2
    """Recurrent layers, one on top of another."""
    embedding_size: int = 0
    """Length of a token's vector. 0 chooses: 64 for characters and bytes, hidden_size for the others."""
    dropout: float = 0.2
    """Share of features zeroed in training, before each recurrent layer and before the output."""
    init: Init = "torch"
    """Starting weights. chrono sets the forget gates for memories of up to chunk_size steps."""
    tie: bool = False
    """Use the embedding's table as the output's weight too."""
    batch_size: int = 32
    """Stretches of text, or whole documents, that are trained on side by side."""
    chunk_size: int = 100
    """Steps that gradients go back through in running text. Documents are never cut."""
    train: TrainSettings = field(default_factory=TrainSettings)
    """How long and how fast to train."""

    def __post_init__(self):
        for name, allowed in (("cell", Cell), ("units", Units), ("init", Init)):
            if getattr(self, name) not in get_args(allowed):
                raise ConfigError(f"{name} must be one of {', '.join(get_args(allowed))}, got {getattr(self, name)!r}.")
        least = {"vocabulary_size": 2, "embedding_size": 0}
        for name in ("vocabulary_size", "hidden_size", "num_layers", "embedding_size", "batch_size", "chunk_size"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least.get(name, 1):
                raise ConfigError(f"{name} must be a whole number of at least {least.get(name, 1)}, got {value!r}.")
        if isinstance(self.dropout, bool) or not isinstance(self.dropout, int | float) or not 0 <= self.dropout < 1:
            raise ConfigError(f"dropout must be at least 0 and below 1, got {self.dropout!r}.")
        if self.init == "chrono" and self.cell == "rnn":
            raise ConfigError("init=chrono sets gates, and a plain RNN has none. Use init=orthogonal.")

    @property
    def embedding_length(self) -> int:
        """The embedding's length after the choice that 0 stands for."""
        return self.embedding_size or (64 if self.units in ("characters", "bytes") else self.hidden_size)

    def to_dict(self) -> dict[str, Any]:
        """Return every setting, ready for JSON or YAML."""
        return dataclasses.asdict(self)

    @staticmethod
    def from_dict(fields: Any, where: str = "config") -> LanguageConfig:
        """Make a config of named settings; those left out take their defaults.

        Raises:
            ConfigError: a setting is unknown or out of range.
        """
        values = _known_fields(fields, LanguageConfig, where)
        if "train" in values:
            train = _known_fields(values["train"], TrainSettings, f"{where}: train")
            values["train"] = _construct(TrainSettings, train, where)
        return _construct(LanguageConfig, values, where)


def _known_fields(fields: Any, owner: type, where: str) -> dict[str, Any]:
    if not isinstance(fields, dict):
        raise ConfigError(f"{where}: expected named settings, got {fields!r}.")
    known = [f.name for f in dataclasses.fields(owner)]
    unknown = [name for name in fields if name not in known]
    if unknown:
        raise ConfigError(f"{where}: unknown settings {', '.join(map(str, unknown))}. Known: {', '.join(known)}.")
    return dict(fields)


def _construct(owner: Any, values: dict[str, Any], where: str) -> Any:
    try:
        return owner(**values)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from error
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{where}: a setting has the wrong type: {error}") from error
