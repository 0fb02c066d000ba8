"""4. From what the model gives to what people want."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from lifetime.data import pad
from lifetime.model import LifetimeNetwork


def steps_left(network: LifetimeNetwork, machines: list[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Return the steps left of each machine."""
    batch = pad(machines)
    return network(torch.as_tensor(batch.readings), torch.as_tensor(batch.lengths)).expm1().numpy()
