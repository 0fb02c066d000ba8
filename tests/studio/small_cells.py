"""Small saved language models, one of each cell that the page draws, and what their traces hold."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import holdfast
from holdfast.tasks.language import LanguageModel
from holdfast.train import TrainSettings

CELLS = [
    "lstm",
    "lstm+peephole",
    "lstm+coupled",
    "lstm+no_forget_gate",
    "lstm+layer_norm",
    "lstm+peephole+state_norm",
    "lstm+zoneout=0.2",
    "gru",
    "gru+reset_before",
    "gru+layer_norm",
    "rnn",
    "rnn+layer_norm",
]
TEXT = "the dog saw a cat and the cat saw a bird near the old house by the sea"
UNITS = 6


def save_small_model(cell: str, folder: Path) -> None:
    """Fit a model of a few units for two steps, and save it."""
    model = LanguageModel(
        cell=cell,
        units="words",
        hidden_size=UNITS,
        num_layers=1,
        embedding_size=5,
        chunk_size=8,
        batch_size=2,
        train=TrainSettings(max_steps=2, evaluate_every=0, learning_rate=0.1),
    )
    model.fit(" ".join([TEXT] * 12), quiet=True)
    model.save_pretrained(folder)


def traced_lanes(folder: Path, text: str) -> dict[str, np.ndarray]:
    """Return each gate and state [T, H] of a saved model over a text, as `holdfast.record` gives them."""
    import torch

    model = LanguageModel.from_pretrained(folder)
    assert model.model is not None
    assert model.tokenizer is not None
    ids = torch.as_tensor(model.tokenizer.encode(text))[:, None]
    model.model.eval()
    with torch.no_grad(), holdfast.record(model.model) as trace:
        model.model.hidden(ids)
    layer = trace["modules_by_name.recurrent", 0, "forward"]
    return {letter: values[:, 0].numpy() for letter, values in layer.values.items()}


def shown(value: float, *, signed: bool = False) -> str:
    """Write a number as the page does: two decimals, a third just above 0 and below 1, a true minus sign."""
    text = f"{abs(value):.2f}"
    rounded = float(text)
    if (rounded == 0 and value != 0) or (rounded == 1 and abs(value) < 1):
        text = f"{abs(value):.3f}"
    sign = "" if float(text) == 0 or (value > 0 and not signed) else "+" if value > 0 else "\u2212"
    return sign + text
