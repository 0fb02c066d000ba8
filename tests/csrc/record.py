"""Record calls of a layer with their exact results for run_cases.cpp: `python -m tests.csrc.record FILE`.

A case is the row of numbers that csrc/fields.h reads, with the number of an array, from 1, where it has an address.
Results are the reference's in float64. Everything is little-endian, integers and sizes of 64 bits:

    file    "HFCASES1", number of cases, cases
    case    length of label, label, 1 for float64 or 0, number of columns, columns, number of arrays, arrays
    array   kind, count, allowed error (float64), contents
    kind    0 numbers that are read, as float64      1 int64 that are read      2 bools that are read, as bytes
            3 numbers that are computed: the exact ones as float64      4 room to work in: no contents

Inputs are exact in float32, so that one oracle serves both dtypes. The padding of x and of d_y holds NaN.
"""

from __future__ import annotations

import argparse
import random
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import torch
from torch import Tensor

from holdfast.errors import SpecError
from holdfast.kernels import cpu, reference
from holdfast.kernels.call import LayerCall, Needs
from holdfast.reference.packing import repack
from holdfast.spec import CellSpec, parameter_table

MAGIC = b"HFCASES1"
READ, READ_INT, READ_BOOL, COMPUTED, ROOM = range(5)
MOST = {"T": 12, "B": 9, "I": 70, "H": 140}

FACTOR, FLOOR, NORM_FLOOR, ONE_FLOOR = 4.0, 32.0, 1024.0, 1e6
"""Allowed error: FACTOR times that of plain torch in float32, and FLOOR eps of the largest number of its kind, outputs
or gradients, times the largest x; for float64 the same times eps64 / eps32. What torch loses tells how ill-conditioned
a case is, but in a small case it may be lucky. A layer norm of few numbers multiplies rounding by up to 316, and of one
number nothing else is left of its derivative."""

_FLAGS: dict[str, dict[str, list[object]]] = {
    "": {
        "bias": [False], "layer_norm": ["ba2016"], "recurrent_dropout": [0.25, 0.5], "zoneout_h": [0.2, 0.7],
        "initial_state": ["learned"],
    },
    "lstm": {
        "peephole": [True], "coupled": [True], "forget_gate": [False], "layer_norm": ["ba2016", "state"],
        "projected": [True], "zoneout_c": [0.3],
    },
    "gru": {"reset_order": ["before"]},
    "rnn": {"nonlinearity": ["relu"]},
}  # fmt: skip


def draw_spec(luck: random.Random) -> CellSpec:
    """Draw a family and any legal set of its flags, each with a chance of 0.35."""
    while True:
        family = luck.choice(["lstm", "lstm", "gru", "rnn"])
        flags = {**_FLAGS[""], **_FLAGS[family]}
        drawn = {name: luck.choice(values) for name, values in flags.items() if luck.random() < 0.35}
        try:
            return CellSpec(family, **drawn)  # type: ignore[arg-type]
        except SpecError:
            continue  # coupled without a forget gate


