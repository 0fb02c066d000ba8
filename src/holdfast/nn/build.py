"""Modules from a saved layer list, and the folder they live in: config.json and model.safetensors, never pickle."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from holdfast.errors import CheckpointError, HoldfastError
from holdfast.layers import (
    FORMAT_VERSION,
    ConvolutionLayer,
    CrfLayer,
    DropoutLayer,
    EmbeddingLayer,
    Layer,
    LinearLayer,
    NgramLayer,
    NormLayer,
    PoolingLayer,
    RecurrentLayer,
    ScalerLayer,
    layer_from_dict,
    layer_to_dict,
)
from holdfast.nn.base import AbstractRecurrent
from holdfast.nn.convolution import ConvolutionBlock
from holdfast.nn.crf import LinearChainCrf
from holdfast.nn.gru import GRU
from holdfast.nn.init import Init
from holdfast.nn.lstm import LSTM
from holdfast.nn.ngrams import NgramClassifier
from holdfast.nn.pooling import Pooling, Scaler
from holdfast.nn.rnn import RNN
from holdfast.spec import LAYER_NORM_EPS

CONFIG_FILE, WEIGHTS_FILE = "config.json", "model.safetensors"


def build_layers(layers: Sequence[Layer], *, init: Init = "torch", device: Any = None) -> nn.ModuleDict:
    """Make the modules of a layer list, in order, by name. A tied linear layer shares its embedding's weight."""
    modules = nn.ModuleDict()
    for layer in layers:
        module = _build(layer, init).to(device)
        if isinstance(layer, LinearLayer) and layer.tied_to is not None:
            table = modules[layer.tied_to] if layer.tied_to in modules else None
            shape = (layer.out_features, layer.in_features)
            if not isinstance(table, nn.Embedding) or tuple(table.weight.shape) != shape:
                raise CheckpointError(
                    f"layer {layer.name!r} is tied to {layer.tied_to!r}, no embedding of shape {shape}."
                )
            module.weight = table.weight
        modules[layer.name] = module
    return modules


def _build(layer: Layer, init: Init) -> nn.Module:
    match layer:
        case EmbeddingLayer():
            return nn.Embedding(layer.num_embeddings, layer.embedding_dim)
        case DropoutLayer():
            return nn.Dropout(layer.p)
        case LinearLayer():
            return nn.Linear(layer.in_features, layer.out_features, layer.bias)
        case NormLayer():
            return nn.LayerNorm(layer.features, eps=LAYER_NORM_EPS)
        case PoolingLayer():
            return Pooling(layer.method, layer.features, layer.directions)
        case ScalerLayer():
            return Scaler(layer.features)
        case ConvolutionLayer():
            return ConvolutionBlock(layer.in_features, layer.out_features, layer.kernel, layer.causal)
        case NgramLayer():
            return NgramClassifier(layer.vocabulary, layer.buckets, layer.order, layer.classes)
        case CrfLayer():
            return LinearChainCrf(layer.num_tags)
        case RecurrentLayer():
            return build_recurrent(layer, init)


def build_recurrent(layer: RecurrentLayer, init: Init = "torch") -> AbstractRecurrent:
    """Make the LSTM, GRU or RNN that a layer record describes."""
    spec = layer.spec
    common: dict[str, Any] = {
        "input_size": layer.input_size,
        "hidden_size": layer.hidden_size,
        "num_layers": layer.num_layers,
        "bias": spec.bias,
        "batch_first": layer.batch_first,
        "dropout": layer.dropout,
        "bidirectional": layer.bidirectional,
        "weight_drop": layer.weight_drop,
        "layer_norm": spec.layer_norm,
        "recurrent_dropout": spec.recurrent_dropout,
        "initial_state": spec.initial_state,
        "init": init,
    }
    if spec.family == "gru":
        return GRU(**common, zoneout=spec.zoneout_h, reset_order=spec.reset_order)
    if spec.family == "rnn":
        return RNN(**common, zoneout=spec.zoneout_h, nonlinearity=spec.nonlinearity)
    return LSTM(
        **common,
        zoneout=(spec.zoneout_h, spec.zoneout_c),
        proj_size=layer.proj_size,
        peephole=spec.peephole,
        coupled=spec.coupled,
        forget_gate=spec.forget_gate,
    )


