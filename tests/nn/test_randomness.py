"""Zoneout, recurrent dropout, weight drop, learned starts and checkpointing, as their papers state them."""

from __future__ import annotations

import copy

import pytest
import torch
from torch.nn.utils.rnn import pack_padded_sequence
from torch.utils.checkpoint import checkpoint

import holdfast
from holdfast.reference.masks import drop_mask
from holdfast.spec import CellSpec
from tests.cases import FAMILIES, OURS, SINGLE_FLAGS, as_tuple, make_module

MASKED = {key: spec for key, spec in SINGLE_FLAGS.items() if spec.needs_masks}


@pytest.mark.parametrize("spec", MASKED.values(), ids=MASKED)
def test_masks_change_in_training_and_are_absent_in_evaluation(spec):
    module = make_module(spec)
    x = torch.randn(8, 3, 3)
    assert not torch.equal(module(x)[0], module(x)[0])
    module.eval()
    assert torch.equal(module(x)[0], module(x)[0])


@pytest.mark.parametrize("family", FAMILIES)
def test_recurrent_dropout_in_evaluation_is_the_plain_cell(family):
    module = make_module(CellSpec(family, recurrent_dropout=0.4)).eval()
    plain = OURS[family](3, 5)
    plain.load_state_dict(module.state_dict())
    x = torch.randn(8, 3, 3)
    torch.testing.assert_close(module(x)[0], plain(x)[0])


@pytest.mark.parametrize("family", FAMILIES)
def test_zoneout_in_evaluation_is_the_expectation_of_one_step(family):
    module = make_module(CellSpec(family, zoneout_h=0.3), dtype=torch.float64)
    x, h = torch.randn(1, 1, 3, dtype=torch.float64), torch.randn(1, 1, 5, dtype=torch.float64)
    state = (h, torch.randn_like(h)) if family == "lstm" else h
    expected = module.eval()(x, state)[0]
    module.train()
    rows = 4000
    many = tuple(part.expand(1, rows, 5).contiguous() for part in as_tuple(state))
    drawn = module(x.expand(1, rows, 3), many if family == "lstm" else many[0])[0]
    torch.testing.assert_close(drawn.mean(1), expected[:, 0], atol=0.05, rtol=0)
    kept = (drawn[0] == h[0]).double().mean().item()
    assert abs(kept - 0.3) < 0.02


@pytest.mark.parametrize("spec", MASKED.values(), ids=MASKED)
def test_directions_and_layers_draw_different_masks(spec):
    module = make_module(spec, bidirectional=True)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if name.endswith("_reverse"):
                parameter.copy_(module.get_parameter(name.removesuffix("_reverse")))
    x = torch.randn(6, 2, 3)
    x = torch.cat([x, x.flip(0)])  # reads the same both ways
    forward, backward = module(x)[0].chunk(2, dim=-1)
    assert not torch.allclose(forward, backward.flip(0))
    forward, backward = module.eval()(x)[0].chunk(2, dim=-1)
    torch.testing.assert_close(forward, backward.flip(0))


@pytest.mark.parametrize("spec", MASKED.values(), ids=MASKED)
@pytest.mark.parametrize("reentrant", [False, True])
def test_activation_checkpointing_gives_the_same_gradients(spec, reentrant):
    module = make_module(spec, weight_drop=0.2, num_layers=2, dropout=0.3)
    x = torch.randn(6, 2, 3, requires_grad=True)
    results = []
    for through in (False, True):
        torch.manual_seed(8)
        run = (lambda x: checkpoint(lambda x: module(x)[0], x, use_reentrant=reentrant)) if through else (
            lambda x: module(x)[0]
        )  # fmt: skip
        module.zero_grad()
        x.grad = None
        run(x).square().sum().backward()
        results.append([x.grad.clone(), *(p.grad.clone() for p in module.parameters() if p.grad is not None)])
    torch.testing.assert_close(results[0], results[1])


@pytest.mark.parametrize("spec", MASKED.values(), ids=MASKED)
def test_packed_and_padded_training_calls_draw_the_same_masks(spec):
    module = make_module(spec)
    x, lengths = torch.randn(6, 3, 3), torch.tensor([2, 6, 4])
    torch.manual_seed(8)
    y = module(x, lengths=lengths)[0]
    torch.manual_seed(8)
    packed = module(pack_padded_sequence(x, lengths, enforce_sorted=False))[0]
    expected = pack_padded_sequence(y, lengths, enforce_sorted=False)
    torch.testing.assert_close(packed.data, expected.data)


