"""Waiting for what a page shows. Playwright's own wait_for_function needs eval, which the page's policy forbids."""

from __future__ import annotations

import time


def wait_until(page, expression: str, seconds: float = 15):
    """Return the first true value of a JavaScript expression."""
    ends = time.monotonic() + seconds
    while True:
        value = page.evaluate(expression)
        if value:
            return value
        assert time.monotonic() < ends, f"not true within {seconds} s: {expression}"
        page.wait_for_timeout(20)
