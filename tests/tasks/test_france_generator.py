"""The documents of the long-memory demo: what they say, how long the gap is, and what is held out."""

from __future__ import annotations

from itertools import pairwise

import pytest

from holdfast.errors import ConfigError
from holdfast.tasks.france.experiment import GAPS, STAGES, Stage, held_out, training_set
from holdfast.tasks.france.fillers import FILLERS
from holdfast.tasks.france.generator import SHORTEST_GAP, Document, Generator, make_pools
from holdfast.tasks.france.sentences import (
    COUNTRIES,
    DETOURS,
    LANGUAGE_OF,
    LANGUAGES,
    OPENINGS_I,
    OPENINGS_THEY,
    PEOPLE,
)
from holdfast.tasks.text import UNKNOWN, split_words

POOLS = make_pools()


def words(tokens) -> list[str]:
    return [token for token in tokens if token != "."]


def sentences(document: Document) -> list[tuple[str, ...]]:
    ends = [-1, *(n for n, token in enumerate(document.tokens) if token == ".")]
    return [document.tokens[a + 1 : b] for a, b in pairwise(ends)]


def draw(pool: int, gap: int, count: int = 60, **how) -> list[Document]:
    generator = Generator(POOLS[pool], seed=gap)
    return [generator.document(gap, **how) for _ in range(count)]


def test_there_is_enough_to_say():
    assert len(FILLERS) == len(set(FILLERS)) >= 300
    assert sum(len(pool.fillers) for pool in POOLS) >= 400
    assert len(COUNTRIES) >= 20
    assert len(LANGUAGES) >= 20
    assert len(PEOPLE) >= 20
    assert len(set(OPENINGS_I + OPENINGS_THEY)) >= 20


def test_fillers_name_no_country_or_language():
    said = {word for pool in POOLS for text in pool.fillers for word in text.split()}
    assert not said & (set(COUNTRIES) | set(LANGUAGES))


def test_pools_share_no_sentence():
    train, held = POOLS
    assert not set(train.fillers) & set(held.fillers)
    assert not set(train.detours) & set(held.detours)
    assert set(train.detours) | set(held.detours) == set(DETOURS)


def test_held_out_documents_share_no_middle_sentence_with_training():
    trained = {s for gap in (30, 205) for document in draw(0, gap, 300) for s in sentences(document)[1:-1]}
    measured = {s for gap in GAPS for document in draw(1, gap) for s in sentences(document)[1:-1]}
    assert measured
    assert not trained & measured


@pytest.mark.parametrize("pool", [0, 1])
@pytest.mark.parametrize("gap", [*GAPS, 6, 7, 8, 9, 10, 11, 23, 210])
def test_gap_is_exact(pool, gap):
    for document in draw(pool, gap):
        start = document.tokens.index(document.country)
        assert len(words(document.tokens[start + 1 : document.blank])) == gap == document.gap


def test_country_and_language_are_named_once():
    for gap in GAPS:
        for document in draw(1, gap):
            assert document.tokens.count(document.country) == 1
            assert document.country in sentences(document)[0]
            assert document.tokens.count(document.language) == 1
            assert document.tokens[document.blank] == document.language == LANGUAGE_OF[document.country]


def test_distractors_speak_another_language_and_every_longer_gap_has_one():
    for gap in GAPS[1:]:
        for document in draw(1, gap):
            assert document.detours
            assert document.language not in {LANGUAGE_OF[country] for country in document.detours}
            named = {token for token in document.tokens if token in LANGUAGE_OF}
            assert named == {document.country, *document.detours}


def test_control_documents_name_no_home_and_ask_for_every_language():
    documents = draw(0, 50, 600, control=True)
    assert {document.language for document in documents} == set(LANGUAGES)
    for document in documents:
        assert document.country is None
        assert {token for token in document.tokens if token in LANGUAGE_OF} == set(document.detours)


def test_equal_seeds_draw_equal_documents():
    assert draw(0, 50) == draw(0, 50)
    assert held_out(50, 5, seed=1) == held_out(50, 5, seed=1) != held_out(50, 5, seed=2)


def test_with_country_changes_two_words_only():
    document = held_out(50, 1, country="France")[0]
    other = document.with_country("Finland")
    assert [(a, b) for a, b in zip(document.tokens, other.tokens, strict=True) if a != b] == [
        ("France", "Finland"),
        ("French", "Finnish"),
    ]
    with pytest.raises(ConfigError, match="cannot take the place"):
        document.with_country(document.detours[0])


def test_prompt_is_cut_into_the_tokens_it_came_from():
    for document in draw(1, 100, 20):
        assert tuple(split_words(document.prompt)) == document.tokens[: document.blank]


def test_impossible_documents_are_refused():
    generator = Generator(POOLS[0], 0)
    with pytest.raises(ConfigError, match="shortest gap"):
        generator.document(SHORTEST_GAP - 1)
    with pytest.raises(ConfigError, match="Unknown country"):
        generator.document(50, country="Atlantis")


def test_training_set_weighs_the_blank_and_hides_a_few_words():
    data = training_set(Stage(budget=1.0, documents=300, short=0.3), seed=3)
    assert data == training_set(Stage(budget=1.0, documents=300, short=0.3), seed=3)
    for document, weights in zip(data.documents, data.weights, strict=True):
        assert len(document) == len(weights)
        assert document[-2] in LANGUAGES
        assert weights[-2] == 1.0 > max(weights[:-2])
    tokens = [token for document in data.documents for token in document]
    assert 0.01 < tokens.count(UNKNOWN) / len(tokens) < 0.03


def test_stages_share_the_whole_budget():
    assert sum(stage.budget for stage in STAGES) == pytest.approx(1.0)


def test_vocabulary_of_the_first_stage_holds_the_words_of_all_training_sentences():
    stage = Stage(budget=1.0, documents=50, short=1.0, sentences=True)
    said = {token for document in training_set(stage).documents for token in document}
    assert {word for text in POOLS[0].fillers for word in text.split()} <= said
    assert set(COUNTRIES) <= said
