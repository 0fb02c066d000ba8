"""convert and revert keep everything a model has: parameters, optimizers, hooks, modes, parametrizations."""

from __future__ import annotations

import copy
import warnings

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, parametrize

import holdfast
from holdfast.errors import SpecError
from tests.cases import FAMILIES, OUR_CELLS, OURS, THEIR_CELLS, THEIRS, as_tuple


class Model(nn.Module):
    """Every family, a cell, and a layer reachable by two names."""

    def __init__(self, family):
        super().__init__()
        self.encoder = THEIRS[family](3, 5, num_layers=2, bidirectional=True, dropout=0.2)
        self.blocks = nn.ModuleList([THEIRS[family](10, 4), THEIRS[family](4, 4, batch_first=True)])
        self.cell = THEIR_CELLS[family](4, 4)
        self.shared = self.blocks[1]

    def forward(self, x):
        y, _ = self.encoder(x)
        y, state = self.blocks[0](y)
        y, _ = self.shared(y, None)
        hidden = tuple(part[0] for part in as_tuple(state))
        hidden = self.cell(y[-1], hidden if len(hidden) == 2 else hidden[0])
        return y.sum(0) + as_tuple(hidden)[0]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_whole_model_computes_and_trains_the_same(family):
    theirs = Model(family)
    ours = holdfast.convert(copy.deepcopy(theirs))
    x = torch.randn(6, 2, 3)
    finals = []
    for model in (theirs, ours):
        optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
        for step in range(3):
            torch.manual_seed(step)  # for the dropout between layers
            optimizer.zero_grad()
            model(x).square().sum().backward()
            optimizer.step()
        finals.append((model.eval()(x), model.state_dict()))
    torch.testing.assert_close(finals[0][0], finals[1][0], rtol=1e-4, atol=1e-5)
    assert list(finals[0][1]) == list(finals[1][1])


@pytest.mark.parametrize("family", FAMILIES)
def test_objects_stay_themselves_there_and_back(family):
    model = Model(family)
    calls = []
    model.encoder.register_forward_hook(lambda module, args, output: calls.append(type(module)))
    model.encoder.eval()
    model.blocks[0].requires_grad_(False)
    modules, parameters = dict(model.named_modules()), dict(model.named_parameters())
    x = torch.randn(6, 2, 3)
    expected = model(x).detach()
    assert holdfast.convert(model) is model
    assert type(model.encoder) is OURS[family]
    assert type(model.cell) is OUR_CELLS[family]
    for answer in (model(x), holdfast.revert(model)(x)):
        torch.testing.assert_close(answer, expected)
    assert type(model.encoder) is THEIRS[family]
    assert calls == [THEIRS[family], OURS[family], THEIRS[family]]
    assert all(module is modules[name] for name, module in model.named_modules())
    assert all(value is parameters[name] for name, value in model.named_parameters())
    assert model.shared is model.blocks[1]
    assert [model.encoder.training, model.cell.training] == [False, True]
    assert not model.blocks[0].weight_ih_l0.requires_grad
    fresh = Model(family)
    assert set(vars(model.encoder)) == set(vars(fresh.encoder))
    copy.deepcopy(model).load_state_dict(fresh.state_dict())


@pytest.mark.parametrize("family", FAMILIES)
def test_a_bare_layer_is_converted_in_place(family):
    layer = THEIRS[family](3, 5)
    assert holdfast.convert(layer) is layer
    assert type(layer) is OURS[family]
    assert type(holdfast.revert(layer)) is THEIRS[family]
    assert holdfast.convert(nn.Linear(2, 2)).weight.shape == (2, 2)


@pytest.mark.parametrize("family", FAMILIES)
def test_our_own_plain_layers_revert(family):
    layer = OURS[family](3, 5, num_layers=2, bidirectional=True)
    x = torch.randn(4, 2, 3)
    expected = layer(x)[0]
    theirs = holdfast.revert(layer)
    torch.testing.assert_close(theirs(x)[0], expected)
    theirs.flatten_parameters()
    assert theirs.all_weights[0][0] is theirs.weight_ih_l0
    theirs.double()(x.double())


