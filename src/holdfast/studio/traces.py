"""The traces that are kept: the last few runs, each under a name that cannot be guessed, within a bound on memory."""

from __future__ import annotations

import secrets
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

from holdfast.studio.problem import Problem
from holdfast.studio.run import Run

MOST_KEPT = 8
MOST_VALUES = 64_000_000
"""Of one trace, its alternatives included."""
MOST_VALUES_KEPT = 128_000_000
"""Of all traces together: half a gigabyte of float32."""


@dataclass
class Kept:
    """A trace that is kept: the run, the same text with other words in it, and what was computed from them.

    `source` is the text, or the CSV of a series, as it was given. `computed` holds what is asked for again and again,
    such as orders, by what it was asked with.
    """

    id: str
    run: Run
    alternatives: list[Run]
    values: int
    source: str = ""
    computed: dict[Any, Any] = field(default_factory=dict)

    def version(self, alternative: int | None) -> Run:
        """Return the run itself (None), or one of its alternatives.

        Raises:
            Problem: there is no such alternative.
        """
        if alternative is None:
            return self.run
        if not 0 <= alternative < len(self.alternatives):
            count = len(self.alternatives)
            raise Problem(404, f"This trace has {count} alternatives, and none with the number {alternative}.")
        return self.alternatives[alternative]


class TraceStore:
    """The last traces, the least recently used one dropped first. Safe to use from several threads."""

    def __init__(self, most_kept: int = MOST_KEPT, most_values: int = MOST_VALUES_KEPT):
        self._most_kept, self._most_values = most_kept, most_values
        self._traces: OrderedDict[str, Kept] = OrderedDict()
        self._lock = threading.Lock()

    def keep(self, run: Run, alternatives: list[Run], source: str = "") -> Kept:
        """Keep a run with its alternatives under a new name."""
        values = sum(one.count() for one in (run, *alternatives))
        kept = Kept(secrets.token_hex(16), run, alternatives, values, source)
        with self._lock:
            self._traces[kept.id] = kept
            while len(self._traces) > 1 and (len(self._traces) > self._most_kept or self._total() > self._most_values):
                self._traces.popitem(last=False)
        return kept

    def get(self, id: str) -> Kept:
        """Return a trace, which becomes the most recently used one.

        Raises:
            Problem: it is not kept (any more).
        """
        with self._lock:
            if id not in self._traces:
                hint = f"The last {self._most_kept} traces are kept. Run the text again."
                raise Problem(404, "This trace is not kept any more.", hint, self._most_kept)
            self._traces.move_to_end(id)
            return self._traces[id]

    def __len__(self) -> int:
        return len(self._traces)

    def _total(self) -> int:
        return sum(kept.values for kept in self._traces.values())


def check_room(values: int, steps: int) -> None:
    """Refuse a trace that would hold more than `MOST_VALUES`.

    Raises:
        Problem: it is too large; the limit is in values.
    """
    if values > MOST_VALUES:
        fits = steps * MOST_VALUES // values
        raise Problem(
            413,
            f"This trace would hold {values / 1e6:.0f} million values, and at most {MOST_VALUES / 1e6:.0f} million "
            "are kept.",
            f"Give a text of about {fits} tokens, or fewer alternatives.",
            MOST_VALUES,
        )
