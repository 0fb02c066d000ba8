"""Check sentences, learn their vocabulary, and cut them into batches of like length. Needs no torch."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.errors import CheckpointError, DataError
from holdfast.tasks.batches import LengthBatches
from holdfast.tasks.tag.columns import Sentence, read_columns
from holdfast.tasks.tag.config import Reading
from holdfast.tasks.tag.schemes import CHUNK_SCHEMES, convert_tags, detect_scheme, find_fault

HELD_OUT = 0.1  # share of the sentences kept for validation when none are given
UNKNOWN = 0  # id of unknown words and characters
LONGEST = 32  # characters of a word that are read: of a longer one the first and the last 16
AFFIXES = (-3, -2, 2, 3)  # characters of the beginnings (negative) and endings of a word that have vectors
SHAPES = ("lower", "Capital", "UPPER", "mIxed", "1234", "a1", "...", "other")


def shape_of(word: str) -> int:
    """Return which of SHAPES a word has: how it is capitalised, or that it is a number or a sign."""
    if word.isdigit():
        return 4
    if any(map(str.isdigit, word)):
        return 5
    if not any(map(str.isalpha, word)):
        return 6
    if word.islower():
        return 0
    if word.isupper():
        return 2 if len(word) > 1 else 1
    return 1 if word[0].isupper() and word[1:].islower() else 3 if word.isalpha() else 7


def plain_word(word: str) -> str:
    """Return the form that words are looked up by: lower case, each digit a 0."""
    return re.sub(r"\d", "0", word.lower())


def affixes_of(word: str) -> list[str]:
    """Return the beginnings and endings of a word in the form of `plain_word`: "wal~", "wa~", "~ed", "~ked"."""
    plain = plain_word(word)
    return [f"{plain[:-size]}~" if size < 0 else f"~{plain[-size:]}" for size in AFFIXES]


def pair_up(sentences: Any, tags: Any = None, intents: Any = None, name: str = "sentences") -> list[Sentence]:
    """Make sentences of lists of words with lists of tags, or of pairs (words, tags).

    Raises:
        DataError: words and tags do not fit together; counts sentences from 1.
    """
    sentences = as_list(sentences, name, "sentences")
    if not sentences:
        raise DataError(f"{name}: the list is empty. Give at least one sentence.")
    if tags is None:
        if not all(isinstance(pair, tuple | list) and len(pair) == 2 for pair in sentences):
            raise DataError(f"{name}: give pairs (words, tags), or the tags as a list of their own.")
        sentences, tags = [pair[0] for pair in sentences], [pair[1] for pair in sentences]
    tags = as_list(tags, name, "lists of tags")
    labels = [None] * len(sentences) if intents is None else as_list(intents, name, "intents")
    if len(tags) != len(sentences) or len(labels) != len(sentences):
        raise DataError(
            f"{name}: {len(sentences)} sentences, {len(tags)} lists of tags and {len(labels)} intents. Give as many."
        )
    made = []
    for number, (words, row, label) in enumerate(zip(sentences, tags, labels, strict=True), 1):
        source = f"{name}, sentence {number}"
        words, row = check_texts(words, source, "words"), check_texts(row, source, "tags")
        if len(words) != len(row):
            raise DataError(f"{source}: {len(words)} words but {len(row)} tags. Give each word one tag.")
        if label is not None and (not isinstance(label, str) or not label):
            raise DataError(f"{source}: an intent is a text, got {label!r}.")
        made.append(Sentence(words, row, label, source, range(1, len(words) + 1)))
    return made


def open_sentences(given: Any, reading: Reading, name: str = "sentences") -> list[Sentence]:
    """Return the sentences of a path or list of paths, of pairs (words, tags), or of a tuple of lists.

    The tuple is (sentences, tags) or (sentences, tags, intents); a tuple of tuples that each hold as many words as tags
    is one of pairs.

    Raises:
        DataError: the data is broken; names file or sentence, row and mend.
    """
    if isinstance(given, str | Path):
        given = [given]
    if isinstance(given, list) and given and all(isinstance(path, str | Path) for path in given):
        return read_columns(map(Path, given), reading)
    if isinstance(given, tuple) and len(given) in (2, 3) and not all(map(_is_pair, given)):
        return pair_up(*given, name=name)
    return pair_up(given, name=name)


def _is_pair(given: Any) -> bool:
    """Return whether something is a tuple of words and as many tags."""
    if not isinstance(given, tuple) or len(given) != 2 or not all(isinstance(row, list | tuple) for row in given):
        return False
    return len(given[0]) == len(given[1]) and all(isinstance(text, str) for row in given for text in row)


def hold_out(sentences: list[Sentence], share: float, seed: int) -> tuple[list[Sentence], list[Sentence]]:
    """Draw a share of the sentences, one at least; return the others and those drawn, both in their order.

    Raises:
        DataError: there are fewer than two.
    """
    if len(sentences) < 2:
        raise DataError("Two sentences are the least: one to train on and one to validate. Give more sentences.")
    order = np.random.default_rng(seed).permutation(len(sentences))
    chosen = set(order[: max(1, int(len(sentences) * share))].tolist())
    return [s for n, s in enumerate(sentences) if n not in chosen], [sentences[n] for n in sorted(chosen)]


def as_list(values: Any, name: str, what: str) -> list[Any]:
    """Return a list of what something yields.

    Raises:
        DataError: it yields nothing of its own, as a number or a text does.
    """
    if isinstance(values, str | bytes | Mapping):
        raise DataError(f"{name}: give a list of {what}, got {type(values).__name__}.")
    try:
        return list(values)
    except TypeError as error:
        raise DataError(f"{name}: give a list of {what}, got {type(values).__name__}.") from error


def check_texts(values: Any, source: str, what: str = "words") -> tuple[str, ...]:
    """Return words or tags as a tuple.

    Raises:
        DataError: it is no list of texts, or is empty.
    """
    if isinstance(values, str):
        raise DataError(f"{source}: give a list of {what}, not one text; cut it first, for example with .split().")
    try:
        values = tuple(values)
    except TypeError as error:
        raise DataError(f"{source}: give a list of {what}, got {type(values).__name__}.") from error
    wrong = [value for value in values if not isinstance(value, str) or not value]
    if wrong or not values:
        found = repr(wrong[0]) if wrong else "none"
        raise DataError(f"{source}: {what} must be texts that are not empty, one at least; got {found}.")
    return tuple(map(str, values))  # NumPy's strings become Python's


def check_scheme(sentences: Sequence[Sentence], scheme: str, mend: bool) -> tuple[str, list[Sentence]]:
    """Return the scheme of the tags (found out for "auto"), and the sentences with chunk tags as BIO.

    Raises:
        DataError: a tag is not allowed where it stands, and `mend` is not set.
    """
    if scheme == "auto":
        scheme = detect_scheme(sentence.tags or () for sentence in sentences)
    if scheme not in CHUNK_SCHEMES:
        return scheme, list(sentences)
    checked = []
    for sentence in sentences:
        fault = find_fault(sentence.tags or (), scheme)
        if fault is not None and (not mend or "none of" in fault.reason):
            raise DataError(
                f"{sentence.place(fault.place)}: {fault.reason} (the tags are read as {scheme.upper()}). Mend the row, "
                "or pass mend (--reading.mend) to read it as the start of a chunk."
            )
        checked.append(replace(sentence, tags=tuple(convert_tags(sentence.tags or (), "bio"))))
    return scheme, checked


@dataclass(frozen=True)
class Vocabulary:
    """What ids stand for, and how the tags were written.

    Attributes:
        words: known words in the form of `plain_word`, most frequent first; id 0 is the unknown one, and not listed.
        characters: likewise.
        tags: the tags, in BIO where they mark chunks.
        scheme: how the data writes them.
        intents: labels of whole sentences; empty without.
        affixes: beginnings and endings that several words share, with id 0 as above; empty in models of old.
    """

    words: tuple[str, ...]
    characters: tuple[str, ...]
    tags: tuple[str, ...]
    scheme: str
    intents: tuple[str, ...] = ()
    affixes: tuple[str, ...] = ()
    _word_ids: dict[str, int] = field(init=False, repr=False, compare=False)
    _character_ids: dict[str, int] = field(init=False, repr=False, compare=False)
    _tag_ids: dict[str, int] = field(init=False, repr=False, compare=False)
    _intent_ids: dict[str | None, int] = field(init=False, repr=False, compare=False)
    _affix_ids: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self):
        ids = {
            "_word_ids": {word: n for n, word in enumerate(self.words, 1)},
            "_character_ids": {character: n for n, character in enumerate(self.characters, 1)},
            "_tag_ids": {tag: n for n, tag in enumerate(self.tags)},
            "_intent_ids": {intent: n for n, intent in enumerate(self.intents)},
            "_affix_ids": {affix: n for n, affix in enumerate(self.affixes, 1)},
        }
        for name, table in ids.items():
            object.__setattr__(self, name, table)

    @classmethod
    def learn(cls, sentences: Sequence[Sentence], scheme: str) -> Vocabulary:
        """Take in all that occurs, the most frequent first."""
        words = Counter(plain_word(word) for sentence in sentences for word in sentence.words)
        affixes = Counter(affix for word in words for affix in set(affixes_of(word)))
        shared = tuple(sorted(affix for affix, count in affixes.items() if count > 1))
        characters = Counter(character for sentence in sentences for word in sentence.words for character in word)
        tags = {tag for sentence in sentences for tag in sentence.tags or ()}
        if scheme in CHUNK_SCHEMES:  # an inside tag that happens not to occur may still be wanted
            tags |= {"O"} | {f"I-{tag[2:]}" for tag in tags if tag != "O"}
        intents = sorted({sentence.intent for sentence in sentences if sentence.intent is not None})
        ranked = [tuple(key for key, _ in sorted(c.items(), key=lambda i: (-i[1], i[0]))) for c in (words, characters)]
        return cls(ranked[0], ranked[1], tuple(sorted(tags)), scheme, tuple(intents), shared)

    @property
    def chunked(self) -> bool:
        return self.scheme in CHUNK_SCHEMES

    def word_id(self, word: str) -> int:
        return self._word_ids.get(plain_word(word), UNKNOWN)

    def character_ids(self, word: str) -> list[int]:
        cut = word if len(word) <= LONGEST else word[: LONGEST // 2] + word[-(LONGEST // 2) :]
        return [self._character_ids.get(character, UNKNOWN) for character in cut]

    def affix_ids(self, word: str) -> list[int]:
        """Return the ids of a word's affixes, one for each of AFFIXES."""
        return [self._affix_ids.get(affix, UNKNOWN) for affix in affixes_of(word)]

    def tag_id(self, tag: str) -> int:
        """Return a tag's id, -1 for one that was never seen."""
        return self._tag_ids.get(tag, -1)

    def intent_id(self, intent: str | None) -> int:
        return self._intent_ids.get(intent, -1)

    def to_dict(self) -> dict[str, Any]:
        names = ("words", "characters", "tags", "scheme", "intents", "affixes")
        return {n: v if isinstance(v := getattr(self, n), str) else list(v) for n in names}

    @classmethod
    def from_dict(cls, fields: Any, where: str) -> Vocabulary:
        """Undo `to_dict`.

        Raises:
            CheckpointError: a list is missing, or is no list of different texts.
        """
        if not isinstance(fields, Mapping) or fields.get("scheme") not in ("plain", *CHUNK_SCHEMES):
            raise CheckpointError(f"{where} holds no vocabulary of a tagger.")
        lists = {}
        for name in ("words", "characters", "tags", "intents", "affixes"):
            values = fields.get(name, [] if name == "affixes" else None)
            if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
                raise CheckpointError(f"{where}: {name} must be a list of texts.")
            if len(set(values)) != len(values) or (name == "tags" and not values):
                raise CheckpointError(f"{where}: {name} must be different texts, and one tag at least.")
            lists[name] = tuple(values)
        return cls(**lists, scheme=fields["scheme"])


