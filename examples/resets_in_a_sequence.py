"""Several episodes in one row, as agents and log files give them: the memory starts anew where an episode begins.

With `resets` one call does what a loop of single steps, or a cut into episodes, would do; no state and no gradient
crosses from one episode to the next.

    python examples/resets_in_a_sequence.py
"""

from __future__ import annotations

import argparse
from itertools import pairwise

import torch

import holdfast


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tiny", action="store_true", help="a short sequence")
    steps = 12 if parser.parse_args().tiny else 200

    torch.manual_seed(0)
    lstm = holdfast.LSTM(4, 16)
    x = torch.randn(steps, 1, 4)
    resets = torch.rand(steps, 1) < 0.2
    begins = [0, *(step for step in range(1, steps) if resets[step, 0]), steps]
    print(f"{steps} steps, {len(begins) - 1} episodes, beginning at steps {begins[:-1][:8]} ...")

    with torch.no_grad():
        y, (h_n, _) = lstm(x, resets=resets)
        pieces = [lstm(x[start:end])[0] for start, end in pairwise(begins)]
    print(f"against one call an episode: largest difference {float((y - torch.cat(pieces)).abs().max()):.1e}")

    first = x.clone().requires_grad_()
    lstm(first, resets=resets)[0][begins[1] :].sum().backward()
    print(f"gradient of later episodes at the first one: {float(first.grad[: begins[1]].abs().max()):.0f}")

    # A stream is fed in blocks: pass the state on, and mark where episodes begin.
    half = steps // 2
    with torch.no_grad():
        begun, state = lstm(x[:half], resets=resets[:half])
        rest, state = lstm(x[half:], state, resets=resets[half:])
    print(f"in two blocks: largest difference {float((y - torch.cat([begun, rest])).abs().max()):.1e}")
    print(f"and in the final state: {float((state[0] - h_n).abs().max()):.1e}")


if __name__ == "__main__":
    main()
