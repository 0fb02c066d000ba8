"""The losses that estimators hand to gradient_flow: one a row, of the last step, with their graph."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import holdfast
from holdfast.train import TrainSettings

TRAIN = TrainSettings(max_steps=2)


def test_a_language_model_follows_back_the_last_token_of_each_document():
    lm = holdfast.LanguageModel(hidden_size=8, num_layers=2, embedding_size=6, train=TRAIN, units="characters")
    lm.fit(documents=["abcab", "bca", "cabab"] * 4, quiet=True)
    documents = ["abcabc", "ab", "caba"]
    flow = holdfast.gradient_flow(lm, documents)
    for row, text in enumerate(documents):
        alone = holdfast.gradient_flow(lm, text)
        steps = len(text) - 1
        for layer in range(2):
            found, expected = (
                flow["modules_by_name.recurrent", layer, "forward"],
                alone["modules_by_name.recurrent", layer, "forward"],
            )
            np.testing.assert_allclose(found.rows_h[row, :steps], expected.rows_h[0], rtol=1e-4)
            np.testing.assert_allclose(found.rows_c[row, :steps], expected.rows_c[0], rtol=1e-4)
            assert np.isnan(found.rows_h[row, steps:]).all()
        whole, before = lm.evaluate(text), lm.evaluate(text[:-1]) if len(text) > 2 else {"loss": 0.0, "tokens": 0.0}
        last = whole["loss"] * whole["tokens"] - before["loss"] * before["tokens"]
        assert flow.loss[row] == pytest.approx(last, rel=1e-4)
    assert flow.top.layer == 1
    assert not lm.model.training


def test_a_classifier_has_one_loss_an_example():
    rng = np.random.default_rng(0)
    series = [rng.standard_normal((steps, 2)) for steps in (5, 9, 7, 6)]
    classifier = holdfast.Classifier(hidden_size=6, epochs=1, pooling="last").fit(series, list("abab"), quiet=True)
    flow = holdfast.gradient_flow(classifier, (series, list("abab")))
    assert flow.loss.mean() == pytest.approx(classifier.evaluate(series, list("abab"))["loss"], rel=1e-5)
    assert (~np.isnan(flow.layers[0].rows_h)).sum(axis=1).tolist() == [5, 9, 7, 6]
    assert flow.layers[0].rows_h[:, 0].min() > 0


@pytest.mark.parametrize("tags", [("N", "V"), ("B-X", "I-X")], ids=["plain", "chunks"])
def test_a_tagger_follows_back_the_last_word(tags):
    pairs = [(["ann", "ran"], list(tags)), (["he", "is", "off"], [*tags, tags[0]])] * 6
    tagger = holdfast.Tagger(epochs=1, hidden_size=6, character_hidden_size=4, train=TRAIN).fit(pairs, quiet=True)
    flow = holdfast.gradient_flow(tagger, pairs[:2])
    shares = [tagger.predict_proba([words])[0] for words, _ in pairs[:2]]
    chances = [share[-1, tagger.vocabulary.tag_id(own[-1])] for share, (_, own) in zip(shares, pairs, strict=False)]
    if tags[0] == "N":  # prediction forbids what BIO does; the loss does not
        np.testing.assert_allclose(flow.loss, -np.log(chances), rtol=1e-4)
    assert (flow.loss > 0).all()
    recurrent = flow["modules_by_name.recurrent", 0, "forward"]
    assert (~np.isnan(recurrent.rows_h)).sum(axis=1).tolist() == [2, 3]
    assert recurrent.rows_h[0, 0] > 0
    losses, lengths = tagger.losses_of(pairs[:2])
    assert losses.requires_grad
    assert lengths is None


def test_a_chain_gives_the_loss_of_the_last_tag_over_all_paths():
    pairs = [(["a", "b"], ["B-X", "I-X"]), (["b"], ["O"])] * 6
    tagger = holdfast.Tagger(epochs=1, hidden_size=6, character_hidden_size=0, train=TRAIN, crf="yes")
    tagger.fit(pairs, quiet=True)
    totals = []
    for tag in tagger.vocabulary.tags:
        if not tag.startswith("I"):  # an inside tag is not read after another chunk
            totals.append(tagger.losses_of([(["a", "b"], ["O", tag])])[0])
    totals.append(tagger.losses_of([(["a", "b"], ["B-X", "I-X"])])[0])
    assert torch.stack(totals).neg().exp().sum().item() == pytest.approx(1.0, rel=1e-5)


@pytest.mark.parametrize("decoder", ["direct", "recursive"])
def test_a_forecaster_follows_back_the_end_of_each_series(decoder):
    pd = pytest.importorskip("pandas", reason="the forecaster reads frames")
    from holdfast.tasks.forecast.config import ForecastTraining, WindowSettings

    steps = np.arange(60)
    frame = pd.concat(
        pd.DataFrame({"unique_id": name, "ds": steps, "y": np.sin(steps[:60] / phase) + 2}) for name, phase in
        (("a", 3), ("b", 4))
    )  # fmt: skip
    forecaster = holdfast.Forecaster(
        horizon=3, season=6, seed=0, hidden_size=6, decoder=decoder, train=ForecastTraining(max_steps=3),
        windows=WindowSettings(context=16),
    )  # fmt: skip
    forecaster.fit(frame, quiet=True)
    with torch.no_grad():
        for number in range(forecaster.config.seeds):
            forecaster.model.modules_by_name[f"output{number}"].weight.normal_(std=0.1)
    flow = holdfast.gradient_flow(forecaster, frame)
    assert flow.loss.shape == (2,)
    assert (flow.layers[0].rows_h[:, 0] > 0).all()
    np.testing.assert_allclose(holdfast.gradient_flow(forecaster, None).loss, flow.loss)
