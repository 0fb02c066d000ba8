"""A tagger that is looked at: a sentence in, a tag for each word out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from holdfast.errors import DataError
from holdfast.studio.kind import AbstractKind
from holdfast.studio.run import Reading, Run
from holdfast.tasks.tag.data import UNKNOWN
from holdfast.tasks.tag.task import Tagger
from holdfast.tasks.text import WordTokenizer


class TagKind(AbstractKind):
    """Reads a sentence word by word, both ways; words and signs are cut as texts are."""

    @classmethod
    def load(cls, folder: Path) -> TagKind:
        return cls(Tagger.from_pretrained(folder))

    def read(self, text: str | None, table: Any) -> Reading:
        text = text or ""
        spans = [(start, end) for start, end in WordTokenizer([]).spans(text) if not text[start:end].isspace()]
        words = [text[start:end] for start, end in spans]
        if not words:
            raise DataError("There is no word in this text. Type a sentence.")
        unknown = [t for t, word in enumerate(words) if self.estimator.vocabulary.word_id(word) == UNKNOWN]
        return Reading(words, spans, unknown, words, text)

    def forward(self, reading: Reading) -> Any:
        return self.estimator.find([reading.batch], proba=True)[0]

    def top(self, run: Run, t: int, k: int) -> list[tuple[str, float]]:
        row = run.outputs.proba[t]
        return [(self.estimator.vocabulary.tags[n], float(row[n])) for n in (-row).argsort(kind="stable")[:k]]

    def answer(self, run: Run) -> dict[str, Any]:
        found = run.outputs
        return {"tags": found.tags} | ({} if found.intent is None else {"intent": found.intent})
