"""Lengths and resets against running each piece of each row by itself."""

from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.reference.sequence import Place, run_sequence
from holdfast.spec import STATES
from tests.cases import SINGLE_FLAGS, draw_call

STEPS, ROWS = 6, 4
UNMASKED = {key: spec for key, spec in SINGLE_FLAGS.items() if not spec.recurrent_dropout}  # masks depend on the row


def one_row(call, spec, row: int, steps: slice, state, direction: int, **extras):
    return run_sequence(call.x[steps, row : row + 1], state, call.params, spec, place=Place(0, direction), **extras)


def start_of(call, spec):
    """Return what a reset sets the state to: the learned rows, or zeros; [1, size] each."""
    count = len(STATES[spec.family])
    if spec.initial_state == "learned":
        return tuple(start[None] for start in call.params[len(call.params) - count :])
    return tuple(torch.zeros_like(state[:1]) for state in call.state)


def check_against_pieces(call, spec, lengths, resets, direction):
    """Every row equals its pieces between resets, run by themselves in reading order."""
    found = run_sequence(
        call.x, call.state, call.params, spec,
        lengths=torch.tensor(lengths), resets=torch.tensor(resets), place=Place(0, direction),
    )  # fmt: skip
    for row, length in enumerate(lengths):
        cuts = [t for t in range(1, length) if resets[t][row]]
        edges = [0, *cuts, length]
        pieces = [slice(low, high) for low, high in itertools.pairwise(edges) if low < high]
        state = tuple(s[row : row + 1] for s in call.state)
        if direction == 0 and length and resets[0][row]:
            state = start_of(call, spec)
        for number, piece in enumerate(reversed(pieces) if direction else pieces):
            if number:
                state = start_of(call, spec)
            alone = one_row(call, spec, row, piece, state, direction)
            torch.testing.assert_close(found.output[piece, row : row + 1], alone.output)
            torch.testing.assert_close(found.gates[piece, row : row + 1], alone.gates)
            state = alone.state
        torch.testing.assert_close(tuple(s[row : row + 1] for s in found.state), state)
        assert not found.output[length:, row].any()
        assert not found.gates[length:, row].any()
        assert found.cells is None or not found.cells[length:, row].any()


@pytest.mark.parametrize("direction", [0, 1], ids=["forward", "reverse"])
@pytest.mark.parametrize("spec", UNMASKED.values(), ids=UNMASKED)
def test_rows_equal_their_pieces(spec, direction):
    call = draw_call(spec, (STEPS, ROWS, 3, 5))
    resets = [
        [False] * 4,
        [True, False, False, False],
        [False] * 4,
        [True, False, True, False],
        [False] * 4,
        [True] * 4,
    ]
    resets[0] = [False, True, False, False]
    check_against_pieces(call, spec, [6, 3, 5, 0], resets, direction)


@settings(max_examples=25, derandomize=True, deadline=None)
@given(
    lengths=st.lists(st.integers(0, STEPS), min_size=ROWS, max_size=ROWS),
    bits=st.lists(st.booleans(), min_size=STEPS * ROWS, max_size=STEPS * ROWS),
    direction=st.integers(0, 1),
    key=st.sampled_from(["lstm", "lstm initial_state=learned", "gru", "rnn"]),
)
def test_any_lengths_and_resets_equal_their_pieces(lengths, bits, direction, key):
    torch.manual_seed(0)
    spec = SINGLE_FLAGS[key]
    resets = [bits[t * ROWS : (t + 1) * ROWS] for t in range(STEPS)]
    check_against_pieces(draw_call(spec, (STEPS, ROWS, 2, 3)), spec, lengths, resets, direction)


@pytest.mark.parametrize("spec", SINGLE_FLAGS.values(), ids=SINGLE_FLAGS)
def test_no_gradient_crosses_a_reset(spec):
    call = draw_call(spec, (4, 1, 2, 3), grad=True)
    resets = torch.tensor([[False], [False], [True], [False]])
    result = run_sequence(call.x, call.state, call.params, spec, resets=resets, seed=call.seed)
    d_x, *d_state = torch.autograd.grad(result.output[2:].sum(), (call.x, *call.state), retain_graph=True)
    assert not d_x[:2].any()
    assert all(not grad.any() for grad in d_state)
    assert d_x[2:].any()
    backwards = run_sequence(call.x, call.state, call.params, spec, resets=resets, seed=call.seed, place=Place(0, 1))
    (d_x,) = torch.autograd.grad(backwards.output[:2].sum(), call.x)
    assert not d_x[2:].any()


@pytest.mark.parametrize("spec", SINGLE_FLAGS.values(), ids=SINGLE_FLAGS)
def test_padding_is_not_read_and_gets_no_gradient(spec):
    call = draw_call(spec, (4, 2, 2, 3))
    lengths = torch.tensor([2, 4])
    clean = run_sequence(call.x, call.state, call.params, spec, lengths=lengths, seed=call.seed)
    call.x[2:, 0] = float("nan")
    call.x.requires_grad_()
    dirty = run_sequence(call.x, call.state, call.params, spec, lengths=lengths, seed=call.seed)
    torch.testing.assert_close(dirty.output, clean.output)
    torch.testing.assert_close(dirty.state, clean.state)
    call.x.detach()[2:, 0] = 3.0
    (d_x,) = torch.autograd.grad(dirty.output.sum() + dirty.state[0].sum(), call.x)
    assert not d_x[2:, 0].any()


@pytest.mark.parametrize("spec", [s for s in SINGLE_FLAGS.values() if s.needs_masks], ids=lambda s: s.key)
def test_masks_are_the_callers_rows_whatever_the_lengths(spec):
    call = draw_call(spec, (4, 3, 2, 5))
    whole = run_sequence(call.x, call.state, call.params, spec, seed=call.seed)
    cut = run_sequence(call.x, call.state, call.params, spec, seed=call.seed, lengths=torch.tensor([4, 2, 4]))
    torch.testing.assert_close(cut.output[:, 0], whole.output[:, 0])
    torch.testing.assert_close(cut.output[:2, 1], whole.output[:2, 1])
