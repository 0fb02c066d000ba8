"""The Gradient view's runs, each a process of its own: begun, watched, and ended when nobody looks any more."""

from __future__ import annotations

import contextlib
import json
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

from holdfast.studio.gradient_settings import GradientSettings

TIME_LIMIT = 60.0
"""Seconds that a run may take."""
GRACE = 10.0
"""Seconds that a run goes on without anyone looking."""
_LATE = 30.0
"""Seconds past its limit after which a process that has not ended by itself is ended."""


class GradientRun:
    """One run: a process, and the last event it told.

    Attributes:
        id: A random name.
        latest: The last event; None before the first.
        count: How many events came.
        ended: No more events will come.
    """

    def __init__(self, settings: GradientSettings, time_limit: float, grace: float):
        self.id, self.settings = secrets.token_hex(16), settings
        self.latest: dict[str, Any] | None = None
        self.count, self.ended, self._stopped = 0, False, ""
        self._lookers, self._alone_since, self._lock = 0, time.monotonic(), threading.Lock()
        self._grace, self._deadline = grace, time.monotonic() + time_limit + _LATE
        command = [sys.executable, "-m", "holdfast.studio.gradient_worker"]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8"
        )
        order = {"settings": settings.to_dict(), "seconds": time_limit}
        with contextlib.suppress(BrokenPipeError):  # a process that died already says why on its standard error
            self._pipe("stdin").write(json.dumps(order) + "\n")
            self._pipe("stdin").flush()
        threading.Thread(target=self._listen, daemon=True).start()
        threading.Thread(target=self._watch, daemon=True).start()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    @contextlib.contextmanager
    def looked_at(self) -> Iterator[None]:
        """Keep the run going while the block lasts, and for the grace after it."""
        with self._lock:
            self._lookers += 1
        try:
            yield
        finally:
            with self._lock:
                self._lookers -= 1
                self._alone_since = time.monotonic()

    def stop(self, why: str = "asked") -> None:
        """End the process, if it runs, and wait until it is gone."""
        if self.running:
            self._stopped = self._stopped or why
            self._process.kill()
        self._process.wait()

    def _listen(self) -> None:
        errors: list[str] = []
        reader = threading.Thread(target=lambda: errors.append(self._pipe("stderr").read()), daemon=True)
        reader.start()
        for line in self._pipe("stdout"):
            if line.endswith("\n"):  # a killed process may leave half a line
                self.latest, self.count = json.loads(line), self.count + 1
        code = self._process.wait()
        reader.join()
        for name in ("stdin", "stdout", "stderr"):
            with contextlib.suppress(BrokenPipeError):
                self._pipe(name).close()
        if not (self.latest or {}).get("done"):
            last = self.latest or {"step": 0}
            self.latest = last | {"done": True, "stopped": self._stopped or "broken"}
            if not self._stopped:
                self.latest["problem"] = _problem(code, "".join(errors))
            self.count += 1
        self.ended = True

    def _watch(self) -> None:
        """End the process when nobody has looked for a while, or when it does not keep its own time limit."""
        while self.running:
            with self._lock:
                alone = self._lookers == 0 and time.monotonic() - self._alone_since > self._grace
            if alone or time.monotonic() > self._deadline:
                self.stop("left" if alone else "time")
            time.sleep(0.1)

    def _pipe(self, name: str) -> Any:
        return getattr(self._process, name)


class GradientRuns:
    """The one run that a session may have; a new one ends the one before.

    Args:
        time_limit: Seconds that a run may take.
        grace: Seconds that a run goes on without anyone looking.
    """

    def __init__(self, time_limit: float = TIME_LIMIT, grace: float = GRACE):
        self._time_limit, self._grace = time_limit, grace
        self._run: GradientRun | None = None
        self._lock = threading.Lock()

    def start(self, settings: GradientSettings) -> GradientRun:
        """Begin a run, ending the present one."""
        with self._lock:
            if self._run is not None:
                self._run.stop("replaced")
            self._run = GradientRun(settings, self._time_limit, self._grace)
            return self._run

    def find(self, id: str) -> GradientRun | None:
        """Return the run of that name, if it is the last one."""
        run = self._run
        return run if run is not None and secrets.compare_digest(run.id.encode(), id.encode()) else None

    def close(self) -> None:
        """End what runs."""
        with self._lock:
            if self._run is not None:
                self._run.stop("closed")


def _problem(code: int, errors: str) -> dict[str, str]:
    lines = errors.strip().splitlines()
    return {
        "title": "The training stopped",
        "detail": lines[-1] if lines else f"Its process ended with code {code}.",
        "hint": "Train again. If it happens again, choose a shorter length or fewer units.",
    }
