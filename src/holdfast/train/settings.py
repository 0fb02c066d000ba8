"""How long, how fast and how carefully to train. Needs no torch, so that flags and --help are made from it quickly."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, Literal, get_args

from holdfast.errors import ConfigError

Optimizer = Literal["adam", "adamw", "sgd"]
Schedule = Literal["constant", "cosine", "linear"]
Precision = Literal["float32", "bfloat16"]

DEFAULT_STEPS = 10_000


@dataclass(frozen=True)
class TrainSettings:
    """How a model is trained.

    Raises:
        ConfigError: a value is out of range, or two values contradict.
    """

    optimizer: Optimizer = "adamw"
    """The rule that turns gradients into new weights; sgd has momentum 0.9."""
    learning_rate: float = 2e-3
    """The highest learning rate; the schedule lowers it from there."""
    weight_decay: float = 0.0
    """How strongly weights are pulled to zero. With adamw it is decoupled from the gradient."""
    clip_norm: float | None = 1.0
    """Gradients longer than this are shortened to it. None leaves them alone."""
    schedule: Schedule = "cosine"
    """How the learning rate falls to zero over the budget: cosine, linear, or constant (not at all)."""
    warmup_steps: int = 0
    """Steps over which the learning rate rises from zero first."""
    max_steps: int | None = None
    """Stop after this many updates. When max_seconds is not given either, 10000."""
    max_seconds: float | None = None
    """Stop after this many seconds, evaluations included."""
    evaluate_every: int = 500
    """Updates between two evaluations on the validation data; 0 never evaluates."""
    evaluations: int = 0
    """Evaluations at equal distances over the whole budget, in place of evaluate_every. 0 leaves it to that."""
    patience: int | None = None
    """Stop after this many evaluations without a better one. None never stops for that."""
    checkpoint_every: int = 500
    """Updates between two checkpoints; 0 writes one at the end only."""
    log_every: int = 10
    """Updates between two lines of log.jsonl."""
    seed: int = 0
    """Equal seeds give equal runs, at an equal number of threads."""
    precision: Precision = "float32"
    """The number format of matrix products; weights stay as they are."""
    chunks_per_update: int = 1
    """Chunks that one update looks at, gradients flowing through all of them."""

    def __post_init__(self):
        for name, allowed in (("optimizer", Optimizer), ("schedule", Schedule), ("precision", Precision)):
            if getattr(self, name) not in get_args(allowed):
                raise ConfigError(f"{name} must be one of {', '.join(get_args(allowed))}, got {getattr(self, name)!r}.")
        for name, least in _LEAST.items():
            _check_whole(name, getattr(self, name), least, optional=name in ("max_steps", "patience"))
        _check_number("learning_rate", self.learning_rate)
        _check_number("weight_decay", self.weight_decay, zero=True)
        for name in ("clip_norm", "max_seconds"):
            if getattr(self, name) is not None:
                _check_number(name, getattr(self, name))
        if self.patience is not None and not self.evaluates:
            raise ConfigError("patience counts evaluations, and evaluate_every=0 makes none. Set evaluate_every.")

    @property
    def step_limit(self) -> int | None:
        """The budget in updates: max_steps, or 10000 when no budget was given at all."""
        return DEFAULT_STEPS if self.max_steps is None and self.max_seconds is None else self.max_steps

    @property
    def evaluates(self) -> bool:
        """Whether there are evaluations at all."""
        return bool(self.evaluate_every or self.evaluations)

    def to_dict(self) -> dict[str, Any]:
        """Return every setting, ready for JSON or YAML."""
        return dataclasses.asdict(self)


_LEAST = {
    "warmup_steps": 0, "max_steps": 1, "evaluate_every": 0, "evaluations": 0, "patience": 1, "checkpoint_every": 0,
    "log_every": 1, "seed": 0, "chunks_per_update": 1,
}  # fmt: skip


def _check_whole(name: str, value: Any, least: int, *, optional: bool) -> None:
    if optional and value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ConfigError(f"{name} must be a whole number of at least {least}, got {value!r}.")


def _check_number(name: str, value: Any, *, zero: bool = False) -> None:
    number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not number or value < 0 or (value == 0 and not zero):
        raise ConfigError(f"{name} must be a number {'of at least' if zero else 'above'} 0, got {value!r}.")
