"""What every task's class shares: its settings, the training of its network with a folder, saving and loading."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

import torch
from torch import nn

from holdfast.errors import CheckpointError, ConfigError, HoldfastError
from holdfast.layers import Layer
from holdfast.nn.build import CONFIG_FILE, load_model, read_config, save_model
from holdfast.tasks.settings import TaskConfig
from holdfast.train import Callback, TrainResult, TrainSettings, train
from holdfast.train.task import Task

Config = TypeVar("Config", bound=TaskConfig)
Network = TypeVar("Network", bound="TaskNetwork")
Self = TypeVar("Self", bound="AbstractEstimator")
Folder = str | os.PathLike[str]


class TaskNetwork(nn.Module):
    """A network made of named layers, which a saved model lists.

    Args:
        layers: The layer list, in the order the data passes.
        modules_by_name: The modules of those layers, in order, as `build_layers` makes them.
    """

    def __init__(self, layers: list[Layer], modules_by_name: nn.ModuleDict):
        super().__init__()
        self.layers = layers
        self.modules_by_name = modules_by_name


class AbstractEstimator(Generic[Config, Network]):
    """The class users hold, without what is a task's own.

    A task names its kind and its config, says which files hold what the network does not (a vocabulary, scales), and
    makes itself whole again from them.

    Args:
        config: All settings; None takes the defaults.
        device: Where the weights live, as torch names it.
        fields: Settings by name, over those of `config`.

    Attributes:
        model: The network (torch.nn.Module), None before the first fit. `holdfast.record(estimator.model)` traces it.
        result: What the last `fit` reported, None before.
    """

    kind: ClassVar[str]
    """What config.json calls the task."""
    noun: ClassVar[str]
    """What messages call the estimator, such as "language model"."""
    config_type: ClassVar[type[TaskConfig]]
    model: Network | None = None
    result: TrainResult | None = None

    def __init__(self, config: Config | None = None, *, device: Any = "cpu", **fields: Any):
        defaults: Any = config or self.config_type()  # of the type that the task names as Config
        try:
            self.config: Config = replace(defaults, **fields)
        except TypeError as error:
            raise ConfigError(f"{type(self).__name__}: {error}.") from error
        self.device = torch.device(device)

    @property
    def layers(self) -> list[Layer]:
        """The layer list of the network, as config.json holds it."""
        return self._network().layers

    def save_pretrained(self, folder: Folder) -> None:
        """Write config.json, model.safetensors and the task's own files into `folder`; other files there stay."""
        network = self._network()
        config = {"kind": self.kind, "task": self.config.to_dict()}
        files = {name: json.dumps(fields, ensure_ascii=False) for name, fields in self._facts().items()}
        save_model(folder, network.layers, network.modules_by_name, config, files)

    @classmethod
    def from_pretrained(cls: type[Self], folder: Folder, device: Any = "cpu") -> Self:
        """Load a model that `save_pretrained` or `fit(folder=...)` wrote.

        Raises:
            CheckpointError: a file is missing or broken, or they do not fit together.
        """
        fields, layers, modules = load_model(folder, device)
        where = str(Path(folder) / CONFIG_FILE)
        if fields.get("kind") != cls.kind:
            raise CheckpointError(f"{where} is of kind {fields.get('kind')!r}, not a {cls.noun}.")
        try:
            config = cls.config_type.from_dict(fields.get("task"), where)
        except HoldfastError as error:
            raise CheckpointError(str(error)) from error
        estimator = cls(config, device=device)
        estimator._restore(Path(folder), layers, modules)
        estimator._network().to(estimator.device).eval()
        return estimator

    def losses_of(self, batch: Any) -> tuple[torch.Tensor, Any]:
        """Return the losses [B] that `holdfast.gradient_flow` follows back, with their graph, and each row's steps.

        Args:
            batch: What `evaluate` takes.

        Returns:
            One loss a row: of a sequence of answers that of the last one alone. Lengths [B] where the network is not
            told them itself, else None.
        """
        raise NotImplementedError

    def _facts(self) -> dict[str, Any]:
        """Return what the network does not hold, as JSON by file name."""
        return {}

    def _restore(self, folder: Path, layers: list[Layer], modules: nn.ModuleDict) -> None:
        """Set `model`, and what `_facts` wrote.

        Raises:
            CheckpointError: the files do not fit together.
        """
        raise NotImplementedError

    def _network(self) -> Network:
        if self.model is None:
            raise ConfigError(f"This {self.noun} is not trained yet. Call fit first, or load one with from_pretrained.")
        return self.model

    def _train(
        self: Self, task: Task, folder: Folder | None, quiet: bool, settings: TrainSettings | None = None
    ) -> Self:
        """Train with the config's settings, or those given; in `folder` the best model so far lies at all times."""
        watchers = []
        if folder is not None:
            folder = Path(folder)
            self._check_same_model(folder)
            if not (folder / CONFIG_FILE).exists():
                self.save_pretrained(folder)  # so that a run that is killed leaves a folder that loads
            watchers.append(_KeepBest(self, folder))
        config: Any = self.config
        self.result = train(task, settings or config.train, folder, quiet=quiet, callbacks=watchers)
        self._network().eval()
        if folder is not None:
            self.save_pretrained(folder)
        return self

    def _check_same_model(self, folder: Path) -> None:
        """Refuse a folder that holds another model: a run would go on from the wrong place."""
        if not (folder / CONFIG_FILE).exists():
            return
        facts = self._facts()
        same = read_config(folder)[1] == self._network().layers
        if not same or any(
            read_facts(folder / name, self.noun) != json.loads(json.dumps(facts[name])) for name in facts
        ):
            raise ConfigError(
                f"{folder} holds a {self.noun} with other layers or made from other data. Choose another folder."
            )


class _KeepBest(Callback):
    """Saves the model at each evaluation that is better than those before it."""

    def __init__(self, estimator: AbstractEstimator, folder: Path):
        self.estimator, self.folder = estimator, folder

    def on_evaluate(self, record: dict[str, Any]) -> None:
        if record["validation"]["loss"] == record["best"]:
            self.estimator.save_pretrained(self.folder)


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Switch dropout and gradients off inside the block, and put the mode back afterwards."""
    training = network.training
    network.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        network.train(training)


def read_facts(path: Path, noun: str) -> Any:
    """Read one of the JSON files beside a saved network.

    Raises:
        CheckpointError: it is missing or is no JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise CheckpointError(f"{path} is missing: the folder is no whole {noun}.") from error
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} cannot be read as JSON: {error}") from error
