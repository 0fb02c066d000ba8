"""A bare recurrent layer that is looked at: numbers in, gates and states to see."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from holdfast.nn.base import AbstractRecurrent
from holdfast.nn.build import load_layer
from holdfast.studio.kind import AbstractKind
from holdfast.studio.run import Reading
from holdfast.studio.series import columns_of, numbers_of, table_of


class LayerKind(AbstractKind):
    """Reads a series with as many columns as the layer has inputs."""

    @classmethod
    def load(cls, folder: Path) -> LayerKind:
        return cls(load_layer(AbstractRecurrent, folder, "cpu"))

    @property
    def network(self) -> torch.nn.Module:
        return self.estimator

    def read(self, text: str | None, table: Any) -> Reading:
        frame = table_of(text) if text is not None else table
        columns = columns_of(frame, self.estimator.input_size, None, ("time",))
        values = numbers_of(frame, columns)
        labels = [str(label) for label in (frame["time"] if "time" in frame.columns else range(len(frame)))]
        x = torch.as_tensor(values, dtype=self.estimator.dtype)[:, None]
        return Reading(labels, [], [], x.transpose(0, 1) if self.estimator.batch_first else x, None, (columns, values))

    def forward(self, reading: Reading) -> Any:
        return self.estimator(reading.batch)[0]
