"""Whether the machine gives its usual speed now: on a shared one a neighbour on the same core can take half of it."""

from __future__ import annotations

import time

import torch

_SIZE, _SECONDS, _NAP = 768, 0.15, 2.0
_USUAL = 0.88  # of the best speed seen; what a quiet machine stays above


class Watch:
    """Knows the machine's best speed so far, in GFLOP/s of torch's own matrix product on the threads it is given."""

    def __init__(self, probes: int = 5):
        self._matrix = torch.ones(_SIZE, _SIZE)
        self.best = 0.0
        for _ in range(probes):
            self.probe()

    def probe(self) -> float:
        """Return the speed now."""
        count, start = 0, time.perf_counter()
        while (seconds := time.perf_counter() - start) < _SECONDS:
            torch.mm(self._matrix, self._matrix)
            count += 1
        speed = 2e-9 * _SIZE**3 * count / seconds
        self.best = max(self.best, speed)
        return speed

    def is_quiet(self) -> bool:
        return self.probe() >= _USUAL * self.best

    def wait(self, seconds: float) -> bool:
        """Wait until the machine is quiet, for `seconds` at most; return whether it is."""
        end = time.monotonic() + seconds
        while not self.is_quiet():
            if time.monotonic() >= end:
                return False
            time.sleep(_NAP)
        return True
