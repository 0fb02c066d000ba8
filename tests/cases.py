"""The cases of the parametrised tests, listed once: shapes, cell specifications, dtypes, backends."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import torch
from torch import Tensor

import holdfast
from holdfast.errors import SpecError
from holdfast.spec import CellSpec, parameter_table

FAMILIES = ("lstm", "gru", "rnn")
BACKENDS = ("reference", "cpu", "vendor")
DTYPES = (torch.float64, torch.float32, torch.bfloat16)

SHAPES = [  # T, B, I, H
    (1, 1, 1, 1),
    (1, 3, 7, 65),
    (2, 7, 1, 7),
    (5, 1, 65, 130),
    (4, 6, 63, 63),
]

OURS = {"lstm": holdfast.LSTM, "gru": holdfast.GRU, "rnn": holdfast.RNN}
THEIRS = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU, "rnn": torch.nn.RNN}
OUR_CELLS = {"lstm": holdfast.LSTMCell, "gru": holdfast.GRUCell, "rnn": holdfast.RNNCell}
THEIR_CELLS = {"lstm": torch.nn.LSTMCell, "gru": torch.nn.GRUCell, "rnn": torch.nn.RNNCell}

_EVERYWHERE = [
    {"bias": False},
    {"layer_norm": "ba2016"},
    {"recurrent_dropout": 0.25},
    {"zoneout_h": 0.2},
    {"initial_state": "learned"},
]
_OWN = {
    "lstm": [
        {"peephole": True},
        {"coupled": True},
        {"forget_gate": False},
        {"layer_norm": "state"},
        {"projected": True},
        {"zoneout_c": 0.3},
    ],
    "gru": [{"reset_order": "before"}],
    "rnn": [{"nonlinearity": "relu"}],
}


def _specs(family: str) -> list[CellSpec]:
    """Return the plain cell, every flag alone, and every legal pair of flags."""
    flags = [*_EVERYWHERE, *_OWN[family]]
    found = [CellSpec(family), *(CellSpec(family, **flag) for flag in flags)]
    for first, second in itertools.combinations(flags, 2):
        if set(first) & set(second):
            continue  # two values of one flag
        try:
            found.append(CellSpec(family, **first, **second))
        except SpecError:
            assert first | second == {"coupled": True, "forget_gate": False}
    return found


SPECS = {spec.key: spec for family in FAMILIES for spec in _specs(family)}
SINGLE_FLAGS = {
    key: spec for key, spec in SPECS.items() if len(spec.to_dict()) <= 2
}  # the plain cells, and every flag alone


@dataclass
class Call:
    """One layer's arguments: x [T, B, I], state, parameters in table order, and a mask seed."""

    x: Tensor
    state: tuple[Tensor, ...]
    params: tuple[Tensor, ...]
    seed: Tensor | None

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        return (self.x, *self.state, *self.params)

    def split(self, tensors) -> tuple[Tensor, tuple[Tensor, ...], tuple[Tensor, ...]]:
        """Return x, state and parameters from a flat list of tensors."""
        x, *rest = tensors
        return x, tuple(rest[: len(self.state)]), tuple(rest[len(self.state) :])

    def to(self, dtype: torch.dtype) -> Call:
        x, state, params = self.split([tensor.detach().to(dtype) for tensor in self.tensors])
        return Call(x, state, params, self.seed)


def draw_call(spec: CellSpec, shape: tuple[int, int, int, int], dtype=torch.float64, *, grad: bool = False) -> Call:
    """Draw the arguments of one layer; layer-norm scales are near one, the rest near zero."""
    steps, rows, input_size, hidden_size = shape
    proj_size = max(1, hidden_size - 1) if spec.projected else 0
    params = []
    for parameter in parameter_table(spec, input_size, hidden_size, proj_size):
        centre = 1.0 if parameter.name.startswith("ln_") and parameter.name.endswith("weight") else 0.0
        params.append(centre + torch.randn(parameter.shape, dtype=torch.float64) / max(2.0, hidden_size**0.5))
    sizes = (proj_size or hidden_size, hidden_size)
    state = [torch.randn(rows, size, dtype=torch.float64) for size, _ in zip(sizes, spec.states, strict=False)]
    x = torch.randn(steps, rows, input_size, dtype=torch.float64)
    drawn = [tensor.to(dtype).requires_grad_(grad) for tensor in (x, *state, *params)]
    seed = torch.tensor(1234567890123) if spec.needs_masks else None
    split = 1 + len(state)
    return Call(drawn[0], tuple(drawn[1:split]), tuple(drawn[split:]), seed)


def as_tuple(state) -> tuple[Tensor, ...]:
    """Return the states of any family as a tuple."""
    return state if isinstance(state, tuple) else (state,)


def module_options(spec: CellSpec) -> dict[str, object]:
    """Return the constructor's keyword arguments for a spec; a projected one gets proj_size=2."""
    options = {key: value for key, value in spec.to_dict().items() if key not in ("family", "projected")}
    zoneout = (options.pop("zoneout_h", 0.0), options.pop("zoneout_c", 0.0))
    if any(zoneout):
        options["zoneout"] = zoneout if spec.family == "lstm" else zoneout[0]
    return options | ({"proj_size": 2} if spec.projected else {})


def make_module(spec: CellSpec, input_size: int = 3, hidden_size: int = 5, **options):
    """Build the module of a spec, with parameters drawn so that none of them is left at a neutral value."""
    module = OURS[spec.family](input_size, hidden_size, **module_options(spec), **options)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if name.startswith(("ln_", "h_0", "c_0")):
                parameter.add_(torch.randn_like(parameter) / 4)
    return module
