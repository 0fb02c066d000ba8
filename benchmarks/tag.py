"""Train taggers with the default settings on real data, and write what they reach to benchmarks/results/tag.json.

    python -m benchmarks.tag --set ewt --seeds 3        UD English EWT, parts of speech
    python -m benchmarks.tag --set atis --seeds 3       ATIS, slots and intents
    python -m benchmarks.tag --set conll2002_es         CoNLL-2002 Spanish, entities
    python -m benchmarks.tag --set wnut17               WNUT-17, emerging entities

HOLDFAST_DATA names the folder of datasets. Each run reads the test set once, after training, and so do
the baselines together; --validation-only leaves it alone, and writes nothing.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import platform
import shlex
import statistics
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

import holdfast
from holdfast.tasks.tag import Reading, TagConfig, Tagger
from holdfast.tasks.tag.baselines import LinearTagger, MostFrequentTag
from holdfast.tasks.tag.columns import Sentence, read_columns
from holdfast.tasks.tag.score import accuracy, chunk_scores
from holdfast.train import TrainSettings

RESULTS = Path(__file__).parent / "results" / "tag.json"
SPLITS = ("train", "validation", "test")
PUBLISHED = {
    "ewt": "accuracy 0.942 logistic regression on features (dev), about 0.954 Stanza's BiLSTM with pretrained vectors",
    "atis": "slot F1 95.66 encoder-labeler LSTM, 95.87 attention BiRNN (intents 98.43), 95.2 slot-gated BLSTM (94.1)",
    "conll2002_es": "F1 85.75 LSTM-CRF with characters and pretrained vectors (Lample et al. 2016)",
    "wnut17": "F1 41.86 the best of the shared task (Aguilar et al. 2017)",
}
COLUMNS = {
    "ewt": ("ud_english_ewt", ("en_ewt-ud-train.conllu.xz", "en_ewt-ud-dev.conllu.xz", "en_ewt-ud-test.conllu.xz")),
    "conll2002_es": ("ner_conll2002_es", ("esp.train.xz", "esp.testa.xz", "esp.testb.xz")),
    "wnut17": ("ner_wnut17", ("wnut17train.conll.gz", "emerging.dev.conll.gz", "emerging.test.annotated.gz")),
}
MENDED = Reading(mend=True)
"""Tags that BIO does not allow are read as conlleval reads them."""
OVERRIDES: dict[str, dict[str, Any]] = {}
"""Settings that differ from the default, by set: none."""


def load(name: str, split: str) -> list[Sentence]:
    """Return the sentences of one split."""
    root = Path(os.environ["HOLDFAST_DATA"])
    if name != "atis":
        folder, files = COLUMNS[name]
        return read_columns([root / folder / files[SPLITS.index(split)]], Reading())
    stem = root / "atis" / {"validation": "valid"}.get(split, split)
    words, tags, labels = (_gz_lines(Path(f"{stem}.{part}.gz")) for part in ("seq.in", "seq.out", "label"))
    return [Sentence(tuple(w.split()), tuple(t.split()), i) for w, t, i in zip(words, tags, labels, strict=True)]


def parts(sentences: list[Sentence]) -> tuple[Any, Any, Any]:
    """Return words, tags and intents of sentences; None for the intents where there are none."""
    intents = [sentence.intent for sentence in sentences]
    words, tags = [sentence.words for sentence in sentences], [sentence.tags for sentence in sentences]
    return words, tags, intents if any(intents) else None


def run_seed(name: str, seed: int, evaluate_test: bool) -> dict[str, Any]:
    """Train one model and return its figures."""
    words, tags, intents = parts(load(name, "train"))
    tagger = Tagger(**OVERRIDES.get(name, {}), train=TrainSettings(seed=seed))
    started, worked = time.monotonic(), time.process_time()
    validation = parts(load(name, "validation"))
    tagger.fit(words, tags, intents=intents, validation=validation, reading=MENDED, quiet=True)
    times = {"seconds": time.monotonic() - started, "processor_seconds": time.process_time() - worked}
    held_out = {"test": load(name, "test")} if evaluate_test else {}
    held_out["validation"] = load(name, "validation")
    report = {}
    for split, sentences in held_out.items():
        words, tags, intents = parts(sentences)
        report[split] = tagger.evaluate(words, tags, intents=intents, reading=MENDED)
    steps = tagger.result.steps if tagger.result is not None else 0
    return {"seed": seed, "steps": steps, **{name: round(value, 1) for name, value in times.items()}, **report}


def run_baselines(name: str, split: str) -> dict[str, Any]:
    """Return the same figures of the simple taggers."""
    words, tags, _ = parts(load(name, "train"))
    test_words, test_tags, _ = parts(load(name, split))
    report = {}
    for baseline in (MostFrequentTag(), LinearTagger()):
        started = time.monotonic()
        found = baseline.fit(words, tags).predict(test_words)
        figures = {"accuracy": accuracy(test_tags, found)} | ({} if name == "ewt" else chunk_scores(test_tags, found))
        report[type(baseline).__name__] = figures | {"seconds": round(time.monotonic() - started, 1)}
    return report


def summary(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Return mean and standard deviation of the test figures over seeds."""
    figures = {}
    for figure in ("accuracy", "f1", "intent_accuracy"):
        values = [run["test"][figure] for run in runs if figure in run["test"]]
        if values:
            spread = statistics.stdev(values) if len(values) > 1 else None
            figures[figure] = {"mean": statistics.mean(values), "stdev": spread, "seeds": len(values)}
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", choices=[*COLUMNS, "atis"], required=True)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--validation-only", action="store_true", help="leave the test set alone and write nothing")
    parser.add_argument("--more", action="store_true", help="keep the seeds that the results hold, and run the others")
    parser.add_argument("--baselines", action="store_true", help="run the simple taggers only")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    results = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    entry = results.get(options.set, {})
    if options.baselines:
        entry["baselines"] = run_baselines(options.set, "validation" if options.validation_only else "test")
        print(json.dumps(entry["baselines"], indent=1))
        entry["test_set_read"] = entry.get("test_set_read", 0) + (not options.validation_only)
    else:
        _run_seeds(entry, options, results)
    if not options.validation_only:
        _write(results, options.set, entry)


