"""The settings of a tagger, and so the flags of `holdfast tag train`, and how column files are read. Needs no torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from holdfast.errors import ConfigError
from holdfast.tasks.cells import check_cell
from holdfast.tasks.settings import TaskConfig, check_choices, check_share, check_whole
from holdfast.train.settings import TrainSettings

Crf = Literal["auto", "yes", "no"]
Scheme = Literal["auto", "plain", "bio", "iob1", "bioes"]


@dataclass(frozen=True)
class Reading:
    """How files of columns and their tags are read.

    Raises:
        ConfigError: a value is out of range.
    """

    word_column: int = 0
    """Column of the word, counted from 1, or from the end if negative. 0 chooses: 1, in CoNLL-U (.conllu) 2."""
    tag_column: int = 0
    """Column of the tag, counted likewise. 0 chooses: the last, in CoNLL-U 4 (UPOS)."""
    scheme: Scheme = "auto"
    """How tags mark chunks: bio, iob1, bioes, or plain tags that mark none. auto finds out."""
    mend: bool = False
    """Read a tag that its scheme does not allow, such as an I- without its B-, as the start of a chunk."""

    def __post_init__(self):
        check_choices(self, scheme=Scheme)
        for name in ("word_column", "tag_column"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int):
                raise ConfigError(f"{name} must be a whole number, got {value!r}.")


@dataclass(frozen=True)
class TagConfig(TaskConfig):
    """What a tagger is made of and how it is trained.

    Raises:
        ConfigError: a value is out of range.
    """

    cell: str = "lstm"
    """The recurrent cell, of words and of characters: lstm, gru or rnn; parts may be added, as in lstm+peephole."""
    hidden_size: int = 200
    """Units of each direction that read the sentence."""
    num_layers: int = 1
    """Recurrent layers over the words, one on top of another."""
    word_size: int = 100
    """Length of a word's vector."""
    character_size: int = 32
    """Length of a character's vector."""
    character_hidden_size: int = 64
    """Units of each direction that read a word's characters; 0 leaves characters out."""
    dropout: float = 0.5
    """Share of features zeroed in training, before and after the recurrent layers."""
    word_dropout: float = 0.25
    """Words seen n times become <unk> in training with chance d / (d + n), so that unseen ones have a meaning."""
    crf: Crf = "auto"
    """Whether tags are scored together by a conditional random field. auto: where they mark chunks."""
    batch_size: int = 16
    """Sentences that are trained on side by side."""
    epochs: int = 0
    """How often the data is read, unless train.max_steps or train.max_seconds are set. 0 chooses: 8 times, and small
    data up to 60 times, to make 4,000 updates."""
    train: TrainSettings = field(default_factory=TrainSettings)
    """How fast to train, and for how long if not for `epochs`."""

    def __post_init__(self):
        check_cell(self)
        check_choices(self, crf=Crf)
        check_whole(self, ("hidden_size", "num_layers", "word_size", "character_size", "batch_size"))
        check_whole(self, ("character_hidden_size", "epochs"), 0)
        check_share(self, "dropout", "word_dropout")
