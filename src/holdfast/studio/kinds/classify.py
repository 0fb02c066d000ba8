"""A classifier that is looked at: a text or a series in, the chance of each class out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from holdfast.studio.kind import AbstractKind
from holdfast.studio.run import Reading, Run
from holdfast.studio.series import columns_of, numbers_of, table_of
from holdfast.tasks.classify.decode import stream_probabilities
from holdfast.tasks.classify.task import Classifier
from holdfast.tasks.estimator import evaluating


class ClassifyKind(AbstractKind):
    """Reads one example; one that reads one way alone can say after each step what it holds likeliest by then.

    One that reads both ways, or whose gates were forced, says it after the last step alone.
    """

    @classmethod
    def load(cls, folder: Path) -> ClassifyKind:
        return cls(Classifier.from_pretrained(folder))

    def read(self, text: str | None, table: Any) -> Reading:
        if self.estimator.reader.kind == "text":
            return self._read_text(text or "")
        return self._read_series(table_of(text) if text is not None else table)

    def forward(self, reading: Reading) -> Any:
        inputs = torch.as_tensor(reading.batch)[:, None]
        with evaluating(self.network):
            logits = self.network(inputs, torch.tensor([len(inputs)]))
        return {"whole": logits[0].double().softmax(-1).numpy(), "steps": None}

    def top(self, run: Run, t: int, k: int) -> list[tuple[str, float]]:
        chances = run.outputs["whole"]
        if t < len(run) - 1:
            if self.estimator.config.bidirectional or run.clamps:
                return []
            if run.outputs["steps"] is None:
                run.outputs["steps"] = list(stream_probabilities(self.estimator.model, run.reading.batch))
            chances = run.outputs["steps"][t]
        return [(str(self.estimator.classes_[n]), float(chances[n])) for n in (-chances).argsort(kind="stable")[:k]]

    def answer(self, run: Run) -> dict[str, Any]:
        return {"classes": self.top(run, len(run) - 1, 8)}

    def _read_text(self, text: str) -> Reading:
        reader, settings = self.estimator.reader, self.estimator.config.text
        ids, tokenizer = reader.rows([text])[0], reader.tokenizer
        small = text.lower() if settings.lowercase else text
        # A few letters change their length with their case: then the places are those in the small text.
        spans = tokenizer.spans(small) or [(0, 0)]
        if len(spans) > len(ids):  # what is cut out of a long text is its middle
            spans = spans[: len(ids) - len(ids) // 2] + spans[len(spans) - len(ids) // 2 :]
        shown = text if len(text) == len(small) else small
        unknown = [] if tokenizer.unknown is None else np.flatnonzero(ids == tokenizer.unknown).tolist()
        return Reading([shown[start:end] for start, end in spans], spans, unknown, ids, shown)

    def _read_series(self, frame: Any) -> Reading:
        reader = self.estimator.reader
        own = reader.columns
        others = ("id", "time", "label") if own is None else (own.id, own.time, own.label)
        if others[0] in frame.columns:
            frame = frame[frame[others[0]] == frame[others[0]].iloc[0]]
        columns = columns_of(frame, reader.num_features, reader.features, others)
        values = numbers_of(frame, columns)
        row = reader.rows([values])[0]
        starts = np.arange(len(row)) * reader.join
        times = frame[others[1]].tolist() if others[1] in frame.columns else range(len(frame))
        labels = [str(times[start]) for start in starts]
        return Reading(labels, [], [], row, None, (columns, values[starts]))
