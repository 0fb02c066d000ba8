"""The process that trains for the Gradient view: settings come by standard input, events go out as JSON lines.

It ends when its work or its time is over, and at once when standard input closes: it does not outlive the server.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from typing import Any

INTERVAL = 0.1
"""Seconds between two events at least."""
NICE = 10
"""How far below the server's priority."""


def main() -> None:
    """Read {"settings", "seconds"} from the first line of standard input, train, and report until done."""
    order = json.loads(sys.stdin.readline())
    threading.Thread(target=_leave_with_the_server, daemon=True).start()
    import torch

    from holdfast.studio.gradient_settings import GradientSettings
    from holdfast.studio.gradient_training import Training

    os.nice(NICE)  # only now: loading torch should not take longer than it must
    torch.set_num_threads(1)
    until = time.monotonic() + order["seconds"]
    training = Training(GradientSettings.from_dict(order["settings"]))
    told = float("-inf")
    while True:
        late = time.monotonic() >= until
        if training.done or late or time.monotonic() >= told + INTERVAL:
            told = time.monotonic()
            _tell(training.event() | ({"done": True, "stopped": "time"} if late and not training.done else {}))
        if training.done or late:
            os._exit(0)  # what was told is flushed, and the thread that waits for the server need not be waited for
        training.step()


def _tell(event: dict[str, Any]) -> None:
    try:
        sys.stdout.write(json.dumps(event, ensure_ascii=False, allow_nan=False) + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        os._exit(0)  # nobody listens any more


def _leave_with_the_server() -> None:
    """Wait until standard input ends, as it does when the server closes it or dies, and end the process."""
    while os.read(0, 1):
        pass
    os._exit(0)


if __name__ == "__main__":
    main()