@dataclass(frozen=True)
class Batch:
    """What the network sees in one step: T words of B sentences, in which U different words occur, of C characters.

    Attributes:
        words: ids [T, B].
        shapes: ids [T, B].
        forms: which of the U words each is [T, B].
        affixes: ids [U, A] of the A beginnings and endings of each of the U words.
        characters: ids [C, U].
        character_lengths: characters of each of the U words.
        lengths: words of each sentence [B].
        tags: ids [T, B], -1 in padding; None when they are to be found.
        intents: ids [B], -1 where there is none; None likewise.
    """

    words: NDArray[np.int64]
    shapes: NDArray[np.int64]
    forms: NDArray[np.int64]
    affixes: NDArray[np.int64]
    characters: NDArray[np.int64]
    character_lengths: NDArray[np.int64]
    lengths: NDArray[np.int64]
    tags: NDArray[np.int64] | None = None
    intents: NDArray[np.int64] | None = None


class EncodedSentences:
    """Sentences as ids, from which batches are put together.

    Raises:
        DataError: a sentence to learn from has a tag that the vocabulary lacks.
    """

    def __init__(self, sentences: Sequence[Sentence], vocabulary: Vocabulary):
        self.lengths = np.array([len(sentence.words) for sentence in sentences])
        self._starts = np.concatenate([[0], np.cumsum(self.lengths)])
        all_words = [word for sentence in sentences for word in sentence.words]
        forms = {word: n for n, word in enumerate(dict.fromkeys(all_words))}
        self._forms = np.array([forms[word] for word in all_words], dtype=np.int64)
        self._characters = [vocabulary.character_ids(word) for word in forms]
        self._affixes = np.array([vocabulary.affix_ids(word) for word in forms], dtype=np.int64)
        self.words = np.array([vocabulary.word_id(word) for word in forms], dtype=np.int64)[self._forms]
        self._shapes = np.array([shape_of(word) for word in forms], dtype=np.int64)[self._forms]
        self._tags = self._intents = None
        if all(sentence.tags is not None for sentence in sentences):
            self._tags = np.array([vocabulary.tag_id(t) for s in sentences for t in s.tags or ()], dtype=np.int64)
            self._intents = np.array([vocabulary.intent_id(sentence.intent) for sentence in sentences], dtype=np.int64)

    def __len__(self) -> int:
        return len(self.lengths)

    def check_known(self, sentences: Sequence[Sentence]) -> None:
        """Refuse tags that the vocabulary does not have: they could not be learned."""
        if self._tags is not None and (self._tags < 0).any():
            number = int(np.searchsorted(self._starts, int(np.argmin(self._tags)), side="right")) - 1
            word = int(np.argmin(self._tags)) - int(self._starts[number])
            tag = (sentences[number].tags or ())[word]
            raise DataError(
                f"{sentences[number].place(word)}: the tag {tag!r} was not there when the tagger was first fitted. "
                "Fit a new tagger on all of the data."
            )

    def batch(self, which: Sequence[int] | NDArray[Any]) -> Batch:
        """Put sentences side by side, padded at the end."""
        lengths = self.lengths[which]
        steps = int(lengths.max())
        index = np.full((steps, len(lengths)), -1, dtype=np.int64)
        for row, number in enumerate(which):
            index[: lengths[row], row] = np.arange(self._starts[number], self._starts[number + 1])
        counts = index >= 0
        used, inverse = np.unique(self._forms[index[counts]], return_inverse=True)
        forms = np.zeros_like(index)
        forms[counts] = inverse
        spelled = [self._characters[form] for form in used]
        character_lengths = np.array([len(ids) for ids in spelled])
        characters = np.zeros((int(character_lengths.max()), len(spelled)), dtype=np.int64)
        for column, ids in enumerate(spelled):
            characters[: len(ids), column] = ids
        return Batch(
            np.where(counts, self.words[index], UNKNOWN), np.where(counts, self._shapes[index], 0), forms,
            self._affixes[used], characters, character_lengths, lengths,
            None if self._tags is None else np.where(counts, self._tags[index], -1),
            None if self._intents is None else self._intents[which],
        )  # fmt: skip

    def in_order(self, batch_size: int) -> Iterable[tuple[NDArray[Any], Batch]]:
        """Give all sentences, the short ones first, as (which, batch)."""
        order = np.argsort(self.lengths, kind="stable")
        for start in range(0, len(order), batch_size):
            which = order[start : start + batch_size]
            yield which, self.batch(which)


class SentenceBatches(LengthBatches):
    """Shuffled batches of sentences to train on, without end, that know where they stand."""

    def __init__(self, sentences: EncodedSentences, batch_size: int, seed: int = 0):
        super().__init__(sentences.lengths, batch_size, seed)
        self.sentences = sentences

    def __next__(self) -> Batch:
        return self.sentences.batch(super().__next__())
