"""Tokenizers: round trips, unknowns, and blocks cut as the whole would be."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.errors import CheckpointError, ConfigError
from holdfast.tasks.text import UNITS, learn_tokenizer, learn_words, split_words, tokenizer_from_dict, whole_pieces

TEXT = "Once upon a time, there was a well-known fox; it didn't sleep.\nÜber 12 Häuser: “naïve”!\n\n  The end\t.\n" * 3


@pytest.mark.parametrize("units", ["characters", "bytes", "bpe"])
def test_decode_gives_back_the_text(units):
    tokenizer = learn_tokenizer(units, [TEXT], 300)
    assert tokenizer.decode(tokenizer.encode(TEXT)) == TEXT


@pytest.mark.parametrize("units", UNITS)
def test_vocabulary_survives_json(units):
    tokenizer = learn_tokenizer(units, [TEXT], 300)
    again = tokenizer_from_dict(json.loads(json.dumps(tokenizer.to_dict())))
    assert again.size == tokenizer.size
    assert again.to_dict() == tokenizer.to_dict()
    np.testing.assert_array_equal(again.encode(TEXT), tokenizer.encode(TEXT))


@pytest.mark.parametrize("units", UNITS)
@settings(max_examples=25, deadline=None)
@given(cuts=st.lists(st.integers(0, len(TEXT)), max_size=12))
def test_blocks_give_the_ids_of_the_whole(units, cuts):
    tokenizer = learn_tokenizer(units, [TEXT], 300)
    edges = [0, *sorted(cuts), len(TEXT)]
    blocks = [TEXT[a:b] for a, b in itertools.pairwise(edges)]
    pieces = list(whole_pieces(blocks, tokenizer))
    assert "".join(pieces) == TEXT
    np.testing.assert_array_equal(np.concatenate([tokenizer.encode(piece) for piece in pieces]), tokenizer.encode(TEXT))


@pytest.mark.parametrize("units", ["characters", "words", "tokens"])
def test_unknown_becomes_id_zero(units):
    tokenizer = learn_tokenizer(units, ["a b a"], 10)
    assert tokenizer.unknown == 0
    assert tokenizer.encode("a q").tolist()[-1] == 0
    assert tokenizer.token(0) == "<unk>"


def test_characters_beyond_the_table_are_unknown():
    tokenizer = learn_tokenizer("characters", ["abc"], 10)
    assert tokenizer.encode("a\U0001f98aé").tolist() == [1, 0, 0]


def test_words_are_split_as_english_writes_them():
    text = "I don't know: 'tis Mr. Smith's well-known <unk>.\n"
    assert split_words(text) == [
        "I", "don't", "know", ":", "'", "tis", "Mr", ".", "Smith's", "well-known", "<unk>", ".", "\n",
    ]  # fmt: skip


def test_tokens_keep_the_corpus_own_cut():
    assert split_words(" N <unk> n't 's mr. \n a", "tokens") == ["N", "<unk>", "n't", "'s", "mr.", "\n", "a"]


def test_words_are_joined_with_english_spaces():
    text = "Well, (she said) it's 5 o'clock.\nGo home!"
    tokenizer = learn_tokenizer("words", [text], 100)
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_rare_words_are_left_out():
    tokenizer = learn_words(["a a a b b c", ["a", "d"]], 3)
    assert tokenizer.to_dict()["words"] == ["a", "b"]


def test_token_stream_holds_unfinished_characters_back():
    tokenizer = learn_tokenizer("bytes", [], 0)
    stream = tokenizer.stream()
    assert [stream.feed(byte) for byte in "é!".encode()] == ["", "é", "!"]
    stream.feed(0xC3)
    assert stream.close() == "�"


def test_unknown_units_are_refused():
    with pytest.raises(ConfigError, match="Unknown units"):
        learn_tokenizer("syllables", [""], 1)


@pytest.mark.parametrize(
    "fields",
    [
        None, [], {}, {"units": "words"}, {"units": "words", "words": "abc"}, {"units": "words", "words": [1]},
        {"units": "characters", "symbols": ["ab"]}, {"units": "bpe", "definition": {}}, {"units": "runes", "words": []},
        {"units": "bpe", "definition": {"model": {"type": "BPE", "vocab": {"a": -1}, "merges": []}}}, {"units": []},
    ],
)  # fmt: skip
def test_broken_vocabulary_is_refused(fields):
    with pytest.raises(CheckpointError, match="not a vocabulary"):
        tokenizer_from_dict(fields)
