"""What `make bench` times: every case with its sizes, its peers and the ratios it must reach.

Letters as everywhere: T time, B batch, I input, H hidden, G gates, L layers, D directions, P projection.
"""

from __future__ import annotations

from dataclasses import dataclass

FAMILIES = {"lstm": "LSTM", "gru": "GRU", "rnn": "RNN"}

VARIANTS = {
    "": {},
    "layer norm": {"layer_norm": "ba2016"},
    "peephole": {"peephole": True},
    "zoneout": {"zoneout": (0.05, 0.5)},  # (h, c), the chances of Krueger et al. 2017
    "variational dropout": {"recurrent_dropout": 0.25},
    "coupled": {"coupled": True},
}

PEERS = ("torch", "onnxruntime", "openvino", "jax", "loop", "sb3", "padded", "plain")
"""torch.nn and the libraries; the usual Python loops; and two yardsticks of our own, which are no peers."""

YARDSTICKS = ("padded", "plain")


@dataclass(frozen=True)
class Goal:
    """At least this ratio, theirs / ours, against the fastest of the peers named; it binds these doors of ours."""

    at_least: float
    against: tuple[str, ...]
    doors: tuple[str, ...] = ("holdfast",)


@dataclass(frozen=True)
class Case:
    """One layer or stack and size. Training is forward, backward, and the gradients of x and of every parameter."""

    work: str  # "train" or "infer"
    batch: int
    time: int
    input_size: int
    hidden_size: int
    family: str = "lstm"
    layers: int = 1
    bidirectional: bool = False
    proj_size: int = 0
    variant: str = ""
    feed: str = "dense"  # "packed", "lengths" (both T/4..T, in any order) or "resets" (2 % of the steps)
    peers: tuple[str, ...] = ("torch",)
    goals: tuple[Goal, ...] = ()
    freeze: bool = False  # also timed through `lstm.freeze()`
    suite: str = "table"

    @property
    def size(self) -> str:
        return f"{self.batch},{self.time},{self.input_size},{self.hidden_size}"

    @property
    def name(self) -> str:
        """Suite, what is special about it, work and size: the key of a case in the results."""
        stack = f"{self.layers} layers" if self.layers > 1 else ""
        kind = "bidirectional" if self.bidirectional else ""
        projection = f"projection {self.proj_size}" if self.proj_size else ""
        feed = "" if self.feed == "dense" else self.feed
        words = (self.suite, self.family, self.variant, kind, stack, projection, feed, self.work, self.size)
        return " ".join(word for word in words if word)

    @property
    def constructor(self) -> dict[str, object]:
        """The keyword arguments of the module, torch's and ours alike, beyond the two sizes."""
        extra = {"num_layers": self.layers, "bidirectional": self.bidirectional, "proj_size": self.proj_size}
        usual = {"num_layers": 1, "bidirectional": False, "proj_size": 0}
        return {name: value for name, value in extra.items() if value != usual[name]}

    @property
    def gates(self) -> int:
        return {"lstm": 4, "gru": 3, "rnn": 1}[self.family] - (self.variant == "coupled")

    def flops(self, steps: int) -> float:
        """Return the useful floating point operations; `steps` counts those of all rows (T*B when none is short).

        Forward: 2 * steps * G*H * (I + P) a layer and direction, P = H without projection, plus 2 * steps * P*H with
        one. Training is three times that: forward, the gradient of the activations, and that of the weights.
        """
        out_size, directions = self.proj_size or self.hidden_size, 1 + self.bidirectional
        total = 0
        for layer in range(self.layers):
            width = self.input_size if layer == 0 else directions * out_size
            total += directions * self.gates * self.hidden_size * (width + out_size)
            total += directions * self.proj_size * self.hidden_size
        return 2.0 * steps * total * (3 if self.work == "train" else 1)


def _plain_cases() -> list[Case]:
    trainers, everyone = ("torch", "jax"), ("torch", "onnxruntime", "openvino", "jax")
    train = [
        ((1, 100, 64, 64), 2.5, trainers),
        ((16, 50, 64, 64), 1.8, trainers),
        ((32, 100, 128, 128), 1.35, trainers),
        ((64, 35, 200, 200), 1.2, trainers),
        ((64, 35, 650, 650), 1.1, ("torch",)),
        ((128, 50, 1024, 1024), 1.0, ("torch",)),
    ]
    infer = [((1, 100, 64, 64), 1.2), ((1, 1000, 32, 64), 1.3), ((16, 50, 64, 64), 1.5)]
    both = ("holdfast", "holdfast freeze")
    cases = [Case("train", *size, peers=trainers, goals=(Goal(least, against),)) for size, least, against in train]
    for size, least in infer:
        goal = Goal(least, ("onnxruntime",), both)  # both doors, since ONNX Runtime packs its weights once
        cases.append(Case("infer", *size, peers=everyone, goals=(goal,), freeze=True))
    for size, least in (((32, 100, 128, 128), 1.3), ((64, 35, 650, 650), 1.0)):
        cases.append(Case("infer", *size, peers=everyone, goals=(Goal(least, everyone),), freeze=True))
    return cases


