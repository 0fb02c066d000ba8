"""Small saved models of every task, kept for good, with what they gave when they were made.

python -m tests.tasks.frozen_models [TASK ...]

writes tests/tasks/frozen/<task>-<format> anew for the present format version. Folders of older versions stay as they
are: today's code must read them.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from holdfast.layers import FORMAT_VERSION
from holdfast.tasks.classify import Classifier, SeriesSettings, TextSettings
from holdfast.tasks.forecast import Forecaster
from holdfast.tasks.forecast.config import ForecastTraining, WindowSettings
from holdfast.tasks.language import LanguageModel
from holdfast.tasks.memory import Memory
from holdfast.tasks.tag import Tagger
from holdfast.train import TrainSettings

FROZEN = Path(__file__).parent / "frozen"
EXPECTED = "expected.json"
SHORT = TrainSettings(max_steps=3, learning_rate=1e-2, evaluate_every=0)
WAVES = [[[float(np.sin(n + t)), float(np.cos(n * t))] for t in range(5 + n)] for n in range(4)]
SENTENCES = [["Ann", "flies", "to", "Rome"], ["Bob", "walks"]]
TAGS = [["B-PER", "O", "O", "B-LOC"], ["B-PER", "O"]]
TEXTS = ["a lovely film", "dull and long", "lovely", "not a film"]
PROMPT = "Bob sees"


@dataclass(frozen=True)
class Sample:
    """A task's class, how its small model is made, and a use of it that gives numbers by name."""

    kind: type[Any]
    make: Callable[[], Any]
    use: Callable[[Any], dict[str, Any]]


def _series(length: int, start: int = 0) -> Any:
    import pandas as pd

    steps = np.arange(start, start + length)
    times = pd.date_range("2021-01-01", periods=start + length, freq="D")[start:]
    values = {"up": steps / 4 + np.sin(steps), "round": 20 + 3 * np.sin(steps / 2)}
    return pd.concat([pd.DataFrame({"unique_id": name, "ds": times, "y": y}) for name, y in values.items()])


def _make_forecaster(**fields: Any) -> Forecaster:
    training = ForecastTraining(max_steps=3, evaluate_every=2)
    windows = WindowSettings(context=8)
    forecaster = Forecaster(horizon=3, season=4, hidden_size=4, batch_size=8, windows=windows, train=training, **fields)
    return forecaster.fit(_series(60), quiet=True)


def _use_forecaster(forecaster: Forecaster) -> dict[str, Any]:
    forecast = forecaster.predict(_series(40, 60), level=[80])
    return {name: forecast[name].tolist() for name in forecast.columns if name not in ("unique_id", "ds")}


def _use_tagger(tagger: Tagger) -> dict[str, Any]:
    return {"tags": tagger.predict(SENTENCES), "proba": [row.tolist() for row in tagger.predict_proba(SENTENCES)]}


def _use_language_model(lm: LanguageModel) -> dict[str, Any]:
    if lm.model is None or lm.tokenizer is None:
        raise ValueError("the model is not whole")
    with torch.no_grad():
        logits, _ = lm.model(torch.as_tensor(lm.tokenizer.encode(PROMPT))[:, None])
    return {"text": PROMPT, "logits": logits[-1, 0].tolist()}


SAMPLES = {
    "language": Sample(
        LanguageModel,
        lambda: LanguageModel(hidden_size=4, num_layers=1, embedding_size=4, train=SHORT).fit(
            "Ann sees Bob. Bob sees Ann. " * 9, quiet=True
        ),
        _use_language_model,
    ),
    "forecast": Sample(Forecaster, _make_forecaster, _use_forecaster),
    "recursive": Sample(Forecaster, lambda: _make_forecaster(decoder="recursive"), _use_forecaster),
    "classify": Sample(
        Classifier,
        lambda: Classifier(hidden_size=4, series=SeriesSettings(convolution=4), train=SHORT).fit(
            WAVES, ["even", "odd", "even", "odd"], quiet=True
        ),
        lambda classifier: {"proba": classifier.predict_proba(WAVES).tolist()},
    ),
    "classify_text": Sample(
        Classifier,
        lambda: Classifier(hidden_size=4, text=TextSettings(embedding_size=4, ngram_rows=32), train=SHORT).fit(
            TEXTS, ["good", "bad", "good", "bad"], quiet=True
        ),
        lambda classifier: {"proba": classifier.predict_proba([*TEXTS, "never seen"]).tolist()},
    ),
    "tag": Sample(
        Tagger,
        lambda: Tagger(hidden_size=4, word_size=4, character_size=3, character_hidden_size=2, train=SHORT).fit(
            SENTENCES, TAGS, intents=["flight", "walk"], validation=(SENTENCES, TAGS), quiet=True
        ),
        _use_tagger,
    ),
    "memory": Sample(
        Memory,
        lambda: Memory(length=12, hidden_size=4, batch_size=8, train=SHORT).fit(quiet=True),
        lambda memory: {"sums": memory.recall([[[0.5, 1.0], [0.25, 0.0], [0.75, 1.0]], [[0.1, 1.0]]]).tolist()},
    ),
}


def main() -> None:
    for task in sys.argv[1:] or SAMPLES:
        folder = FROZEN / f"{task}-{FORMAT_VERSION}"
        model = SAMPLES[task].make()
        model.save_pretrained(folder)
        text = json.dumps(_rounded(SAMPLES[task].use(model)), indent=1)
        (folder / EXPECTED).write_text(text + "\n", encoding="utf-8")
        size = sum(path.stat().st_size for path in folder.iterdir())
        print(f"{folder}: {size:,} bytes")


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.7g}")
    if isinstance(value, dict):
        return {name: _rounded(inner) for name, inner in value.items()}
    return [_rounded(inner) for inner in value] if isinstance(value, list) else value


if __name__ == "__main__":
    main()
