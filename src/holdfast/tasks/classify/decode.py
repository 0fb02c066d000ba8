"""Turn a classifier's output into probabilities: of whole examples, and after every step of one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from holdfast.tasks.classify.data import Rows, pad
from holdfast.tasks.classify.model import ClassifyNetwork

STEPS = 20_000  # of all rows of a batch together, padding included


def logits_of(network: ClassifyNetwork, rows: Rows) -> torch.Tensor:
    """Return the logits [N, C] of examples, computed in batches of like length."""
    device = next(network.parameters()).device
    lengths = np.array([len(row) for row in rows])
    order = np.argsort(lengths, kind="stable")
    parts, start = [], 0
    while start < len(order):
        end = start + 1
        while end < len(order) and lengths[order[end]] * (end + 1 - start) <= STEPS:
            end += 1
        batch = pad([rows[n] for n in order[start:end]])
        parts.append(network(torch.as_tensor(batch.inputs).to(device), torch.as_tensor(batch.lengths).to(device)))
        start = end
    back = torch.empty(len(order), dtype=torch.long)
    back[torch.as_tensor(order)] = torch.arange(len(order))
    return torch.cat(parts).float().cpu()[back]


def probabilities(network: ClassifyNetwork, rows: Rows) -> NDArray[np.float64]:
    """Return the chances [N, C] of each class; each row sums to one."""
    return logits_of(network, rows).double().softmax(-1).numpy()


def stream_probabilities(network: ClassifyNetwork, steps: Iterable[NDArray[Any]]) -> Iterator[NDArray[np.float64]]:
    """Yield the chances [C] after each step of one example; the state of the layers is carried."""
    device = next(network.parameters()).device
    state: Any = None
    network.eval()
    for step in steps:
        with torch.no_grad():
            logits, state = network.step(torch.as_tensor(step).to(device)[None], state)
        yield logits[0].double().cpu().softmax(-1).numpy()
