"""A file written whole or not at all, open to those whom the umask lets read it."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def whole_file(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Yield a file to write to; it takes the place of `path` once the block ends, and is gone if the block fails.

    Missing folders are made. The file has the rights of any new file, which the umask decides.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = target.with_name(f".{secrets.token_hex(8)}")
    try:
        with fresh.open("xb") as file:
            yield file
        os.replace(fresh, target)
    finally:
        fresh.unlink(missing_ok=True)
