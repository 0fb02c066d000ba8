"""Chunk schemes: what allows what, the way between them, and conlleval's scores."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.tasks.tag.schemes import (
    CHUNK_SCHEMES,
    Span,
    convert_tags,
    detect_scheme,
    find_fault,
    may_follow,
    read_spans,
    write_spans,
)
from holdfast.tasks.tag.score import accuracy, chunk_scores

SAME = {
    "bio": "B-P I-P O B-L B-L B-P".split(),
    "iob1": "I-P I-P O I-L B-L I-P".split(),
    "bioes": "B-P E-P O S-L S-L S-P".split(),
}
TAG = st.sampled_from(["O", "B-X", "I-X", "B-Y", "I-Y", "E-X", "S-Y", "E-Y", "S-X"])
BIO_TAG = st.sampled_from(["O", "B-X", "I-X", "B-Y", "I-Y"])


@pytest.mark.parametrize("source", CHUNK_SCHEMES)
@pytest.mark.parametrize("target", CHUNK_SCHEMES)
def test_schemes_convert_into_each_other(source, target):
    assert convert_tags(SAME[source], target) == SAME[target]


@pytest.mark.parametrize("scheme", CHUNK_SCHEMES)
def test_scheme_is_found_and_free_of_faults(scheme):
    assert detect_scheme([["O"], SAME[scheme]]) == scheme
    assert find_fault(SAME[scheme], scheme) is None


@pytest.mark.parametrize("tags", [["NOUN", "VERB"], ["O", "O"], ["B-X", "NOUN"], ["B", "I"], ["X-Y", "O"], []])
def test_other_tags_are_plain(tags):
    assert detect_scheme([tags]) == "plain"


@pytest.mark.parametrize(
    ("scheme", "tags", "place", "reason"),
    [
        ("bio", ["O", "I-X"], 1, "I-X without its B-X"),
        ("bio", ["B-Y", "I-X"], 1, "I-X without its B-X"),
        ("bio", ["B-Y", "E-Y"], 1, "none of BIO's"),
        ("iob1", ["O", "B-X"], 1, "B-X does not follow"),
        ("iob1", ["I-Y", "B-X"], 1, "B-X does not follow"),
        ("bioes", ["B-X", "O"], 0, "a chunk of X has no E-"),
        ("bioes", ["O", "B-X"], 1, "a chunk of X has no E-"),
        ("bioes", ["B-X", "I-X"], 1, "a chunk of X has no E-"),
        ("bioes", ["B-X", "E-Y"], 0, "a chunk of X has no E-"),
        ("bioes", ["S-X", "E-X"], 1, "E-X without its B-X"),
        ("bioes", ["O", "NOUN"], 1, "none of BIOES's"),
    ],
)
def test_fault_names_place_and_reason(scheme, tags, place, reason):
    fault = find_fault(tags, scheme)
    assert fault is not None
    assert (fault.place, reason in fault.reason) == (place, True), fault


@given(st.lists(TAG, max_size=8), st.sampled_from(CHUNK_SCHEMES))
def test_any_tags_read_as_spans_that_every_scheme_can_write(tags, scheme):
    spans = read_spans(tags)
    written = write_spans(spans, len(tags), scheme)
    assert find_fault(written, scheme) is None
    assert read_spans(written) == spans
    assert all(0 <= span.start < span.stop <= len(tags) for span in spans)


@given(st.lists(BIO_TAG, min_size=1, max_size=6))
def test_allowed_pairs_are_what_find_fault_allows(tags):
    pairs_fit = all(may_follow(before, after) for before, after in zip(["", *tags], tags, strict=False))
    assert pairs_fit == (find_fault(tags, "bio") is None)


def test_spans_of_a_sentence():
    assert read_spans(SAME["bio"]) == [Span(0, 2, "P"), Span(3, 4, "L"), Span(4, 5, "L"), Span(5, 6, "P")]


@settings(deadline=None)
@given(st.lists(st.lists(st.tuples(BIO_TAG, BIO_TAG), min_size=1, max_size=7), min_size=1, max_size=5))
def test_scores_equal_those_of_seqeval(sentences):
    seqeval = pytest.importorskip("seqeval.metrics", reason="seqeval is not installed")
    expected = [[gold for gold, _ in pairs] for pairs in sentences]
    found = [[guess for _, guess in pairs] for pairs in sentences]
    ours = chunk_scores(expected, found)
    for name in ("precision", "recall", "f1"):
        theirs = getattr(seqeval, f"{name}_score")(expected, found, zero_division=0)
        assert ours[name] == pytest.approx(theirs), name
    assert accuracy(expected, found) == pytest.approx(seqeval.accuracy_score(expected, found))


def test_scores_by_hand():
    expected = [["B-X", "I-X", "O", "B-Y"], ["B-X", "O", "O", "O"]]
    found = [["B-X", "I-X", "O", "B-X"], ["B-X", "I-X", "O", "B-Y"]]
    assert chunk_scores(expected, found) == pytest.approx({"precision": 1 / 4, "recall": 1 / 3, "f1": 2 / 7})
    assert chunk_scores([["O"]], [["O"]])["f1"] == 0.0
    assert accuracy(expected, found) == 5 / 8
