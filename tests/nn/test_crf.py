"""The chain of tags against the enumeration of every tag sequence, in float64."""

from __future__ import annotations

import itertools

import pytest
import torch

from holdfast.layers import CrfLayer, layer_from_dict, layer_to_dict
from holdfast.nn.build import build_layers, load_model, save_model
from holdfast.nn.crf import Chain, LinearChainCrf, best_path, log_partition, marginals, path_score

LENGTHS = torch.tensor([4, 1, 3])


def drawn(num_tags: int = 3, steps: int = 4) -> tuple[LinearChainCrf, torch.Tensor]:
    crf = LinearChainCrf(num_tags).double()
    for param in crf.parameters():
        torch.nn.init.normal_(param)
    return crf, torch.randn(steps, len(LENGTHS), num_tags, dtype=torch.float64)


def score_by_hand(chain: Chain, emissions: torch.Tensor, path: tuple[int, ...]) -> float:
    """Return the score of one path over emissions [T, K]."""
    chain = Chain(*(scores.detach() for scores in (chain.transitions, chain.start, chain.end)))
    score = chain.start[path[0]] + chain.end[path[-1]]
    score = score + sum(emissions[t, tag] for t, tag in enumerate(path))
    return float(score + sum(chain.transitions[a, b] for a, b in itertools.pairwise(path)))


def all_paths(chain: Chain, emissions: torch.Tensor, length: int) -> dict[tuple[int, ...], float]:
    tags = range(emissions.shape[1])
    return {p: score_by_hand(chain, emissions, p) for p in itertools.product(tags, repeat=length)}


@pytest.mark.parametrize("num_tags", [1, 3])
def test_everything_equals_enumeration(num_tags):
    crf, emissions = drawn(num_tags)
    chain = crf.chain
    total, best, soft = (f(chain, emissions, LENGTHS) for f in (log_partition, best_path, marginals))
    for row, length in enumerate(LENGTHS.tolist()):
        scores = all_paths(chain, emissions[:, row], length)
        z = torch.logsumexp(torch.tensor(list(scores.values()), dtype=torch.float64), 0)
        assert total[row].item() == pytest.approx(z.item(), abs=1e-10)
        assert tuple(best[:length, row].tolist()) == max(scores, key=scores.__getitem__)
        assert not best[length:, row].any()
        expected = torch.zeros(len(emissions), num_tags, dtype=torch.float64)
        for path, score in scores.items():
            for t, tag in enumerate(path):
                expected[t, tag] += (score - z).exp()
        torch.testing.assert_close(soft[:, row], expected)


def test_likelihood_is_the_share_of_the_path():
    crf, emissions = drawn()
    tags = torch.randint(3, (4, 3))
    found = crf(emissions, tags, LENGTHS)
    for row, length in enumerate(LENGTHS.tolist()):
        scores = all_paths(crf.chain, emissions[:, row], length)
        path = tuple(tags[:length, row].tolist())
        z = torch.logsumexp(torch.tensor(list(scores.values()), dtype=torch.float64), 0)
        assert found[row].item() == pytest.approx(scores[path] - z.item(), abs=1e-10)


def test_gradients_are_those_of_finite_differences():
    crf, emissions = drawn()
    tags = torch.randint(3, (4, 3))

    def likelihood(emissions, transitions, start, end):
        chain = Chain(transitions, start, end)
        return path_score(chain, emissions, tags, LENGTHS) - log_partition(chain, emissions, LENGTHS)

    inputs = [emissions, crf.transitions, crf.start, crf.end]
    assert torch.autograd.gradcheck(likelihood, [x.detach().clone().requires_grad_() for x in inputs])


def test_padding_does_not_count():
    crf, emissions = drawn()
    padded = emissions.clone()
    for row, length in enumerate(LENGTHS.tolist()):
        padded[length:, row] = 1e3
    tags = torch.randint(3, (4, 3))
    torch.testing.assert_close(crf(padded, tags, LENGTHS), crf(emissions, tags, LENGTHS))
    assert torch.equal(best_path(crf.chain, padded, LENGTHS), best_path(crf.chain, emissions, LENGTHS))


@pytest.mark.parametrize("size", [1e2, 1e4])
def test_large_scores_stay_finite_in_float32(size):
    crf, emissions = drawn()
    single = LinearChainCrf(3)
    single.load_state_dict({name: value.float() for name, value in crf.state_dict().items()})
    large = (emissions * size).float().requires_grad_()
    tags = best_path(crf.chain, emissions * size, LENGTHS)
    loss = -single(large, tags, LENGTHS)
    assert torch.isfinite(loss).all()
    assert (loss < 1.0 + size * 1e-4).all()  # the best path has nearly all of the probability
    loss.sum().backward()
    assert all(torch.isfinite(param.grad).all() for param in single.parameters())
    assert torch.isfinite(large.grad).all()


def test_forbidden_moves_have_no_probability():
    crf, emissions = drawn()
    mask = torch.tensor([[False, True, False], [False, False, False], [True, False, False]])
    chain = Chain(crf.transitions.masked_fill(mask, -1e4), crf.start, crf.end)
    scores = all_paths(chain, emissions[:, 0], 4)
    allowed = {path: s for path, s in scores.items() if not any(mask[a, b] for a, b in itertools.pairwise(path))}
    z = torch.logsumexp(torch.tensor(list(allowed.values()), dtype=torch.float64), 0)
    assert log_partition(chain, emissions, LENGTHS)[0].item() == pytest.approx(z.item(), abs=1e-10)
    assert tuple(best_path(chain, emissions, LENGTHS)[:, 0].tolist()) == max(allowed, key=allowed.__getitem__)


def test_layer_is_saved_and_built_again(tmp_path):
    layers = [CrfLayer("crf", 5)]
    assert layer_from_dict(layer_to_dict(layers[0])) == layers[0]
    modules = build_layers(layers)
    torch.nn.init.normal_(modules["crf"].transitions)
    save_model(tmp_path / "model", layers, modules, {"kind": "test"})
    again = load_model(tmp_path / "model")[2]["crf"]
    assert all(torch.equal(a, b) for a, b in zip(modules["crf"].parameters(), again.parameters(), strict=True))
