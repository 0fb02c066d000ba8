"""Any file of columns, any lists of words: a tagger learns from them and tags, or refuses with one of our errors."""

from __future__ import annotations

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.errors import ConfigError, HoldfastError
from holdfast.tasks.tag import Reading
from tests.tasks.fields import TEXTS, fuzz, refused
from tests.tasks.tag_samples import small_tagger

WORDS = st.one_of(
    st.sampled_from(["Ann", "Rome", "#", "# intent = x", "-DOCSTART-", "", "\u00a0", "1-2", "3.1", "a" * 40, "\ufeff"]),
    TEXTS,
)
TAGS = st.one_of(st.sampled_from(["O", "B-X", "I-X", "E-X", "S-X", "I-Y", "B-", "-", "_", "NOUN", ""]), TEXTS)
READINGS = st.builds(
    Reading,
    word_column=st.integers(-3, 3),
    tag_column=st.integers(-3, 3),
    scheme=st.sampled_from(["auto", "plain", "bio", "iob1", "bioes"]),
    mend=st.booleans(),
)


def tagger():
    return small_tagger(1, hidden_size=2, word_size=2, character_size=2, character_hidden_size=1)


def learnt_or_refused(**how):
    try:
        made = tagger().fit(quiet=True, **how)
        report = made.evaluate(**how)
    except HoldfastError as error:
        return refused(error)
    assert 0.0 <= report["accuracy"] <= 1.0
    return made


@st.composite
def columns(draw, words=WORDS, tags=TAGS):
    """Draw a file of columns: a word and a tag a row, more or fewer here and there, blanks between sentences."""
    cut, end = draw(st.sampled_from(["\t", " ", "  ", " \t"])), draw(st.sampled_from(["\n", "\r\n", "\r"]))
    row = st.tuples(words, tags).map(cut.join)
    wide = st.lists(words, max_size=11).map(cut.join)
    rows = draw(st.lists(st.one_of(row, row, row, st.just(""), st.just("  "), wide), max_size=14))
    encoding = draw(st.sampled_from(["utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16", "latin-1"]))
    return end.join(rows).encode(encoding, "surrogatepass" if encoding.startswith("utf-8") else "replace")


@fuzz
@given(
    data=st.binary(max_size=200), name=st.sampled_from(["t.txt", "t.conllu", "t.txt.gz", "t.txt.xz"]), reading=READINGS
)
def test_any_bytes_are_learnt_from_or_refused(tmp_path, data, name, reading):
    path = tmp_path / name
    path.write_bytes(data)
    learnt_or_refused(files=path, reading=reading)


@fuzz
@given(data=columns(), name=st.sampled_from(["t.txt", "t.conllu", "t.txt.gz"]), reading=READINGS)
def test_any_columns_are_learnt_from_or_refused(tmp_path, data, name, reading):
    path = tmp_path / name
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    learnt_or_refused(files=path, reading=reading)


@fuzz
@given(
    data=columns(st.sampled_from(["Ann", "saw", "Rome"]), st.sampled_from(["O", "O", "B-X", "I-X"])),
    other=columns(),
    reading=READINGS,
)
def test_what_was_learnt_measures_other_files_or_refuses_them(tmp_path, data, other, reading):
    paths = [tmp_path / "t.txt", tmp_path / "other.txt"]
    for path, content in zip(paths, (data, other), strict=True):
        path.write_bytes(content)
    made = learnt_or_refused(files=paths[0], reading=Reading(mend=True))
    if made is None:
        return
    for use in (made.evaluate, lambda **how: made.fit(quiet=True, **how)):
        try:
            use(files=paths[1], reading=reading)
        except HoldfastError as error:
            refused(error)


SCALARS = st.one_of(st.none(), st.integers(), st.floats(), TEXTS, st.binary(max_size=3), st.just({}), st.just(()))
ROWS = st.one_of(st.lists(WORDS, max_size=4), st.lists(TAGS, max_size=4), st.lists(SCALARS, max_size=3), SCALARS)
PAIRS = st.lists(st.tuples(WORDS, TAGS), max_size=4).map(lambda pairs: tuple(map(list, zip(*pairs, strict=True))))
LISTS = st.one_of(st.lists(PAIRS, max_size=5), st.lists(ROWS, max_size=4), SCALARS)


@fuzz
@given(sentences=LISTS, tags=st.one_of(st.none(), LISTS), intents=st.one_of(st.none(), st.none(), LISTS))
def test_any_lists_are_learnt_from_or_refused(sentences, tags, intents):
    learnt_or_refused(sentences=sentences, tags=tags, intents=intents)


@pytest.fixture(scope="module")
def trained():
    return tagger().fit([(["Ann", "saw", "Rome"], ["B-X", "O", "B-X"])] * 4, quiet=True)


@fuzz
@given(words=st.one_of(ROWS, LISTS))
def test_any_words_are_tagged_or_refused(trained, words):
    for use in (trained.tag, trained.predict, trained.predict_proba, lambda w: trained.tag(w, proba=True)):
        try:
            use(words)
        except HoldfastError as error:
            refused(error)


@pytest.mark.parametrize("column", [True, 1.5, "word"])
def test_columns_that_are_no_numbers_are_refused(column):
    with pytest.raises(ConfigError, match="word_column"):
        Reading(word_column=column)
