"""The game as one HTML file that works offline, trained players and all."""

from __future__ import annotations

import json
from pathlib import Path

from holdfast.studio.onepage import STATIC, one_page


def game_page() -> str:
    """Return the game as the text of one HTML file.

    Example:
        >>> game_page().startswith("<!doctype html>")
        True
    """
    players = json.loads((STATIC / "game" / "players.json").read_text(encoding="utf-8"))
    return one_page(STATIC / "game.html", {"game-players": players})


def write_game(path: str | Path) -> None:
    """Write the game to a file, to be opened in any browser."""
    Path(path).write_text(game_page(), encoding="utf-8")