class TestWeightDrop:
    def test_it_acts_on_the_weight_really_used(self):
        """An output after two steps equals a plain layer whose weight_hh was masked by hand."""
        module = holdfast.LSTM(3, 5, weight_drop=0.5, dtype=torch.float64)
        self.check(module)

    @pytest.mark.parametrize("family", FAMILIES)
    @pytest.mark.parametrize("how", ["to", "deepcopy", "reload", "double", "apply"])
    def test_it_still_does_after(self, family, how):
        module = OURS[family](3, 5, weight_drop=0.5, dtype=torch.float64 if how != "double" else torch.float32)
        if how == "to":
            module = module.to("cpu").float().to(torch.float64)
        elif how == "double":
            module = module.double()
        elif how == "deepcopy":
            module = copy.deepcopy(module)
        elif how == "reload":
            other = OURS[family](3, 5, weight_drop=0.5, dtype=torch.float64)
            other.load_state_dict(module.state_dict())
            module = other
        else:
            module.apply(lambda part: part.reset_parameters() if hasattr(part, "reset_parameters") else None)
        with torch.no_grad():
            module.weight_hh_l0.mul_(3.0)  # a weight used from a stale copy would not see this
        self.check(module)

    @staticmethod
    def check(module):
        module.train()
        family = module.spec.family
        assert list(module.state_dict()) == list(OURS[family](3, 5).state_dict())
        x = torch.randn(4, 2, 3, dtype=torch.float64)
        torch.manual_seed(21)
        found = module(x)[0]
        torch.manual_seed(21)
        seed = torch.randint(-(2**63), 2**63 - 1, (), dtype=torch.int64)
        rows, columns = module.weight_hh_l0.shape
        place = {"layer": 0, "direction": 0, "device": torch.device("cpu")}
        dropped = drop_mask(seed, "weight_drop", 0.5, (1, rows, columns), **place)[0]
        plain = OURS[family](3, 5, dtype=torch.float64)
        plain.load_state_dict(module.state_dict())
        with torch.no_grad():
            plain.weight_hh_l0.copy_(plain.weight_hh_l0.masked_fill(dropped, 0.0) / 0.5)
        torch.testing.assert_close(found, plain(x)[0])
        (grad,) = torch.autograd.grad(found.sum(), module.weight_hh_l0)
        assert not grad[dropped].any()
        assert grad[~dropped].abs().sum() > 0
        plain.load_state_dict(module.state_dict())
        torch.testing.assert_close(module.eval()(x)[0], plain(x)[0])


@pytest.mark.parametrize("family", FAMILIES)
def test_a_learned_start_is_trained_and_used_by_resets(family):
    module = make_module(CellSpec(family, initial_state="learned"), num_layers=2)
    start = module.h_0_l1.detach().clone()
    optimizer = torch.optim.SGD(module.parameters(), lr=0.01)
    x = torch.randn(3, 4, 3)
    module(x)[0].sum().backward()
    optimizer.step()
    assert not torch.equal(module.h_0_l1, start)
    _, state = module(x)
    resets = torch.zeros(3, 4, dtype=torch.bool)
    resets[0] = True
    torch.testing.assert_close(module(x, state, resets=resets)[0], module(x)[0])
    assert not torch.allclose(module(x, state)[0], module(x)[0])


@pytest.mark.parametrize("family", ["lstm", "gru"])
def test_chrono_biases_lie_in_their_range(family):
    module = OURS[family](3, 400, init=("chrono", 2.0, 50.0))
    gate = module.spec.gates.index("f" if family == "lstm" else "z")
    keep = module.bias_ih_l0[gate * 400 : (gate + 1) * 400].exp()
    assert 2.0 - 1e-4 <= keep.min() < 4.0
    assert 48.0 < keep.max() <= 50.0 + 1e-3
    if family == "lstm":
        torch.testing.assert_close(module.bias_ih_l0[:400], -module.bias_ih_l0[400:800])


@pytest.mark.parametrize("family", FAMILIES)
def test_orthogonal_gates(family):
    module = OURS[family](3, 6, init="orthogonal", dtype=torch.float64)
    for rows in module.weight_hh_l0.split(6):
        torch.testing.assert_close(rows @ rows.t(), torch.eye(6, dtype=torch.float64))
