"""A model that is looked at: a saved folder of any task, what it reads, and what it does with it.

`open_subject` opens a folder without loading the weights; they are loaded when first asked for.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from holdfast.errors import CheckpointError, ConfigError, DataError
from holdfast.studio.description import READS, Description, describe
from holdfast.studio.examples import example_for
from holdfast.studio.limits import MOST_STEPS
from holdfast.studio.run import Reading, Run

if TYPE_CHECKING:
    from torch import nn

    from holdfast.studio.kind import AbstractKind

MODELS = Path(__file__).resolve().parent / "models"
SHIPPED = ("lstm", "gru", "rnn")
NAMES = {"lstm": "LSTM", "gru": "GRU", "rnn": "RNN"}
KINDS = (*READS, "layer")


class Subject:
    """A model that is looked at. Make one with `open_subject`; neither torch nor weights are loaded by that.

    Attributes:
        id: A short name that is unique on the page.
        name: What the page calls it.
        folder: Where it lies.
        description: What its files say of it.
        shipped: Whether it came with the package.
    """

    def __init__(self, folder: Path, description: Description, id: str, name: str, shipped: bool = False):
        self.folder, self.description, self.id, self.name, self.shipped = folder, description, id, name, shipped
        self._kind: AbstractKind | None = None
        self._loading = threading.Lock()

    @property
    def task(self) -> str:
        return self.description.task

    @property
    def reads(self) -> str:
        """The kind of input: "text" or "series"."""
        return self.description.reads

    @property
    def kind(self) -> AbstractKind:
        """What this kind of model reads and answers; the weights are loaded at first use.

        Raises:
            CheckpointError: the folder is broken.
        """
        with self._loading:
            kind = self._kind
            if kind is None:
                module = import_module(f"holdfast.studio.kinds.{self.task}")
                kind = self._kind = getattr(module, f"{self.task.title()}Kind").load(self.folder)
        return kind

    @property
    def estimator(self) -> Any:
        """The task's own object; of a bare layer the module."""
        return self.kind.estimator

    @property
    def network(self) -> nn.Module:
        """The torch module that is recorded."""
        return self.kind.network

    @property
    def recurrent(self) -> list[tuple[str, nn.Module]]:
        """The recurrent modules that read the input's steps, by the names their traces have."""
        names = dict.fromkeys(place.module for place in self.description.places)
        return [(name, self.network.get_submodule(name)) for name in names]

    def read(self, text: str | None = None, table: Any = None, path: str | os.PathLike[str] | None = None) -> Reading:
        """Return an input as this model reads it.

        Args:
            text: A text, or for a model of series the text of a CSV.
            table: A frame or an array, for a model of series.
            path: A file with either.

        Raises:
            DataError: it is empty, too long, or cannot be read.
            ConfigError: not exactly one was given.
        """
        if sum(given is not None for given in (text, table, path)) != 1:
            raise ConfigError("Give exactly one of text, table and path.")
        if path is not None:
            text = _text_of(Path(path))
        if text is not None and not text.strip():
            what = "a few words" if self.reads == "text" else "some rows of numbers"
            raise DataError(f"There is nothing to read: the {self.reads} is empty. Type {what} first.")
        reading = self.kind.read(text, table)
        if not len(reading):
            raise DataError(f"There is nothing to read: this {self.reads} has no steps. Give one or more.")
        if len(reading) > MOST_STEPS:
            raise DataError(
                f"This has {len(reading)} steps, and at most {MOST_STEPS} are traced at once. Give a part of it: at "
                f"most {MOST_STEPS} words or steps, and less than 1 MB."
            )
        return reading

    def run(self, reading: Reading, clamps: Sequence[Any] = ()) -> Run:
        """Run the model over a reading and record every gate and state; evaluation mode, no gradients.

        Args:
            reading: What `read` returned.
            clamps: Gates to force, as `holdfast.inside.clamping.Clamp` says them.
        """
        import torch

        from holdfast.nn.trace import record

        network = self.network
        inputs: dict[str, torch.Tensor] = {}
        hooks = [
            module.register_forward_pre_hook(partial(_note_input, inputs, name)) for name, module in self.recurrent
        ]
        try:
            with torch.no_grad(), clamped(network, clamps), record(network) as trace:
                outputs = self.kind.forward(reading)
        finally:
            for hook in hooks:
                hook.remove()
        return Run(self, reading, trace, outputs, inputs, clamps)

    def to_dict(self) -> dict[str, Any]:
        """Return what the page is told."""
        own = {"id": self.id, "name": self.name, "shipped": self.shipped, "error": None, "example": self.example}
        return {**own, **self.description.to_dict()}

    @property
    def example(self) -> str | None:
        """A first input for this model; None: the page's own text will do."""
        try:
            return example_for(self.folder, self.task, self.description.inputs)
        except (OSError, ValueError, KeyError, TypeError):
            return None  # a broken file is told of when the model is loaded


class BrokenSubject:
    """A folder that holds no model that can be looked at, kept so that the page can say why."""

    shipped = False

    def __init__(self, id: str, name: str, error: str):
        self.id, self.name, self.error = id, name, error

    def to_dict(self) -> dict[str, Any]:
        """Return what the page is told."""
        return {"id": self.id, "name": self.name, "shipped": False, "error": self.error}


def open_subject(folder: str | os.PathLike[str], id: str | None = None) -> Subject:
    """Open a saved model, of any task or a bare layer, without loading its weights yet.

    Raises:
        CheckpointError: the folder is missing or broken, or holds nothing that can be looked into.
    """
    path = Path(folder)
    if not path.is_dir():
        raise CheckpointError(f"{path} is no folder. Name the folder of a saved model, such as holdfast-demo/lstm.")
    description = describe(path)
    if description.task not in KINDS:
        raise CheckpointError(f"{path} holds a model of kind {description.task!r}, which the Studio does not read yet.")
    own = path.resolve().parent == MODELS
    title = NAMES.get(path.name, path.name) if own else path.resolve().name
    return Subject(path, description, id or slug(path.resolve().name), title, own)


def shipped() -> list[Subject]:
    """Return the models that come with the package: an LSTM, a GRU and an RNN of the long-memory demo."""
    return [open_subject(MODELS / name) for name in SHIPPED if (MODELS / name).is_dir()]


def slug(name: str) -> str:
    """Return a name that can stand in an address."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-").lower() or "model"


def _note_input(inputs: dict[str, Any], name: str, _: Any, arguments: tuple[Any, ...]) -> None:
    inputs[name] = arguments[0]


def clamped(network: Any, clamps: Sequence[Any]) -> Any:
    """Return the block inside which gates are forced."""
    from contextlib import nullcontext

    if not clamps:
        return nullcontext()
    from holdfast.inside.clamping import clamp

    return clamp(network, clamps)


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise DataError(f"{path}: there is no such file. Check the name.") from error
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read as UTF-8 text: {error}. Save it as UTF-8.") from error
