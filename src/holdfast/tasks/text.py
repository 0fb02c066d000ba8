"""Cut text into tokens and back: characters, bytes, words, ready-made tokens, or byte-pair encoding. Needs no torch.

A text that arrives in blocks is cut exactly as the whole would be: `ready_length` says how much of a block can be
encoded before the next one is seen. Unknown characters and words become `<unk>` (id 0), which is counted and never
generated; bytes and BPE have no unknowns.
"""

from __future__ import annotations

import codecs
import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.errors import CheckpointError, ConfigError, DataError, MissingDependencyError

UNITS = ("characters", "bytes", "words", "tokens", "bpe")
UNKNOWN = "<unk>"

# A word keeps inner apostrophes and hyphens; "'s" and its like after a space stand alone, as in the Penn Treebank;
# a number, a line break, a tag such as <unk> and any other sign are one token each.
_WORD = re.compile(r"<\w+>|\w+(?:['’-]\w+)*|['’](?:s|d|m|t|ll|re|ve)\b|\n|[^\w\s]")
_TOKEN = re.compile(r"\S+|\n")
_WORD_LETTER = re.compile(r"[\w'’-]")
_NO_SPACE_BEFORE = set(".,;:!?)]}%…'’\n") | {"'s", "'d", "'m", "'t", "'ll", "'re", "'ve", "n't"}
_NO_SPACE_AFTER = set("([{$\n")

Ids = NDArray[np.int64]


class AbstractTokenizer:
    """What a language model needs of a tokenizer. `size` counts ids, `unknown` is the id of `<unk>` or None."""

    units: str
    size: int
    unknown: int | None = None

    def encode(self, text: str) -> Ids:
        """Return the ids of `text` [N]."""
        raise NotImplementedError

    def encode_tokens(self, tokens: Sequence[str]) -> Ids:
        """Return the ids of a document that is cut already: one id a token."""
        raise DataError(f"Documents given as lists of tokens need units words, tokens or characters, not {self.units}.")

    def spans(self, text: str) -> list[tuple[int, int]]:
        """Return for each id of `encode(text)` from which character of the text to before which it stands."""
        raise NotImplementedError

    def decode(self, ids: Iterable[int]) -> str:
        """Return the text of `ids`; for words, spaces are put where English puts them."""
        decoder = self.stream()
        return "".join(decoder.feed(int(i)) for i in ids) + decoder.close()

    def token(self, index: int) -> str:
        """Return the text of one id as it stands inside a running text."""
        raise NotImplementedError

    def stream(self, before: int | None = None) -> TokenStream:
        """Return a decoder that gives the text of each id as it comes. `before` is the id that came last, if any."""
        return TokenStream(self, before)

    def ready_length(self, text: str) -> int:
        """Return how many leading characters of `text` can be encoded without seeing what follows."""
        return len(text)

    def to_dict(self) -> dict[str, Any]:
        """Return the vocabulary, ready for JSON; `tokenizer_from_dict` reads it back."""
        raise NotImplementedError


class TokenStream:
    """Turn ids into text one at a time, with the joining that the units need."""

    def __init__(self, tokenizer: AbstractTokenizer, before: int | None):
        self.tokenizer = tokenizer
        self.before = before

    def feed(self, index: int) -> str:
        text = self.tokenizer.token(index)
        if isinstance(self.tokenizer, WordTokenizer) and self.before is not None:
            text = self.tokenizer.gap(self.before, index) + text
        self.before = index
        return text

    def close(self) -> str:
        return ""


class ByteStream(TokenStream):
    """Hold back the bytes of an unfinished UTF-8 character; what never becomes one is shown as U+FFFD."""

    def __init__(self, tokenizer: ByteTokenizer | BpeTokenizer):
        super().__init__(tokenizer, None)
        self.bytes_of = tokenizer.bytes_of
        self.decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def feed(self, index: int) -> str:
        return self.decoder.decode(self.bytes_of(index))

    def close(self) -> str:
        return self.decoder.decode(b"", final=True)


class CharacterTokenizer(AbstractTokenizer):
    """One id a character (a Unicode code point), most frequent first after `<unk>`."""

    units = "characters"
    unknown = 0

    def __init__(self, symbols: Sequence[str]):
        self.symbols = [UNKNOWN, *symbols]
        self.size = len(self.symbols)
        # A flat table from code point to id: one vectorised lookup encodes a block.
        self._table = np.zeros(max(map(ord, symbols), default=0) + 2, dtype=np.int64)
        self._table[[ord(symbol) for symbol in symbols]] = np.arange(1, self.size)

    def encode(self, text: str) -> Ids:
        points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
        return self._table[np.minimum(points, len(self._table) - 1)]

    def encode_tokens(self, tokens: Sequence[str]) -> Ids:
        table = {symbol: index for index, symbol in enumerate(self.symbols)}
        return np.array([table.get(token, 0) for token in tokens], dtype=np.int64)

    def spans(self, text: str) -> list[tuple[int, int]]:
        return [(place, place + 1) for place in range(len(text))]

    def token(self, index: int) -> str:
        return self.symbols[index]

    def to_dict(self) -> dict[str, Any]:
        return {"units": self.units, "symbols": self.symbols[1:]}


