"""A language model that is looked at: texts in, next words out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from holdfast.studio.kind import AbstractKind
from holdfast.studio.run import Reading, Run
from holdfast.tasks.estimator import evaluating
from holdfast.tasks.language.decode import next_words
from holdfast.tasks.language.task import LanguageModel

WHOLE = ("words", "tokens")


class LanguageKind(AbstractKind):
    """Reads a text token by token; after each it knows how likely each next token is."""

    @classmethod
    def load(cls, folder: Path) -> LanguageKind:
        return cls(LanguageModel.from_pretrained(folder))

    def read(self, text: str | None, table: Any) -> Reading:
        tokenizer, text = self.estimator.tokenizer, text or ""
        ids, spans = tokenizer.encode(text), tokenizer.spans(text)
        unknown = [] if tokenizer.unknown is None else [int(t) for t in (ids == tokenizer.unknown).nonzero()[0]]
        labels = [text[start:end] for start, end in spans]
        return Reading(labels, spans, unknown, torch.as_tensor(ids)[:, None], text)

    def forward(self, reading: Reading) -> Any:
        with evaluating(self.network):
            return self.estimator.model.hidden(reading.batch)[0][:, 0]

    def probabilities(self, run: Run, t: int) -> torch.Tensor:
        """Return the chance [V] of each token after step t, `<unk>` included."""
        with torch.no_grad():
            return self.estimator.model.modules_by_name["output"](run.outputs[t]).double().softmax(-1)

    def top(self, run: Run, t: int, k: int) -> list[tuple[str, float]]:
        tokenizer, p = self.estimator.tokenizer, self.probabilities(run, t)
        order = [int(n) for n in p.topk(min(k + 1, len(p))).indices if int(n) != tokenizer.unknown]
        return [(tokenizer.token(n), float(p[n])) for n in order[:k]]

    def answer(self, run: Run) -> dict[str, Any]:
        return {"next": self.top(run, len(run) - 1, 8)}

    def target_id(self, target: str) -> int | None:
        """Return the id of the token that a word begins with, None where the model does not know it."""
        tokenizer = self.estimator.tokenizer
        text = f" {target}" if tokenizer.units == "bpe" else target
        ids = tokenizer.encode(text)
        known = len(ids) > 0 and (tokenizer.unknown is None or ids[0] != tokenizer.unknown)
        return int(ids[0]) if known else None

    def words(self, run: Run, k: int) -> list[tuple[str, float]]:
        """Return the likeliest next words; those of models that read parts of words are searched for."""
        tokenizer = self.estimator.tokenizer
        if tokenizer.units in WHOLE:
            return self.top(run, len(run) - 1, k)
        with evaluating(self.network):
            text = (run.reading.text or "").rstrip(" ") + ("" if tokenizer.units == "bpe" else " ")
            return next_words(self.estimator.model, tokenizer.encode(text).tolist(), tokenizer, k)
