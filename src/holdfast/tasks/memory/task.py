"""The class users hold: a network that learns a memory problem, from sequences that it makes itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from holdfast.errors import CheckpointError, ConfigError, DataError
from holdfast.layers import Layer
from holdfast.tasks.estimator import AbstractEstimator, Folder, evaluating
from holdfast.tasks.memory.config import IMAGES, MemoryConfig
from holdfast.tasks.memory.data import TESTED, FreshBatches, ImageBatches, draw_asked, draw_test, open_training
from holdfast.tasks.memory.model import MemoryNetwork, build_network, memory_layers
from holdfast.tasks.memory.problems import KINDS, Drawn
from holdfast.tasks.memory.score import Measured, measure, outputs_of
from holdfast.train.workers import check_one_process


class Memory(AbstractEstimator[MemoryConfig, MemoryNetwork]):
    """A recurrent network that learns one of the classic problems of long memory.

    Args:
        config: All settings; the defaults suit a first try.
        device: Where the weights live, as torch names it.
        fields: Settings by name, over those of `config`.

    Attributes:
        model: The network (torch.nn.Module), None before the first fit.
        result: What the last `fit` reported, None before.

    Example:
        >>> from holdfast.train import TrainSettings
        >>> train = TrainSettings(learning_rate=1e-2, max_steps=60, evaluate_every=0)
        >>> memory = Memory(task="latch", length=20, hidden_size=8, train=train).fit(quiet=True)
        >>> sequences, classes = memory.draw(3)
        >>> (memory.recall(sequences) == classes).all()
        np.True_
    """

    kind, noun, config_type = "memory", "memory model", MemoryConfig

    def fit(self, *, folder: Folder | None = None, quiet: bool = False) -> Memory:
        """Train on sequences that are drawn as they are needed, or on images, always from new weights.

        Args:
            folder: Where the model, checkpoints and log go; a run found there goes on. None: nothing is written.
            quiet: Print nothing.

        Returns:
            This model, with the weights of the best evaluation on held-out sequences.

        Raises:
            ConfigError, DataError: `folder` holds a different model; the images are not there or broken.
        """
        check_one_process("the memory task")
        batches, held_out = open_training(self.config)
        self.model = build_network(self.config).to(self.device)
        return self._train(_FitTask(self.model, batches, held_out), folder, quiet)

    def draw(self, count: int = 1, seed: int = 0) -> tuple[list[NDArray[np.float32]], NDArray[Any]]:
        """Return sequences of the problem, [T, I] each, and their answers as `recall` gives them.

        They are none of those to train on or to measure by; images are some of the test's.
        """
        drawn = draw_asked(self.config, _counted(count), seed)
        rows = [drawn.inputs[:length, row] for row, length in enumerate(drawn.lengths)]
        return rows, drawn.answers.T if drawn.answers.ndim == 2 else drawn.answers

    def recall(self, sequences: Sequence[Any]) -> NDArray[Any]:
        """Return what the network answers to sequences [T, I].

        Returns:
            [N] numbers or classes; or [N, T] symbols, one after each step (after a sequence's end they mean nothing).

        Raises:
            DataError: a sequence is empty or has not the problem's features.
        """
        drawn = self._drawn(sequences)
        network = self._network()
        with evaluating(network):
            outputs = outputs_of(network, drawn).numpy()
        if KINDS[self.config.task].answer == "number":
            return outputs[:, 0]
        found = outputs.argmax(-1)
        return found.T if found.ndim == 2 else found

    def evaluate(self, count: int = TESTED) -> dict[str, float]:
        """Measure the model on held-out sequences, the same for all models of a problem; of images, on all of the test.

        Returns:
            "loss" (the mean squared error of numbers, else nats an answer), "solved" (the share of sequences answered
            right: a sum off by less than 0.04, the class, every symbol of a copy, no illegal symbol in a Reber string)
            and "count".
        """
        found = self.measure(draw_test(self.config, _counted(count)))
        return {"loss": found.loss, "solved": float(found.right.mean()), "count": len(found.right)}

    def measure(self, drawn: Drawn) -> Measured:
        """Return the loss of each of the sequences, and which are answered right."""
        network = self._network()
        with evaluating(network):
            return measure(network, drawn)

    def losses_of(self, batch: tuple[Sequence[Any], Any] | int) -> tuple[torch.Tensor, NDArray[np.int64]]:
        """Return the loss [N] of sequences, where each step is asked that of the last answer, and their lengths [N].

        Args:
            batch: Sequences and answers as `draw` returns them, or how many of the test's sequences to take.

        Raises:
            DataError: sequences and answers do not fit the problem or each other.
        """
        if isinstance(batch, int):
            drawn = draw_test(self.config, _counted(batch)).part(0, batch)
            answers = torch.as_tensor(drawn.answers)
        else:
            drawn, answers = self._drawn(batch[0]), torch.as_tensor(np.asarray(batch[1]).T)
        wanted = drawn.inputs.shape[:2] if KINDS[self.config.task].answer == "symbols" else (len(drawn),)
        if answers.shape != wanted:
            raise DataError(
                f"{self.config.task} needs answers of shape {wanted[::-1]} for these {len(drawn)} sequences, got "
                f"{tuple(answers.shape)[::-1]}. Memory.draw returns both."
            )
        outputs, rows = self._network().read(drawn), torch.arange(len(drawn))
        answers = answers.to(outputs.device)
        if KINDS[self.config.task].answer == "number":
            return (outputs[:, 0] - answers).square(), drawn.lengths
        if outputs.dim() == 3:
            ends = torch.as_tensor(drawn.lengths) - 1
            outputs, answers = outputs[ends, rows], answers[ends, rows]
        return torch.nn.functional.cross_entropy(outputs, answers, reduction="none"), drawn.lengths

    def _restore(self, folder: Path, layers: list[Layer], modules: torch.nn.ModuleDict) -> None:
        if layers != memory_layers(self.config):
            raise CheckpointError(f"{folder}: settings and layers do not fit together. Save the model again.")
        self.model = MemoryNetwork(layers, modules)

    def _drawn(self, sequences: Sequence[Any]) -> Drawn:
        """Return given sequences as one padded batch, its answers unknown."""
        features = KINDS[self.config.task].features
        try:
            rows = [np.asarray(row, dtype=np.float32) for row in sequences]
        except (TypeError, ValueError) as error:
            raise DataError(f"sequences must be a list of arrays of numbers [T, {features}]: {error}.") from error
        for number, row in enumerate(rows):
            if row.ndim != 2 or not len(row) or row.shape[1] != features:
                what = "image" if self.config.task in IMAGES else "sequence"
                raise DataError(
                    f"{what} {number} has shape {row.shape}, and {self.config.task} reads [T, {features}] with one "
                    "step at least. Memory.draw returns such."
                )
        if not rows:
            raise DataError("There is no sequence to answer to. Give one at least.")
        lengths = np.array([len(row) for row in rows], dtype=np.int64)
        inputs = np.zeros((lengths.max(), len(rows), features), dtype=np.float32)
        for number, row in enumerate(rows):
            inputs[: len(row), number] = row
        return Drawn(inputs, np.zeros(len(rows)), lengths)


def _counted(count: int) -> int:
    if count < 1:
        raise ConfigError(f"There must be one sequence at least, got {count}.")
    return count


@dataclass
class _FitTask:
    """What the training loop needs of a memory problem."""

    model: MemoryNetwork
    batches: FreshBatches | ImageBatches
    held_out: Drawn

    def loss(self, batch: Drawn, state: Any) -> tuple[torch.Tensor, Any, dict[str, float]]:
        loss, count = self.model.loss(batch)
        return loss, None, {"count": count}

    def evaluate(self) -> dict[str, float]:
        found = measure(self.model, self.held_out)
        return {"loss": found.loss, "solved": float(found.right.mean())}