class ByteTokenizer(AbstractTokenizer):
    """One id a byte of the UTF-8 text: 256 ids, no unknowns, any language."""

    units = "bytes"
    size = 256

    def encode(self, text: str) -> Ids:
        return np.frombuffer(text.encode("utf-8", "surrogatepass"), dtype=np.uint8).astype(np.int64)

    def spans(self, text: str) -> list[tuple[int, int]]:
        # Each byte of a character stands where the character does.
        lengths = [len(letter.encode("utf-8", "surrogatepass")) for letter in text]
        return [(place, place + 1) for place, count in enumerate(lengths) for _ in range(count)]

    def token(self, index: int) -> str:
        return bytes([index]).decode("latin-1")

    def bytes_of(self, index: int) -> bytes:
        return bytes([index])

    def stream(self, before: int | None = None) -> TokenStream:
        return ByteStream(self)

    def to_dict(self) -> dict[str, Any]:
        return {"units": self.units}


class WordTokenizer(AbstractTokenizer):
    """One id a word, most frequent first after `<unk>`; `units="tokens"` cuts at white space only.

    "words" is for ordinary text: punctuation, line breaks and clitics are tokens of their own. "tokens" is for corpora
    that are tokenised already, such as the Penn Treebank and WikiText, and keeps their counting: a line break is one
    token.
    """

    unknown = 0

    def __init__(self, words: Sequence[str], units: str = "words"):
        self.units = units
        self.words = [UNKNOWN, *words]
        self.size = len(self.words)
        self._index = {word: index for index, word in enumerate(self.words)}

    def split(self, text: str) -> list[str]:
        return split_words(text, self.units)

    def encode(self, text: str) -> Ids:
        return self.encode_tokens(self.split(text))

    def spans(self, text: str) -> list[tuple[int, int]]:
        return [found.span() for found in (_TOKEN if self.units == "tokens" else _WORD).finditer(text)]

    def encode_tokens(self, tokens: Sequence[str]) -> Ids:
        index = self._index
        return np.array([index.get(token, 0) for token in tokens], dtype=np.int64)

    def token(self, index: int) -> str:
        return self.words[index]

    def gap(self, before: int, after: int) -> str:
        left, right = self.words[before], self.words[after]
        if self.units == "tokens":
            return "" if "\n" in (left, right) else " "
        return "" if right in _NO_SPACE_BEFORE or left in _NO_SPACE_AFTER else " "

    def ready_length(self, text: str) -> int:
        # Cut after the last white space: no token of either rule reaches across it.
        return max(text.rfind(space) for space in (" ", "\n", "\t")) + 1

    def to_dict(self) -> dict[str, Any]:
        return {"units": self.units, "words": self.words[1:]}


class BpeTokenizer(AbstractTokenizer):
    """Byte-pair encoding over bytes (Sennrich et al. 2016; Radford et al. 2019), by the package `tokenizers`."""

    units = "bpe"

    def __init__(self, definition: str):
        self._backend = _tokenizers().Tokenizer.from_str(definition)
        self.size = self._backend.get_vocab_size()
        self._bytes = [_bytes_of_piece(self._backend.id_to_token(index) or "") for index in range(self.size)]

    def encode(self, text: str) -> Ids:
        return np.array(self._backend.encode(text).ids, dtype=np.int64)

    def spans(self, text: str) -> list[tuple[int, int]]:
        return [(int(start), int(end)) for start, end in self._backend.encode(text).offsets]

    def token(self, index: int) -> str:
        return self._bytes[index].decode("utf-8", "replace")

    def bytes_of(self, index: int) -> bytes:
        return self._bytes[index]

    def stream(self, before: int | None = None) -> TokenStream:
        return ByteStream(self)

    def ready_length(self, text: str) -> int:
        # A run of spaces is cut with regard to what follows it, so stop before the last run.
        end = max(text.rfind(" "), text.rfind("\n"))
        while end > 0 and text[end - 1].isspace():
            end -= 1
        return max(end, 0)

    def to_dict(self) -> dict[str, Any]:
        return {"units": self.units, "definition": json.loads(self._backend.to_str())}


