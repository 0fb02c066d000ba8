"""Reading text, refusing what is broken, and batches that resume at the exact place."""

from __future__ import annotations

import gzip
import lzma
import resource
from pathlib import Path

import numpy as np
import pytest

from holdfast.errors import ConfigError, DataError
from holdfast.tasks.language import data
from holdfast.tasks.language.data import (
    DocumentBatches,
    FileSource,
    StreamBatches,
    StringSource,
    hold_out,
    open_source,
    pad_documents,
    read_documents,
    read_lines,
    tokenize,
)
from holdfast.tasks.text import ByteTokenizer, learn_tokenizer, learn_words

TEXT = "Grüße, world!\n" * 50


def test_gz_and_xz_read_as_plain(tmp_path):
    (tmp_path / "a.txt").write_text(TEXT, encoding="utf-8")
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress(TEXT.encode()))
    (tmp_path / "a.txt.xz").write_bytes(lzma.compress(TEXT.encode()))
    for name in ("a.txt", "a.txt.gz", "a.txt.xz"):
        assert "".join(FileSource((tmp_path / name,)).blocks()) == TEXT


def test_byte_order_mark_is_no_text(tmp_path):
    path = tmp_path / "bom.txt"
    path.write_bytes(b"\xef\xbb\xbfhello")
    assert "".join(FileSource((path,)).blocks()) == "hello"


def test_bad_utf8_names_byte_and_line(tmp_path, monkeypatch):
    monkeypatch.setattr(data, "BLOCK_BYTES", 7)  # the error is found in a later block
    path = tmp_path / "latin.txt"
    path.write_bytes("Grüße\nund ".encode() + b"Gr\xfc\xdfe")
    with pytest.raises(DataError, match=r"latin.txt, line 2: byte 14 \(0xfc\) is not UTF-8.*iconv"):
        list(FileSource((path,)).blocks())


def test_cut_off_character_at_the_end_is_refused(tmp_path):
    path = tmp_path / "cut.txt"
    path.write_bytes(b"ab\nc\xc3")
    with pytest.raises(DataError, match=r"line 2: byte 4"):
        list(FileSource((path,)).blocks())


