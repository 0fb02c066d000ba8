"""Ctrl-C during training: the first press asks to stop after the update, the second stops at once."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any


@dataclass
class Interrupt:
    """Whether Ctrl-C was pressed."""

    asked: bool = False


@contextmanager
def catch_interrupt(quiet: bool) -> Iterator[Interrupt]:
    """Turn the first Ctrl-C inside the block into a wish; the second does what it did before.

    Signals reach the main thread only, so in any other nothing changes.
    """
    interrupt = Interrupt()
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or before is None:
        yield interrupt
        return

    def first_press(number: int, frame: Any) -> None:
        interrupt.asked = True
        signal.signal(signal.SIGINT, before)
        if not quiet:
            print("\nStopping after this update. Press Ctrl-C again to stop at once.", file=sys.stderr)

    signal.signal(signal.SIGINT, first_press)
    try:
        yield interrupt
    finally:
        signal.signal(signal.SIGINT, before)
