"""Train an LSTM to remember its first symbol through noise, then watch which cell units hold it.

python examples/see_the_gates.py
"""

from __future__ import annotations

import argparse

import torch
from torch.nn.functional import cross_entropy

import holdfast

NOISE = 40
SYMBOLS = 4


def batch(rows: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return x [T, B, SYMBOLS + 1]: one symbol to remember, then noise in the last feature; and the symbols [B]."""
    symbols = torch.randint(0, SYMBOLS, (rows,))
    x = torch.zeros(1 + NOISE, rows, SYMBOLS + 1)
    x[0, torch.arange(rows), symbols] = 1.0
    x[1:, :, SYMBOLS] = torch.randn(NOISE, rows)
    return x, symbols


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tiny", action="store_true", help="a few updates only")
    steps = 10 if parser.parse_args().tiny else 400

    torch.manual_seed(0)
    lstm = holdfast.LSTM(SYMBOLS + 1, 16, init=("chrono", 1, NOISE))
    head = torch.nn.Linear(16, SYMBOLS)
    optimizer = torch.optim.Adam([*lstm.parameters(), *head.parameters()], lr=1e-2)
    for step in range(steps):
        x, symbols = batch(32)
        loss = cross_entropy(head(lstm(x)[0][-1]), symbols)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % (steps // 5) == 0:
            print(f"step {step:4d}  loss {loss.item():.4f}  (knowing nothing: {torch.tensor(SYMBOLS).log():.4f})")

    x, _ = batch(1)
    rows = x.repeat(1, SYMBOLS, 1)
    rows[0, :, :SYMBOLS] = torch.eye(SYMBOLS)  # the same noise after each of the symbols
    gates = lstm.trace(rows)["", 0, "forward"]  # i, f, g, o, c, h: each [T, B, H]
    apart = gates.c.std(dim=1)[-1]  # how far the symbols are apart in each unit at the end
    best = apart.argsort(descending=True)[:3].tolist()
    print("\nunit  its forget gate  cell state for each symbol, after 1, 10 and all steps of noise")
    for unit in best:
        values = "   ".join(" ".join(f"{value:5.2f}" for value in gates.c[t, :, unit].tolist()) for t in (1, 10, NOISE))
        print(f"{unit:4d}  {gates.f[1:, :, unit].mean():15.3f}  {values}")


if __name__ == "__main__":
    main()
