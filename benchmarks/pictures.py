"""Draw the pictures of a trace that the README and the docs show, from the models that come with the package.

    python -m benchmarks.pictures

What they show is computed anew: what `holdfast trace lstm --beside rnn` finds, and three pictures of the same text.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from holdfast.cli.trace import EXAMPLE_GAP
from holdfast.inside import gradient_flow, plot_flow
from holdfast.studio.depict import claim_of, countries_in, draw_kept, draw_run
from holdfast.studio.evidence import gather
from holdfast.studio.subject import shipped
from holdfast.tasks.france.experiment import held_out
from holdfast.tasks.france.report import example

IMAGES = Path(__file__).resolve().parent.parent / "docs" / "img"
FLOW_DOCUMENTS = 16
SHORT_GAP = 30
COUNTING_UNIT = 5  # fills by about 1 a word and is emptied at some


def small(path: Path) -> None:
    """Write a PNG again with a palette of 128 colours: a third of the bytes, and no difference to the eye."""
    from PIL import Image

    with Image.open(path) as image:
        image.convert("RGB").quantize(128, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).save(
            path, optimize=True
        )


def draw_flow(path: Path) -> None:
    """Follow the loss of the word after the gap back through each shipped model."""
    documents = [list(one.tokens[: one.blank + 1]) for one in held_out(EXAMPLE_GAP, FLOW_DOCUMENTS, 0)]
    flows = {
        subject.name: gradient_flow(subject.network, documents, lambda network, rows, own=subject: _loss(own, rows))
        for subject in shipped()
    }
    plot_flow(flows, path, title=f"The loss at the language, {EXAMPLE_GAP} words after the country, by steps back")


def _loss(subject, documents: list[list[str]]) -> torch.Tensor:
    """Return the loss of each document's last token alone; shorter ones stand to the right, behind unread words."""
    steps = min(map(len, documents))
    ids = [torch.as_tensor(subject.estimator.tokenizer.encode_tokens(tokens[-steps:])) for tokens in documents]
    rows = torch.stack(ids, dim=1)
    logits, _ = subject.network(rows[:-1])
    return torch.nn.functional.cross_entropy(logits[-1], rows[-1], reduction="none")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=IMAGES, help="folder of the pictures")
    folder = parser.parse_args().out
    text = example(EXAMPLE_GAP).prompt
    word, others = countries_in(text) or ("", [])
    lstm, _, rnn = shipped()
    found = [gather(subject, text, word, others) for subject in (lstm, rnn)]
    print(claim_of(*found))
    draw_kept(
        found, folder / "trace.png", note="holdfast trace lstm --beside rnn -o trace.png    (a held-out document)"
    )
    small(folder / "trace.png")
    run, keepers = lstm.run(lstm.read(example(SHORT_GAP).prompt)), found[0].kept.order[:2]
    draw_run(
        run, folder / "trace-gates.png", picture="gates", gates="fic", title="Gates and memory of the shipped LSTM"
    )
    draw_run(run, folder / "trace-highway.png", picture="highway", units=[*keepers, COUNTING_UNIT])
    draw_flow(folder / "trace-flow.png")
    for path in sorted(folder.glob("trace*.png")):
        print(f"{path.name}: {path.stat().st_size // 1000} kB")


if __name__ == "__main__":
    main()
