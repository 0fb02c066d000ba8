"""Read CoNLL-style files: a word a row, columns cut by blanks or tabs, sentences by empty lines. Needs no torch."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from holdfast.errors import DataError
from holdfast.tasks.files import text_blocks
from holdfast.tasks.tag.config import Reading

_BLANKS = " \t"  # no others: a no-break space may well be part of a word
_INTENT = re.compile(r"#\s*intent\s*[=:]\s*(\S.*?)\s*$", re.IGNORECASE)


@dataclass(frozen=True)
class Sentence:
    """One sentence as it was given.

    Attributes:
        words: the words.
        tags: a tag for each, None where there are none.
        intent: the label of the whole sentence, None where there is none.
        source: the file, or what the data is called, for messages.
        rows: where each word stands there, counted from 1.
    """

    words: tuple[str, ...]
    tags: tuple[str, ...] | None = None
    intent: str | None = None
    source: str = "sentences"
    rows: Sequence[int] = ()

    def place(self, word: int) -> str:
        """Say where a word stands."""
        return f"{self.source}, row {self.rows[word]}" if self.rows else self.source


def read_columns(paths: Iterable[Path], reading: Reading, *, tagged: bool = True) -> list[Sentence]:
    """Return the sentences of files; .gz and .xz are unpacked on the way.

    A line that begins with "#" and does not have the columns of a word is a comment; "# intent = LABEL" names the
    intent of the sentence after it. Lines that begin with -DOCSTART- are left out, and in CoNLL-U the rows of
    multiword tokens and empty words.

    Args:
        tagged: Whether the rows must have a tag.

    Raises:
        DataError: a file is missing, is not UTF-8, has no words, or a row lacks a column.
    """
    return [sentence for path in paths for sentence in _read_file(Path(path), reading, tagged)]


def _read_file(path: Path, reading: Reading, tagged: bool) -> list[Sentence]:
    conllu = ".conllu" in path.suffixes
    word_column = reading.word_column or (2 if conllu else 1)
    tag_column = reading.tag_column or (4 if conllu else -1)
    lines = [line.removesuffix("\r") for line in "".join(text_blocks(path)).split("\n")]
    rows = [(number, cells) for number, cells in _cells(path, lines, conllu) if isinstance(cells, list)]
    if not rows:
        raise DataError(f"{path}: there is no word in it. Give a file with a word and its tag on each row.")
    width = len(rows[0][1])
    sentences: list[Sentence] = []
    words, tags, places, intent = [], [], [], None
    for number, cells in [*_cells(path, lines, conllu), (len(lines) + 1, None)]:
        if isinstance(cells, str):
            intent = cells if cells else intent
        elif cells is None:
            if words:
                found = tuple(tags) if tagged else None
                sentences.append(Sentence(tuple(words), found, intent, str(path), tuple(places)))
                words, tags, places, intent = [], [], [], None
        else:
            if tagged and len(cells) != width:
                raise DataError(
                    f"{path}, row {number}: {len(cells)} columns, where the first row has {width}: "
                    f"{' '.join(cells)!r}. Give each word one row with as many columns, and end each sentence with an "
                    "empty line."
                )
            words.append(_cell(path, number, cells, word_column, "word_column"))
            if tagged:
                tags.append(_cell(path, number, cells, tag_column, "tag_column"))
            places.append(number)
    if tagged and _index(word_column) % width == _index(tag_column) % width:
        raise DataError(
            f"{path}, row {rows[0][0]}: column {word_column} holds both word and tag. The rows need two columns, "
            "or set word_column and tag_column."
        )
    return sentences


def _cells(path: Path, lines: Sequence[str], conllu: bool) -> Iterator[tuple[int, list[str] | str | None]]:
    """Give, with its row from 1, the cells of each word, None for an end of sentence, a text for a comment."""
    width = next((len(_cut(line, conllu)) for line in lines if _is_word(line)), 0)
    for number, line in enumerate(lines, 1):
        cells = _cut(line, conllu) if line.strip(_BLANKS) else []
        if not cells:
            yield number, None
        elif line.startswith("#") and (conllu or len(cells) != width):
            intent = _INTENT.match(line)
            yield number, intent[1] if intent else ""
        elif conllu and len(cells) != 10:
            raise DataError(
                f"{path}, row {number}: CoNLL-U has 10 columns cut by tabs, here are {len(cells)}: {line[:60]!r}. "
                "Give each word one such row."
            )
        elif not (conllu and re.search(r"[-.]", cells[0])) and cells[0] != "-DOCSTART-":
            yield number, cells


def _is_word(line: str) -> bool:
    return bool(line.strip(_BLANKS)) and not line.startswith(("#", "-DOCSTART-"))


def _cut(line: str, conllu: bool) -> list[str]:
    """Return a row's cells, cut by tabs where it has any (words may hold blanks then), else by blanks."""
    if conllu:
        return line.split("\t")
    line = line.rstrip(_BLANKS)
    return [cell.strip(" ") for cell in line.split("\t")] if "\t" in line else re.split(" +", line.lstrip(" "))


def _index(column: int) -> int:
    """Return where a column counted from 1, or from the end, lies in a list."""
    return column - 1 if column > 0 else column


def _cell(path: Path, number: int, cells: list[str], column: int, name: str) -> str:
    index = _index(column)
    if not -len(cells) <= index < len(cells) or not cells[index].strip():
        raise DataError(
            f"{path}, row {number}: there is no column {column} in {' '.join(cells)!r}. Fill it in, or set {name}."
        )
    return cells[index]
