"""A linear-chain conditional random field over the tags of a sentence: its likelihood, best path and marginals.

The score of tags y for emissions x is  start[y_1] + sum_t x[t, y_t] + sum_t transitions[y_(t-1), y_t] + end[y_last],
and its probability is exp(score) / Z, with Z the sum of exp(score) over all tag sequences.

Source: Lafferty, McCallum & Pereira 2001.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Chain:
    """The scores of tags beside each other.

    Attributes:
        transitions: score of tag j after tag i, at [i, j]: [K, K].
        start: score of the first tag [K].
        end: score of the last tag [K].
    """

    transitions: Tensor
    start: Tensor
    end: Tensor


class LinearChainCrf(nn.Module):
    """The learned scores of a chain of `num_tags` tags; all are zero at first."""

    def __init__(self, num_tags: int):
        super().__init__()
        self.transitions = nn.Parameter(torch.zeros(num_tags, num_tags))
        self.start = nn.Parameter(torch.zeros(num_tags))
        self.end = nn.Parameter(torch.zeros(num_tags))

    @property
    def chain(self) -> Chain:
        return Chain(self.transitions, self.start, self.end)

    def forward(self, emissions: Tensor, tags: Tensor, lengths: Tensor) -> Tensor:
        """Return the log-likelihood [B] of tags [T, B] given emissions [T, B, K]; rows are 1 to T steps long."""
        return path_score(self.chain, emissions, tags, lengths) - log_partition(self.chain, emissions, lengths)


def path_score(chain: Chain, emissions: Tensor, tags: Tensor, lengths: Tensor) -> Tensor:
    """Return the scores [B] of given tags [T, B]; those beyond a row's length do not count."""
    steps = torch.arange(emissions.shape[0], device=emissions.device)[:, None]
    counts = (steps < lengths).to(emissions.dtype)
    emitted = (emissions.gather(2, tags[:, :, None])[:, :, 0] * counts).sum(0)
    moved = (chain.transitions[tags[:-1], tags[1:]] * counts[1:]).sum(0)
    last = tags.gather(0, (lengths - 1)[None])[0]
    return chain.start[tags[0]] + emitted + moved + chain.end[last]


def log_partition(chain: Chain, emissions: Tensor, lengths: Tensor) -> Tensor:
    """Return log Z [B].

    The sum over the tag before is a product of matrices, after the largest term of each side was taken out: K times
    less memory than the sum of exponentials of all pairs.
    """
    # A tag that no other may precede has a column of -inf, whose largest term must stay finite to be taken out.
    floor = torch.finfo(emissions.dtype).min
    highest = chain.transitions.detach().amax(0).clamp_min(floor)
    kernel = (chain.transitions - highest).exp()
    alpha = chain.start + emissions[0]
    for t in range(1, emissions.shape[0]):
        top = alpha.detach().amax(1, keepdim=True)
        summed = (alpha - top).exp() @ kernel
        # What is too small for a number counts as the smallest one, so that no logarithm is infinite.
        step = summed.clamp_min(torch.finfo(summed.dtype).tiny).log() + top + highest + emissions[t]
        alpha = torch.where((t < lengths)[:, None], step, alpha)
    return torch.logsumexp(alpha + chain.end, 1)


def marginals(chain: Chain, emissions: Tensor, lengths: Tensor) -> Tensor:
    """Return the probability [T, B, K] of each tag at each step, zero in padding: the gradient of log Z."""
    with torch.enable_grad():
        emissions = emissions.detach().double().requires_grad_()
        double = Chain(*(scores.detach().double() for scores in (chain.transitions, chain.start, chain.end)))
        (gradient,) = torch.autograd.grad(log_partition(double, emissions, lengths).sum(), emissions)
    return gradient


@torch.no_grad()
def best_path(chain: Chain, emissions: Tensor, lengths: Tensor) -> Tensor:
    """Return the tags [T, B] of highest score (Viterbi), zero in padding."""
    score = chain.start + emissions[0]
    own = torch.arange(score.shape[1], device=score.device).expand_as(score)
    before = []
    for t in range(1, emissions.shape[0]):
        best, tag = (score[:, :, None] + chain.transitions).max(1)
        going = (t < lengths)[:, None]
        score = torch.where(going, best + emissions[t], score)
        before.append(torch.where(going, tag, own))
    tag = (score + chain.end).argmax(1)
    path = [tag]
    for pointers in reversed(before):
        tag = pointers.gather(1, tag[:, None])[:, 0]
        path.append(tag)
    steps = torch.arange(emissions.shape[0], device=emissions.device)[:, None]
    return torch.stack(path[::-1]) * (steps < lengths)
