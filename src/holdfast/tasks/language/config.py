"""The settings of a language model, and so the flags of `holdfast language train`. Needs no torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from holdfast.errors import ConfigError
from holdfast.tasks.cells import check_cell, forgets
from holdfast.tasks.settings import TaskConfig, check_choices, check_share, check_whole
from holdfast.train.settings import TrainSettings

Units = Literal["characters", "bytes", "words", "tokens", "bpe"]
Init = Literal["torch", "orthogonal", "chrono"]


@dataclass(frozen=True)
class LanguageConfig(TaskConfig):
    """What a language model is made of and how it is trained.

    Raises:
        ConfigError: a value is out of range.
    """

    cell: str = "lstm"
    """The recurrent cell: lstm, gru or rnn; parts may be added, as in lstm+peephole or lstm+layer_norm."""
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
        check_cell(self)
        check_choices(self, units=Units, init=Init)
        check_whole(self, ("hidden_size", "num_layers", "batch_size", "chunk_size"))
        check_whole(self, ("vocabulary_size",), 2)
        check_whole(self, ("embedding_size",), 0)
        check_share(self, "dropout")
        if self.init == "chrono" and not forgets(self.cell):
            raise ConfigError(f"init=chrono sets a gate that forgets, and {self.cell} has none. Use init=orthogonal.")

    @property
    def embedding_length(self) -> int:
        """The embedding's length after the choice that 0 stands for."""
        return self.embedding_size or (64 if self.units in ("characters", "bytes") else self.hidden_size)
