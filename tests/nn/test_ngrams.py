"""The classifier of n-grams tells texts apart by words and by their order, and steps give what whole texts do."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from holdfast.errors import SpecError
from holdfast.nn.ngrams import NgramClassifier


def random_texts(count: int, seed: int, symbols: int = 12) -> list[np.ndarray]:
    random = np.random.default_rng(seed)
    return [random.integers(0, symbols, random.integers(3, 15)) for _ in range(count)]


def padded(texts: list[np.ndarray]) -> tuple[torch.Tensor, torch.Tensor]:
    lengths = torch.tensor([len(text) for text in texts])
    ids = torch.zeros((int(lengths.max()), len(texts)), dtype=torch.long)
    for n, text in enumerate(texts):
        ids[: len(text), n] = torch.as_tensor(text)
    return ids, lengths


def accuracy(model: NgramClassifier, texts: list[np.ndarray], labels: np.ndarray) -> float:
    return float((model(*padded(texts)).argmax(1).numpy() == labels).mean())


def follows(text: np.ndarray) -> int:
    """1 where 3 is followed by 5 somewhere: no single symbol tells."""
    return int(((text[:-1] == 3) & (text[1:] == 5)).any())


def ordered_texts(count: int, seed: int) -> tuple[list[np.ndarray], np.ndarray]:
    texts = random_texts(count, seed)
    for n, text in enumerate(texts):
        text[:2] = (3, 5) if n % 2 else (5, 3)
    texts = [text for n, text in enumerate(texts) if follows(text) == n % 2]
    return texts, np.array([follows(text) for text in texts])


def test_words_and_their_order_are_learnt():
    (x, y), (x_new, y_new) = ordered_texts(300, 0), ordered_texts(100, 1)
    alone, pairs = NgramClassifier(12, 1, 1, 2), NgramClassifier(12, 5_000, 2, 2)
    alone.fit(x, y)
    pairs.fit(x, y)
    assert accuracy(pairs, x_new, y_new) >= 0.95
    assert accuracy(alone, x_new, y_new) <= 0.7
    texts = random_texts(300, 2)
    y = np.array([int((text == 4).any()) + 2 * int((text == 7).any()) for text in texts])
    words = NgramClassifier(12, 500, 2, 4)
    words.fit(texts, y)
    assert accuracy(words, texts, y) >= 0.9


@pytest.mark.parametrize("order", [1, 2, 5])
def test_steps_equal_the_whole_and_padding_does_not_matter(order):
    texts = random_texts(40, 3)
    model = NgramClassifier(12, 300, order, 3)
    model.fit(texts, np.arange(40) % 3)
    whole = model(*padded(texts))
    for n in (0, 7, 20):
        assert torch.allclose(model(*padded([texts[n]]))[0], whole[n], atol=1e-5)
        state = None
        for symbol in texts[n]:
            logits, state = model.step(torch.tensor([symbol]), state)
        assert torch.allclose(logits[0], whole[n], atol=1e-5)


def test_an_order_of_five_sees_the_beginning_and_the_whole_run():
    model = NgramClassifier(4, 100_000, 5, 2)
    texts = [np.array(text) for text in ([0, 1, 2, 3, 0], [1, 1, 2, 3, 0])] * 10
    model.fit(texts, np.array([0, 1] * 10))
    assert model(*padded([texts[0]]))[0].argmax() == 0
    places = model._places(torch.tensor([[4], [4], [4], [4], [0], [1], [2], [3], [0]]))[:, :, 0]
    assert places.shape == (5, 5)
    assert places[0].tolist() == [0, 1, 2, 3, 0]
    assert len(set(places[1:].flatten().tolist())) == 20
    assert int(places.max()) < len(model.weight)


def test_class_weights_find_the_rare_class_more_often():
    random = np.random.default_rng(5)
    texts = random_texts(400, 6)
    y = np.array([int((text == 4).any() and random.random() < 0.3) for text in texts])
    found = []
    for weights in (None, torch.tensor([1.0, 8.0])):
        model = NgramClassifier(12, 500, 2, 2)
        model.fit(texts, y, weights)
        found.append(int(model(*padded(texts)).argmax(1).sum()))
    assert found[1] > found[0]


def test_two_fits_are_equal_and_sizes_are_checked():
    texts, y = random_texts(50, 7), np.arange(50) % 2
    one, two = NgramClassifier(12, 300, 2, 2), NgramClassifier(12, 300, 2, 2)
    one.fit(texts, y)
    two.fit(texts[:20], y[:20])
    two.fit(texts, y)
    assert torch.equal(one.weight, two.weight)
    with pytest.raises(SpecError):
        NgramClassifier(12, 0, 2, 2)
