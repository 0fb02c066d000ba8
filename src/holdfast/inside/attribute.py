"""Which input steps an output rests on: integrated gradients, with the check that nothing was lost on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from holdfast.errors import ConfigError, ShapeError
from holdfast.inside.modes import evaluation, module_of

if TYPE_CHECKING:
    import pandas
    from numpy.typing import NDArray

    Doubles = NDArray[np.float64]

Score = Callable[[Any, Any], Tensor]

CLOSE = 1e-3
"""Share of the difference of the scores that may be missing before parts of the way are halved."""
NARROWEST = 1e-6


@dataclass(frozen=True)
class Attribution:
    """What each step of the input added to the score.

    Attributes:
        steps: What each step added: [T, B], or as the input stands with its last axis summed.
        features: The same of each feature, in the shape of the input that was attributed to.
        score: [B] of the input, or one number.
        baseline_score: The same of the baseline.
        labels: Names of the steps, where the model knows them.
        batch_first: The batch axis of the input comes first: steps are [B, T].
    """

    steps: Doubles
    features: Doubles
    score: Doubles
    baseline_score: Doubles
    labels: tuple[str, ...] | None = None
    batch_first: bool = False

    @property
    def gaps(self) -> Doubles:
        """What the steps of each row do not account for: |sum of steps - (score - baseline score)| [B].

        It is zero for an exact integral ("completeness"); more integration steps make it smaller. A score of one number
        for all rows has one gap.
        """
        return _misses(self.features, self.score - self.baseline_score, self.batch_first)

    @property
    def gap(self) -> float:
        """The sum of `gaps` over all rows."""
        return float(self.gaps.sum())

    def summary(self, top: int = 3) -> str:
        """Return one sentence made from the numbers: the steps of the first row that mattered most."""
        row = self._table()[:, 0]
        best = np.argsort(-np.abs(row), kind="stable")[:top]
        named = [f"{self._name(t)} ({row[t]:+.3g})" for t in best]
        total = float((self.score - self.baseline_score).reshape(-1)[0])
        return f"The score rests on {', '.join(named)} of {total:+.3g} in all; {self.gaps[0]:.2g} is unaccounted for."

    def to_dataframe(self) -> pandas.DataFrame:
        """Return a long table: row, step, label and attribution."""
        from holdfast.nn.trace_export import import_pandas

        table = self._table()
        row, step = np.indices(table.T.shape).reshape(2, -1)
        labels = [None if self.labels is None else self.labels[t] for t in step]
        columns = {"row": row, "step": step, "label": labels, "attribution": table[step, row]}
        return import_pandas("Attribution.to_dataframe").DataFrame(columns)

    def _table(self) -> Doubles:
        """Return [T, B]."""
        table = self.steps.reshape(len(self.steps), -1)
        return table.T if self.batch_first else table

    def _name(self, t: int) -> str:
        return f"step {t}" if self.labels is None else f"'{self.labels[t]}' (step {t})"


def integrated_gradients(
    model: Any,
    x: Any,
    score: Score | Any,
    *,
    at: str | None = None,
    baseline: Tensor | float = 0.0,
    steps: int = 16,
    most: int = 256,
    batch_first: bool = False,
) -> Attribution:
    """Return what each input step adds to a score, compared with a baseline: the path integral of the gradient.

        a = (x - b) * integral from 0 to 1 of d score(b + u (x - b)) / dx du

    The integral is taken by Simpson's rule over equal parts of the way. What a part must add up to is known, the
    difference of the scores at its ends, so parts that miss it are halved, the worst first. Where the score jumps, as
    that of a network falling into another memory does, no gradient sees it, and `gap` says how much is missing.
    It is computed in evaluation mode, whatever mode the model is in; the mode is put back, and no gradient is left
    behind.

    Args:
        model: A module, or a trained estimator that knows the scores of its answers (`LanguageModel`).
        x: What the module reads; for an estimator what it is asked about, such as a text.
        score: Takes (module, x) and returns the score of each row [B], whose sum is attributed, or a scalar. For an
            estimator the answer whose score is wanted, such as the next word.
        at: The module inside the model whose input is attributed to, such as the recurrent stack; of an embedding its
            output. None: x itself if it holds numbers, else the output of the first embedding called.
        baseline: What the input is compared with: a number, or a tensor that broadcasts to it. Zero is the zero vector
            of an embedding.
        steps: Equal parts at first.
        most: Gradients computed at most; each is kept until the end. Halving ends before, once the gap of all parts
            and rows together is below a thousandth of the differences of the scores.
        batch_first: The batch axis of what is attributed to comes first.

    Raises:
        ConfigError: no such module, none that was called once, or no score.
        ShapeError: the score is neither a scalar nor one number a row.

    Source: Sundararajan, Taly & Yan 2017.

    Example:
        >>> import torch, holdfast
        >>> lstm = holdfast.LSTM(3, 5)
        >>> found = integrated_gradients(lstm, torch.randn(7, 2, 3), lambda layer, x: layer(x)[0][-1].sum(-1))
        >>> found.steps.shape, found.gap < 1e-4
        ((7, 2), True)
    """
    labels: Any = None
    own: Any = score
    if not callable(score):
        if not hasattr(model, "score_of"):
            raise ConfigError(f"score must be a function of (module, x), got {own!r}; {type(model).__name__} has none.")
        own_scores: Any = model.score_of
        x, own, labels = own_scores(x, own)
    module = module_of(model, "integrated_gradients")
    if steps < 1:
        raise ConfigError(f"The way to the input needs 1 part or more, got {steps}.")
    with evaluation(module), torch.enable_grad():
        path = _Path(module, x, at, baseline, own, batch_first)
        parts = _integrate(path, steps, most)
    total = torch.stack([part.integral for part in parts]).sum(0)
    features = (total * path.difference.double()).cpu().numpy()
    low, high = parts[0].ends[0].scores, parts[-1].ends[2].scores
    return Attribution(features.sum(axis=-1), features, high, low, labels, batch_first)


@dataclass(frozen=True)
class _Point:
    """The scores at share u of the way [B], and the gradient of their sum there."""

    u: float
    scores: Doubles
    gradient: Tensor


@dataclass(frozen=True)
class _Part:
    """A part of the way: its two ends with the middle between them, and by how much Simpson's rule misses it."""

    ends: tuple[_Point, _Point, _Point]
    integral: Tensor
    miss: float

    @classmethod
    def of(cls, path: _Path, low: _Point, high: _Point) -> _Part:
        middle = path.point((low.u + high.u) / 2)
        integral = (high.u - low.u) / 6 * (low.gradient + 4 * middle.gradient + high.gradient)
        added = (integral * path.difference.double()).cpu().numpy()
        miss = _misses(added, high.scores - low.scores, path.batch_first).sum()
        return cls((low, middle, high), integral, float(miss))


