"""On real data: the files are read whole, and a small tagger beats each word's most frequent tag."""

from __future__ import annotations

import pytest

from holdfast.tasks.tag import Reading, Tagger
from holdfast.tasks.tag.baselines import MostFrequentTag
from holdfast.tasks.tag.columns import read_columns
from holdfast.tasks.tag.data import check_scheme
from holdfast.tasks.tag.score import accuracy
from holdfast.train import TrainSettings


@pytest.mark.parametrize(
    ("name", "sentences", "scheme"),
    [
        ("ud_english_ewt/en_ewt-ud-dev.conllu.xz", 2001, "plain"),
        ("ner_conll2002_es/esp.testa.xz", 1915, "bio"),
        ("ner_wnut17/emerging.dev.conll.gz", 1009, "bio"),
    ],
)
def test_files_have_the_published_number_of_sentences(data_folder, name, sentences, scheme):
    found = read_columns([data_folder / name], Reading())
    assert len(found) == sentences
    assert check_scheme(found, "auto", mend=True)[0] == scheme


def test_parts_of_speech_are_learned_beyond_each_words_own(data_folder):
    folder = data_folder / "ud_english_ewt"
    train = read_columns([folder / "en_ewt-ud-train.conllu.xz"], Reading())[:800]
    held_out = read_columns([folder / "en_ewt-ud-dev.conllu.xz"], Reading())[:400]
    words, tags = [s.words for s in train], [s.tags for s in train]
    new_words, new_tags = [s.words for s in held_out], [s.tags for s in held_out]
    baseline = accuracy(new_tags, MostFrequentTag().fit(words, tags).predict(new_words))
    settings = TrainSettings(learning_rate=1e-2)
    tagger = Tagger(
        hidden_size=64, word_size=50, character_hidden_size=32, epochs=6, dropout=0.2, train=settings
    )  # fmt: skip
    tagger.fit(words, tags, validation=(new_words[:100], new_tags[:100]), quiet=True)
    assert 0.8 < baseline < 0.9
    assert tagger.evaluate(new_words, new_tags)["accuracy"] > baseline + 0.015