def _run_seeds(entry: dict[str, Any], options: argparse.Namespace, results: dict[str, Any]) -> None:
    """Run the seeds that are missing in `entry`, or all, and write the file after each."""
    runs = entry.get("runs", []) if options.more else []
    for seed in range(options.seeds):
        if seed in [run["seed"] for run in runs]:
            continue
        run = run_seed(options.set, seed, not options.validation_only)
        print(json.dumps(run), flush=True)
        if not options.validation_only:
            runs.append(run | {"machine": _machine(options)})
            entry |= {"published": PUBLISHED[options.set], "overrides": OVERRIDES.get(options.set, {})}
            entry |= {"summary": summary(runs), "runs": runs, "test_set_read": entry.get("test_set_read", 0) + 1}
            _write(results, options.set, entry)


def _write(results: dict[str, Any], name: str, entry: dict[str, Any]) -> None:
    results |= {"settings": asdict(TagConfig()), name: entry}
    RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


def _machine(options: argparse.Namespace) -> dict[str, Any]:
    """Say where a run took place; a load above the number of cores makes its seconds longer than they need be."""
    return {
        "command": shlex.join(["python", "-m", "benchmarks.tag", *sys.argv[1:]]),
        "cpu": _cpu_name(), "cores": os.cpu_count(), "threads": options.threads, "load": round(os.getloadavg()[0], 1),
        "python": platform.python_version(), "torch": torch.__version__, "holdfast": holdfast.__version__,
    }  # fmt: skip


def _cpu_name() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _gz_lines(path: Path) -> list[str]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return [line.strip() for line in file]


if __name__ == "__main__":
    main()