def split_words(text: str, units: str = "words") -> list[str]:
    """Cut a text into words and signs (`units="words"`), or at white space only (`units="tokens"`)."""
    return (_TOKEN if units == "tokens" else _WORD).findall(text)


def is_word_text(text: str) -> bool:
    """Whether every character of `text` can stand inside a word."""
    return bool(text) and all(_WORD_LETTER.match(letter) for letter in text)


def learn_tokenizer(units: str, blocks: Iterable[str], vocabulary_size: int) -> AbstractTokenizer:
    """Make the vocabulary of a text that comes in blocks.

    Args:
        units: One of `UNITS`.
        blocks: The text; held one block at a time.
        vocabulary_size: How many words or BPE tokens to keep, `<unk>` included; characters are all kept, bytes are 256.

    Raises:
        ConfigError: the units are unknown.
    """
    if units == "bytes":
        return ByteTokenizer()
    if units == "characters":
        counts: Counter[str] = Counter()
        for block in blocks:
            counts.update(block)
        return CharacterTokenizer(_by_count(counts))
    if units in ("words", "tokens"):
        return learn_words(whole_pieces(blocks, WordTokenizer([], units)), vocabulary_size, units)
    if units == "bpe":
        return BpeTokenizer(_learn_bpe(blocks, vocabulary_size))
    raise ConfigError(f"Unknown units {units!r}. Choose one of {', '.join(UNITS)}.")


def learn_words(texts: Iterable[str | Sequence[str]], vocabulary_size: int, units: str = "words") -> WordTokenizer:
    """Make a word vocabulary from texts or lists of tokens: the most frequent `vocabulary_size - 1` and `<unk>`."""
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(split_words(text, units) if isinstance(text, str) else text)
    counts.pop(UNKNOWN, None)
    return WordTokenizer(_by_count(counts)[: vocabulary_size - 1], units)


def whole_pieces(blocks: Iterable[str], tokenizer: AbstractTokenizer) -> Iterable[str]:
    """Regroup blocks so that each can be encoded alone and the ids are those of the whole text."""
    rest = ""
    for block in blocks:
        rest += block
        cut = tokenizer.ready_length(rest)
        if cut:
            yield rest[:cut]
            rest = rest[cut:]
    if rest:
        yield rest


def tokenizer_from_dict(fields: Any, where: str = "vocabulary.json") -> AbstractTokenizer:
    """Read a vocabulary back.

    Raises:
        CheckpointError: it is not what `to_dict` wrote.
    """
    try:
        units = fields["units"]
        if units == "bytes":
            return ByteTokenizer()
        if units == "bpe":
            return BpeTokenizer(json.dumps(fields["definition"]))
        entries = fields["symbols" if units == "characters" else "words"]
        if units not in UNITS or not isinstance(entries, list) or not all(isinstance(e, str) and e for e in entries):
            raise ValueError(f"units {units!r} with entries that are not a list of text")
        if units == "characters":
            if any(len(entry) != 1 for entry in entries):
                raise ValueError("a character entry that is not one character")
            return CharacterTokenizer(entries)
        return WordTokenizer(entries, units)
    except MissingDependencyError:
        raise
    except Exception as error:  # the tokenizers package raises plain Exception on a broken definition
        raise CheckpointError(
            f"{where} is not a vocabulary this version wrote: {error}. Save the model again."
        ) from error


def _by_count(counts: Counter[str]) -> list[str]:
    return sorted(counts, key=lambda item: (-counts[item], item))


def _tokenizers() -> Any:
    try:
        import tokenizers
    except ImportError as error:
        raise MissingDependencyError("tokenizers", "Byte-pair encoding", "language") from error
    return tokenizers


def _learn_bpe(blocks: Iterable[str], vocabulary_size: int) -> str:
    package = _tokenizers()
    tokenizer = package.Tokenizer(package.models.BPE())
    tokenizer.pre_tokenizer = package.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = package.decoders.ByteLevel()
    trainer = package.trainers.BpeTrainer(
        vocab_size=max(vocabulary_size, 257),
        initial_alphabet=package.pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(blocks, trainer)
    return tokenizer.to_str()


def _byte_letters() -> dict[str, int]:
    # GPT-2's printable stand-ins for bytes: printable Latin-1 stands for itself, the rest follow from U+0100.
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [byte for byte in range(256) if byte not in set(printable)]
    return {chr(byte): byte for byte in printable} | {chr(256 + n): byte for n, byte in enumerate(hidden)}


_LETTERS = _byte_letters()


def _bytes_of_piece(piece: str) -> bytes:
    return bytes(_LETTERS.get(letter, 0x3F) for letter in piece)