def _misses(features: Doubles, change: Doubles, batch_first: bool) -> Doubles:
    """Return by how much each row's features miss the change of its score [B]; of one score for all rows, one number.

    Rows are told apart because what one misses could make up for another.
    """
    axis = 0 if batch_first else 1
    by_row = features.ndim > 1 and features.shape[axis] == len(change)
    others = tuple(k for k in range(features.ndim) if k != axis)
    return np.abs(features.sum(axis=others) - change) if by_row else np.abs(features.sum() - change.sum())[None]


def _integrate(path: _Path, steps: int, most: int) -> list[_Part]:
    """Return the parts of the way in order."""
    points = [path.point(k / steps) for k in range(steps + 1)]
    parts = [_Part.of(path, *pair) for pair in pairwise(points)]
    close = CLOSE * float(np.abs(points[-1].scores - points[0].scores).sum())
    for _ in range((most - 2 * steps - 1) // 2):
        if sum(part.miss for part in parts) <= close:
            break
        worst = max(range(len(parts)), key=lambda k: parts[k].miss)
        low, middle, high = parts[worst].ends
        if high.u - low.u < NARROWEST:
            break  # a jump
        parts[worst : worst + 1] = [_Part.of(path, low, middle), _Part.of(path, middle, high)]
    return parts


class _Path:
    """The straight line from the baseline to the input, at the place where the attribution is made."""

    def __init__(self, module: Any, x: Any, at: str | None, baseline: Tensor | float, score: Score, batch_first: bool):
        self.module, self.x, self.score, self.batch_first = module, x, score, batch_first
        self.site = None if at is None and _is_real(x) else _site(module, x, at)
        start = x if self.site is None else self._caught()
        if not _is_real(start):
            raise ConfigError(f"What {at!r} reads is no tensor of real numbers, so there is no path to it.")
        self.end = start.detach()
        self.start = torch.as_tensor(baseline).to(self.end).expand_as(self.end)
        self.difference = self.end - self.start

    def point(self, u: float) -> _Point:
        """Return the scores and their gradient at share u of the way."""
        place = (self.start + u * self.difference).requires_grad_()
        if self.site is None:
            found = self.score(self.module, place)
        else:
            with _replaced(self.site, place):
                found = self.score(self.module, self.x)
        if not isinstance(found, Tensor) or found.dim() > 1:
            shape = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
            raise ShapeError(f"The score must be one number a row [B], or a scalar; got {shape}.")
        gradient = torch.autograd.grad(found.sum(), place, allow_unused=True)[0] if found.requires_grad else None
        gradient = torch.zeros_like(place) if gradient is None else gradient
        return _Point(u, np.atleast_1d(found.detach().double().cpu().numpy()), gradient.double())

    def _caught(self) -> Tensor:
        caught: list[Any] = []
        site: Any = self.site
        if isinstance(site, nn.Embedding):
            handle = site.register_forward_hook(lambda module, args, output: caught.append(output))
        else:
            handle = site.register_forward_pre_hook(lambda module, args: caught.append(args[0]))
        try:
            with torch.no_grad():
                self.module(self.x)
        finally:
            handle.remove()
        if len(caught) != 1:
            raise ConfigError(
                f"The module to attribute to must be called once by module(x); it was called {len(caught)} times."
            )
        return caught[0]


def _is_real(x: Any) -> bool:
    return isinstance(x, Tensor) and x.is_floating_point()


def _site(module: Any, x: Any, at: str | None) -> nn.Module:
    """Return the module that is attributed to: the one named, or the first embedding."""
    parts = dict(module.named_modules())
    if at is not None:
        if at not in parts:
            raise ConfigError(f"The model has no module named {at!r}; it has {sorted(name for name in parts if name)}.")
        return parts[at]
    embeddings = [part for part in parts.values() if isinstance(part, nn.Embedding)]
    if not embeddings:
        raise ConfigError("The input holds no real numbers and the model no embedding: name the module with at=.")
    return embeddings[0]


@contextmanager
def _replaced(site: nn.Module, point: Tensor) -> Iterator[None]:
    """Have the module read the point instead of its input; of an embedding, give it out."""
    if isinstance(site, nn.Embedding):
        handle = site.register_forward_hook(lambda module, args, output: point)
    else:
        handle = site.register_forward_pre_hook(lambda module, args: (point, *args[1:]))
    try:
        yield
    finally:
        handle.remove()
