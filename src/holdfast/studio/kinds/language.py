"""A language model that is looked at: texts in, next words out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from holdfast.studio.kind import AbstractKind
from holdfast.studio.run import Reading, Run
from holdfast.tasks.estimator import evaluating
from holdfast.tasks.language.task import LanguageModel

WHOLE = ("words", "tokens")
MOST_AT_ONCE = 100_000
"""Steps that are read in one call to compare texts, padding included; a longer text is read alone."""


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

    def top(self, run: Run, t: int, k: int) -> list[tuple[str, float]]:
        with torch.no_grad():
            return self._likeliest(run.outputs[t], k)

    def _likeliest(self, features: torch.Tensor, k: int) -> list[tuple[str, float]]:
        tokenizer = self.estimator.tokenizer
        p = self.estimator.model.modules_by_name["output"](features).double().softmax(-1)
        order = [int(n) for n in p.topk(min(k + 1, len(p))).indices if int(n) != tokenizer.unknown]
        return [(tokenizer.token(n), float(p[n])) for n in order[:k]]

    def answer(self, run: Run) -> dict[str, Any]:
        return {"next": self.top(run, len(run) - 1, 8)}

    def chances(self, texts: Sequence[str], target: str) -> NDArray[np.float64] | None:
        """Return how likely each of several texts is followed by a word: the product over the word's tokens.

        None where the vocabulary does not hold the word.
        """
        tokenizer = self.estimator.tokenizer
        pairs = [self.joined(text, target) for text in texts]
        wanted = tokenizer.encode(pairs[0][1])
        if not len(wanted) or (tokenizer.unknown is not None and (wanted == tokenizer.unknown).any()):
            return None
        rows = [np.concatenate([tokenizer.encode(text), wanted]) for text, _ in pairs]
        at_once = max(1, MOST_AT_ONCE // max(map(len, rows)))
        parts = [self._chances(rows[start : start + at_once], wanted) for start in range(0, len(rows), at_once)]
        return np.concatenate(parts)

    def joined(self, text: str, word: str) -> tuple[str, str]:
        """Return a text and a word as they are read one after the other: a space parts them, which comes once."""
        if self.estimator.tokenizer.units in WHOLE:
            return text, word
        return text.rstrip(" "), f" {word}"

    def _chances(self, rows: Sequence[NDArray[np.int64]], wanted: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return how likely the ids `wanted` are, with which each of the rows ends."""
        lengths = torch.tensor([len(row) for row in rows])
        ids = torch.zeros(int(lengths.max()), len(rows), dtype=torch.long)
        for number, row in enumerate(rows):
            ids[: len(row), number] = torch.as_tensor(row)
        logs = torch.zeros(len(rows), dtype=torch.float64)
        with evaluating(self.network):
            features = self.estimator.model.hidden(ids[:-1])[0]
            for back in range(len(wanted), 0, -1):
                before = features[lengths - 1 - back, torch.arange(len(rows))]
                logits = self.estimator.model.modules_by_name["output"](before)
                logs += logits.double().log_softmax(-1)[:, int(wanted[-back])]
        return logs.exp().numpy()

    def next_tokens(self, text: str, k: int) -> list[tuple[str, float]]:
        """Return the likeliest next tokens after a text, read in one call, so that forced gates fall where they are."""
        tokenizer = self.estimator.tokenizer
        with evaluating(self.network):
            features = self.estimator.model.hidden(torch.as_tensor(tokenizer.encode(text))[:, None])[0]
            return self._likeliest(features[-1, 0], k)

    def unknown_words(self, text: str) -> list[str]:
        """Return what the vocabulary does not hold, each once, in order."""
        reading = self.read(text, None)
        return list(dict.fromkeys(reading.labels[t] for t in reading.unknown))
