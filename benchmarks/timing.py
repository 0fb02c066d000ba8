"""Time contestants in turns, each undisturbed by the threads of the one before it."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass

from benchmarks.problem import Contestant

WARM_BELOW_SECONDS = 0.05


@dataclass(frozen=True)
class Timing:
    """Milliseconds a call: the median and the best of the rounds, and how many calls a round averages."""

    median_ms: float
    best_ms: float
    repeats: int


def measure(contestants: list[Contestant], seconds: float, rounds: int) -> list[Timing]:
    """Run everybody once a round, in turns; a slow phase of the machine then falls on all.

    Args:
        seconds: Clock time to spend on all of them together, about; each runs at least once a round.
    """
    share = seconds / (rounds * max(1, len(contestants)))
    first = [first_call(contestant) for contestant in contestants]
    repeats = [max(1, round(share / once)) for once in first]
    times: list[list[float]] = [[] for _ in contestants]
    for _ in range(rounds):
        for k, contestant in enumerate(contestants):
            settle()
            if first[k] < WARM_BELOW_SECONDS:  # wakes its threads and brings its memory back; longer calls hide that
                timed_call(contestant)
            total = sum(timed_call(contestant) for _ in range(repeats[k]))
            times[k].append(total / repeats[k] * 1e3)
    columns = zip(times, repeats, strict=True)
    return [Timing(statistics.median(column), min(column), count) for column, count in columns]


def first_call(contestant: Contestant) -> float:
    """Return about how many seconds a call takes, after one that may compile."""
    timed_call(contestant)
    return max(timed_call(contestant), 1e-7)


def timed_call(contestant: Contestant) -> float:
    contestant.touch()
    start = time.perf_counter()
    contestant.call()
    return time.perf_counter() - start


def settle(nap_seconds: float = 0.002, limit_seconds: float = 2.0) -> float:
    """Wait until no thread of this process runs any more, and return how long that took.

    OpenMP's threads and ONNX Runtime's spin for a while after a call in case another follows. On as many processors as
    there are threads they would take time from whoever runs next, so that the order of turns would decide.
    """
    start = time.perf_counter()
    while (waited := time.perf_counter() - start) < limit_seconds:
        before = time.process_time()  # of all threads
        time.sleep(nap_seconds)
        if time.process_time() - before < nap_seconds / 10:
            break
    return waited
