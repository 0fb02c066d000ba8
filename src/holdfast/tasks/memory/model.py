"""The network of a memory problem (recurrent stack, the last step where one answer is asked for, output), its loss."""

from __future__ import annotations

import torch
from torch import Tensor

from holdfast.layers import Layer, LinearLayer, PoolingLayer, RecurrentLayer
from holdfast.nn.build import build_layers
from holdfast.nn.init import Init
from holdfast.tasks.cells import cell_spec
from holdfast.tasks.estimator import TaskNetwork
from holdfast.tasks.memory.config import MemoryConfig
from holdfast.tasks.memory.problems import COPIED, KINDS, NO_ANSWER, Drawn

REBER_STEPS = 30
"""How far a memory starts to reach where the grammar chooses the length: most strings are shorter."""


def memory_layers(config: MemoryConfig) -> list[Layer]:
    """List the layers of a network for a problem, in the order the data passes them."""
    kind, hidden = KINDS[config.task], config.hidden_size
    layers: list[Layer] = [
        RecurrentLayer("recurrent", cell_spec(config.cell), kind.features, hidden, config.num_layers)
    ]
    if kind.answer != "symbols":
        layers.append(PoolingLayer("last", "last", hidden))
    return [*layers, LinearLayer("output", hidden, kind.outputs)]


def build_network(config: MemoryConfig) -> MemoryNetwork:
    """Make a network with weights drawn from the config's seed; chrono's memories last up to a whole sequence."""
    layers = memory_layers(config)
    torch.manual_seed(config.train.seed)
    steps = config.steps + 2 * COPIED if config.task == "copy" else config.steps or REBER_STEPS
    init: Init = ("chrono", 1.0, float(steps)) if config.scheme == "chrono" else config.scheme
    return MemoryNetwork(layers, build_layers(layers, init=init))


class MemoryNetwork(TaskNetwork):
    """A network from sequences to numbers or to logits, of the layers that `memory_layers` lists."""

    def forward(self, inputs: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Return the outputs [B, C] at the end of sequences [T, B, I], or [T, B, C] where each step is asked.

        Args:
            lengths: [B] steps of each sequence; None: all.
        """
        x = inputs
        for name, module in self.modules_by_name.items():
            if name == "recurrent":
                x, _ = module(x)  # what comes after a sequence's end changes nothing before it
            elif name == "last":
                ends = torch.full((x.shape[1],), len(x), device=x.device) if lengths is None else lengths
                x = module(x, ends)
            else:
                x = module(x)
        return x

    def read(self, drawn: Drawn) -> Tensor:
        """Return the outputs of drawn sequences."""
        device = next(self.parameters()).device
        return self(torch.as_tensor(drawn.inputs).to(device), torch.as_tensor(drawn.lengths).to(device))

    def loss(self, drawn: Drawn) -> tuple[Tensor, float]:
        """Return the mean loss of a batch, and how many answers it is over: squared error, or nats an answer."""
        outputs = self.read(drawn)
        answers = torch.as_tensor(drawn.answers).to(outputs.device)
        if answers.is_floating_point():
            return torch.nn.functional.mse_loss(outputs[:, 0], answers), float(len(drawn))
        loss = torch.nn.functional.cross_entropy(outputs.flatten(0, -2), answers.flatten(), ignore_index=NO_ANSWER)
        return loss, float((drawn.answers != NO_ANSWER).sum())