def to_layer(name: str, module: AbstractRecurrent) -> RecurrentLayer:
    """Return the record that `build_recurrent` makes `module` from again."""
    return RecurrentLayer(
        name,
        module.spec,
        module.input_size,
        module.hidden_size,
        module.num_layers,
        module.bidirectional,
        module.proj_size,
        module.batch_first,
        module.dropout,
        module.weight_drop,
    )


def save_model(
    folder: str | os.PathLike[str],
    layers: Sequence[Layer],
    modules: Mapping[str, nn.Module] | nn.ModuleDict,
    config: Mapping[str, Any],
    files: Mapping[str, str] | None = None,
) -> None:
    """Write a model folder, whole or not at all: it is made beside its place and moved there when complete.

    Args:
        config: The task's part of config.json, "kind" included.
        files: Further small text files by name (a vocabulary).
    """
    folder = Path(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        record = {"format": FORMAT_VERSION, **config, "layers": [layer_to_dict(layer) for layer in layers]}
        (fresh / CONFIG_FILE).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        save_file(_own_tensors(layers, modules), fresh / WEIGHTS_FILE)
        for name, text in (files or {}).items():
            (fresh / name).write_text(text, encoding="utf-8")
        # safetensors writes its file for the owner alone: the umask decides, as for the other files.
        (fresh / WEIGHTS_FILE).chmod((fresh / CONFIG_FILE).stat().st_mode & 0o777)
        _move_into_place(fresh, folder)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _move_into_place(fresh: Path, folder: Path) -> None:
    """Put each finished file into `folder`; the config goes last, and other files there stay."""
    folder.mkdir(exist_ok=True)
    for path in sorted(fresh.iterdir(), key=lambda path: path.name == CONFIG_FILE):
        os.replace(path, folder / path.name)


def _own_tensors(layers: Sequence[Layer], modules: Mapping[str, nn.Module] | nn.ModuleDict) -> dict[str, Tensor]:
    """Return all tensors by saved key; a tied weight is stored once, with its embedding."""
    tensors = {}
    for layer in layers:
        tied = isinstance(layer, LinearLayer) and layer.tied_to is not None
        for name, tensor in _tensors_of(modules[layer.name]).items():
            if not (tied and name == "weight"):
                tensors[f"{layer.name}.{name}" if layer.name else name] = tensor.detach().cpu().contiguous()
    return tensors


def _tensors_of(module: nn.Module) -> dict[str, Tensor]:
    """Return what a module computes with, by name: a parametrized or pruned weight as what it comes to."""
    if not isinstance(module, AbstractRecurrent):
        return module.state_dict()
    # Cloned, since a file of safetensors does not hold one memory twice, and a user may have tied two weights.
    return {name: getattr(module, name).detach().clone() for names in module._names.values() for name in names}


def read_config(folder: str | os.PathLike[str]) -> tuple[dict[str, Any], list[Layer]]:
    """Return config.json as a dict and its layer list.

    Raises:
        CheckpointError: the file is missing, is not JSON, or holds a layer or a format version not known here.
    """
    path = Path(folder) / CONFIG_FILE
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise CheckpointError(f"{path} is missing: {folder} is no saved Holdfast model.") from error
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} cannot be read as JSON: {error}") from error
    if not isinstance(config, dict) or not isinstance(config.get("layers"), list):
        raise CheckpointError(f"{path} has no list of layers.")
    version = config.get("format")
    if version != FORMAT_VERSION:
        raise CheckpointError(f"{path} has format {version!r}; this Holdfast reads format {FORMAT_VERSION}.")
    layers = [layer_from_dict(fields, str(path)) for fields in config["layers"]]
    if len({layer.name for layer in layers}) != len(layers):
        raise CheckpointError(f"{path}: two layers share a name.")
    return config, layers


