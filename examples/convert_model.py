"""Swap the recurrent layers of a model that is there already, check that it says the same, and time both.

python examples/convert_model.py
"""

from __future__ import annotations

import argparse
import time

import torch

import holdfast


class Tagger(torch.nn.Module):
    """Any model that holds torch.nn recurrent layers somewhere: one label for each word."""

    def __init__(self, words: int = 1000, labels: int = 12, size: int = 64):
        super().__init__()
        self.embed = torch.nn.Embedding(words, size)
        self.encoder = torch.nn.LSTM(size, size, bidirectional=True, batch_first=True)
        self.head = torch.nn.Linear(2 * size, labels)

    def forward(self, words):
        return self.head(self.encoder(self.embed(words))[0])


def milliseconds(model: torch.nn.Module, words: torch.Tensor, repeats: int) -> float:
    times = []
    for _ in range(repeats):
        begun = time.perf_counter()
        model(words)
        times.append(time.perf_counter() - begun)
    return 1e3 * min(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tiny", action="store_true", help="a few calls only")
    repeats = 3 if parser.parse_args().tiny else 100

    torch.manual_seed(0)
    model = Tagger().eval()
    words = torch.randint(0, 1000, (4, 40))
    with torch.no_grad():
        before, time_before = model(words), milliseconds(model, words, repeats)
        holdfast.convert(model)  # in place: optimizers and other holders of the parameters keep them
        after, time_after = model(words), milliseconds(model, words, repeats)
        print(holdfast.explain(model, words))
    print(f"largest difference {float((before - after).abs().max()):.1e}")
    print(f"torch.nn {time_before:.2f} ms, Holdfast {time_after:.2f} ms a call")
    holdfast.revert(model)
    print(f"and back: the encoder is a {type(model.encoder).__module__}.{type(model.encoder).__name__}")


if __name__ == "__main__":
    main()
