"""log.jsonl: one JSON object a line, for updates and for evaluations."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

LOG_FILE = "log.jsonl"


class RunLog:
    """Appends lines to a run's log. A run that resumes cuts off what was written after its checkpoint.

    Args:
        folder: The run's folder, made if need be. None writes nothing.
        length: Bytes of the log to keep.
    """

    def __init__(self, folder: Path | None, length: int = 0):
        self._file = None
        if folder is None:
            return
        folder.mkdir(parents=True, exist_ok=True)
        self._file = (folder / LOG_FILE).open("ab")
        self._file.truncate(min(length, self._file.tell()))

    def write(self, record: dict[str, Any]) -> None:
        if self._file is not None:
            self._file.write(json.dumps(record).encode() + b"\n")
            self._file.flush()

    def settle(self) -> int:
        """Put every line on the disk, and return the log's length in bytes."""
        if self._file is None:
            return 0
        os.fsync(self._file.fileno())
        return self._file.seek(0, os.SEEK_END)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
