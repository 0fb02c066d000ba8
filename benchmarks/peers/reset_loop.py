"""How recurrent PPO in stable-baselines3's contrib package crosses episode starts, written anew.

One call of torch.nn.LSTM a step, its states multiplied by 1 - episode_start before it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from benchmarks.layer_calls import layer_contestant, load_weights
from benchmarks.problem import AbsentError, Contestant, Problem


def contestants(problem: Problem, threads: int) -> list[Contestant]:
    case = problem.case
    if case.feed != "resets" or case.family != "lstm" or case.variant:
        raise AbsentError("the loop is there for the resets of a plain LSTM")
    lstm = nn.LSTM(case.input_size, case.hidden_size, **case.constructor)
    module = load_weights(SteppedLSTM(lstm), problem)
    return [layer_contestant("sb3", "for x_t, start_t: torch.nn.LSTM(x_t, (1 - start_t) * state)", module, problem)]


class SteppedLSTM(nn.Module):
    """torch.nn.LSTM one step at a time, with its parameter names."""

    def __init__(self, lstm: nn.LSTM):
        super().__init__()
        self.lstm = [lstm]  # in a list, so that the parameters are listed once, without a prefix
        for name, value in lstm.named_parameters():
            self.register_parameter(name, value)

    def forward(self, x: Tensor, resets: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        (lstm,) = self.lstm
        places = lstm.num_layers * (2 if lstm.bidirectional else 1)
        h = c = x.new_zeros(places, x.shape[1], lstm.hidden_size)
        outputs = []
        for x_t, start_t in zip(x, resets.float(), strict=True):
            alive = (1.0 - start_t).view(1, -1, 1)
            y_t, (h, c) = lstm(x_t[None], (alive * h, alive * c))
            outputs.append(y_t)
        return torch.cat(outputs), (h, c)
