"""What a recurrent cell computes, as values: the gates, the variants, and the one parameter table.

Letters used everywhere: T time, B batch, I input, H hidden, G gates, L layers, D directions, P projection.
Nothing here needs torch: kernels, modules, the runtime and the exporters all read the same table.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import lru_cache

from holdfast.errors import SpecError

GATES = {"lstm": "ifgo", "gru": "rzn", "rnn": "h"}
"""Gate order of each family's stacked rows, torch's own."""

STATES = {"lstm": ("h", "c"), "gru": ("h",), "rnn": ("h",)}
"""State names of each family, in the order they are passed and returned."""

LAYER_NORM_EPS = 1e-5


@dataclass(frozen=True, slots=True)
class CellSpec:
    """Which recurrent equation to compute. Equal specs share kernels and checkpoints.

    Sizes are not part of it, except whether a projection exists. docs/math has every equation with its source.

    Raises:
        SpecError: a value is unknown, a flag does not belong to the family, or two flags contradict.
    """

    family: str = "lstm"  # lstm, gru, rnn
    bias: bool = True
    peephole: bool = False  # gates also read the cell state (Gers & Schmidhuber 2000)
    coupled: bool = False  # f = 1 - i (Greff et al. 2017, CIFG)
    forget_gate: bool = True  # False: f = 1 (Hochreiter & Schmidhuber 1997)
    layer_norm: str | None = None  # "ba2016" (Ba et al. 2016, eq. 20-22) or "state" (c is normalised and carried)
    projected: bool = False  # h = W_hr (o * tanh c) (Sak et al. 2014)
    reset_order: str = "after"  # GRU: "after" the product (torch, cuDNN) or "before" it (Cho et al. 2014)
    nonlinearity: str = "tanh"  # RNN: tanh or relu
    recurrent_dropout: float = 0.0  # one mask per sequence on h(t-1) (Gal & Ghahramani 2016)
    zoneout_h: float = 0.0  # chance that a unit of h keeps its old value (Krueger et al. 2017)
    zoneout_c: float = 0.0
    initial_state: str = "zero"  # or "learned"

    def __post_init__(self):
        _check_choices(self)
        _check_family(self)
        if self.coupled and not self.forget_gate:
            raise SpecError(
                "coupled=True ties the forget gate to the input gate, so forget_gate=False contradicts it. Choose one."
            )
        for name in ("recurrent_dropout", "zoneout_h", "zoneout_c"):
            value = getattr(self, name)
            if not 0.0 <= value < 1.0:
                raise SpecError(f"{name} is a probability and must be in [0, 1), got {value!r}.")

    @property
    def gates(self) -> str:
        """The gates that have rows in the weights: "igo" when f is tied to i or absent."""
        if self.family == "lstm" and (self.coupled or not self.forget_gate):
            return "igo"
        return GATES[self.family]

    @property
    def states(self) -> tuple[str, ...]:
        return STATES[self.family]

    @property
    def peephole_gates(self) -> str:
        """The gates that read the cell state, in the row order of weight_peep."""
        return "".join(gate for gate in "ifo" if gate in self.gates) if self.peephole else ""

    @property
    def plain(self) -> bool:
        """Whether this is exactly the cell torch.nn computes (projection apart)."""
        # Field by field: asked at every call, also inside compiled graphs, which cannot trace a cache.
        flags = self.peephole or self.coupled or self.layer_norm or self.needs_masks
        return not flags and self.forget_gate and self.reset_order == "after" and self.initial_state == "zero"

    @property
    def needs_masks(self) -> bool:
        """Whether a training call draws random masks inside the recurrence."""
        return bool(self.recurrent_dropout or self.zoneout_h or self.zoneout_c)

    @property
    def key(self) -> str:
        """A short text that names this spec exactly; `CellSpec.from_key` reads it back."""
        default = CellSpec(family=self.family)
        parts = [self.family]
        for field in dataclasses.fields(self)[1:]:
            value = getattr(self, field.name)
            if value != getattr(default, field.name):
                parts.append(f"{field.name}={value!r}" if not isinstance(value, str) else f"{field.name}={value}")
        return " ".join(parts)

    @staticmethod
    def from_key(key: str) -> CellSpec:
        return _spec_from_key(key)

    def to_dict(self) -> dict[str, object]:
        """Return the fields that differ from the defaults, family first, ready for JSON."""
        default = CellSpec(family=self.family)
        changed = {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)[1:]
            if getattr(self, field.name) != getattr(default, field.name)
        }
        return {"family": self.family, **changed}

    @staticmethod
    def from_dict(fields: dict[str, object]) -> CellSpec:
        """Make a spec from what `to_dict` returned.

        Raises:
            SpecError: a field is unknown, has the wrong type, or its value is not legal.
        """
        if not isinstance(fields, dict):
            raise SpecError(f"A cell spec is an object of named fields, got {fields!r}.")
        for name, value in fields.items():
            kind = _FIELD_TYPES.get(name)
            if kind is None:
                raise SpecError(f"Unknown cell field {name!r}. Known fields: {', '.join(_FIELD_TYPES)}.")
            if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
                raise SpecError(f"Cell field {name!r} cannot be {value!r}.")
        return CellSpec(**fields)  # type: ignore[arg-type]  # each value was checked above


_FIELD_TYPES: dict[str, type | tuple[type, ...]] = {
    field.name: {"bool": bool, "str": str, "float": (float, int), "str | None": (str, type(None))}[str(field.type)]
    for field in dataclasses.fields(CellSpec)
}

_CHOICES: dict[str, tuple[str | None, ...]] = {
    "family": tuple(GATES),
    "layer_norm": (None, "ba2016", "state"),
    "reset_order": ("after", "before"),
    "nonlinearity": ("tanh", "relu"),
    "initial_state": ("zero", "learned"),
}

# Flags that mean something in one family only, with the value that says "not used".
_ONLY_IN = {
    "peephole": ("lstm", False),
    "coupled": ("lstm", False),
    "forget_gate": ("lstm", True),
    "projected": ("lstm", False),
    "zoneout_c": ("lstm", 0.0),
    "reset_order": ("gru", "after"),
    "nonlinearity": ("rnn", "tanh"),
}


def _check_choices(spec: CellSpec) -> None:
    for name, allowed in _CHOICES.items():
        value = getattr(spec, name)
        if value not in allowed:
            raise SpecError(f"{name} must be one of {', '.join(map(repr, allowed))}, got {value!r}.")


def _check_family(spec: CellSpec) -> None:
    for name, (family, unused) in _ONLY_IN.items():
        if spec.family != family and getattr(spec, name) != unused:
            raise SpecError(f"{name} belongs to the {family.upper()}; a {spec.family.upper()} has no such part.")
    if spec.layer_norm == "state" and spec.family != "lstm":
        raise SpecError(
            f'layer_norm="state" normalises the cell state, which a {spec.family.upper()} has not. Use "ba2016".'
        )


@lru_cache(maxsize=1024)
def _spec_from_key(key: str) -> CellSpec:
    family, *parts = key.split(" ")
    fields: dict[str, object] = {"family": family}
    for part in parts:
        name, _, text = part.partition("=")
        kind = _FIELD_TYPES[name]
        fields[name] = text == "True" if kind is bool else text if kind != (float, int) else float(text)
    return CellSpec.from_dict(fields)


@dataclass(frozen=True, slots=True)
class Parameter:
    """One row of the parameter table: a tensor of one layer and direction."""

    name: str
    shape: tuple[int, ...]


@lru_cache(maxsize=1024)
def parameter_table(spec: CellSpec, input_size: int, hidden_size: int, proj_size: int = 0) -> tuple[Parameter, ...]:
    """List the parameters of one layer and direction, in the order they are registered, drawn and passed to kernels.

    Names carry no layer suffix: `nn` appends "_l0", "_l1_reverse" and so on, as torch does.
    """
    rows = len(spec.gates) * hidden_size
    out_size = proj_size if spec.projected else hidden_size
    table = [Parameter("weight_ih", (rows, input_size)), Parameter("weight_hh", (rows, out_size))]
    if spec.bias:
        table += [Parameter("bias_ih", (rows,)), Parameter("bias_hh", (rows,))]
    if spec.projected:
        table.append(Parameter("weight_hr", (proj_size, hidden_size)))
    if spec.peephole:
        table.append(Parameter("weight_peep", (len(spec.peephole_gates), hidden_size)))
    if spec.layer_norm:
        table += [Parameter(f"ln_{side}_{kind}", (rows,)) for side in ("ih", "hh") for kind in ("weight", "bias")]
        if spec.family == "lstm":
            table += [Parameter("ln_c_weight", (hidden_size,)), Parameter("ln_c_bias", (hidden_size,))]
    if spec.initial_state == "learned":
        table.append(Parameter("h_0", (out_size,)))
        if "c" in spec.states:
            table.append(Parameter("c_0", (hidden_size,)))
    return tuple(table)


def parameter_suffix(layer: int, direction: int) -> str:
    """Return torch's suffix of a parameter name: "_l0", "_l0_reverse", "_l1" and so on."""
    return f"_l{layer}{'_reverse' if direction else ''}"


def layer_input_size(layer: int, input_size: int, hidden_size: int, proj_size: int, num_directions: int) -> int:
    """Return how many features layer number `layer` of a stack reads."""
    return input_size if layer == 0 else num_directions * (proj_size or hidden_size)