def draw_size(luck: random.Random, most: int) -> int:
    """Draw a size from 1 to `most`, half of them in the lower quarter."""
    return luck.randint(1, most if luck.random() < 0.5 else max(1, most // 4))


def draw_call(luck: random.Random) -> LayerCall:
    """Draw a layer's call in float64; the numbers come from torch's own generator."""
    spec = draw_spec(luck)
    steps, rows, inputs, hidden = [draw_size(luck, most) for most in MOST.values()]
    hidden = max(hidden, 2) if spec.projected else hidden
    proj = luck.randint(1, hidden - 1) if spec.projected else 0
    directions = luck.choice([1, 2])
    sizes = [proj or hidden, hidden][: len(spec.states)]
    table = parameter_table(spec, inputs, hidden, proj)
    tensors = [torch.randn(directions, rows, size) for size in sizes]
    tensors += [_draw_parameter(row.name, row.shape) for _ in range(directions) for row in table]
    x = torch.randn(steps, rows, inputs) * luck.choice([1.0, 1.0, 0.1, 100.0])
    seed = torch.tensor(luck.randrange(-(2**63), 2**63)) if spec.needs_masks and luck.random() < 0.7 else None
    call = LayerCall(spec, x, None, None, None, seed, luck.choice([0, 1, 5]), directions, tensors)
    return _double(_draw_rows(luck, call))


def _draw_parameter(name: str, shape: tuple[int, ...]) -> Tensor:
    if name.startswith("ln_") and name.endswith("weight"):
        return 1 + 0.3 * torch.randn(shape)
    return torch.randn(shape) / shape[-1] ** 0.5 if len(shape) == 2 else 0.5 * torch.randn(shape)


def _draw_rows(luck: random.Random, call: LayerCall) -> LayerCall:
    """Make the call ragged, packed, reset, several of these or none."""
    steps, rows = call.x.shape[:2]
    kind = luck.choice(["plain", "lengths", "resets", "both", "packed"])
    lengths = torch.tensor([luck.randint(0, steps) for _ in range(rows)])
    resets = torch.rand(steps, rows) < 0.25
    if kind == "packed":
        lengths = lengths.clamp(min=1)
        lengths[luck.randrange(rows)] = steps
        lengths, order = lengths.sort(descending=True)
        order = None if luck.random() < 0.3 else order
        return call._replace(x=repack(call.x, lengths, order), lengths=lengths, rows=order)
    ragged = lengths if kind in ("lengths", "both") else None
    if ragged is not None:
        call.x[torch.arange(steps)[:, None] >= ragged] = float("nan")
    return call._replace(lengths=ragged, resets=resets if kind in ("resets", "both") else None)


def _double(call: LayerCall) -> LayerCall:
    return call._replace(x=call.x.double(), tensors=[tensor.double() for tensor in call.tensors])


def _single(call: LayerCall) -> LayerCall:
    return call._replace(x=call.x.float(), tensors=[tensor.float() for tensor in call.tensors])


@dataclass(frozen=True)
class Computed:
    """What a layer and its backward pass return, in the order of csrc/fields.h, grouped for their tolerance."""

    outputs: list[Tensor]
    gradients: list[Tensor]


def compute(call: LayerCall, seeds: Sequence[Tensor]) -> Computed:
    """Run the reference and its derivative, that by every step's state too."""
    result = reference.forward(call, 2)
    lstm = call.num_states == 2
    bits = (1 << len(call.tensors) + (3 if lstm else 2)) - 1
    d_y, d_h, d_c = [seed.to(call.x.dtype) for seed in seeds]
    gradients = reference.backward(call, result, d_y, d_h, d_c, Needs(bits, len(call.tensors)))
    return Computed(list(result[:5]), [gradient.clone() for gradient in gradients])  # some share their memory


def allowed_errors(exact: Computed, baseline: Computed, floor: float) -> list[float]:
    """Return the largest error allowed in float32 for each result; FACTOR says how."""
    found: list[float] = []
    for right, rough in ((exact.outputs, baseline.outputs), (exact.gradients, baseline.gradients)):
        scale = max(float(part.abs().max()) for part in right if part.numel())
        errors = [float((a - b.double()).abs().max()) if a.numel() else 0.0 for a, b in zip(right, rough, strict=True)]
        found += [FACTOR * error + floor * torch.finfo(torch.float32).eps * scale for error in errors]
    return found


def normalises_one_number(spec: CellSpec, hidden_size: int) -> bool:
    """Tell whether some layer norm runs over a single number: any but that of the GRU's three gates together."""
    together = spec.family == "gru" and spec.reset_order == "after"
    return spec.layer_norm is not None and hidden_size == 1 and not together


def _floor(call: LayerCall) -> float:
    if normalises_one_number(call.spec, call.hidden_size):
        return ONE_FLOOR
    return NORM_FLOOR if call.spec.layer_norm else FLOOR * max(1.0, float(call.x.nan_to_num().abs().max()))


class _Writer:
    """Collects one case: columns of csrc/fields.h, and the arrays that some of them name."""

    def __init__(self) -> None:
        self.columns: list[int] = []
        self._arrays: list[bytes] = []

    def add(self, kind: int, tensor: Tensor | None, allowed: float = 0.0) -> None:
        """Add the column of an array: its number, or 0 where it is absent or empty."""
        if tensor is None or tensor.numel() == 0:
            self.columns.append(0)
            return
        content = b"" if kind == ROOM else tensor.detach().contiguous().numpy().tobytes()
        self._arrays.append(struct.pack("<qqd", kind, tensor.numel(), allowed) + content)
        self.columns.append(len(self._arrays))

    def add_parameters(self, kind: int, spec: CellSpec, tensors: Sequence[Tensor], allowed: Sequence[float]) -> None:
        """Add the columns of all parameters, or of their gradients, of two directions."""
        names = [row.name for row in parameter_table(spec, 1, 1, 1 if spec.projected else 0)]
        for direction in range(2):
            first = direction * len(names)
            for name in cpu.PARAMETERS:
                k = first + names.index(name) if name in names else len(tensors)
                known = k < len(tensors)
                self.add(kind, tensors[k] if known else None, allowed[k] if known else 0.0)

    def case(self, label: str, twice: bool) -> bytes:
        text, count = label.encode(), len(self.columns)
        head = struct.pack("<q", len(text)) + text + struct.pack("<qq", twice, count)
        return b"".join(
            [head, struct.pack(f"<{count}q", *self.columns), struct.pack("<q", len(self._arrays)), *self._arrays]
        )


def record_case(label: str, call: LayerCall, twice: bool) -> bytes:
    """Return one case as bytes, for the kernels of float64 (`twice`) or float32."""
    seeds = [torch.randn_like(part).float().double() for part in reference.forward(call, 2)[:3]]
    if call.lengths is not None and not call.packed:
        seeds[0][torch.arange(call.x.shape[0])[:, None] >= call.lengths] = float("nan")
    exact, baseline = compute(call, seeds), compute(_single(call), seeds)
    if not all(part.isfinite().all() for part in (*exact.outputs, *exact.gradients)):
        raise ValueError(f"the reference has no finite result for {label}")
    allowed = allowed_errors(exact, baseline, _floor(call))
    allowed = [error * (2.0**-29 if twice else 1.0) for error in allowed]
    writer, states = _Writer(), call.num_states
    _add_call(writer, call)
    for tensor, error in zip(exact.outputs, allowed, strict=False):
        writer.add(COMPUTED, tensor, error)
    writer.add(ROOM, torch.empty(cpu.workspace_size(call)))
    for tensor in seeds:
        writer.add(READ, tensor)
    gradients, errors, end = exact.gradients, allowed[len(exact.outputs) :], 1 + len(call.tensors)
    for k in range(3):  # of x, h0 and c0
        writer.add(COMPUTED, gradients[k] if k <= states else None, errors[k])
    writer.add_parameters(COMPUTED, call.spec, gradients[1 + states : end], errors[1 + states : end])
    writer.add(COMPUTED, gradients[end], errors[end])
    flow_c = states == 2
    writer.add(COMPUTED, gradients[end + 1] if flow_c else None, errors[end + 1] if flow_c else 0.0)
    return writer.case(label, twice)


def _add_call(writer: _Writer, call: LayerCall) -> None:
    """Add the columns of csrc/fields.h up to the outputs."""
    spec, x = call.spec, call.x
    chances = [
        struct.unpack("<q", struct.pack("<d", p))[0] for p in (spec.recurrent_dropout, spec.zoneout_h, spec.zoneout_c)
    ]
    writer.columns += [
        ("lstm", "gru", "rnn").index(spec.family), 2 if spec.coupled else int(spec.forget_gate),
        (None, "ba2016", "state").index(spec.layer_norm), spec.peephole, spec.projected, spec.reset_order == "before",
        spec.nonlinearity == "relu", *chances, call.steps, call.batch, x.shape[-1], call.hidden_size, call.out_size,
        call.directions, x[..., 0].numel(), call.layer, 2, call.packed,
    ]  # fmt: skip
    writer.add(READ, x)
    writer.add(READ_INT, call.lengths)
    writer.add(READ_INT, call.rows)
    writer.add(READ_BOOL, call.resets)
    writer.add(READ_INT, call.seed)
    states = call.num_states
    for k in range(2):
        writer.add(READ, call.tensors[k] if k < states else None)
    params = call.tensors[states:]
    writer.add_parameters(READ, spec, params, [0.0] * len(params))
    writer.columns += [0, 0]  # nothing frozen


def draw_cases(seed: int, count: int) -> Iterator[bytes]:
    """Record `count` random calls, alternately in float32 and float64."""
    for number in range(count):
        luck = random.Random(seed * 1_000_003 + number)  # each case alone can be drawn again
        torch.manual_seed(luck.randrange(2**31))
        call = draw_call(luck)
        twice = number % 2 == 1
        yield record_case(f"{number}: {describe(call)} {'float64' if twice else 'float32'}", call, twice)


def describe(call: LayerCall) -> str:
    """Return a call's cell, sizes and what it is given, in one line."""
    given = {"packed": call.packed, "lengths": call.lengths, "resets": call.resets, "masks": call.seed}
    words = [name for name, value in given.items() if value is not None and value is not False]
    sizes = f"T={call.steps} B={call.batch} I={call.x.shape[-1]} H={call.hidden_size} P={call.out_size}"
    return " ".join([f"[{call.spec.key}]", sizes, f"D={call.directions}", *words])


def write(file: BinaryIO, seed: int, count: int) -> None:
    """Write `count` random cases."""
    file.write(MAGIC + struct.pack("<q", count))
    for case in draw_cases(seed, count):
        file.write(case)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.set_num_threads(1)
    with args.file.open("wb") as file:
        write(file, args.seed, args.count)
    print(f"{args.count} cases of seed {args.seed} in {args.file}")


if __name__ == "__main__":
    main()
