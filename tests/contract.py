"""What every recurrent module must satisfy, as checks of one module; tests/nn runs them over the registry."""

from __future__ import annotations

import copy
import io

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence

from tests.cases import as_tuple

LENGTHS = [3, 7, 1, 5]


def draw_input(module, steps: int = 7, rows: int = 4) -> Tensor:
    shape = (rows, steps) if module.batch_first else (steps, rows)
    return torch.randn(*shape, module.input_size).to(module.dtype)


def time_first(module, tensor: Tensor) -> Tensor:
    return tensor.transpose(0, 1) if module.batch_first else tensor


def close(found, expected, dtype=None) -> None:
    tolerance = {torch.float64: 1e-10, torch.bfloat16: 3e-2}.get(dtype or torch.float32, 2e-5)
    torch.testing.assert_close(found, expected, rtol=tolerance, atol=tolerance)


def split_sequence_equals_whole(module) -> None:
    """The state carried from one part to the next is all that the next part needs (one direction only)."""
    x = draw_input(module)
    axis = 1 if module.batch_first else 0
    y, state = module(x)
    first, second = x.narrow(axis, 0, 3), x.narrow(axis, 3, 4)
    y1, carried = module(first)
    y2, last = module(second, carried)
    close(torch.cat([y1, y2], dim=axis), y, module.dtype)
    close(as_tuple(last), as_tuple(state), module.dtype)


def batch_first_equals_transpose(module) -> None:
    twin = copy.deepcopy(module)
    twin.batch_first = not module.batch_first
    x = draw_input(module)
    y, state = module(x)
    y_twin, state_twin = twin(x.transpose(0, 1))
    close(y_twin.transpose(0, 1), y, module.dtype)
    close(as_tuple(state_twin), as_tuple(state), module.dtype)


def packed_equals_lengths_equals_one_by_one(module) -> None:
    x = draw_input(module)
    lengths = torch.tensor(LENGTHS)
    y, state = module(x, lengths=lengths)
    packed = pack_padded_sequence(x, lengths, batch_first=module.batch_first, enforce_sorted=False)
    y_packed, state_packed = module(packed)
    assert isinstance(y_packed, PackedSequence)
    repacked = pack_padded_sequence(y, lengths, batch_first=module.batch_first, enforce_sorted=False)
    for found, expected in zip(y_packed, repacked, strict=True):
        torch.testing.assert_close(found, expected)
    close(as_tuple(state_packed), as_tuple(state), module.dtype)
    steps_x, steps_y = time_first(module, x), time_first(module, y)
    for row, length in enumerate(LENGTHS):
        alone, state_alone = module(steps_x[:length, row])
        close(alone, steps_y[:length, row], module.dtype)
        close(as_tuple(state_alone), tuple(part[:, row] for part in as_tuple(state)), module.dtype)
        assert not steps_y[length:, row].any()


def reverse_equals_flip(module) -> None:
    """The backward half of a bidirectional layer is the forward half's code over the flipped input."""
    x = time_first(module, draw_input(module))
    y, state = module(time_first(module, x))
    swapped = copy.deepcopy(module)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            other = name.removesuffix("_reverse") if name.endswith("_reverse") else f"{name}_reverse"
            value = parameter
            if name.startswith("weight_ih") and "_l0" not in name:  # reads [forward, backward] features
                half = value.shape[1] // 2
                value = torch.cat([value[:, half:], value[:, :half]], dim=1)
            swapped.get_parameter(other).copy_(value)
    y_swapped, state_swapped = swapped(time_first(module, x.flip(0)))
    forward, backward = time_first(module, y).chunk(2, dim=-1)
    close(time_first(module, y_swapped).flip(0), torch.cat([backward, forward], dim=-1), module.dtype)
    for found, expected in zip(as_tuple(state_swapped), as_tuple(state), strict=True):
        close(found.unflatten(0, (-1, 2)).flip(1).flatten(0, 1), expected, module.dtype)


def unbatched_equals_a_batch_of_one(module) -> None:
    x = time_first(module, draw_input(module, rows=1))
    y, state = module(time_first(module, x))
    given = tuple(part[:, 0] for part in as_tuple(state))
    y_alone, state_alone = module(x[:, 0])
    close(y_alone, time_first(module, y)[:, 0], module.dtype)
    close(as_tuple(state_alone), given, module.dtype)
    again, _ = module(x[:, 0], given if len(given) == 2 else given[0])
    batched, _ = module(time_first(module, x), state)
    close(again, time_first(module, batched)[:, 0], module.dtype)


def copies_compute_the_same(module) -> None:
    x = draw_input(module)
    expected = module(x)[0]
    buffer = io.BytesIO()
    torch.save(module.state_dict(), buffer)
    buffer.seek(0)
    reloaded = copy.deepcopy(module)
    with torch.no_grad():
        for parameter in reloaded.parameters():
            parameter.zero_()
    reloaded.load_state_dict(torch.load(buffer, weights_only=True))
    whole = io.BytesIO()
    torch.save(module, whole)
    whole.seek(0)
    for twin in (copy.deepcopy(module), reloaded, torch.load(whole, weights_only=False)):
        assert torch.equal(twin(x)[0], expected)
        assert not {id(p) for p in twin.parameters()} & {id(p) for p in module.parameters()}


def evaluation_is_deterministic(module) -> None:
    x = draw_input(module)
    module.eval()
    torch.manual_seed(1)
    first = module(x)[0]
    before = torch.get_rng_state()
    second = module(x)[0]
    assert torch.equal(first, second)
    assert torch.equal(torch.get_rng_state(), before), "evaluation draws no random number"


def seeds_reproduce_training(module) -> None:
    x = draw_input(module)
    module.train()
    torch.manual_seed(1)
    first = module(x)[0]
    torch.manual_seed(1)
    assert torch.equal(module(x)[0], first)


def gradients_reach_every_parameter(module) -> None:
    module.train()
    x = draw_input(module)
    resets = torch.zeros(x.shape[:2], dtype=torch.bool)
    time_first(module, resets)[4] = True
    y, state = module(x, resets=resets)
    (y.square().sum() + sum(part.sin().sum() for part in as_tuple(state))).backward()
    for name, parameter in module.named_parameters():
        assert parameter.grad is not None, f"{name} got no gradient"
        assert parameter.grad.isfinite().all(), f"{name}"
        assert parameter.grad.abs().sum() > 0, f"{name} got a zero gradient"


def resets_never_take_hx(module) -> None:
    """A reset at step 0 forgets the state carried in; it goes to zero or to the learned start."""
    x = draw_input(module)
    _, state = module(x)
    resets = torch.zeros(x.shape[:2], dtype=torch.bool)
    time_first(module, resets)[0] = True
    if module.bidirectional:
        return
    found, _ = module(x, state, resets=resets)
    close(found, module(x)[0], module.dtype)


CHECKS = [
    split_sequence_equals_whole,
    batch_first_equals_transpose,
    packed_equals_lengths_equals_one_by_one,
    reverse_equals_flip,
    unbatched_equals_a_batch_of_one,
    copies_compute_the_same,
    evaluation_is_deterministic,
    seeds_reproduce_training,
    gradients_reach_every_parameter,
    resets_never_take_hx,
]
ONE_DIRECTION = {split_sequence_equals_whole, resets_never_take_hx}
TWO_DIRECTIONS = {reverse_equals_flip}
TRAINING = {seeds_reproduce_training, gradients_reach_every_parameter}