class Residual(nn.LSTM):
    def forward(self, x, hx=None):
        y, state = super().forward(x, hx)
        return x + y, state


@pytest.mark.parametrize("refuse", [holdfast.convert, lambda model: holdfast.record(model).__enter__()])
def test_a_subclass_is_refused_by_name_and_nothing_is_changed(refuse):
    model = nn.ModuleDict({"first": nn.LSTM(3, 5), "second": Residual(3, 3)})
    with pytest.raises(SpecError, match=r"second.*Residual.*torch\.nn\.LSTM"):
        refuse(model)
    assert type(model["first"]) is nn.LSTM
    assert "forward" not in vars(model["first"])


@pytest.mark.parametrize("options", [{"peephole": True}, {"weight_drop": 0.2}, {"zoneout": (0.1, 0.0)}])
def test_a_variant_does_not_revert_and_nothing_is_changed(options):
    model = nn.ModuleDict({"first": holdfast.LSTM(3, 5), "second": holdfast.LSTM(3, 5, **options)})
    with pytest.raises(SpecError, match="second"):
        holdfast.revert(model)
    assert type(model["first"]) is holdfast.LSTM


class Doubled(holdfast.LSTM):
    def forward(self, x, hx=None):
        return super().forward(2 * x, hx)


def test_a_subclass_does_not_revert_and_nothing_is_changed():
    model = nn.ModuleDict({"first": holdfast.LSTM(3, 5), "second": Doubled(3, 5)})
    with pytest.raises(SpecError, match=r"second.*Doubled"):
        holdfast.revert(model)
    assert [type(layer) for layer in model.values()] == [holdfast.LSTM, Doubled]


class Double(nn.Module):
    def forward(self, weight):
        return 2 * weight


@pytest.mark.parametrize("family", FAMILIES)
def test_parametrizations_are_kept_there_and_back(family):
    layer = THEIRS[family](3, 5)
    parametrize.register_parametrization(layer, "weight_hh_l0", Double())
    x = torch.randn(4, 2, 3)
    expected = layer(x)[0]
    holdfast.convert(layer)
    assert isinstance(layer, OURS[family])
    torch.testing.assert_close(layer(x)[0], expected)
    layer(x)[0].sum().backward()
    assert layer.parametrizations.weight_hh_l0.original.grad.abs().sum() > 0
    holdfast.revert(layer)
    torch.testing.assert_close(layer(x)[0], expected)
    holdfast.convert(layer)
    parametrize.remove_parametrizations(layer, "weight_hh_l0")
    assert type(layer) is OURS[family]
    torch.testing.assert_close(layer(x)[0], expected)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("when", ["ours", "converted"])
def test_weight_norm_of_both_kinds_trains_as_torchs(family, when):
    def old_weight_norm(layer, name):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # the old function announces its end
            return nn.utils.weight_norm(layer, name)

    x = torch.randn(4, 2, 3)
    for normed in (old_weight_norm, parametrizations.weight_norm):
        theirs = THEIRS[family](3, 5)
        ours = holdfast.convert(copy.deepcopy(theirs)) if when == "ours" else copy.deepcopy(theirs)
        for layer in (theirs, ours):
            normed(layer, "weight_hh_l0")
        ours = ours if when == "ours" else holdfast.convert(ours)
        for layer in (theirs, ours):
            optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
            layer(x)[0].square().sum().backward()
            optimizer.step()
        assert list(theirs.state_dict()) == list(ours.state_dict())
        torch.testing.assert_close(ours(x)[0], theirs(x)[0])
        torch.testing.assert_close(dict(ours.named_parameters()), dict(theirs.named_parameters()))


@pytest.mark.parametrize("family", FAMILIES)
def test_tied_weights_stay_tied(family):
    model = nn.ModuleList([THEIRS[family](5, 5), THEIRS[family](5, 5)])
    model[1].weight_hh_l0 = model[0].weight_hh_l0
    holdfast.convert(model)
    assert model[1].weight_hh_l0 is model[0].weight_hh_l0
    x = torch.randn(4, 2, 5)
    model[1](model[0](x)[0])[0].sum().backward()
    holdfast.revert(model)
    assert model[1].weight_hh_l0 is model[0].weight_hh_l0
    model[1](x)
