"""5. The class that users hold: fit, evaluate, a verb of its own; saving, loading and resuming come with the base."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from holdfast.errors import CheckpointError
from holdfast.layers import Layer
from holdfast.tasks.estimator import AbstractEstimator, Folder, evaluating
from lifetime.config import LifetimeConfig
from lifetime.data import Batch, MachineBatches, read_machines
from lifetime.decode import steps_left
from lifetime.model import LifetimeNetwork, lifetime_layers


class Lifetime(AbstractEstimator[LifetimeConfig, LifetimeNetwork]):
    """How many steps a machine has left."""

    kind, noun, config_type = "lifetime", "lifetime model", LifetimeConfig

    def fit(self, machines: Sequence[Any], left: Any, *, folder: Folder | None = None, quiet: bool = False) -> Lifetime:
        """Train on machines [steps, sensors] and the steps that each had left; the last fifth is held out."""
        rows, answers = read_machines(machines), np.asarray(left, dtype=np.float32)
        cut = max(1, len(rows) * 4 // 5)
        self.model = LifetimeNetwork.build(self.config, rows[0].shape[1])
        steps = torch.as_tensor(np.concatenate(rows[:cut]))
        scaler: Any = self.model.modules_by_name["scaler"]
        scaler.fit(steps.mean(0), steps.std(0))
        batches = MachineBatches(rows[:cut], answers[:cut], self.config.batch_size, self.config.train.seed)
        return self._train(_FitTask(self, batches, rows[cut:], answers[cut:]), folder, quiet)

    def evaluate(self, machines: Sequence[Any], left: Any) -> dict[str, float]:
        """Return the mean absolute error in steps, and the loss that training watches."""
        found, answers = self.predict(machines), np.asarray(left, dtype=np.float32)
        loss = float(np.mean((np.log1p(np.maximum(found, 0)) - np.log1p(answers)) ** 2))
        return {"loss": loss, "steps": float(np.abs(found - answers).mean())}

    def predict(self, machines: Sequence[Any]) -> NDArray[np.float32]:
        """Return the steps left of each machine."""
        network = self._network()
        scaler: Any = network.layers[0]
        with evaluating(network):
            return steps_left(network, read_machines(machines, scaler.features))

    def _restore(self, folder: Path, layers: list[Layer], modules: torch.nn.ModuleDict) -> None:
        if layers != lifetime_layers(self.config, getattr(layers[0], "features", 0)):
            raise CheckpointError(f"{folder}: settings and layers do not fit together. Save the model again.")
        self.model = LifetimeNetwork(layers, modules)


@dataclass
class _FitTask:
    """What the training loop needs."""

    owner: Lifetime
    batches: MachineBatches
    held_out: list[NDArray[np.float32]]
    answers: NDArray[np.float32]

    @property
    def model(self) -> LifetimeNetwork:
        return self.owner._network()

    def loss(self, batch: Batch, state: Any) -> tuple[torch.Tensor, Any, dict[str, float]]:
        return self.model.loss(batch), None, {"count": float(len(batch.lengths))}

    def evaluate(self) -> dict[str, float]:
        return self.owner.evaluate(self.held_out, self.answers)
