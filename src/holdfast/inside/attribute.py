"""Which input steps an output rests on: integrated gradients, with the check that nothing was lost on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Attribution:
    """What each step of the input added to the score.

    Attributes:
        steps: What each step added: [T, B], or as the input stands with its last axis summed.
        features: The same of each feature, in the shape of the input that was attributed to.
        score: [B] of the input, or one number.
        baseline_score: The same of the baseline.
        labels: Names of the steps, where the model knows them.
    """

    steps: Doubles
    features: Doubles
    score: Doubles
    baseline_score: Doubles
    labels: tuple[str, ...] | None = None

    @property
    def gap(self) -> float:
        """What the steps do not account for: |sum of steps - (score - baseline score)|, over all rows.

        It is zero for an exact integral ("completeness"); more integration steps make it smaller.
        """
        return float(abs(self.steps.sum() - (self.score - self.baseline_score).sum()))

    def summary(self, top: int = 3) -> str:
        """Return one sentence made from the numbers: the steps of the first row that mattered most."""
        row = self.steps.reshape(len(self.steps), -1)[:, 0]
        best = np.argsort(-np.abs(row), kind="stable")[:top]
        named = [f"{self._name(t)} ({row[t]:+.3g})" for t in best]
        total = float((self.score - self.baseline_score).reshape(-1)[0])
        return f"The score rests on {', '.join(named)} of {total:+.3g} in all; {self.gap:.2g} is unaccounted for."

    def to_dataframe(self) -> pandas.DataFrame:
        """Return a long table: row, step, label and attribution."""
        from holdfast.nn.trace_export import import_pandas

        table = self.steps.reshape(len(self.steps), -1)
        row, step = np.indices(table.T.shape).reshape(2, -1)
        labels = [None if self.labels is None else self.labels[t] for t in step]
        columns = {"row": row, "step": step, "label": labels, "attribution": table[step, row]}
        return import_pandas("Attribution.to_dataframe").DataFrame(columns)

    def _name(self, t: int) -> str:
        return f"step {t}" if self.labels is None else f"'{self.labels[t]}' (step {t})"


def integrated_gradients(
    model: Any,
    x: Any,
    score: Score | Any,
    *,
    at: str | None = None,
    baseline: Tensor | float = 0.0,
    steps: int = 32,
) -> Attribution:
    """Return what each input step adds to a score, compared with a baseline: the path integral of the gradient.

        a = (x - b) * integral from 0 to 1 of d score(b + u (x - b)) / dx du

    The integral is taken by Gauss-Legendre quadrature. It is computed in evaluation mode, whatever mode the model is
    in; the mode is put back, and no gradient is left behind.

    Args:
        model: A module, or a trained estimator that knows the scores of its answers (`LanguageModel`).
        x: What the module reads; for an estimator what it is asked about, such as a text.
        score: Takes (module, x) and returns the score of each row [B], whose sum is attributed, or a scalar. For an
            estimator the answer whose score is wanted, such as the next word.
        at: The module inside the model whose input is attributed to, such as the recurrent stack; of an embedding its
            output. None: x itself if it holds numbers, else the output of the first embedding called.
        baseline: What the input is compared with: a number, or a tensor that broadcasts to it. Zero is the zero vector
            of an embedding.
        steps: Points of the quadrature.

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
    labels = None
    if not callable(score):
        if not hasattr(model, "score_of"):
            raise ConfigError(
                f"score must be a function of (module, x), got {score!r}; {type(model).__name__} has none."
            )
        own_scores: Any = model.score_of
        x, score, labels = own_scores(x, score)
    module = module_of(model, "integrated_gradients")
    if steps < 1:
        raise ConfigError(f"The integral needs 1 point or more, got {steps}.")
    with evaluation(module), torch.enable_grad():
        path = _Path(module, x, at, baseline)
        nodes, weights = np.polynomial.legendre.leggauss(steps)
        total = torch.zeros_like(path.difference, dtype=torch.float64)
        for node, weight in zip((nodes + 1) / 2, weights / 2, strict=True):
            point, scores = path.scores(score, float(node), grad=True)
            (gradient,) = torch.autograd.grad(scores.sum(), point, allow_unused=True)
            if gradient is not None:
                total += weight * gradient.double()
        ends = [path.scores(score, u, grad=False)[1] for u in (1.0, 0.0)]
    features = (total * path.difference.double()).cpu().numpy()
    high, low = [np.atleast_1d(end.detach().double().cpu().numpy()) for end in ends]
    return Attribution(features.sum(axis=-1), features, high, low, labels)


class _Path:
    """The straight line from the baseline to the input, at the place where the attribution is made."""

    def __init__(self, module: Any, x: Any, at: str | None, baseline: Tensor | float):
        self.module, self.x = module, x
        self.site = None if at is None and _is_real(x) else _site(module, x, at)
        start = x if self.site is None else self._caught()
        if not _is_real(start):
            raise ConfigError(f"What {at!r} reads is no tensor of real numbers, so there is no path to it.")
        self.end = start.detach()
        self.start = torch.as_tensor(baseline).to(self.end).expand_as(self.end)
        self.difference = self.end - self.start

    def scores(self, score: Score, u: float, *, grad: bool) -> tuple[Tensor, Tensor]:
        """Return the point at share u of the way, and the scores there."""
        point = (self.start + u * self.difference).requires_grad_(grad)
        with torch.set_grad_enabled(grad):
            if self.site is None:
                found = score(self.module, point)
            else:
                with _replaced(self.site, point):
                    found = score(self.module, self.x)
        if not isinstance(found, Tensor) or found.dim() > 1:
            shape = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
            raise ShapeError(f"The score must be one number a row [B], or a scalar; got {shape}.")
        return point, found

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
