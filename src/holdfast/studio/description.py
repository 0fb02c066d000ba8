"""What the page says about a model before it is loaded: read from its JSON files alone, without torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from holdfast.errors import CheckpointError
from holdfast.layers import FORMAT_VERSION, Layer, RecurrentLayer, layer_from_dict
from holdfast.spec import CellSpec

SHOWN = {"lstm": "figoch", "gru": "zrnh", "rnn": "h"}
"""The letters of each family's gates and states, in the order they are drawn."""
READS = {"language": "text", "tag": "text", "classify": "text", "forecast": "series", "memory": "series"}
LARGEST_FILE = 64_000_000
"""Bytes of a JSON file beside a model; a larger one is no vocabulary."""


@dataclass(frozen=True)
class Place:
    """One layer of the network as the page numbers them: the module's name, and which of its layers."""

    module: str
    layer: int
    hidden: int
    directions: int


@dataclass(frozen=True)
class Description:
    """A saved model from the outside.

    Attributes:
        task: config.json's kind: language, tag, classify, forecast, memory, or layer.
        reads: "text" or "series".
        units: What a text is cut into; None for series.
        spec: The cell.
        places: All recurrent layers that read the input's steps, in order.
        inputs: Numbers that the first of these layers reads at a step.
        vocabulary: How many symbols it knows, None without.
        parameters: How many numbers it holds.
        result: result.json beside it, {} without.
    """

    task: str
    reads: str
    units: str | None
    spec: CellSpec
    places: tuple[Place, ...]
    inputs: int
    vocabulary: int | None
    parameters: int
    result: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Return what the page is told of the model."""
        gaps = self.result.get("gaps")
        return {
            "task": self.task,
            "reads": self.reads,
            "units": self.units,
            "cell": "+".join([self.spec.family, *variant_of(self.spec)]),
            "family": self.spec.family,
            "gates": SHOWN[self.spec.family],
            "variant": variant_of(self.spec),
            "layers": [{"hidden": place.hidden, "directions": place.directions} for place in self.places],
            "vocabulary": self.vocabulary,
            "parameters": self.parameters,
            "score": _score_sentence(self.result),
            "scores": gaps if isinstance(gaps, Mapping) else None,
        }


def describe(folder: Path) -> Description:
    """Read what can be said of a saved model without loading it.

    Raises:
        CheckpointError: the folder holds no model that this version reads, or one without a recurrent layer.
    """
    config = _read_json(folder / "config.json")
    if not isinstance(config, dict) or not isinstance(config.get("layers"), list):
        raise CheckpointError(f"{folder / 'config.json'} has no list of layers. Name a folder that Holdfast saved.")
    version = config.get("format")
    if version != FORMAT_VERSION:
        raise CheckpointError(
            f"{folder / 'config.json'} has format {version!r}; this Holdfast reads format {FORMAT_VERSION}."
        )
    layers = [layer_from_dict(one, str(folder / "config.json")) for one in config["layers"]]
    kind = str(config.get("kind"))
    places = _places(layers, kind)
    if not places:
        raise CheckpointError(f"{folder} holds a model of kind {kind!r} without a recurrent layer to look into.")
    reader = _read_json(folder / "reader.json") if kind == "classify" else {}
    series = READS.get(kind, "series") == "series" or (kind == "classify" and reader.get("kind") == "series")
    words = reader.get("vocabulary") if kind == "classify" else None
    if kind in ("language", "tag"):
        words = _read_json(folder / "vocabulary.json")
    first = next(one for one in layers if isinstance(one, RecurrentLayer) and places[0].module.endswith(one.name))
    result = _read_json(folder / "result.json") if (folder / "result.json").is_file() else {}
    return Description(
        kind,
        "series" if series else "text",
        None if series else "words" if kind == "tag" else str((words or {}).get("units", "words")),
        first.spec,
        places,
        first.input_size,
        _symbols(words),
        _parameters(folder / "model.safetensors"),
        result if isinstance(result, dict) else {},
    )


def variant_of(spec: CellSpec) -> list[str]:
    """Return the marks of a cell that is not torch's plain one, such as ["peephole", "coupled"]."""
    marks = [name for name in ("peephole", "coupled", "projected") if getattr(spec, name)]
    marks += [] if spec.forget_gate else ["no forget gate"]
    marks += [f"layer norm {spec.layer_norm}"] if spec.layer_norm else []
    marks += ["reset before"] if spec.reset_order != "after" else []
    marks += [spec.nonlinearity] if spec.nonlinearity != "tanh" else []
    marks += ["zoneout"] if spec.zoneout_h or spec.zoneout_c else []
    return marks + (["learned start"] if spec.initial_state != "zero" else [])


def _places(layers: list[Layer], kind: str) -> tuple[Place, ...]:
    """List the layers whose steps are those of the input: a tagger's layer over characters is not one of them."""
    recurrent = [one for one in layers if isinstance(one, RecurrentLayer) and one.name != "character_recurrent"]
    prefix = "" if kind == "layer" else "modules_by_name."
    return tuple(
        Place(prefix + one.name, layer, one.hidden_size, 2 if one.bidirectional else 1)
        for one in recurrent
        for layer in range(one.num_layers)
    )


def _symbols(words: Any) -> int | None:
    """Return how many symbols a vocabulary has, the unknown one included."""
    if not isinstance(words, Mapping):
        return None
    if words.get("units") == "bytes":
        return 256
    if words.get("units") == "bpe":
        definition = words.get("definition")
        model = definition.get("model", {}) if isinstance(definition, Mapping) else {}
        return len(model.get("vocab", ())) or None
    entries = words.get("symbols" if words.get("units") == "characters" else "words")
    return len(entries) + 1 if isinstance(entries, list) else None


def _parameters(path: Path) -> int:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "np") as file:
            shapes = [file.get_slice(name).get_shape() for name in file.keys()]
    except FileNotFoundError as error:
        raise CheckpointError(f"{path} is missing.") from error
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path} is not a whole safetensors file: {error}") from error
    total = 0
    for shape in shapes:
        size = 1
        for axis in shape:
            size *= axis
        total += size
    return total


def _score_sentence(result: Mapping[str, Any]) -> str | None:
    """Return the test score that the page prints beside the model's name."""
    gaps = result.get("gaps")
    if isinstance(gaps, Mapping) and isinstance(gaps.get("150"), int | float):
        return f"right language after 150 words: {gaps['150']:.2f} (100 held-out documents)"
    score = result.get("score")
    return score if isinstance(score, str) else None


def _read_json(path: Path) -> Any:
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise CheckpointError(f"{path} has more than {LARGEST_FILE} bytes, so it is no file of a saved model.")
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise CheckpointError(f"{path} is missing: {path.parent} is no saved Holdfast model.") from error
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} cannot be read as JSON: {error}") from error
