"""The layer list of a saved model: what a model is made of, as torch-free values that go to JSON and back.

A saved model is a folder with config.json (this list and the task's settings) and model.safetensors, whose keys are
`<layer name>.<parameter name>`. Whoever reads a model (nn, runtime, exchange, studio) needs nothing but this list.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from holdfast.errors import CheckpointError, SpecError
from holdfast.spec import CellSpec

FORMAT_VERSION = 1
"""Raised when a reader of today's folders could misread tomorrow's; every old version keeps loading."""


@dataclass(frozen=True, slots=True)
class EmbeddingLayer:
    """A table of vectors, one per symbol: ids [...] to [..., embedding_dim]."""

    name: str
    num_embeddings: int
    embedding_dim: int


@dataclass(frozen=True, slots=True)
class DropoutLayer:
    """Zeroes features with chance `p` while training, and does nothing afterwards."""

    name: str
    p: float


@dataclass(frozen=True, slots=True)
class RecurrentLayer:
    """A stack of LSTM, GRU or RNN layers, as the module of that family builds it."""

    name: str
    spec: CellSpec
    input_size: int
    hidden_size: int
    num_layers: int = 1
    bidirectional: bool = False
    proj_size: int = 0
    batch_first: bool = False
    dropout: float = 0.0
    weight_drop: float = 0.0


@dataclass(frozen=True, slots=True)
class LinearLayer:
    """An affine map of the last axis. `tied_to` names the embedding whose table serves as the weight."""

    name: str
    in_features: int
    out_features: int
    bias: bool = True
    tied_to: str | None = None


@dataclass(frozen=True, slots=True)
class NormLayer:
    """Layer normalisation of the last axis, with scale and shift, eps 1e-5."""

    name: str
    features: int


@dataclass(frozen=True, slots=True)
class CrfLayer:
    """A linear-chain conditional random field: scores of a tag after another, of the first and of the last tag."""

    name: str
    num_tags: int


@dataclass(frozen=True, slots=True)
class PoolingLayer:
    """One vector of a sequence's outputs, padding left out: "attention", "last", "mean" or "max" over time.

    Of two `directions`, the second half of the features was read backwards.
    """

    name: str
    method: str
    features: int
    directions: int = 1


@dataclass(frozen=True, slots=True)
class ConvolutionLayer:
    """Convolution over `kernel` steps, batch normalisation and ReLU; a `causal` one sees no later step."""

    name: str
    in_features: int
    out_features: int
    kernel: int
    causal: bool = False


@dataclass(frozen=True, slots=True)
class NgramLayer:
    """Logits of `classes` from the n-grams of ids, of 1 to `order` neighbours: a linear classifier beside a network.

    Each symbol of the `vocabulary` has a row of weights; longer n-grams share `buckets` rows.
    """

    name: str
    vocabulary: int
    buckets: int
    order: int
    classes: int


@dataclass(frozen=True, slots=True)
class ScalerLayer:
    """Fixed shift and scale of each feature: (x - mean) / scale."""

    name: str
    features: int


Layer = (
    EmbeddingLayer
    | DropoutLayer
    | RecurrentLayer
    | LinearLayer
    | NormLayer
    | CrfLayer
    | PoolingLayer
    | ConvolutionLayer
    | NgramLayer
    | ScalerLayer
)

_KINDS: dict[str, type[Any]] = {
    "embedding": EmbeddingLayer,
    "dropout": DropoutLayer,
    "recurrent": RecurrentLayer,
    "linear": LinearLayer,
    "norm": NormLayer,
    "pooling": PoolingLayer,
    "convolution": ConvolutionLayer,
    "ngrams": NgramLayer,
    "scaler": ScalerLayer,
    "crf": CrfLayer,
}
_KIND_OF = {layer_type: kind for kind, layer_type in _KINDS.items()}
_SCALARS = {"int": int, "float": (int, float), "str": str, "bool": bool, "str | None": (str, type(None))}


def layer_to_dict(layer: Layer) -> dict[str, Any]:
    """Return the layer as JSON-ready fields, its kind first."""
    fields = {field.name: getattr(layer, field.name) for field in dataclasses.fields(layer)}
    if isinstance(layer, RecurrentLayer):
        fields["spec"] = layer.spec.to_dict()
    return {"kind": _KIND_OF[type(layer)], **fields}


def layer_from_dict(fields: Any, where: str = "config.json") -> Layer:
    """Read one layer back.

    Args:
        where: The file the fields came from, for the error.

    Raises:
        CheckpointError: the kind is unknown, or a field is missing, unknown or of the wrong type.
    """
    if not isinstance(fields, dict) or fields.get("kind") not in list(_KINDS):  # a list: the kind may be unhashable
        raise CheckpointError(f"{where}: a layer must be an object whose kind is one of {', '.join(_KINDS)}.")
    layer_type = _KINDS[fields["kind"]]
    values = {name: value for name, value in fields.items() if name != "kind"}
    known = {field.name: field for field in dataclasses.fields(layer_type)}
    unknown = sorted(set(values) - set(known))
    missing = sorted(
        name for name, field in known.items() if field.default is dataclasses.MISSING and name not in values
    )
    if unknown or missing:
        raise CheckpointError(f"{where}: layer {fields.get('name')!r}: unknown fields {unknown}, missing {missing}.")
    for name, value in values.items():
        kind = str(known[name].type)
        if kind == "CellSpec":
            try:
                values[name] = CellSpec.from_dict(value)
            except SpecError as error:
                raise CheckpointError(f"{where}: layer {fields.get('name')!r}: {error}") from error
        elif not isinstance(value, _SCALARS[kind]) or (isinstance(value, bool) and kind != "bool"):
            raise CheckpointError(f"{where}: layer {fields.get('name')!r}: {name} cannot be {value!r}.")
        elif kind == "int" and value < 0:
            raise CheckpointError(f"{where}: layer {fields.get('name')!r}: {name} cannot be negative, got {value}.")
    return layer_type(**values)
