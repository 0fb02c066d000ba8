"""A memory problem as `compare` needs it: fresh sequences to learn from, held-out ones to test on, floors to beat."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from holdfast.errors import TrainingError
from holdfast.tasks.cells import forgets
from holdfast.tasks.compare import ConfigContest, config_with, num_parameters
from holdfast.tasks.comparison import Metric, Outcome, Score, Trial
from holdfast.tasks.memory.baselines import baselines
from holdfast.tasks.memory.config import MemoryConfig
from holdfast.tasks.memory.data import draw_test
from holdfast.tasks.memory.model import memory_layers
from holdfast.tasks.memory.problems import Drawn
from holdfast.tasks.memory.score import Measured
from holdfast.tasks.memory.task import Memory

DEFAULTS = MemoryConfig()
METRICS = {
    "adding": Metric("mean squared error", digits=6, items="test sequences"),
    "copy": Metric("nats an answer", digits=6, items="test sequences"),
    "reber": Metric("share of strings without an error", lower_is_better=False, items="test strings"),
}
"""Of the problems that have one of their own; of the others the accuracy is compared."""
ACCURACY = Metric("accuracy", lower_is_better=False, items="test sequences")


class MemoryContest(ConfigContest):
    """A memory problem, and the settings that all runs share but for cell, size, learning rate, time and seed.

    The starting weights are chosen anew for each cell where `init` is auto or the cell cannot have them.

    Args:
        config: The LSTM's settings.

    Raises:
        DataError: the images of smnist or pmnist are broken or not there.
    """

    task = "memory"

    def __init__(self, config: MemoryConfig = DEFAULTS):
        self.config = config
        self.metric = METRICS.get(config.task, ACCURACY)

    @staticmethod
    def from_data(data: Any = None, **settings: Any) -> MemoryContest:
        """Return the contest over a problem, named by the setting `task`; `data` is the folder of its images.

        Raises:
            ConfigError: a setting is unknown or out of range.
        """
        return MemoryContest(config_with(DEFAULTS, settings | ({} if data is None else {"data": str(data)})))

    @property
    def fingerprint(self) -> dict[str, Any]:
        return {"config": self.config.to_dict()}

    def num_parameters(self, cell: str, hidden_size: int) -> int:
        return num_parameters(memory_layers(self._settings(cell, hidden_size)))

    def run(self, trial: Trial, folder: Path | None, *, test: bool) -> Outcome:
        memory = Memory(self._trial_settings(trial)).fit(folder=folder, quiet=True)
        if memory.result is None:
            raise TrainingError("The run was not trained.")
        score = self._score(memory.measure(self._test)) if test else None
        return self._outcome(memory, score, memory.result.best)

    def baselines(self) -> Iterator[tuple[str, Callable[[], Score]]]:
        return baselines(self.config, self._test)

    @cached_property
    def _test(self) -> Drawn:
        return draw_test(self.config)

    def _settings(self, cell: str, hidden_size: int) -> MemoryConfig:
        init = "auto" if self.config.init == "chrono" and not forgets(cell) else self.config.init
        return replace(self.config, cell=cell, hidden_size=hidden_size, init=init)

    def _score(self, found: Measured) -> Score:
        items = found.losses if self.metric.lower_is_better else found.right.astype(np.float64)
        return Score(float(items.mean()), items.tolist())
