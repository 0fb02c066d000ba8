"""Integrated gradients: complete, equal to the formula by brute force, in eval mode, with nothing left behind."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import holdfast
from holdfast.errors import ConfigError, ShapeError
from holdfast.inside import integrated_gradients
from holdfast.train import TrainSettings
from tests.cases import FAMILIES, OURS


def test_a_linear_model_gives_weight_times_difference():
    model, x = nn.Linear(3, 1), torch.randn(4, 2, 3)
    found = integrated_gradients(model, x, lambda m, x: m(x).sum((0, 2)), baseline=0.5, steps=1)
    expected = (x - 0.5) * model.weight[0]
    np.testing.assert_allclose(found.features, expected.detach().numpy(), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found.steps, found.features.sum(-1))
    assert found.gap < 1e-5


@pytest.mark.parametrize("family", FAMILIES)
def test_steps_sum_to_the_score_and_are_those_of_the_riemann_sum(family):
    layer = OURS[family](3, 5, num_layers=2, dropout=0.5).double()
    x = torch.randn(6, 2, 3, dtype=torch.float64)

    def score(layer, x):
        return layer(x)[0][-1].sin().sum(-1)

    found = integrated_gradients(layer, x, score)
    assert layer.training
    assert all(parameter.grad is None for parameter in layer.parameters())
    assert found.steps.shape == (6, 2)
    assert found.gap < 1e-5
    np.testing.assert_allclose(found.steps.sum(0), found.score - found.baseline_score, atol=1e-5)
    layer.eval()
    total = torch.zeros_like(x)
    for k in range(400):
        point = ((k + 0.5) / 400 * x).requires_grad_()
        total += torch.autograd.grad(score(layer, point).sum(), point)[0] / 400
    np.testing.assert_allclose(found.features, (x * total).numpy(), atol=1e-5)
    coarse = integrated_gradients(layer, x, score, steps=1, most=3)
    assert integrated_gradients(layer, x, score, steps=1).gap < coarse.gap


@pytest.mark.parametrize("batch_first", [False, True])
def test_what_one_row_misses_is_not_made_up_for_by_another(batch_first):
    """Two mirrored rows jump by 1 and by -1: each misses that much."""
    x = torch.tensor([1.0, -1.0], dtype=torch.float64).reshape(1, 2, 1)
    x = (x.transpose(0, 1) if batch_first else x).expand(-1, -1, 1)

    def score(module, x):
        value = module(x).sum((1, 2) if batch_first else (0, 2))
        return value + (value > 0.37) - (value < -0.37).double()

    found = integrated_gradients(nn.Identity(), x, score, batch_first=batch_first)
    np.testing.assert_allclose(found.gaps, [1.0, 1.0])
    assert found.gap == pytest.approx(2.0)
    assert "1 is unaccounted for" in found.summary()


def test_a_row_that_is_steep_is_found_where_its_mirror_image_is_beside_it():
    x = torch.tensor([1.0, -1.0], dtype=torch.float64).reshape(1, 2, 1)
    found = integrated_gradients(nn.Identity(), x, lambda m, x: torch.tanh(50 * m(x).sum((0, 2)).pow(3)), steps=1)
    np.testing.assert_allclose(found.steps[0], found.score - found.baseline_score, atol=5e-3)


def test_steep_places_are_found_and_a_jump_is_told():
    x = torch.ones(1, 1, 1, dtype=torch.float64)
    steep = integrated_gradients(nn.Identity(), x, lambda m, x: torch.tanh(500 * (m(x) - 0.37)).sum())
    assert steep.gap < 5e-3
    jump = integrated_gradients(nn.Identity(), x, lambda m, x: (m(x) + (m(x) > 0.37)).sum())
    assert jump.gap == pytest.approx(1.0)
    assert jump.features.item() == pytest.approx(1.0)
    assert "1 is unaccounted for" in jump.summary()


class Words(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.encoder, self.head = nn.Embedding(9, 4), holdfast.GRU(4, 5), nn.Linear(5, 3)

    def forward(self, ids):
        return self.head(self.encoder(self.embed(ids))[0][-1])


def test_ids_are_attributed_to_through_the_embedding_or_any_module_named():
    model, ids = Words().double(), torch.tensor([[1, 2], [3, 4], [5, 6]])

    def score(model, ids):
        return model(ids)[:, 1]

    found = integrated_gradients(model, ids, score)
    assert found.features.shape == (3, 2, 4)
    assert found.gap < 1e-5
    at_encoder = integrated_gradients(model, ids, score, at="encoder")
    np.testing.assert_allclose(at_encoder.features, found.features, atol=1e-12)
    assert integrated_gradients(model, ids, score, at="head").features.shape == (2, 5)
    # Attribution follows the input: a word whose vector is the baseline's added nothing.
    with torch.no_grad():
        model.embed.weight[3] = 0.0
    assert not integrated_gradients(model, ids, score).steps[1, 0]
    assert not model.embed._forward_hooks
    assert not model.encoder._forward_pre_hooks


def test_a_language_model_says_what_makes_a_word_come_next():
    settings = TrainSettings(max_steps=400, learning_rate=0.01)
    lm = holdfast.LanguageModel(hidden_size=16, num_layers=1, dropout=0.0, units="words", train=settings)
    pairs = [("paris", "french"), ("rome", "italian")] * 40
    lm.fit(documents=[f"from {city} so we speak {tongue}" for city, tongue in pairs], quiet=True)
    found = integrated_gradients(lm, "from paris so we speak", "french")
    assert found.labels == ("from", "paris", "so", "we", "speak")
    assert found.gap < 1e-3
    other = integrated_gradients(lm, "from paris so we speak", "italian")
    assert found.labels[int(np.argmax(found.steps[:, 0] - other.steps[:, 0]))] == "paris"
    assert found.summary(top=5).startswith("The score rests on")
    assert "'paris' (step 1)" in found.summary(top=5)
    assert np.exp(found.score[0]) == pytest.approx(dict(lm.complete("from paris so we speak", top=9))["french"], 1e-3)
    frame = pytest.importorskip("pandas", reason="pandas makes the table") and found.to_dataframe()
    assert frame.columns.tolist() == ["row", "step", "label", "attribution"]
    assert frame.label.tolist() == list(found.labels)
    with pytest.raises(ConfigError, match="'german'"):
        integrated_gradients(lm, "from paris", "german")


def test_characters_of_a_word_are_scored_together():
    lm = holdfast.LanguageModel(hidden_size=8, num_layers=1, units="characters", train=TrainSettings(max_steps=3))
    lm.fit("abcabcab" * 60, quiet=True)
    found = integrated_gradients(lm, "ab", "ca")
    assert found.labels == ("a", "b", "c")
    losses = [lm.losses_of(text)[0].item() for text in ("abc", "abca")]
    assert found.score[0] == pytest.approx(-sum(losses), rel=1e-4)


def test_what_cannot_be_attributed_is_refused():
    model, ids = Words(), torch.tensor([[1, 2], [3, 4]])
    with pytest.raises(ConfigError, match="no module named 'decoder'"):
        integrated_gradients(model, ids, lambda m, x: m(x)[:, 0], at="decoder")
    with pytest.raises(ShapeError, match=r"\(2, 3\)"):
        integrated_gradients(model, ids, lambda m, x: m(x))
    with pytest.raises(ConfigError, match="no embedding"):
        integrated_gradients(nn.Linear(2, 2), ids, lambda m, x: m(x.float()))
    with pytest.raises(ConfigError, match="Words has none"):
        integrated_gradients(model, ids, "word")
    with pytest.raises(ConfigError, match="1 part"):
        integrated_gradients(model, ids, lambda m, x: m(x)[:, 0], steps=0)
