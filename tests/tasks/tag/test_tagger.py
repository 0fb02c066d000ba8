"""The tagger learns, decodes what fits together, gives probabilities, and refuses what is broken."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from holdfast.errors import ConfigError, DataError
from holdfast.tasks.tag import Reading, TagConfig, Tagger
from holdfast.tasks.tag.baselines import LinearTagger, MostFrequentTag
from holdfast.tasks.tag.data import EncodedSentences, SentenceBatches, Vocabulary, open_sentences, pair_up, shape_of
from holdfast.tasks.tag.decode import find_tags
from holdfast.tasks.tag.model import build_network, drop_words
from holdfast.tasks.tag.schemes import convert_tags, find_fault
from holdfast.tasks.tag.score import accuracy
from tests.tasks.tag_samples import small_sentences, small_tagger

WORDS, TAGS, INTENTS = small_sentences()
NEW_WORDS, NEW_TAGS, NEW_INTENTS = small_sentences(40, seed=1)


@pytest.fixture(scope="module")
def fitted() -> Tagger:
    return small_tagger().fit(WORDS, TAGS, intents=INTENTS, quiet=True)


def test_tagger_learns_chunks_and_intents(fitted):
    report = fitted.evaluate(NEW_WORDS, NEW_TAGS, intents=NEW_INTENTS)
    assert report["f1"] > 0.98
    assert report["accuracy"] > 0.98
    assert report["intent_accuracy"] > 0.98
    assert report["sentences"] == 40
    assert fitted.predict_intents(NEW_WORDS[:3]) == NEW_INTENTS[:3]
    assert fitted.tag("Bob Lee flies to New York".split()) == ["B-PER", "I-PER", "O", "O", "B-TO", "I-TO"]


@pytest.mark.parametrize("fields", [{"cell": "gru"}, {"cell": "rnn"}, {"crf": "no"}, {"character_hidden_size": 0}])
def test_every_kind_of_tagger_learns(fields):
    tagger = small_tagger(**fields).fit(WORDS, TAGS, quiet=True)
    assert tagger.evaluate(NEW_WORDS, NEW_TAGS)["f1"] > 0.9
    assert ("crf" in tagger.model.modules_by_name) == ("crf" not in fields)


def test_plain_tags_are_learned_without_a_chain():
    plain = [["X" if tag == "O" else tag[2:] for tag in row] for row in TAGS]
    tagger = small_tagger(num_layers=2).fit(list(zip(WORDS, plain, strict=True)), quiet=True)
    assert "crf" not in tagger.model.modules_by_name
    assert tagger.evaluate(WORDS, plain)["accuracy"] > 0.98
    assert "f1" not in tagger.evaluate(WORDS, plain)
    with pytest.raises(ConfigError, match="without intents"):
        tagger.predict_intents(WORDS)


@pytest.mark.parametrize("scheme", ["iob1", "bioes"])
def test_tags_come_back_in_the_scheme_of_the_data(scheme):
    rows = [convert_tags(row, scheme) for row in TAGS]
    tagger = small_tagger(60).fit(WORDS, rows, reading=Reading(scheme=scheme), quiet=True)
    found = tagger.predict(NEW_WORDS)
    assert all(find_fault(row, scheme) is None for row in found)
    assert tagger.evaluate(NEW_WORDS, [convert_tags(row, scheme) for row in NEW_TAGS])["accuracy"] > 0.8


@pytest.mark.parametrize("crf", ["yes", "no"])
def test_an_untrained_chain_already_gives_tags_that_fit_together(crf):
    vocabulary = Vocabulary.learn(pair_up(WORDS, TAGS), "bio")
    network = build_network(TagConfig(crf=crf, hidden_size=8), vocabulary)
    with torch.no_grad():
        network.modules_by_name["words"].weight.mul_(10)
        network.modules_by_name["output"].weight.mul_(30)
    sentences = EncodedSentences(pair_up(WORDS, TAGS), vocabulary)
    found = find_tags(network, vocabulary, sentences, proba=True)
    assert len({tag for one in found for tag in one.tags}) > 3
    assert all(find_fault(one.tags, "bio") is None for one in found)
    for one in found:
        np.testing.assert_allclose(one.proba.sum(1), 1.0, atol=1e-9)
        first = [vocabulary.tags.index(tag) for tag in vocabulary.tags if tag.startswith("I-")]
        assert np.all(one.proba[0, first] < 1e-9)


def test_probabilities_agree_with_the_tags(fitted):
    words = NEW_WORDS[0]
    named = fitted.tag(words, proba=True)
    assert [max(row, key=row.get) for row in named] == fitted.tag(words)
    assert all(next(iter(row)) == max(row, key=row.get) for row in named)
    (table,) = fitted.predict_proba([words])
    assert table.shape == (len(words), len(fitted.vocabulary.tags))
    assert fitted.tag([words, NEW_WORDS[1]]) == fitted.predict([words, NEW_WORDS[1]])
    assert fitted.predict([]) == []


def test_a_sentence_is_tagged_alone_as_among_others(fitted):
    table = fitted.predict_proba(NEW_WORDS)
    for words, rows in zip(NEW_WORDS[:5], table[:5], strict=True):
        np.testing.assert_allclose(fitted.predict_proba([words])[0], rows, atol=1e-5)


def test_unseen_words_and_very_long_ones_are_tagged(fitted):
    words = ["Ωmega", "x" * 500, "🙂", "12.50", "\u200b"]
    assert len(fitted.tag(words)) == 5
    report = fitted.evaluate([words], [["O"] * 5])
    assert report["unknown"] == 5


def test_words_are_dropped_by_how_rare_they_are():
    torch.manual_seed(0)
    words = np.array([[1, 2]] * 20_000)
    dropped = (drop_words(words, np.array([0, 1, 9]), 0.5) == 0).mean(0)
    np.testing.assert_allclose(dropped, [0.5 / 1.5, 0.5 / 9.5], atol=0.01)
    assert drop_words(words, np.array([0, 1, 9]), 0.0) is words


def test_batches_hold_every_sentence_once_an_epoch_and_resume():
    sentences = pair_up(WORDS, TAGS)
    encoded = EncodedSentences(sentences, Vocabulary.learn(sentences, "bio"))
    batches, again = SentenceBatches(encoded, 7, 3), SentenceBatches(encoded, 7, 3)
    first = [next(batches) for _ in range(batches.per_epoch)]
    assert sum(len(batch.lengths) for batch in first) == len(WORDS)
    assert sum(batch.lengths.sum() for batch in first) == sum(map(len, WORDS))
    next(batches)
    again.load_state_dict(batches.state_dict())
    for left, right in zip((next(batches) for _ in range(30)), again, strict=False):
        assert np.array_equal(left.words, right.words)
        assert np.array_equal(left.tags, right.tags)
    with pytest.raises(ValueError, match="not cut as it was"):
        SentenceBatches(encoded, 8, 3).load_state_dict(batches.state_dict())


@pytest.mark.parametrize(
    ("sentences", "tags", "message"),
    [
        ([], None, "the list is empty"),
        (["a b"], [["X"]], "sentence 1: give a list of words, not one text"),
        ([["a"], ["b", "c"]], [["X"], ["X"]], "sentence 2: 2 words but 1 tags"),
        ([["a"]], [["X"], ["X"]], "1 sentences, 2 lists of tags"),
        ([["a"], []], [["X"], []], "sentence 2: words must be texts that are not empty"),
        ([["a"], [3]], [["X"], ["X"]], "sentence 2: words must be texts.*got 3"),
        ([["a"]] * 3, [["X"], ["X"], [None]], "sentence 3: tags must be texts"),
        ([["a"], 3], [["X"], ["X"]], "sentence 2: give a list of words, got int"),
        ([["a"]], None, "give pairs"),
        ([["a"]], [["X"]], "Two sentences are the least"),
        ([["a"], ["b"]], [["B-X"], ["I-X"]] , None),
        ([["a"], ["b", "c"]], [["B-X"], ["O", "I-X"]], "sentence 2, row 2: I-X without its B-X"),
    ],
)  # fmt: skip
def test_broken_sentences_are_refused(sentences, tags, message):
    tagger = small_tagger(1)
    if message is None:  # a B- after nothing and an I- after nothing: neither scheme, so the I- is named
        message = "sentence 2, row 1: I-X without its B-X"
    with pytest.raises(DataError, match=message):
        tagger.fit(sentences, tags, quiet=True)


def test_a_tuple_of_pairs_is_told_from_sentences_and_tags():
    one, two, tags = ["Ann", "flies"], ["Bob", "runs"], ["B-PER", "O"]
    for given in (((one, tags), (two, tags)), [(one, tags), (two, tags)], ([one, two], [tags, tags])):
        made = open_sentences(given, Reading())
        assert [sentence.words for sentence in made] == [tuple(one), tuple(two)]
        assert [sentence.tags for sentence in made] == [tuple(tags), tuple(tags)]
    three = open_sentences(((one, tags), (two, tags), (["Eve"], ["B-PER"])), Reading())
    assert [sentence.words for sentence in three] == [tuple(one), tuple(two), ("Eve",)]
    uneven = open_sentences((((*one, "home"), tuple(two)), ((*tags, "O"), tuple(tags))), Reading())
    assert [sentence.words for sentence in uneven] == [("Ann", "flies", "home"), tuple(two)]
    intents = open_sentences(([one, two], [tags, tags], ["go", "run"]), Reading())
    assert [sentence.intent for sentence in intents] == ["go", "run"]


def test_wrong_calls_are_refused(fitted):
    with pytest.raises(ConfigError, match="exactly one of sentences and files"):
        Tagger().fit()
    with pytest.raises(ConfigError, match="Files bring their own tags"):
        Tagger().fit(files="x", tags=[["X"]])
    with pytest.raises(ConfigError, match="not trained yet"):
        Tagger().tag(["a"])
    with pytest.raises(DataError, match=r"not one text; cut it first, for example with .split()"):
        fitted.tag("Ann flies")
    with pytest.raises(DataError, match="an intent is a text"):
        small_tagger(1).fit(WORDS, TAGS, intents=[3] * len(WORDS))
    with pytest.raises(DataError, match="sentence 1, row 2: the tag 'B-NEW' was not there"):
        fitted.fit([["a", "b"]] * 4, [["O", "B-NEW"]] * 4)
    for fields in ({"hidden_size": 0}, {"dropout": 1.0}, {"crf": "maybe"}, {"colour": 1}):
        with pytest.raises(ConfigError):
            Tagger(**fields)


def test_shapes_of_words():
    assert [shape_of(word) for word in ("the", "Rome", "EU", "McGee", "12", "B2", "...", "I")] == [
        0, 1, 2, 3, 4, 5, 6, 1,
    ]  # fmt: skip


@pytest.mark.parametrize("baseline", [MostFrequentTag, LinearTagger])
def test_baselines_give_tags_that_beat_one_tag_for_all(baseline):
    if baseline is LinearTagger:
        pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    found = baseline().fit(WORDS, TAGS).predict(NEW_WORDS)
    assert [len(row) for row in found] == [len(row) for row in NEW_TAGS]
    assert accuracy(NEW_TAGS, found) > accuracy(NEW_TAGS, [["O"] * len(row) for row in NEW_TAGS]) + 0.2
