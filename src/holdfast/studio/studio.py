"""What one running Studio holds: the models that are looked at, the traces that are kept, and whose turn it is."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from holdfast.errors import HoldfastError
from holdfast.studio.problem import Problem
from holdfast.studio.subject import BrokenSubject, Subject, open_subject, shipped, slug
from holdfast.studio.traces import TraceStore

TEXT = (
    "I grew up in France. The soup was cold. I read the same book three times that year. We took the night train to "
    "Thailand. That is why I speak fluent"
)
"""What the page shows first: a held-out document of the long-memory demo, 26 words from the country to its language."""
KEY = "France"
ALTERNATIVES = ("Germany", "Poland", "Turkey", "Greece", "Finland", "Brazil")
"""Countries that can take the place of the key word; the text visits none of them."""


class Studio:
    """The models and traces of one server. Models run one at a time, under `turn`."""

    def __init__(self, subjects: Sequence[Subject | BrokenSubject]):
        self.subjects = {subject.id: subject for subject in subjects}
        self.traces = TraceStore()
        self.turn = threading.Lock()

    @classmethod
    def open(cls, folders: Sequence[str | Path] = ()) -> Studio:
        """Open saved models, or those that come with the package where none are named; nothing is loaded yet."""
        if not folders:
            return cls(shipped())
        subjects: list[Subject | BrokenSubject] = []
        for folder in folders:
            name = Path(folder).resolve().name or str(folder)
            free = _free_id(slug(name), {subject.id for subject in subjects})
            try:
                subjects.append(open_subject(folder, free))
            except HoldfastError as error:
                subjects.append(BrokenSubject(free, name, str(error)))
        return cls(subjects)

    @property
    def errors(self) -> list[str]:
        """What is wrong with the models that cannot be opened."""
        return [subject.error for subject in self.subjects.values() if isinstance(subject, BrokenSubject)]

    def subject(self, id: Any) -> Subject:
        """Return a model by its id.

        Raises:
            Problem: there is no such model, or it is broken.
        """
        subject = self.subjects.get(id) if isinstance(id, str) else None
        if subject is None:
            known = ", ".join(self.subjects) or "none"
            raise Problem(404, f"There is no model {id!r}.", f"The models of this Studio are {known}.")
        if isinstance(subject, BrokenSubject):
            raise Problem(422, subject.error, "Save the model again, then start the Studio anew.")
        return subject

    def models(self) -> dict[str, Any]:
        """Return what the page starts from."""
        models = [subject.to_dict() for subject in self.subjects.values()]
        return {"models": models, "text": TEXT, "key": KEY, "alternatives": list(ALTERNATIVES)}

    def warm(self) -> None:
        """Load the first model that can be loaded, so that the first trace need not wait for torch."""
        with self.turn:
            for subject in self.subjects.values():
                if isinstance(subject, Subject):
                    try:
                        _ = subject.kind
                    except HoldfastError:
                        continue  # the page is told when it asks for a trace
                    return


def _free_id(wanted: str, taken: set[str]) -> str:
    number, free = 1, wanted
    while free in taken:
        number += 1
        free = f"{wanted}-{number}"
    return free
