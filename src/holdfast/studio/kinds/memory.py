"""A network of a memory problem that is looked at: a sequence in, its answer out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from holdfast.studio.kind import AbstractKind
from holdfast.studio.run import Reading, Run
from holdfast.studio.series import columns_of, numbers_of, table_of
from holdfast.tasks.estimator import evaluating
from holdfast.tasks.memory.problems import KINDS
from holdfast.tasks.memory.task import Memory


class MemoryKind(AbstractKind):
    """Reads the sequence of a problem, a row a step."""

    @classmethod
    def load(cls, folder: Path) -> MemoryKind:
        return cls(Memory.from_pretrained(folder))

    def read(self, text: str | None, table: Any) -> Reading:
        frame = table_of(text) if text is not None else table
        columns = columns_of(frame, KINDS[self.estimator.config.task].features, None, ("time",))
        values = numbers_of(frame, columns)
        labels = [str(label) for label in (frame["time"] if "time" in frame.columns else range(len(frame)))]
        batch = torch.as_tensor(values, dtype=torch.float32)[:, None]
        return Reading(labels, [], [], batch, None, (columns, values))

    def forward(self, reading: Reading) -> Any:
        """Return the outputs [T, 1, C]: at each step what would be answered if the sequence ended there."""
        layers: Any = self.network.modules_by_name
        with evaluating(self.network):
            return layers["output"](layers["recurrent"](reading.batch)[0]).double()

    def top(self, run: Run, t: int, k: int) -> list[tuple[str, float]]:
        if KINDS[self.estimator.config.task].answer == "number":
            return []
        p = run.outputs[t, 0].softmax(-1)
        return [(str(int(n)), float(p[n])) for n in p.topk(min(k, len(p))).indices]

    def answer(self, run: Run) -> dict[str, Any]:
        if KINDS[self.estimator.config.task].answer == "number":
            return {"number": float(run.outputs[-1, 0, 0])}
        return {"classes": self.top(run, len(run) - 1, 8)}
