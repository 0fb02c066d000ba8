"""The default settings on real data: Japanese Vowels must reach what a sound LSTM does."""

from __future__ import annotations

from benchmarks.classify_sets import SETS
from holdfast.tasks.classify import Classifier


def test_japanese_vowels_are_told_apart(data_folder):
    read = SETS["japanese_vowels"].read
    assert Classifier().fit(*read("train"), quiet=True).score(*read("test")) >= 0.97
