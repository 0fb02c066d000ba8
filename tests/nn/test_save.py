"""A bare layer in a folder: every variant comes back, and every broken folder is one of our errors."""

from __future__ import annotations

import contextlib
import json
import shutil

import pytest
import torch
import torch.nn.utils.prune
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import holdfast
from holdfast.errors import CheckpointError, HoldfastError
from holdfast.layers import DropoutLayer, EmbeddingLayer, LinearLayer, NormLayer, RecurrentLayer
from holdfast.nn.build import build_layers, load_model, save_model
from holdfast.spec import CellSpec
from tests.cases import SPECS, make_module


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_every_variant_comes_back(tmp_path, spec):
    options = {"num_layers": 2, "bidirectional": True, "batch_first": True, "dropout": 0.1, "weight_drop": 0.2}
    module = make_module(spec, **options, dtype=torch.float64)
    module.save_pretrained(tmp_path / "layer")
    loaded = type(module).from_pretrained(tmp_path / "layer")
    x = torch.randn(2, 4, 3, dtype=torch.float64)
    assert repr(loaded) == repr(module)
    assert not loaded.training
    assert torch.equal(loaded(x)[0], module.eval()(x)[0])
    torch.manual_seed(5)
    expected = module.train()(x)[0]
    torch.manual_seed(5)
    assert torch.equal(loaded.train()(x)[0], expected)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_the_dtype_comes_back(tmp_path, dtype):
    holdfast.GRU(3, 5, dtype=dtype).save_pretrained(tmp_path)
    assert holdfast.GRU.from_pretrained(tmp_path).dtype == dtype


def test_saving_over_a_folder_replaces_its_model_and_keeps_other_files(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    first, second = holdfast.LSTM(3, 5), holdfast.LSTM(3, 6)
    first.save_pretrained(tmp_path)
    second.save_pretrained(tmp_path)
    assert holdfast.LSTM.from_pretrained(tmp_path).hidden_size == 6
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.json", "model.safetensors", "notes.txt"]
    assert not [path for path in tmp_path.parent.iterdir() if path.name.startswith(f".{tmp_path.name}")]


def test_another_family_or_kind_is_refused(tmp_path):
    holdfast.GRU(3, 5).save_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match="GRU"):
        holdfast.LSTM.from_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match="missing"):
        holdfast.LSTM.from_pretrained(tmp_path / "nowhere")


LAYERS = [
    EmbeddingLayer("embedding", 11, 4),
    DropoutLayer("drop", 0.1),
    RecurrentLayer("recurrent", CellSpec(peephole=True), 4, 4, num_layers=2),
    NormLayer("norm", 4),
    LinearLayer("head", 4, 11, tied_to="embedding"),
]


def test_a_model_of_every_kind_of_layer_comes_back(tmp_path):
    modules = build_layers(LAYERS)
    assert modules["head"].weight is modules["embedding"].weight
    save_model(tmp_path / "m", LAYERS, modules, {"kind": "test", "more": [1, 2]}, {"vocabulary.json": "[]"})
    config, layers, loaded = load_model(tmp_path / "m")
    assert (config["kind"], config["more"], layers) == ("test", [1, 2], LAYERS)
    assert loaded["head"].weight is loaded["embedding"].weight
    assert (tmp_path / "m" / "vocabulary.json").read_text() == "[]"
    ids = torch.arange(8).view(4, 2)
    expected = modules["head"](modules["recurrent"](modules["embedding"](ids))[0])
    assert torch.equal(loaded["head"](loaded["recurrent"](loaded["embedding"](ids))[0]), expected)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved")
    holdfast.LSTM(2, 3, peephole=True).save_pretrained(folder / "layer")
    modules = build_layers(LAYERS)
    save_model(folder / "model", LAYERS, modules, {"kind": "test"})
    return folder


def loads_or_is_our_error(folder, kind):
    with contextlib.suppress(HoldfastError):
        holdfast.LSTM.from_pretrained(folder) if kind == "layer" else load_model(folder)


VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(), st.text(max_size=5),
    st.lists(st.integers(), max_size=2), st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)  # fmt: skip


def places(value, path=()):
    """Return the path of every value inside a JSON document."""
    found = [path] if path else []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in items:
        found += places(child, (*path, key))
    return found


def put(document, path, value):
    for key in path[:-1]:
        document = document[key]
    document[path[-1]] = value


@pytest.mark.parametrize("name", ["", "a.b", "training", "keys"])
def test_a_layer_name_that_no_module_can_have_is_refused(saved, tmp_path, name):
    shutil.copytree(saved / "model", tmp_path, dirs_exist_ok=True)
    config = json.loads((tmp_path / "config.json").read_text())
    config["layers"][-1]["name"] = name
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError):
        load_model(tmp_path)


def weight_norm(layer):
    torch.nn.utils.parametrizations.weight_norm(layer, "weight_hh_l0")


def prune(layer):
    torch.nn.utils.prune.l1_unstructured(layer, "weight_ih_l0", 0.5)


def tie(layer):
    layer.weight_hh_l0 = layer.weight_ih_l0


@pytest.mark.parametrize("change", [weight_norm, prune, tie])
def test_a_layer_whose_weights_are_made_from_others_saves_what_it_computes_with(tmp_path, change):
    layer = holdfast.LSTM(3, 3).eval()
    change(layer)
    layer.save_pretrained(tmp_path)
    x = torch.randn(4, 2, 3)
    torch.testing.assert_close(holdfast.LSTM.from_pretrained(tmp_path)(x)[0], layer(x)[0])


FUZZ = settings(max_examples=150, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.mark.parametrize("kind", ["layer", "model"])
@FUZZ
@given(data=st.data())
def test_a_config_with_any_value_changed_loads_or_is_our_error(saved, tmp_path_factory, kind, data):
    folder = tmp_path_factory.mktemp("fuzz")
    shutil.copytree(saved / kind, folder, dirs_exist_ok=True)
    config = json.loads((folder / "config.json").read_text())
    path = data.draw(st.sampled_from(places(config)))
    put(config, path, data.draw(VALUES))
    (folder / "config.json").write_text(json.dumps(config))
    loads_or_is_our_error(folder, kind)


@pytest.mark.parametrize("kind", ["layer", "model"])
@pytest.mark.parametrize("file", ["config.json", "model.safetensors"])
@FUZZ
@given(data=st.data())
def test_a_file_with_broken_bytes_loads_or_is_our_error(saved, tmp_path_factory, kind, file, data):
    folder = tmp_path_factory.mktemp("fuzz")
    shutil.copytree(saved / kind, folder, dirs_exist_ok=True)
    content = bytearray((folder / file).read_bytes())
    if data.draw(st.booleans()):
        content = content[: data.draw(st.integers(0, len(content) - 1))]
    else:
        for _ in range(data.draw(st.integers(1, 4))):
            content[data.draw(st.integers(0, min(len(content) - 1, 600)))] = data.draw(st.integers(0, 255))
    (folder / file).write_bytes(content)
    loads_or_is_our_error(folder, kind)
