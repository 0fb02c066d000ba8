"""The settings of a classifier, and so the flags of `holdfast classify train`. Needs no torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from holdfast.errors import ConfigError
from holdfast.tasks.cells import check_cell
from holdfast.tasks.settings import TaskConfig, check_choices, check_share, check_whole
from holdfast.train.settings import TrainSettings

Pooling = Literal["attention", "last", "mean", "max"]
ClassWeight = Literal["none", "balanced"]
Units = Literal["words", "tokens", "characters", "bytes", "bpe"]


@dataclass(frozen=True)
class Columns:
    """Which columns of a table hold what. The others are features of the series, and must be numbers."""

    label: str = "label"
    """Column of the class."""
    text: str = ""
    """Column of the text, one in each row. Empty: the table holds series in long format, with the columns below."""
    id: str = "id"
    """Column that says which series a row belongs to."""
    time: str = "time"
    """Column that orders the rows of a series, numbers or dates. Where there is none, rows are in order already."""


@dataclass(frozen=True)
class TextSettings:
    """How text is read. Series do not look at these.

    Raises:
        ConfigError: a value is out of range.
    """

    units: Units = "words"
    """What one step reads: words (punctuation apart), tokens (cut at spaces only), characters, bytes, or BPE."""
    vocabulary_size: int = 30_000
    """How many different words or BPE tokens to keep; rarer words become <unk>."""
    lowercase: bool = True
    """Read capitals as small letters."""
    max_length: int = 400
    """Longer texts keep this many tokens, half from the beginning and half from the end."""
    embedding_size: int = 100
    """Length of a token's vector."""
    word_dropout: float = 0.3
    """Share of tokens that become <unk> in training, so that an unknown word has a meaning."""
    ngram_rows: int = 262_144
    """Size of the linear classifier of n-grams that answers together with the recurrent network: how many rows of
    weights the pairs of neighbours share (of characters and bytes, runs of up to five). 0 leaves it out."""

    def __post_init__(self):
        check_choices(self, units=Units)
        check_whole(self, ("vocabulary_size", "max_length"), 2)
        check_whole(self, ("embedding_size",))
        check_whole(self, ("ngram_rows",), 0)
        check_share(self, "word_dropout")


@dataclass(frozen=True)
class SeriesSettings:
    """How series are read. Text does not look at these.

    Raises:
        ConfigError: a value is out of range.
    """

    join: int = 0
    """Steps that are read as one, so that long series are remembered and quick. 0 chooses: as many as leave about 100
    of the longest series, or 1 in a model that reads one way, so that it can answer at every step."""
    convolution: int = 64
    """Features of each of the three convolutions over time that the recurrent layers read instead of the steps
    themselves, and whose means over time are looked at beside. 0 leaves them out."""
    noise: float = 0.1
    """Size of the noise added to features in training, where 1 is their own standard deviation."""
    scale: float = 0.1
    """How much each series is made larger or smaller in training, feature by feature, around the mean: the deviation of
    the factor from 1."""
    warp: float = 0.1
    """How unevenly each series passes in training, faster here and slower there: the deviation of the logarithm of its
    speed."""

    def __post_init__(self):
        check_whole(self, ("join", "convolution"), 0)
        for name, most in (("noise", 10), ("scale", 1), ("warp", 1)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
                raise ConfigError(f"{name} must be a number from 0 to {most}, got {value!r}.")


@dataclass(frozen=True)
class ClassifyConfig(TaskConfig):
    """What a classifier is made of and how it is trained.

    Raises:
        ConfigError: a value is out of range.
    """

    cell: str = "lstm"
    """The recurrent cell: lstm, gru or rnn; parts may be added, as in lstm+peephole or lstm+layer_norm."""
    hidden_size: int = 64
    """Units of each direction."""
    num_layers: int = 1
    """Recurrent layers, one on top of another."""
    bidirectional: bool = True
    """Read both ways. Answers after every step (predict_stream) need a model that does not."""
    pooling: Pooling = "max"
    """How the steps become one answer: the largest of each feature, their mean, the last step, or learned attention."""
    dropout: float = 0.5
    """Share of features zeroed in training: of text before and after the recurrent layers, of series after them."""
    label_smoothing: float = 0.1
    """Share of each label that is given to all classes alike in training, so that the network stays unsure."""
    class_weight: ClassWeight = "none"
    """balanced: rare classes count more in the loss, so that all classes count alike."""
    batch_size: int = 32
    """Examples that are trained on side by side."""
    epochs: int = 0
    """How often the data is read, unless train.max_steps or train.max_seconds say when to stop. 0 chooses: 4, and as
    many more as make 1500 updates of text or 600 of series."""
    text: TextSettings = field(default_factory=TextSettings)
    """How text is read."""
    series: SeriesSettings = field(default_factory=SeriesSettings)
    """How series are read."""
    train: TrainSettings = field(default_factory=lambda: TrainSettings(evaluate_every=0))
    """How fast to train, and for how long. evaluate_every and checkpoint_every of 0 mean once an epoch."""

    def __post_init__(self):
        check_cell(self)
        check_choices(self, pooling=Pooling, class_weight=ClassWeight)
        check_whole(self, ("hidden_size", "num_layers", "batch_size"))
        check_whole(self, ("epochs",), 0)
        check_share(self, "dropout", "label_smoothing")
