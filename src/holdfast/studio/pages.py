"""The page's own files: those of one folder, by plain names, with their kinds; nothing is listed, no link followed."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from holdfast.studio.problem import Problem

STATIC = Path(__file__).resolve().parent / "static"
KINDS = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".txt": "text/plain; charset=utf-8",
}
_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,99}(?:/[A-Za-z0-9_-][A-Za-z0-9_.-]{0,99}){0,3}")


def page_file(name: str, folder: Path = STATIC) -> tuple[bytes, str, str]:
    """Return a file's bytes, its kind, and a tag that changes with its content.

    Raises:
        Problem: there is no such file, whatever stands in its way.
    """
    kind = KINDS.get(Path(name).suffix)
    if kind is None or not _NAME.fullmatch(name):
        raise Problem(404, "There is no such file.")
    path = folder
    for part in name.split("/"):
        path = path / part
        if path.is_symlink():
            raise Problem(404, "There is no such file.")
    if not path.is_file():
        raise Problem(404, "There is no such file.")
    content = path.read_bytes()
    return content, kind, f'"{hashlib.sha256(content).hexdigest()[:32]}"'
