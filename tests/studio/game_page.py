"""The game's page in a real browser, and players of it that know only keys."""

from __future__ import annotations

import functools
import http.server
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from holdfast.studio.game.levels import Level

STATIC = Path(__file__).resolve().parents[2] / "src" / "holdfast" / "studio" / "static"
GATE_KEYS = "fio"


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing of each request."""


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder on a free port of this machine."""
    server = Server(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def press_gates(page: Any, gates: tuple[float, ...], before: tuple[float, ...] = ()) -> None:
    """Set the open cell's three gates to 0 or 1 by keys, those that are not so already."""
    for gate, value in enumerate(gates):
        if not before or before[gate] != value:
            page.keyboard.press(GATE_KEYS[gate])
            page.keyboard.press("1" if value == 1 else "0")


def play_by_hand(page: Any, gates_of_cards: list[list[tuple[float, ...]]]) -> None:
    """Play a stream card by card: set what differs from the card before, go through the cells by Tab, Enter."""
    before: list[tuple[float, ...]] = [()] * len(gates_of_cards[0])
    for cells in gates_of_cards:
        if cells != before:
            for number, gates in enumerate(cells):
                if number:
                    page.keyboard.press("Tab")
                press_gates(page, gates, before[number])
            for _ in cells[1:]:
                page.keyboard.press("Shift+Tab")
        page.keyboard.press("Enter")
        before = cells


def write_rule(page: Any, level: Level) -> None:
    """Fill the rule table by keys, line by line, and run it."""
    if level.biases:
        for key, bias in zip(GATE_KEYS, level.biases, strict=True):
            page.keyboard.press(key)
            page.keyboard.press("0")
            for _ in range(abs(int(bias)) // 3):
                page.keyboard.press("ArrowUp" if bias > 0 else "ArrowDown")
        page.keyboard.press("Enter")
        return
    lines = []
    for row in range(len(level.rows)):
        gates = level.rule[row]
        split = isinstance(gates[0][0], tuple)
        lines += [(True, gates[0]), (False, gates[1])] if split else [(False, gates)]
    for number, (splits, cells) in enumerate(lines):
        if number:
            page.keyboard.press("ArrowRight")
        if splits:
            page.keyboard.press("s")
        for cell, gates in enumerate(cells):
            if cell:
                page.keyboard.press("Tab")
            press_gates(page, gates)
        for _ in cells[1:]:
            page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