@pytest.mark.parametrize("suffix", [".gz", ".xz"])
@pytest.mark.parametrize("damage", ["cut", "garbage", "flipped"])
def test_broken_archives_are_refused(tmp_path, suffix, damage):
    whole = (gzip if suffix == ".gz" else lzma).compress(TEXT.encode() * 20)
    broken = {
        "cut": whole[: len(whole) // 2],
        "garbage": b"not packed",
        "flipped": whole[:30] + b"\xff" * 9 + whole[39:],
    }
    path = tmp_path / f"a.txt{suffix}"
    path.write_bytes(broken[damage])
    with pytest.raises(DataError, match="not a whole"):
        list(FileSource((path,)).blocks())


def test_missing_empty_and_unreadable_files_are_refused(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        list(FileSource((tmp_path / "none.txt",)).blocks())
    (tmp_path / "empty.txt").touch()
    with pytest.raises(DataError, match=r"empty.txt: the file is empty"):
        list(FileSource((tmp_path / "empty.txt",)).blocks())
    with pytest.raises(DataError, match="cannot be read"):
        list(FileSource((tmp_path,)).blocks())


def test_source_must_be_one_thing():
    with pytest.raises(ConfigError, match="exactly one"):
        open_source(None, None)
    with pytest.raises(ConfigError, match="exactly one"):
        open_source("a", ["b"])
    with pytest.raises(DataError, match="empty"):
        open_source("", None)
    with pytest.raises(DataError, match="must be a string"):
        open_source(["a"], None)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="list of files is empty"):
        open_source(None, [])


def test_last_tenth_is_held_out(monkeypatch):
    monkeypatch.setattr(data, "BLOCK_BYTES", 7)
    train, held_out = hold_out(StringSource("0123456789" * 10))
    assert "".join(train.blocks()) == "0123456789" * 9
    assert "".join(held_out.blocks()) == "0123456789"


def test_tokenize_counts_characters_and_unknowns():
    store = tokenize(StringSource("abcaé"), learn_tokenizer("characters", ["ab"], 0))
    assert store.ids.tolist() == [1, 2, 0, 1, 0]
    assert store.ids.dtype == np.uint8
    assert (store.characters, store.unknown) == (5, 2)


def test_big_file_is_read_in_bounded_memory(tmp_path):
    path = tmp_path / "big.txt"
    line = ("the quick brown fox jumps over the lazy dog " * 20 + "\n").encode()
    with path.open("wb") as file:
        for _ in range(72):
            file.write(line * 600)
    assert path.stat().st_size > 38_000_000
    read: list[int] = []
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    train, _ = hold_out(FileSource((path,)))

    class Watched:
        def blocks(self):
            for block in train.blocks():
                read.append(len(block))
                yield block

    store = tokenize(Watched(), ByteTokenizer(), tmp_path)
    grown_kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert len(store.ids) == sum(read) > 34_000_000
    assert max(read) <= data.BLOCK_BYTES
    assert grown_kilobytes < 30_000  # a block of int64 ids is 8 MB; the whole file would be 300
    assert [p.name for p in tmp_path.iterdir()] == ["big.txt"]  # the temporary file has no name


def test_stream_batches_continue_each_stream():
    batches = StreamBatches(np.arange(1000), batch_size=4, chunk_size=30, seed=1)
    first, second = next(batches), next(batches)
    assert (first.first, second.first) == (True, False)
    np.testing.assert_array_equal(first.targets, first.inputs + 1)
    np.testing.assert_array_equal(second.inputs[0], first.targets[-1])
    assert first.inputs.shape == (30, 4)


def test_stream_batches_cover_an_epoch_then_start_anew():
    batches = StreamBatches(np.arange(501), batch_size=4, chunk_size=30, seed=1)
    seen: list[int] = []
    while batches.epoch < 1:
        seen += next(batches).inputs.flatten().tolist()
    assert len(seen) == len(set(seen)) > 460
    assert next(batches).first
    assert 1 < batches.epoch < 2


def test_short_text_uses_fewer_streams_and_too_short_is_refused():
    assert StreamBatches(np.arange(101), batch_size=64, chunk_size=30).batch_size == 3
    with pytest.raises(DataError, match=r"30 tokens.*fewer than the 31"):
        StreamBatches(np.arange(30), batch_size=1, chunk_size=30)


def _documents(count: int = 23) -> list[data.Document]:
    tokenizer = learn_words(["a b c d"], 10)
    texts = ["a b c d " * (1 + n % 5) for n in range(count)]
    return read_documents(texts, None, tokenizer)


@pytest.mark.parametrize("kind", ["stream", "documents"])
def test_position_is_restored_exactly(kind):
    def make():
        if kind == "stream":
            return StreamBatches(np.arange(700) % 50, 3, 40, seed=5)
        return DocumentBatches(_documents(), 4, seed=5)

    batches = make()
    for _ in range(9):
        next(batches)
    state = batches.state_dict()
    expected = [next(batches) for _ in range(12)]
    again = make()
    again.load_state_dict(state)
    for batch in expected:
        other = next(again)
        np.testing.assert_array_equal(batch.inputs, other.inputs)
        np.testing.assert_array_equal(batch.targets, other.targets)
        assert batch.first == other.first


def test_document_batches_hold_each_document_once_an_epoch():
    documents = _documents()
    batches = DocumentBatches(documents, 4, seed=0)
    rows = 0
    while batches.epoch < 1:
        rows += next(batches).inputs.shape[1]
    assert rows == len(documents)
    assert rows % 4  # the last, smaller batch is there too


def test_padding_is_at_the_end_with_weight_zero():
    tokenizer = learn_words(["a b c"], 10)
    batch = pad_documents(read_documents(["a b c", "b a"], [[9, 1, 2], [9, 3]], tokenizer))
    assert batch.inputs.tolist() == [[1, 2], [2, 0]]
    assert batch.targets.tolist() == [[2, 1], [3, 0]]
    assert batch.weights is not None
    assert batch.weights.tolist() == [[1, 3], [2, 0]]


@pytest.mark.parametrize(
    ("documents", "weights", "message"),
    [
        ([], None, "list of documents is empty"),
        (["a b", "a"], None, "Document 2 has 1 tokens"),
        (["a b", 5], None, "Document 2 must be a text"),
        (["a b"], [[1, 1], [1]], "1 documents but 2 lists"),
        (["a b"], [[1, 1, 1]], "Document 1 has 2 tokens but weights"),
        (["a b"], [["x", "y"]], "weights of document 1 are not numbers"),
        (["a b"], [[1, -1]], "finite and not negative"),
        (["a b"], [[1, float("nan")]], "finite and not negative"),
    ],
)
def test_broken_documents_are_refused(documents, weights, message):
    with pytest.raises(DataError, match=message):
        read_documents(documents, weights, learn_words(["a b"], 10))


def test_lists_of_tokens_need_units_that_have_them():
    with pytest.raises(DataError, match="lists of tokens need units"):
        read_documents([["a", "b"]], None, ByteTokenizer())


def test_lines_are_documents(tmp_path):
    path = Path(tmp_path / "lines.txt")
    path.write_text("one two\n\n three \n", encoding="utf-8")
    assert data.read_lines([path]) == ["one two", " three "]


def test_lines_of_a_windows_file_end_before_the_carriage_return(tmp_path):
    path = tmp_path / "lines.txt"
    path.write_bytes(b"one two\r\n\r\nthree\r\n")
    assert read_lines([path]) == ["one two", "three"]
