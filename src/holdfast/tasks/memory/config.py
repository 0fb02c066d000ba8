"""The settings of a memory problem and its network, and so the flags of `holdfast compare memory`. Needs no torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from holdfast.errors import ConfigError
from holdfast.tasks.cells import check_cell, forgets
from holdfast.tasks.settings import TaskConfig, check_choices, check_whole
from holdfast.train.settings import TrainSettings

Problem = Literal["adding", "copy", "temporal_order", "temporal_order3", "latch", "reber", "smnist", "pmnist"]
Init = Literal["auto", "torch", "orthogonal", "chrono"]
Lengths = Literal["equal", "mixed"]
LENGTHS = {
    "adding": 200, "copy": 100, "temporal_order": 100, "temporal_order3": 100, "latch": 1000, "reber": 0,
    "smnist": 784, "pmnist": 784,
}  # fmt: skip
"""The length of each problem that 0 stands for; of Reber strings, as long as the grammar makes them."""
SHORTEST = {"adding": 2, "copy": 1, "temporal_order": 10, "temporal_order3": 10, "latch": 4}
"""The least length of those that have a choice."""
IMAGES = ("smnist", "pmnist")
LONGEST = 10_000
"""Beyond it the sequences of a test no longer fit in memory together."""


@dataclass(frozen=True)
class MemoryConfig(TaskConfig):
    """Which memory problem, what the network that learns it is made of, and how it is trained.

    Raises:
        ConfigError: a value is out of range.
    """

    task: Problem = "adding"
    """What is to be remembered. adding: two marked numbers among many. copy: ten symbols across blanks.
    temporal_order: in which order two symbols came (temporal_order3: three). latch: a class, through noise. reber: a
    symbol around a string of a grammar. smnist, pmnist: a digit read pixel by pixel, row by row or in a fixed disorder.
    """
    length: int = 0
    """Steps across which to remember. 0 chooses: 200 for adding, 1000 for latch, 100 for copy and temporal order. Reber
    strings and images have lengths of their own."""
    lengths: Lengths = "equal"
    """Lengths to train on, where they can be chosen. mixed: each batch has one from the shortest to `length`, the short
    ones as often as the long ones (evenly on a logarithmic scale), which teaches what to do before how long to keep it.
    Measured is on `length` alone."""
    cell: str = "lstm"
    """The recurrent cell: lstm, gru or rnn; parts may be added, as in lstm+peephole or lstm+layer_norm."""
    hidden_size: int = 64
    """Units in each recurrent layer."""
    num_layers: int = 1
    """Recurrent layers, one on top of another."""
    init: Init = "auto"
    """Starting weights. chrono sets gates that forget for memories of up to the sequence's length. auto: chrono for a
    cell with such a gate, else orthogonal."""
    batch_size: int = 64
    """Sequences that are trained on side by side."""
    data: str = ""
    """Folder of the images of smnist and pmnist: the four files of MNIST in IDX format, packed (.gz) or not."""
    train: TrainSettings = field(default_factory=lambda: TrainSettings(max_steps=3000, evaluate_every=250))
    """How long and how fast to train."""

    def __post_init__(self):
        check_cell(self)
        check_choices(self, task=Problem, lengths=Lengths, init=Init)
        check_whole(self, ("hidden_size", "num_layers", "batch_size"))
        check_whole(self, ("length",), 0)
        if not isinstance(self.data, str):
            raise ConfigError(f"data must be the name of a folder, got {self.data!r}.")
        if self.length and self.task not in SHORTEST:
            raise ConfigError(f"The length of {self.task} cannot be chosen. Leave length out, or give 0.")
        if self.length and not SHORTEST[self.task] <= self.length <= LONGEST:
            raise ConfigError(
                f"length must be from {SHORTEST[self.task]} to {LONGEST} for {self.task}, got {self.length}."
            )
        if self.lengths == "mixed" and self.task not in SHORTEST:
            raise ConfigError(f"The lengths of {self.task} cannot be mixed. Use lengths=equal.")
        if self.init == "chrono" and not forgets(self.cell):
            raise ConfigError(f"init=chrono sets a gate that forgets, and {self.cell} has none. Use init=auto.")

    @property
    def steps(self) -> int:
        """The length after the choice that 0 stands for."""
        return self.length or LENGTHS[self.task]

    @property
    def scheme(self) -> str:
        """The starting weights after the choice that auto stands for."""
        if self.init != "auto":
            return self.init
        return "chrono" if forgets(self.cell) else "orthogonal"
