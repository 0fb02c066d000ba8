"""Sequences of unequal length in one batch, without sorting or packing.

The task: add up the numbers of a sequence. Rows have 1 to 30 numbers, and the padding after them holds nonsense on
purpose, which must not be seen.

    python examples/ragged_batches.py
"""

from __future__ import annotations

import argparse

import torch

import holdfast

LONGEST = 30


def batch(rows: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return x [T, B, 1], the lengths [B] in any order, and the sums [B]."""
    x = torch.rand(LONGEST, rows, 1)
    lengths = torch.randint(1, LONGEST + 1, (rows,))
    counts = torch.arange(LONGEST)[:, None] < lengths
    sums = (x[:, :, 0] * counts).sum(0)
    x[~counts] = 1e6
    return x, lengths, sums


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tiny", action="store_true", help="a few updates only")
    steps = 10 if parser.parse_args().tiny else 400

    torch.manual_seed(0)
    lstm, head = holdfast.LSTM(1, 24), torch.nn.Linear(24, 1)
    optimizer = torch.optim.Adam([*lstm.parameters(), *head.parameters()], lr=1e-2)
    for step in range(steps):
        x, lengths, sums = batch(64)
        _, (h_n, _) = lstm(x, lengths=lengths)  # h_n is each row's state after its own last number
        loss = (head(h_n[-1])[:, 0] - sums).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % (steps // 5) == 0:
            print(f"step {step:4d}  mean squared error {loss.item():.4f}")

    x, lengths, _ = batch(8)
    with torch.no_grad():
        y, (h_n, _) = lstm(x, lengths=lengths)
        alone = [lstm(x[:length, [row]])[1][0][-1, 0] for row, length in enumerate(lengths.tolist())]
    print(f"each row alone differs by at most {float((torch.stack(alone) - h_n[-1]).abs().max()):.1e}")
    print(f"the output in the padding is {float(y[lengths.max() - 1, lengths < lengths.max()].abs().max()):.0f}")


if __name__ == "__main__":
    main()
