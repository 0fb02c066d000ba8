"""Read files as UTF-8 text, block by block, and say which line and byte is in the way. Needs no torch."""

from __future__ import annotations

import codecs
import gzip
import itertools
import lzma
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from holdfast.errors import DataError

BLOCK_BYTES = 1 << 20

_OPENERS = {".gz": gzip.open, ".xz": lzma.open}


def text_blocks(path: Path) -> Iterator[str]:
    """Yield a UTF-8 file in blocks of text, without its byte-order mark; .gz and .xz are unpacked on the way.

    Raises:
        DataError: the file is missing, cannot be read or unpacked, is empty, or is not UTF-8.
    """
    decoder = codecs.getincrementaldecoder("utf-8-sig")()
    position, line, count = 0, 1, 0
    try:
        with _open(path) as file:
            for data in itertools.chain(iter(lambda: file.read(BLOCK_BYTES), b""), [b""]):
                kept = len(decoder.getstate()[0])  # bytes of an unfinished character, which the error's place counts in
                try:
                    block = decoder.decode(data, final=not data)
                except UnicodeDecodeError as error:
                    raise _bad_utf8(path, error, position - kept, line) from error
                position += len(data)
                line += block.count("\n")
                count += len(block)
                if block:
                    yield block
    except FileNotFoundError as error:
        raise DataError(f"{path}: there is no such file. Check the name.") from error
    except (OSError, EOFError, lzma.LZMAError, zlib.error) as error:
        kind = f"is not a whole {path.suffix} file" if path.suffix in _OPENERS else "cannot be read"
        raise DataError(f"{path}: {kind}: {error}. Check the file, or fetch it again.") from error
    if not count:
        raise DataError(f"{path}: the file is empty. Leave it out or give one with text.")


def _open(path: Path) -> IO[bytes]:
    return _OPENERS.get(path.suffix, open)(path, "rb")  # type: ignore[return-value, operator]


def _bad_utf8(path: Path, error: UnicodeDecodeError, position: int, line: int) -> DataError:
    place = position + error.start
    row = line + error.object[: error.start].count(b"\n")
    return DataError(
        f"{path}, line {row}: byte {place} (0x{error.object[error.start]:02x}) is not UTF-8. "
        "Save the file as UTF-8, for example with: iconv -f latin1 -t utf-8 FILE."
    )
