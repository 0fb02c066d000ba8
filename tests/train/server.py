"""Loaded once by the server that forks the children of these tests, so that each starts in milliseconds."""

from __future__ import annotations

import torch

from tests.train import toy

__all__ = ["toy"]

# The first optimizer of a process imports for a second or more.
parameter = torch.nn.Parameter(torch.zeros(1))
parameter.grad = torch.zeros(1)
torch.optim.AdamW([parameter], fused=True).step()
