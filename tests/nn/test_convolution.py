"""Convolution blocks on ragged batches: padding is never seen, and steps give what whole sequences do."""

from __future__ import annotations

import pytest
import torch

from holdfast.errors import SpecError
from holdfast.nn.convolution import ConvolutionBlock

LENGTHS = torch.tensor([9, 4, 1])


def trained_block(causal: bool = False, kernel: int = 4) -> ConvolutionBlock:
    block = ConvolutionBlock(3, 5, kernel, causal)
    for _ in range(3):
        block(torch.randn(9, 3, 3) * 2 + 1, LENGTHS)
    return block.eval()


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("causal", [True, False])
def test_padding_does_not_matter(training, causal):
    block = trained_block(causal).train(training)
    x = torch.randn(9, 3, 3)
    other = x.clone()
    for row, length in enumerate(LENGTHS):
        other[length:, row] = 1e3
    y, z = block(x, LENGTHS), block(other, LENGTHS)
    for row, length in enumerate(LENGTHS):
        assert torch.equal(y[:length, row], z[:length, row])


def test_equals_torch_where_nothing_is_padded():
    block = ConvolutionBlock(3, 5, 5)
    x = torch.randn(8, 2, 3)
    norm = torch.nn.BatchNorm1d(5)
    conv = torch.nn.functional.conv1d(x.permute(1, 2, 0), block.convolution.weight, padding=2)
    expected = norm(conv).relu().permute(2, 0, 1)
    assert torch.allclose(block(x, torch.tensor([8, 8])), expected, atol=1e-6)


def test_steps_equal_the_whole_and_need_a_causal_block():
    block, x = trained_block(causal=True), torch.randn(7, 2, 3)
    whole, state, parts = block(x, torch.tensor([7, 7])), None, []
    for x_t in x:
        y, state = block.step(x_t, state)
        parts.append(y)
    assert torch.allclose(torch.stack(parts), whole, atol=1e-6)
    with pytest.raises(SpecError, match="causal=True"):
        trained_block().step(x[0])


def test_causal_block_sees_no_later_step():
    block, x = trained_block(causal=True), torch.randn(9, 3, 3)
    changed = x.clone()
    changed[5:] += 1
    full = torch.tensor([9, 9, 9])
    assert torch.equal(block(x, full)[:5], block(changed, full)[:5])
    around = trained_block()
    assert not torch.equal(around(x, full)[:5], around(changed, full)[:5])


def test_gradients_reach_every_parameter_and_sizes_are_checked():
    block = ConvolutionBlock(3, 5, 4)
    block(torch.randn(9, 3, 3), LENGTHS).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in block.parameters())
    with pytest.raises(SpecError):
        ConvolutionBlock(0, 5, 4)
