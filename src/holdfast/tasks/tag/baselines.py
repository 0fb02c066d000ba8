"""What a tagger must beat: each word's most frequent tag, and a linear model on features of word and neighbours."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from holdfast.errors import MissingDependencyError
from holdfast.tasks.tag.data import SHAPES, pair_up, plain_word, shape_of

LONGEST_SUFFIX = 4


class MostFrequentTag:
    """Gives each word its most frequent tag; an unseen word that of its longest seen ending and its shape.

    Example:
        >>> MostFrequentTag().fit([["she", "walked"]], [["PRON", "VERB"]]).predict([["he", "talked"]])
        [['PRON', 'VERB']]
    """

    def fit(self, sentences: Iterable[Sequence[str]], tags: Iterable[Sequence[str]]) -> MostFrequentTag:
        counts: defaultdict[Any, Counter[str]] = defaultdict(Counter)
        for sentence in pair_up(sentences, tags):
            for word, tag in zip(sentence.words, sentence.tags or (), strict=True):
                for key in self._keys(word):
                    counts[key][tag] += 1
        # Of equally frequent tags the first in the alphabet, so that the order of the data does not matter.
        self._best = {key: min(found, key=lambda tag: (-found[tag], tag)) for key, found in counts.items()}
        return self

    def predict(self, sentences: Iterable[Sequence[str]]) -> list[list[str]]:
        return [[self._tag(word) for word in sentence] for sentence in sentences]

    def _tag(self, word: str) -> str:
        return next(self._best[key] for key in self._keys(word) if key in self._best)

    def _keys(self, word: str) -> Iterator[Any]:
        """Give what a word is looked up by, the surest first; the last, the empty ending, is always known."""
        yield word
        yield word.lower(), "lower"
        shape = SHAPES[shape_of(word)]
        for length in range(LONGEST_SUFFIX, -1, -1):
            yield word.lower()[len(word) - length :] if length <= len(word) else word.lower(), shape, length
        yield ()


class LinearTagger:
    """Multinomial logistic regression on each word's form, ending, beginning, shape and two neighbours on each side.

    Each word is tagged by itself, whatever its neighbours are tagged.

    Raises:
        MissingDependencyError: from `fit`: scikit-learn is not installed.
    """

    def __init__(self, iterations: int = 5, seed: int = 0):
        self.iterations, self.seed = iterations, seed

    def fit(self, sentences: Iterable[Sequence[str]], tags: Iterable[Sequence[str]]) -> LinearTagger:
        try:
            from sklearn.feature_extraction import FeatureHasher
            from sklearn.linear_model import SGDClassifier
        except ImportError as error:
            raise MissingDependencyError("scikit-learn", "The linear baseline of the tag task", "tag") from error
        pairs = pair_up(sentences, tags)
        self._hasher: Any = FeatureHasher(2**20, input_type="string")
        # On average of the steps: near the optimum in few passes, and without one more choice to make.
        never: Any = None  # stop before all passes are made
        self._model: Any = SGDClassifier(
            loss="log_loss", alpha=1e-6, max_iter=self.iterations, tol=never, average=True, random_state=self.seed
        )
        table = self._hasher.transform(row for pair in pairs for row in features(pair.words))
        self._model.fit(table, [tag for pair in pairs for tag in pair.tags or ()])
        return self

    def predict(self, sentences: Iterable[Sequence[str]]) -> list[list[str]]:
        sentences = [list(sentence) for sentence in sentences]
        found = iter(self._model.predict(self._hasher.transform(row for words in sentences for row in features(words))))
        return [[str(next(found)) for _ in words] for words in sentences]


def features(words: Sequence[str]) -> list[list[str]]:
    """Return what the linear model sees of each word."""
    edge = ["<edge>", "<edge>"]
    plain = [*edge, *map(plain_word, words), *edge]
    shapes = [SHAPES[shape_of(word)] for word in words]
    rows = []
    for place, word in enumerate(words):
        lower, around = word.lower(), plain[place : place + 5]
        row = [f"w{offset}={form}" for offset, form in enumerate(around, -2)]
        row += [f"pair-={around[1]} {around[2]}", f"pair+={around[2]} {around[3]}"]
        row += [f"end={lower[-n:]}" for n in range(1, 5)] + [f"begin={lower[:n]}" for n in range(1, 4)]
        row += [f"near={around[n][-3:]}{n}" for n in (1, 3)]
        rows.append([*row, f"shape={shapes[place]}", f"first={place == 0}", f"form={word}", "bias"])
    return rows
