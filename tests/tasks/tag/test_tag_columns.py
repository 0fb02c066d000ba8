"""Files of columns: what is read, and what is refused with file, row and mend."""

from __future__ import annotations

import gzip

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from holdfast.errors import ConfigError, DataError, HoldfastError
from holdfast.tasks.tag import Reading
from holdfast.tasks.tag.columns import read_columns
from holdfast.tasks.tag.data import check_scheme

CONLLU = """# sent_id = 1
# text = vámonos al mar
1-2\tvámonos\t_\t_\t_\t_\t_\t_\t_\t_
1\tvamos\tir\tVERB\t_\t_\t0\troot\t_\t_
2\tnos\tnos\tPRON\t_\t_\t1\tobj\t_\t_
2.1\tx\tx\tX\t_\t_\t_\t_\t_\t_
3\ta el\tal\tADP\t_\t_\t1\tobl\t_\t_

"""


def read(tmp_path, text, name="data.txt", **options):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_columns([path], Reading(**options))


def test_columns_comments_and_intents_are_read(tmp_path):
    text = "\ufeff-DOCSTART- -X- O\n\n# a comment of four\n# intent = book flight\nto NN O\r\nRome NP B-L\n"
    text += "\n\n# NP O\n#1 NP O"
    first, second = read(tmp_path, text)
    assert (first.words, first.tags, first.intent) == (("to", "Rome"), ("O", "B-L"), "book flight")
    assert first.rows == (5, 6)
    assert (second.words, second.intent) == (("#", "#1"), None)  # a row with all its columns is a word, not a comment


def test_conllu_reads_upos_and_leaves_out_what_is_no_word(tmp_path):
    path = tmp_path / "es.conllu.gz"
    path.write_bytes(gzip.compress(CONLLU.encode()))
    (sentence,) = read_columns([path], Reading())
    assert sentence.words == ("vamos", "nos", "a el")
    assert sentence.tags == ("VERB", "PRON", "ADP")
    (sentence,) = read_columns([path], Reading(tag_column=8))
    assert sentence.tags == ("root", "obj", "obl")


def test_blanks_inside_words_are_kept(tmp_path):
    (sentence,) = read(tmp_path, "New York\tB-L\n1\u00a0000\tO\t\n")  # a blank before a tab; a no-break space
    assert (sentence.words, sentence.tags) == (("New York", "1\u00a0000"), ("B-L", "O"))
    (sentence,) = read(tmp_path, " 1\u00a0000   O \n\t\n")
    assert sentence.words == ("1\u00a0000",)


def test_columns_are_chosen_from_either_end(tmp_path):
    (sentence,) = read(tmp_path, "O a x\nB-L b y\n", word_column=2, tag_column=-3)
    assert (sentence.words, sentence.tags) == (("a", "b"), ("O", "B-L"))


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("a O\nb\n", {}, r"data.txt, row 2: 1 columns, where the first row has 2"),
        ("a O\nb O x\n", {}, r"data.txt, row 2: 3 columns"),
        ("a O\nb O\n", {"word_column": 3}, r"data.txt, row 1: there is no column 3.*word_column"),
        ("a\nb\n", {}, r"column 1 holds both word and tag"),
        ("a O\n", {"word_column": 2}, r"column 2 holds both"),
        ("", {}, r"data.txt: the file is empty"),
        ("\n\n# only a comment\n", {}, r"there is no word in it"),
        (b"a O\nb\xff O\n", {}, r"data.txt, line 2: byte 5 \(0xff\) is not UTF-8"),
    ],
)
def test_broken_files_are_refused_with_row_and_mend(tmp_path, text, options, message):
    with pytest.raises(DataError, match=message):
        read(tmp_path, text, **options)


def test_conllu_with_lost_columns_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"x.conllu, row 2: CoNLL-U has 10 columns cut by tabs, here are 4"):
        read(tmp_path, "# c\n1\ta\ta\tX\n", "x.conllu")


def test_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"none.txt: there is no such file"):
        read_columns([tmp_path / "none.txt"], Reading())


def test_inside_tag_without_its_beginning_is_named_and_mended_only_when_asked(tmp_path):
    sentences = read(tmp_path, "a B-X\n\nb O\nc I-X\nd I-X\n")
    with pytest.raises(DataError, match=r"data.txt, row 4: I-X without its B-X before it.*mend"):
        check_scheme(sentences, "auto", mend=False)
    scheme, mended = check_scheme(sentences, "auto", mend=True)
    assert (scheme, mended[1].tags) == ("bio", ("O", "B-X", "I-X"))
    with pytest.raises(DataError, match=r"row 1: B-X does not follow"):
        check_scheme(sentences, "iob1", mend=False)
    with pytest.raises(DataError, match="none of BIO's"):
        check_scheme(read(tmp_path, "a NOUN\n"), "bio", mend=True)
    assert check_scheme(sentences, "plain", mend=False)[1][1].tags == ("O", "I-X", "I-X")


@pytest.mark.parametrize("options", [{"scheme": "bioul"}, {"word_column": 1.5}, {"tag_column": True}])
def test_wrong_reading_is_refused(options):
    with pytest.raises(ConfigError):
        Reading(**options)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(st.one_of(st.binary(max_size=80), st.text("ab OBI-X#\t\n\r\ufeff\x00\x85é", max_size=80).map(str.encode)))
def test_any_bytes_give_sentences_or_our_error(tmp_path, data):
    try:
        sentences = read(tmp_path, data, "fuzz.txt")
        check_scheme(sentences, "auto", mend=False)
    except HoldfastError as error:
        sentences, message = [], str(error)  # any other error fails the test
    else:
        message = "fuzz.txt" if sentences else ""
    assert "fuzz.txt" in message
    assert all(len(s.words) == len(s.tags) == len(s.rows) > 0 for s in sentences)
