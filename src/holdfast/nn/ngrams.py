"""A linear classifier of the n-grams of a text: where a recurrent network for text stands beside."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import embedding_bag, one_hot

from holdfast.errors import SpecError

SMOOTHING = 1.0  # added to every count before ratios are taken
STRENGTH = 10.0  # of the data against the pull to zero: logistic regression's C
ITERATIONS, MEMORY = 100, 10  # of L-BFGS
FIRST, NEXT = 0x2545F4914F6CDD1D, 0x5851F42D4C957F2D  # odd 63-bit factors of the hash


class NgramClassifier(nn.Module):
    """Logits from the n-grams that occur in a text, fitted beforehand and fixed from then on.

        logits_c = sum_f w_fc / sqrt(n) + b_c      over the n n-grams f of a text, of 1 to `order` neighbours

    Logistic regression on naive Bayes features: w_fc = r_fc v_fc, where r_fc says how much more often f occurs in texts
    of class c than in others, log((p_f + 1) / |p + 1|) - log((q_f + 1) / |q + 1|), and v is fitted.
    Symbols have a row of their own; longer n-grams share `buckets` rows by a hash of their symbols.

    Args:
        vocabulary: Number of symbols.
        buckets: Rows for n-grams of two symbols and more.
        order: The longest n-gram. One that reaches over the beginning counts the beginning as a symbol.
        classes: Number of classes.

    Source: Wang & Manning 2012 (NBSVM), here with logistic loss and one weight vector a class.
    """

    weight: Tensor
    bias: Tensor

    def __init__(self, vocabulary: int, buckets: int, order: int, classes: int):
        super().__init__()
        if min(vocabulary, buckets, order, classes) < 1:
            raise SpecError(f"No n-grams of {order} of {vocabulary} symbols in {buckets} buckets, {classes} classes.")
        self.vocabulary, self.buckets, self.order = vocabulary, buckets, order
        self.register_buffer("weight", torch.zeros(vocabulary + buckets, classes))
        self.register_buffer("bias", torch.zeros(classes))

    def forward(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """Return the logits [B, C] of ids [T, B], of which the first `lengths` [B >= 1] of each row count."""
        inside = torch.arange(len(ids), device=ids.device)[:, None] < lengths
        begin = ids.new_full((self.order - 1, ids.shape[1]), self.vocabulary)
        places = self._places(torch.cat((begin, ids)))
        counted = inside.expand_as(places).to(self.weight.dtype)
        total = embedding_bag(
            places.flatten(0, 1).T, self.weight, mode="sum", per_sample_weights=counted.flatten(0, 1).T
        )
        return total / (lengths[:, None] * self.order).to(total.dtype).sqrt() + self.bias

    def step(self, ids: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """Return the logits [B, C] of all ids so far, given one more [B] and the state after those before."""
        begin = ids.new_full((self.order - 1, len(ids)), self.vocabulary)
        before, total, steps = state or (begin, self.weight.new_zeros(1), 0)
        recent = torch.cat((before, ids[None]))
        total, steps = total + self.weight[self._places(recent)[:, 0]].sum(0), steps + 1
        return total / (steps * self.order) ** 0.5 + self.bias, (recent[1:], total, steps)

    def _places(self, ids: Tensor) -> Tensor:
        """Return the row [order, T, B] of each n-gram, by where it ends in ids [order - 1 + T, B]."""
        ends = len(ids) - self.order + 1
        key = (ids[self.order - 1 :] + 1) * FIRST
        places = [ids[self.order - 1 :]]
        for back in range(1, self.order):
            key = key * NEXT + (ids[self.order - 1 - back :][:ends] + 1) * FIRST
            places.append(self.vocabulary + (key >> 33) % self.buckets)  # a product's high bits are the well mixed ones
        return torch.stack(places)

    def fit(self, texts: Sequence[NDArray[np.int64]], labels: NDArray[np.int64], weights: Tensor | None = None) -> None:
        """Fit to texts (ids [T >= 1] each) and the numbers of their classes [N], which may have weights [C]."""
        begin = np.full(self.order - 1, self.vocabulary, dtype=np.int64)
        parts = [self._places(torch.as_tensor(np.concatenate((begin, text)))[:, None]).flatten() for text in texts]
        counts = torch.tensor([len(part) for part in parts])
        used, places = torch.cat(parts).unique(return_inverse=True)
        truth = torch.as_tensor(labels)
        ratios = _log_ratios(places, truth.repeat_interleave(counts), len(used), len(self.bias))
        examples = torch.ones(len(truth)) if weights is None else weights.cpu()[truth]
        fitted, bias = _logistic_regression(places, counts, truth, examples, ratios)
        self.weight.zero_()
        self.weight[used.to(self.weight.device)] = fitted.to(self.weight)
        self.bias.copy_(bias)


def _log_ratios(places: Tensor, classes: Tensor, rows: int, count: int) -> Tensor:
    """Return how much more often each row [F] occurs in each class [C] than in the others, as logarithms [F, C]."""
    found = torch.zeros(rows * count, dtype=torch.float64)
    found = found.index_add_(0, places * count + classes, torch.ones(len(places), dtype=torch.float64))
    found = found.view(rows, count)
    others = found.sum(1, keepdim=True) - found + SMOOTHING
    found = found + SMOOTHING
    return ((found / found.sum(0)).log() - (others / others.sum(0)).log()).float()


def _logistic_regression(
    places: Tensor, counts: Tensor, truth: Tensor, examples: Tensor, scales: Tensor
) -> tuple[Tensor, Tensor]:
    """Return weights [F, C] and bias [C] that tell texts apart, features counted in `scales` [F, C].

    Args:
        places: Rows of all n-grams, text after text.
        counts: How many n-grams each text has [N].
        truth: Numbers of the texts' classes [N].
        examples: How much each text counts [N].
    """
    texts = torch.arange(len(truth)).repeat_interleave(counts)
    shares = counts.float().rsqrt().repeat_interleave(counts)
    order = places.argsort(stable=True)
    by_text, by_place = _starts(counts), _starts(places.bincount(minlength=len(scales)))
    share_of, text_of, goal = shares[order], texts[order], one_hot(truth, scales.shape[1]).float()
    free, bias = torch.zeros_like(scales), torch.zeros(scales.shape[1])
    search = torch.optim.LBFGS([free, bias], max_iter=ITERATIONS, history_size=MEMORY, line_search_fn="strong_wolfe")

    def error() -> Tensor:
        sums = embedding_bag(places, free * scales, by_text, mode="sum", per_sample_weights=shares)
        chances = (sums + bias).log_softmax(1)
        slopes = (chances.exp() - goal) * (examples / examples.sum())[:, None]
        # Autograd would scatter into the rows; sorted by row, the gradient is a sum over bags too, and 50 times faster.
        gathered = embedding_bag(text_of, slopes, by_place, mode="sum", per_sample_weights=share_of)
        pull = 1 / (STRENGTH * len(truth))
        free.grad, bias.grad = gathered * scales + pull * free, slopes.sum(0)
        return -(chances * goal).sum(1) @ examples / examples.sum() + pull / 2 * free.square().sum()

    with torch.no_grad():
        search.step(error)
    return free * scales, bias


def _starts(counts: Tensor) -> Tensor:
    return counts.cumsum(0) - counts