def _stacked_cases() -> list[Case]:
    size, peers = (32, 100, 128, 128), ("torch", "jax")

    def against_torch(least: float) -> tuple[Goal, ...]:
        return (Goal(least, ("torch",)),)

    return [
        Case("train", *size, bidirectional=True, peers=peers, goals=against_torch(1.3)),
        Case("train", *size, bidirectional=True, layers=2, peers=peers, goals=against_torch(1.5)),
        Case("train", *size, proj_size=64, peers=peers, goals=against_torch(2.5)),
        Case("train", *size, family="gru", peers=peers, goals=against_torch(2.2)),
        Case("train", *size, family="rnn", peers=peers, goals=against_torch(2.0)),
    ]


def _ragged_cases() -> list[Case]:
    cases = []
    for size, least in (((32, 100, 128, 128), 7.0), ((32, 1000, 64, 64), 50.0), ((64, 200, 256, 256), 6.0)):
        cases.append(Case("train", *size, feed="packed", goals=(Goal(least, ("torch",)),)))
        cases.append(Case("train", *size, feed="lengths", peers=("padded",), goals=(Goal(1.4, ("padded",)),)))
    cases.append(Case("train", 16, 128, 64, 128, feed="resets", peers=("sb3",), goals=(Goal(8.0, ("sb3",)),)))
    return cases


def _variant_cases() -> list[Case]:
    cases = []
    for variant in filter(None, VARIANTS):
        slower = 1.7 if variant == "layer norm" else 1.3  # than our plain cell, at most
        goals = (Goal(6.0, ("loop",)), Goal(1 / slower, ("plain",)))
        cases.append(Case("train", 32, 100, 128, 128, variant=variant, peers=("loop", "plain"), goals=goals))
    return cases


def _grid_cases() -> list[Case]:
    """Return the first grid, torch.nn alone: small sizes, single steps, and those where oneDNN is hard to beat."""
    grid = [(batch, time, hidden, hidden) for time in (1, 100) for batch in (1, 4, 16) for hidden in (32, 64, 128)]
    grid += [(32, 100, 128, 128), (64, 35, 200, 200), (32, 50, 512, 512)]
    other = [(1, 100, 64, 64), (16, 100, 64, 64), (16, 100, 128, 128)]
    works, size = ("infer", "train"), (32, 100, 128, 128)
    cases = [Case(work, *sizes, suite="grid") for work in works for sizes in grid]
    for family in ("gru", "rnn"):
        cases += [Case(work, *sizes, family=family, suite="grid") for work in works for sizes in other]
    return cases + [Case("train", *size, family=family, feed="packed", suite="grid") for family in FAMILIES]


SUITES = {
    "table": _plain_cases() + _stacked_cases() + _ragged_cases() + _variant_cases(),
    "grid": _grid_cases(),
}

REASONS: dict[str, str] = {
    "table lstm train 1,100,64,64": "Python and autograd take 0.1 ms of it; 2.2 to 2.4 over three runs",
    "table lstm train 32,100,128,128": "the products run at 95 % of a core's limit; torch's whole is at half of it",
    "table lstm train 64,35,200,200": "as for 128 units; besides, 200 units fill 12.5 vectors of 16",
    "table lstm train 64,35,650,650": "noise: 1.09 to 1.12",
    "table lstm train 128,50,1024,1024": "0.91 to 1.04 over eight runs: memory, shared with others, decides",
    "table lstm lengths train 32,1000,64,64": "rows lie apart in memory; 0.66 of the steps take 0.79 of the time",
    "table lstm infer 1,100,64,64": "26 microseconds of Python; freeze() spares 16 of them",
    "table lstm infer 16,50,64,64": "26 microseconds of Python; frozen at 60 % of the limit, where 81 % is needed",
    "table lstm infer 32,100,128,128": "two thirds of the limit on both sides",
    "table lstm bidirectional train 32,100,128,128": "torch takes 18 ms beside Holdfast, 28 alone (allocator)",
    "table lstm bidirectional 2 layers train 32,100,128,128": "as for one layer: torch alone takes 60 ms",
}
"""Case name -> why it falls short of its goal, once found (roofline, profile); printed beside the figure."""
