"""Train a language model on the characters of a text, and let it write.

python examples/train_characters.py                    on a few built-in lines
python examples/train_characters.py my.txt --seconds 600
"""

from __future__ import annotations

import argparse
from pathlib import Path

from holdfast import LanguageModel
from holdfast.train import TrainSettings

LINES = """the rain fell on the hill and the hill held the rain
the wind came down the road and the road let it go
a bell rang in the town and the town went on with its day
a boat lay on the sand and the sand lay under the sea
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", nargs="?", type=Path, help="a UTF-8 text; without it, four built-in lines many times")
    parser.add_argument("--seconds", type=float, default=20.0, help="training time")
    parser.add_argument("--out", type=Path, help="folder to save the model in")
    parser.add_argument("--tiny", action="store_true", help="a few updates of a small model only")
    options = parser.parse_args()

    budget = {"max_steps": 10} if options.tiny else {"max_seconds": options.seconds}
    lm = LanguageModel(
        hidden_size=16 if options.tiny else 128,
        num_layers=1,
        chunk_size=50,
        train=TrainSettings(learning_rate=5e-3, evaluate_every=100, **budget),
    )
    if options.file is None:
        lm.fit(LINES * 200, folder=options.out, quiet=options.tiny)
    else:
        lm.fit(files=options.file, folder=options.out, quiet=options.tiny)
    sample = lm.evaluate(LINES)
    print(f"on the built-in lines: {sample['bits_per_character']:.2f} bits a character")
    print("the" + lm.generate("the", length=200, temperature=0.7, seed=0))


if __name__ == "__main__":
    main()
