"""What people write for a variant that torch.nn has not: a Python loop over the steps in plain torch.

Kept as fast as such a loop gets without changing its kind: the input projection and all random masks are made for the
whole sequence before the loop.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import layer_norm, linear

from benchmarks.layer_calls import layer_contestant, load_weights
from benchmarks.problem import AbsentError, Contestant, Problem
from benchmarks.registry import VARIANTS, Case


def contestants(problem: Problem, threads: int) -> list[Contestant]:
    case = problem.case
    if case.family != "lstm" or case.feed != "dense" or case.layers > 1 or case.bidirectional or case.proj_size:
        raise AbsentError("the loop is written for one LSTM layer over a dense batch")
    module = load_weights(LoopLSTM(case, problem.weights), problem)
    # It draws masks of its own, so it is checked with masks off; it is timed with them on.
    return [layer_contestant("loop", f"for x_t in x: ... ({case.variant})", module, problem)]


class LoopLSTM(nn.Module):
    """An LSTM variant step by step, with Holdfast's parameter names."""

    weight_ih_l0: Tensor
    weight_hh_l0: Tensor
    bias_ih_l0: Tensor
    bias_hh_l0: Tensor
    weight_peep_l0: Tensor

    def __init__(self, case: Case, weights: dict[str, Tensor]):
        super().__init__()
        self.hidden_size = case.hidden_size
        flags = VARIANTS[case.variant]
        self.coupled, self.peephole = bool(flags.get("coupled")), bool(flags.get("peephole"))
        self.layer_norm, self.drop = bool(flags.get("layer_norm")), float(flags.get("recurrent_dropout", 0.0))
        self.zoneout_h, self.zoneout_c = flags.get("zoneout", (0.0, 0.0))
        for name, value in weights.items():
            self.register_parameter(name, nn.Parameter(torch.empty_like(value)))

    def forward(self, x: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        time, batch = x.shape[:2]
        h = x.new_zeros(batch, self.hidden_size)
        c = torch.zeros_like(h)
        pre = self.normalise(linear(x, self.weight_ih_l0), "ih") + (self.bias_ih_l0 + self.bias_hh_l0)
        dropped = self.draw_dropped(h)
        kept_h, kept_c = (self.draw_kept(p, time, h) for p in (self.zoneout_h, self.zoneout_c))
        outputs = []
        for t in range(time):
            read = h if dropped is None else h * dropped
            h_new, c_new = self.step(pre[t] + self.normalise(linear(read, self.weight_hh_l0), "hh"), c)
            h = self.zoneout(h_new, h, self.zoneout_h, None if kept_h is None else kept_h[t])
            c = self.zoneout(c_new, c, self.zoneout_c, None if kept_c is None else kept_c[t])
            outputs.append(h)
        return torch.stack(outputs), (h[None], c[None])

    def step(self, pre: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        """Advance one step from the gate sums [B, G*H] and c [B, H]."""
        if self.coupled:
            i, g, o = pre.chunk(3, -1)
        else:
            i, f, g, o = pre.chunk(4, -1)
        if self.peephole:
            p_i, p_f, p_o = self.weight_peep_l0
            i, f = i + p_i * c, f + p_f * c
        i = i.sigmoid()
        f = 1 - i if self.coupled else f.sigmoid()
        c = f * c + i * g.tanh()
        o = o + p_o * c if self.peephole else o
        return o.sigmoid() * self.normalise(c, "c").tanh(), c

    def normalise(self, value: Tensor, side: str) -> Tensor:
        if not self.layer_norm:
            return value
        scale, shift = getattr(self, f"ln_{side}_weight_l0"), getattr(self, f"ln_{side}_bias_l0")
        return layer_norm(value, value.shape[-1:], scale, shift)

    def draw_dropped(self, h: Tensor) -> Tensor | None:
        """Return one mask a sequence, scaled as dropout is (Gal & Ghahramani 2016)."""
        if not (self.training and self.drop):
            return None
        return torch.empty_like(h).bernoulli_(1 - self.drop).div_(1 - self.drop)

    def draw_kept(self, p: float, time: int, h: Tensor) -> Tensor | None:
        return torch.rand(time, *h.shape) < p if self.training and p else None

    @staticmethod
    def zoneout(new: Tensor, old: Tensor, p: float, kept: Tensor | None) -> Tensor:
        """Keep the old value of some units; in evaluation, the expectation (Krueger et al. 2017)."""
        if kept is not None:
            return torch.where(kept, old, new)
        return p * old + (1 - p) * new if p else new
