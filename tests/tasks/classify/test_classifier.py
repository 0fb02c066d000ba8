"""A classifier learns series and texts, answers at every step, and reads what people have."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from holdfast.errors import ConfigError, DataError
from holdfast.layers import ConvolutionLayer, NgramLayer
from holdfast.tasks.classify import Classifier, ClassifyConfig, SeriesSettings, TextSettings
from holdfast.tasks.classify.data import ExampleBatches, hold_out
from holdfast.tasks.classify.model import Regularisation, build_network, classify_layers
from tests.tasks.classify.samples import small_classifier, small_series, small_texts

X, Y = small_series()
X_NEW, Y_NEW = small_series(40, seed=1)


@pytest.mark.parametrize("pooling", ["attention", "last", "mean", "max"])
def test_series_are_learnt_with_every_pooling(pooling):
    classifier = small_classifier(pooling=pooling).fit(X, Y, quiet=True)
    assert classifier.score(X_NEW, Y_NEW) >= 0.8
    p = classifier.predict_proba(X_NEW)
    assert p.shape == (40, 2)
    assert p.sum(1) == pytest.approx(1)
    assert classifier.classes_.tolist() == ["down", "up"]
    assert set(classifier.predict(X_NEW)) == {"down", "up"}


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_texts_are_learnt_with_every_cell(cell):
    x, y = small_texts()
    classifier = small_classifier(cell=cell).fit(x, y, quiet=True)
    assert classifier.score(*small_texts(40, seed=1)) >= 0.95
    assert classifier.predict(["LOVELY!", "so dull", ""]).tolist()[:2] == ["pos", "neg"]


@pytest.mark.parametrize("units", ["tokens", "characters", "bytes"])
def test_texts_are_read_in_other_units(units):
    x, y = small_texts()
    text = TextSettings(units=units, embedding_size=12, max_length=20)
    assert small_classifier(text=text).fit(x, y, quiet=True).predict_proba(x).shape == (80, 2)


@pytest.mark.parametrize("pooling", ["attention", "last", "mean", "max"])
def test_stream_ends_where_predict_proba_does(pooling):
    classifier = small_classifier(20, pooling=pooling, bidirectional=False).fit(X, Y, quiet=True)
    answers = list(classifier.predict_stream(iter(X_NEW[0])))
    assert len(answers) == len(X_NEW[0])
    for steps in (1, 3, len(answers)):
        whole = classifier.predict_proba([X_NEW[0][:steps]])[0]
        assert answers[steps - 1] == pytest.approx(whole, abs=1e-6)


def test_stream_of_a_text_answers_at_every_word():
    x, y = small_texts()
    classifier = small_classifier(bidirectional=False).fit(x, y, quiet=True)
    answers = list(classifier.predict_stream("the film was awful"))
    assert len(answers) == 4
    assert answers[-1] == pytest.approx(classifier.predict_proba(["the film was awful"])[0], abs=1e-6)
    assert list(classifier.predict_stream(["the", "film"]))[1] == pytest.approx(answers[1])


def test_a_model_that_reads_both_ways_does_not_stream():
    classifier = small_classifier(1).fit(X, Y, quiet=True)
    with pytest.raises(ConfigError, match="bidirectional=False"):
        classifier.predict_stream(X[0])


def test_the_length_of_others_in_the_batch_does_not_matter():
    classifier = small_classifier(10).fit(X, Y, quiet=True)
    alone = np.concatenate([classifier.predict_proba([x]) for x in X_NEW])
    assert classifier.predict_proba(X_NEW) == pytest.approx(alone, abs=1e-6)


def test_arrays_and_lists_are_read_alike():
    x = np.stack([np.cumsum(np.full((9, 2), 0.3 * (n % 3 - 1)) + n / 50, 0) for n in range(30)])
    y = [n % 3 for n in range(30)]
    one, other = small_classifier(10).fit(x, y, quiet=True), small_classifier(10).fit(list(x), y, quiet=True)
    assert (one.predict_proba(x) == other.predict_proba(list(x))).all()
    assert one.predict(x).dtype.kind == "i"
    flat, column = small_classifier(10).fit(x[:, :, 0], y, quiet=True), x[:, :, :1]
    assert (flat.predict_proba(x[:, :, 0]) == flat.predict_proba(column)).all()


def test_ngrams_know_pairs_that_the_words_alone_do_not():
    random = np.random.default_rng(0)
    texts = [" ".join(["not good" if n % 2 else "good not", *random.permutation(["a", "b", "c"])]) for n in range(60)]
    y = [n % 2 for n in range(60)]
    beside = small_classifier(1).fit(texts, y, quiet=True)  # one update teaches the recurrent layers nothing
    assert beside.score(texts, y) == 1
    alone = small_classifier(1, text=TextSettings(embedding_size=12, ngram_rows=0)).fit(texts, y, quiet=True)
    assert "ngrams" not in {layer.name for layer in alone.layers}
    assert alone.score(texts, y) < 0.9


def test_training_does_not_see_the_ngrams():
    x, y = small_texts()
    losses = []
    for rows in (0, 1000):
        text = TextSettings(embedding_size=12, ngram_rows=rows, word_dropout=0)
        classifier = small_classifier(3, text=text, dropout=0.0).fit(x, y, quiet=True)
        network = classifier.model.train()
        batch = ExampleBatches(classifier.reader.rows(x), np.arange(80) % 2, 80).__next__()
        shake = Regularisation(0.0, classifier.config.series, 0.0)
        losses.append(network.loss(batch, None, shake)[0].item())
    assert losses[0] == pytest.approx(losses[1])


def test_rows_of_ngrams_shrink_with_many_classes():
    config = ClassifyConfig()
    for classes, rows in ((2, 262_144), (1000, 4_194)):
        (layer,) = [one for one in classify_layers(config, classes, vocabulary=50) if isinstance(one, NgramLayer)]
        assert (layer.buckets, layer.order, layer.vocabulary) == (rows, 2, 50)
    letters = classify_layers(ClassifyConfig(text=TextSettings(units="bytes")), 2, vocabulary=256)
    assert letters[-1].order == 5


def test_convolutions_can_be_left_out_and_do_not_look_ahead_when_streaming():
    plain = small_classifier(60, series=SeriesSettings(convolution=0)).fit(X, Y, quiet=True)
    assert [layer.name for layer in plain.layers] == ["scaler", "recurrent", "pooling", "dropout_out", "output"]
    assert plain.score(X_NEW, Y_NEW) >= 0.8
    both, one_way = small_classifier(1), small_classifier(1, bidirectional=False)
    for classifier, causal in ((both, False), (one_way, True)):
        layers = classifier.fit(X, Y, quiet=True).layers
        found = [layer for layer in layers if isinstance(layer, ConvolutionLayer)]
        assert [layer.kernel for layer in found] == [9, 5, 3]
        assert {layer.causal for layer in found} == {causal}


def test_half_precision_trains():
    train = replace(small_classifier(80).config.train, precision="bfloat16")
    assert small_classifier(train=train).fit(X, Y, quiet=True).score(X_NEW, Y_NEW) >= 0.8


def test_smoothed_labels_leave_the_network_less_sure():
    def sure(smoothing: float) -> float:
        return small_classifier(80, label_smoothing=smoothing).fit(X, Y, quiet=True).predict_proba(X).max(1).mean()

    assert sure(0.3) < sure(0.0) - 0.05


def test_long_series_are_joined_and_short_ones_not():
    x = np.random.default_rng(0).normal(size=(8, 310))
    y = [0, 1] * 4
    assert small_classifier(1).fit(x, y, quiet=True).reader.join == 3
    assert small_classifier(1, bidirectional=False).fit(x, y, quiet=True).reader.join == 1
    fixed = small_classifier(1, series=SeriesSettings(join=7), bidirectional=False).fit(x, y, quiet=True)
    assert len(list(fixed.predict_stream(x[0]))) == 310 // 7
    assert fixed.predict_proba(x[:, :3]).shape == (8, 2)  # shorter than one joined step


def test_equal_seeds_give_equal_models_and_others_do_not():
    one, same, other = (small_classifier(10, seed=seed).fit(X, Y, quiet=True).predict_proba(X) for seed in (0, 0, 1))
    assert (one == same).all()
    assert not (one == other).all()


def test_a_second_fit_starts_anew():
    classifier = small_classifier(10).fit(X_NEW, Y_NEW, quiet=True)
    fresh = small_classifier(10).fit(X, Y, quiet=True)
    assert (classifier.fit(X, Y, quiet=True).predict_proba(X) == fresh.predict_proba(X)).all()


def test_balanced_weights_find_the_rare_class():
    x, y = small_series(200, seed=3)
    rare = [n for n, label in enumerate(y) if label == "down" or n < 16]
    x, y = [x[n] for n in rare], [y[n] for n in rare]
    recall = {}
    for weight in ("none", "balanced"):
        classifier = small_classifier(40, class_weight=weight).fit(x, y, quiet=True)
        recall[weight] = classifier.evaluate(X_NEW, Y_NEW)["classes"]["up"]["recall"]
    assert recall["balanced"] >= recall["none"]
    assert recall["balanced"] > 0.7


def test_early_stopping_keeps_the_best_and_stops():
    x, y = small_texts(200)
    train = small_classifier(400).config.train
    classifier = small_classifier(train=replace(train, evaluate_every=10, patience=2))
    classifier.fit(x, y, validation=0.2, quiet=True)
    assert classifier.result.best is not None
    held = small_classifier(20).fit(x, y, validation=(small_texts(20, seed=2)), quiet=True)
    assert held.result.best == pytest.approx(held.evaluate(*small_texts(20, seed=2))["loss"], rel=1e-5)


def test_held_out_share_is_of_each_class_alike():
    numbers = np.array([0] * 50 + [1] * 20 + [2])
    train, held = hold_out(numbers, 0.2, seed=0)
    assert np.bincount(numbers[held], minlength=3).tolist() == [10, 4, 0]
    assert sorted([*train, *held]) == list(range(71))


def test_batches_hold_every_example_once_an_epoch_and_resume():
    rows = [np.zeros((1 + n % 9, 1), np.float32) for n in range(50)]
    batches = ExampleBatches(rows, np.arange(50), 8, seed=1)
    first = [next(batches) for _ in range(batches.per_epoch)]
    assert sorted(np.concatenate([batch.labels for batch in first])) == list(range(50))
    state = batches.state_dict()
    again = ExampleBatches(rows, np.arange(50), 8, seed=1)
    again.load_state_dict(state)
    assert (next(again).labels == next(batches).labels).all()
    with pytest.raises(ValueError, match="not cut as it was"):
        ExampleBatches(rows, np.arange(50), 4, seed=1).load_state_dict(state)


def test_gradients_reach_every_parameter():
    config = ClassifyConfig(hidden_size=4, pooling="attention", num_layers=2)
    network = build_network(config, 3, vocabulary=7)
    logits = network(torch.randint(7, (5, 2)), torch.tensor([5, 3]))
    logits.sum().backward()
    assert all(p.grad is not None for p in network.parameters())


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        ([], [], "no examples|0 sample"),
        ([[1.0], [2.0]], ["a", "a"], "two or more classes"),
        ([[1.0], [2.0]], ["a"], "2 examples"),
        ([[1.0], [float("nan")]], ["a", "b"], "Example 2, step 1, feature 1"),
        ([[1.0], []], ["a", "b"], "Example 2 has 0"),
        ([[[1.0, 2.0]], [[1.0]]], ["a", "b"], "Example 2 has 1 features"),
        ([["x"], ["y"]], ["a", "b"], "Example 1 cannot be read as numbers"),
        (["text", 3], ["a", "b"], "Example 2 must be a text"),
        ([[1.0], [2.0]], [0.5, 1.5], "continuous"),
        ([[1.0], [2.0]], ["a", None], "Example 2 has no label"),
        ([[1.0], [2.0]], None, "requires y"),
        (np.zeros((2, 2, 2, 2)), [0, 1], "3D array"),
        ([[1e35], [2.0]], ["a", "b"], "too large"),
    ],
)
def test_broken_data_is_refused_with_the_example(x, y, message):
    with pytest.raises(DataError, match=message):
        small_classifier(1).fit(x, y, quiet=True)


def test_new_data_that_does_not_fit_is_refused():
    classifier = small_classifier(1).fit(X, Y, quiet=True)
    with pytest.raises(DataError, match="3 features"):
        classifier.predict([np.zeros((4, 3))])
    with pytest.raises(DataError, match="were not among"):
        classifier.evaluate(X, ["sideways"] * len(X))
    with pytest.raises(DataError, match="'sideways'"):
        small_classifier(1).fit(X, Y, validation=(X[:1], ["sideways"]), quiet=True)
    with pytest.raises(ConfigError, match="not trained yet"):
        Classifier().predict(X)
    with pytest.raises(ConfigError, match="share to hold out"):
        small_classifier(1).fit(X, Y, validation=1.5)


@pytest.mark.parametrize(
    "fields", [{"pooling": "sum"}, {"cell": "tree"}, {"dropout": 1.0}, {"epochs": -1}, {"hidden_size": 0}, {"depth": 2}]
)
def test_wrong_settings_are_refused(fields):
    with pytest.raises(ConfigError):
        Classifier(**fields)
