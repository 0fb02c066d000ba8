"""`holdfast.convert` on a pretrained model nobody here wrote: Resemblyzer's speaker encoder (3 LSTM layers of 256).

Needs `pip install Resemblyzer "setuptools<81"` beside Holdfast, and real speech: AN4's training set under
HOLDFAST_DATA, or `--wav`.
Prints and saves the largest difference between the embeddings and the median times before and after, alternating runs.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import platform
import statistics
import sys
import tarfile
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from resemblyzer import VoiceEncoder, preprocess_wav

import holdfast
from holdfast.kernels.cpu_level import describe

UTTERANCES = 24


def read_speech(folder: Path) -> list[np.ndarray]:
    """Return the first utterances of each of several AN4 speakers, as Resemblyzer wants them (16 kHz, trimmed)."""
    waves = []
    with tarfile.open(folder / "an4_train" / "wav.tar.xz", "r:xz") as archive, tempfile.TemporaryDirectory() as scratch:
        for k, member in enumerate(m for m in archive if m.name.endswith(".wav")):
            if k % 37 == 0:
                archive.extract(member, scratch, filter="data")
                waves.append(preprocess_wav(Path(scratch) / member.name))
            if len(waves) == UTTERANCES:
                break
    return waves


def embed(encoder: VoiceEncoder, waves: list[np.ndarray]) -> np.ndarray:
    """Return one embedding an utterance, [N, 256]."""
    return np.stack([encoder.embed_utterance(wave) for wave in waves])


def time_both(before: VoiceEncoder, after: VoiceEncoder, mels: torch.Tensor, runs: int) -> dict[str, float]:
    """Return the median milliseconds of one call of each model, runs alternating."""
    seconds: dict[str, list[float]] = {"torch": [], "holdfast": []}
    with torch.no_grad():
        for _ in range(runs):
            for name, model in (("torch", before), ("holdfast", after)):
                start = time.perf_counter()
                model(mels)
                seconds[name].append(time.perf_counter() - start)
    return {name: 1000 * statistics.median(values) for name, values in seconds.items()}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--wav", type=Path, nargs="*", help="speech files to use instead of AN4")
    parser.add_argument("--runs", type=int, default=41)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/convert_resemblyzer.json"))
    args = parser.parse_args()
    if not args.wav and "HOLDFAST_DATA" not in os.environ:
        print("Set HOLDFAST_DATA to the folder that holds an4_train, or pass --wav files.", file=sys.stderr)
        return 2
    torch.set_num_threads(2)
    waves = [preprocess_wav(path) for path in args.wav] if args.wav else read_speech(Path(os.environ["HOLDFAST_DATA"]))
    before = VoiceEncoder("cpu", verbose=False)
    after = holdfast.convert(copy.deepcopy(before))
    difference = float(np.abs(embed(before, waves) - embed(after, waves)).max())
    times = {}
    for batch in (1, 4, 16, 64):
        mels = torch.randn(batch, 160, before.lstm.input_size)  # one partial utterance is 160 frames of 40 channels
        times[f"batch {batch}"] = time_both(before, after, mels, args.runs)
    choice = holdfast.explain(after, torch.zeros(1, 160, before.lstm.input_size))
    chip = describe()
    result = {
        "command": "python benchmarks/convert_resemblyzer.py",
        "machine": {
            "cpu": chip["cpu"],
            "level": chip["level"],
            "threads": 2,
            "system": platform.platform(),
        },
        "versions": {name: version(name) for name in ("torch", "numpy", "Resemblyzer")}
        | {"holdfast": holdfast.__version__},
        "model": repr(after.lstm),
        "utterances": len(waves),
        "largest embedding difference": difference,
        "median ms per call": times,
        "explain (batch 1)": choice.splitlines(),
    }
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
