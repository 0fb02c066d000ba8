"""Property tests of the modules' ragged batches: any lengths, any resets, any packing order."""

from __future__ import annotations

import itertools

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from tests.cases import FAMILIES, OURS, THEIRS, as_tuple

EXAMPLES = settings(max_examples=30, derandomize=True, deadline=None)
STACK = {"num_layers": 2, "bidirectional": True, "dtype": torch.float64}


@EXAMPLES
@given(
    family=st.sampled_from(FAMILIES),
    lengths=st.lists(st.integers(1, 6), min_size=1, max_size=5),
    batch_first=st.booleans(),
    given_state=st.booleans(),
)
def test_any_packing_equals_torch_and_lengths(family, lengths, batch_first, given_state):
    torch.manual_seed(0)
    theirs = THEIRS[family](2, 3, batch_first=batch_first, **STACK)
    ours = OURS[family](2, 3, batch_first=batch_first, **STACK)
    ours.load_state_dict(theirs.state_dict())
    rows, steps = len(lengths), max(lengths)
    x = torch.randn(*((rows, steps) if batch_first else (steps, rows)), 2, dtype=torch.float64)
    h, c = torch.randn(2, 4, rows, 3, dtype=torch.float64)
    state = None if not given_state else (h, c) if family == "lstm" else h
    packed = pack_padded_sequence(x, lengths, batch_first, enforce_sorted=False)
    expected, expected_state = theirs(packed, state)
    found, found_state = ours(packed, state)
    for part, own in zip(expected, found, strict=True):
        torch.testing.assert_close(own, part)
    torch.testing.assert_close(as_tuple(found_state), as_tuple(expected_state))
    y, last = ours(x, state, lengths=torch.tensor(lengths))
    torch.testing.assert_close(y, pad_packed_sequence(expected, batch_first)[0])
    torch.testing.assert_close(as_tuple(last), as_tuple(expected_state))


@EXAMPLES
@given(
    family=st.sampled_from(FAMILIES), lengths=st.lists(st.integers(0, 5), min_size=1, max_size=4), seed=st.integers()
)
def test_padding_changes_nothing(family, lengths, seed):
    """Neither what stands in the padding nor how much of it there is; a row of no steps keeps its state."""
    torch.manual_seed(seed % 2**32)
    module = OURS[family](2, 3, **STACK)
    rows = len(lengths)
    x = torch.randn(7, rows, 2, dtype=torch.float64)
    h, c = torch.randn(2, 4, rows, 3, dtype=torch.float64)
    state = (h, c) if family == "lstm" else h
    y, last = module(x, state, lengths=torch.tensor(lengths))
    other = x.clone()
    for row, length in enumerate(lengths):
        other[length:, row] = float("nan")
        if length == 0:
            for part, given_part in zip(as_tuple(last), as_tuple(state), strict=True):
                torch.testing.assert_close(part[:, row], given_part[:, row])
    longer = torch.cat([other, torch.full_like(other[:2], float("inf"))])
    y_longer, last_longer = module(longer, state, lengths=torch.tensor(lengths))
    torch.testing.assert_close(y_longer[:7], y)
    assert not y_longer[7:].any()
    torch.testing.assert_close(as_tuple(last_longer), as_tuple(last))
    y_longer.sum().backward()
    assert all(p.grad.isfinite().all() for p in module.parameters())


@EXAMPLES
@given(
    family=st.sampled_from(FAMILIES),
    bits=st.lists(st.booleans(), min_size=12, max_size=12),
    batch_first=st.booleans(),
    learned=st.booleans(),
)
def test_resets_equal_separate_runs(family, bits, batch_first, learned):
    torch.manual_seed(0)
    start = "learned" if learned else "zero"
    module = OURS[family](2, 3, batch_first=batch_first, initial_state=start, **STACK)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if name.startswith(("h_0", "c_0")):
                parameter.normal_()
    x = torch.randn(6, 2, 2, dtype=torch.float64)
    resets = torch.tensor(bits).view(6, 2)
    given_x, given_resets = (x.transpose(0, 1), resets.t()) if batch_first else (x, resets)
    y = module(given_x, resets=given_resets)[0]
    y = y.transpose(0, 1) if batch_first else y
    for row in range(2):
        edges = sorted({0, 6, *(t for t in range(6) if resets[t, row])})
        pieces = [module(x[low:high, row])[0] for low, high in itertools.pairwise(edges)]
        torch.testing.assert_close(y[:, row], torch.cat(pieces))
