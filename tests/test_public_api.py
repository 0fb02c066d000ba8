"""The public names are pinned, and `import holdfast` loads no torch."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest
import torch

import holdfast

NAMES = {
    "Classifier", "Forecaster", "GRU", "GRUCell", "LSTM", "LSTMCell", "LanguageModel", "RNN", "RNNCell", "Tagger",
    "CellSpec", "compare", "convert", "explain", "gradient_flow", "record", "revert",
    "HoldfastError", "BackendError", "CheckpointError", "ConfigError", "DataError", "DtypeError",
    "MissingDependencyError", "ShapeError", "SpecError", "TrainingError",
}  # fmt: skip


def test_all_is_pinned_and_every_name_loads():
    assert set(holdfast.__all__) == NAMES
    assert NAMES <= set(dir(holdfast))
    for name in holdfast.__all__:
        assert getattr(holdfast, name).__doc__, f"{name} has no docstring"


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'Transformer'"):
        _ = holdfast.Transformer


def run(script: str) -> str:
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("module", ["holdfast", "holdfast.spec", "holdfast.layers", "holdfast.errors"])
def test_import_loads_neither_torch_nor_numpy(module):
    loaded = run(f"import sys, {module}; print(*{{'torch', 'numpy', 'safetensors', 'matplotlib'}} & set(sys.modules))")
    assert loaded.strip() == ""


def test_without_torch_a_torch_name_says_what_to_install():
    script = (
        "import sys; sys.modules['torch'] = None\n"
        "import holdfast\n"
        "from holdfast.errors import MissingDependencyError\n"
        "try:\n    holdfast.LSTM\n"
        "except MissingDependencyError as error:\n    print(error)\n"
    )
    assert "pip install 'holdfast[torch]'" in run(script)


@pytest.mark.parametrize("name", ["LSTM", "GRU", "RNN", "LSTMCell", "GRUCell", "RNNCell"])
def test_layers_take_torchs_arguments_first_and_in_torchs_order(name):
    ours = list(inspect.signature(getattr(holdfast, name)).parameters.values())
    positional = [parameter.name for parameter in ours if parameter.kind is not parameter.KEYWORD_ONLY]
    theirs = {
        "LSTM": "input_size hidden_size num_layers bias batch_first dropout bidirectional proj_size device dtype",
        "GRU": "input_size hidden_size num_layers bias batch_first dropout bidirectional proj_size device dtype",
        "RNN": "input_size hidden_size num_layers nonlinearity bias batch_first dropout bidirectional proj_size "
        "device dtype",
        "LSTMCell": "input_size hidden_size bias device dtype",
        "GRUCell": "input_size hidden_size bias device dtype",
        "RNNCell": "input_size hidden_size bias nonlinearity device dtype",
    }[name]
    assert positional == theirs.split()
    if name.endswith("Cell"):
        given = inspect.signature(getattr(torch.nn, name)).parameters
        assert positional == list(given)


def test_no_layer_is_a_torch_layer_by_inheritance():
    """Dynamo breaks its graph on subclasses of torch.nn.RNNBase."""
    for layer in (holdfast.LSTM, holdfast.GRU, holdfast.RNN):
        assert not issubclass(layer, torch.nn.RNNBase)