def load_model(
    folder: str | os.PathLike[str], device: Any = "cpu"
) -> tuple[dict[str, Any], list[Layer], nn.ModuleDict]:
    """Return config, layer list and modules of a saved folder, on `device`, in eval mode.

    Raises:
        CheckpointError: a file is missing, broken, or does not fit the other.
    """
    config, layers = read_config(folder)
    path = Path(folder) / WEIGHTS_FILE
    tensors = _read_tensors(path)
    expected = sum(int(torch.Size(tensor.shape).numel()) for tensor in tensors.values())
    _check_total(layers, expected, path)
    try:
        modules = build_layers(layers)
    except (HoldfastError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise CheckpointError(f"{folder}: its layers cannot be built: {error}") from error
    _load_tensors(layers, modules, tensors, path)
    return config, layers, modules.to(device).eval()


def _read_tensors(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except FileNotFoundError as error:
        raise CheckpointError(f"{path} is missing.") from error
    except (OSError, SafetensorError, ValueError) as error:
        raise CheckpointError(f"{path} is not a whole safetensors file: {error}") from error


def _check_total(layers: Sequence[Layer], found: int, path: Path) -> None:
    """Refuse sizes that a broken config blew up, before memory is taken for them."""
    for layer in layers:
        if _least_numbers(layer) > max(found, 1):
            raise CheckpointError(f"{path} is too small for layer {layer.name!r} of the config.")


def _least_numbers(layer: Layer) -> int:
    """Return how many numbers a layer holds at least; of one without any, how many features it has."""
    match layer:
        case EmbeddingLayer():
            return layer.num_embeddings * layer.embedding_dim
        case LinearLayer():
            return max(layer.in_features, layer.out_features, layer.in_features * layer.out_features)
        case RecurrentLayer():
            width = layer.proj_size or layer.hidden_size
            return layer.hidden_size * (layer.input_size + width) + (layer.num_layers - 1) * layer.hidden_size * width
        case CrfLayer():
            return layer.num_tags**2
        case ConvolutionLayer():
            return layer.in_features * layer.out_features * layer.kernel
        case NgramLayer():
            return max((layer.vocabulary + layer.buckets) * layer.classes, layer.order)
        case NormLayer() | PoolingLayer() | ScalerLayer():
            return layer.features
        case DropoutLayer():
            return 0


def _load_tensors(layers: Sequence[Layer], modules: nn.ModuleDict, tensors: dict[str, Tensor], path: Path) -> None:
    wanted = _own_tensors(layers, modules)
    missing, unknown = sorted(set(wanted) - set(tensors)), sorted(set(tensors) - set(wanted))
    if missing or unknown:
        raise CheckpointError(f"{path} does not fit its config: missing {missing}, not known {unknown}.")
    for key, tensor in tensors.items():
        if tensor.shape != wanted[key].shape:
            raise CheckpointError(f"{path}: {key} has shape {tuple(tensor.shape)}, not {tuple(wanted[key].shape)}.")
    for layer in layers:
        prefix = f"{layer.name}." if layer.name else ""
        own = {key[len(prefix) :]: value for key, value in tensors.items() if key.startswith(prefix)}
        own = {key: value for key, value in own.items() if key in modules[layer.name].state_dict()}
        dtypes = {value.dtype for value in own.values() if value.is_floating_point()}
        if len(dtypes) == 1:
            modules[layer.name].to(dtypes.pop())
        modules[layer.name].load_state_dict(own, strict=False)


def load_layer(cls: type[AbstractRecurrent], folder: str | os.PathLike[str], device: Any) -> Any:
    """Load a folder that holds one recurrent layer, as `AbstractRecurrent.save_pretrained` writes it."""
    config, layers = read_config(folder)
    if config.get("kind") != "layer" or len(layers) != 1 or not isinstance(layers[0], RecurrentLayer):
        raise CheckpointError(f"{folder} holds a model of kind {config.get('kind')!r}, not one bare layer.")
    if layers[0].name:
        raise CheckpointError(f"{folder}: a bare layer has the empty name, not {layers[0].name!r}.")
    path = Path(folder) / WEIGHTS_FILE
    tensors = _read_tensors(path)
    _check_total(layers, sum(tensor.numel() for tensor in tensors.values()), path)
    try:
        module = build_recurrent(layers[0])
    except (HoldfastError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise CheckpointError(f"{folder}: its layer cannot be built: {error}") from error
    if not isinstance(module, cls):
        raise CheckpointError(f"{folder} holds a {module.name}, not a {cls.__name__}.")
    dtype = next(iter(tensors.values())).dtype if tensors else torch.float32
    module.to(dtype)
    try:
        module.load_state_dict(tensors)
    except RuntimeError as error:
        raise CheckpointError(f"{path} does not fit its config: {error}") from error
    return module.to(device).eval()
