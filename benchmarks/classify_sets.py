"""The sets that classifiers are measured on, read from the folder that HOLDFAST_DATA names."""

from __future__ import annotations

import gzip
import lzma
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

Split = tuple[list[Any], list[str]]


@dataclass(frozen=True)
class LabelledSet:
    """How a split is read, what others published (not run again here), and which settings differ from the default.

    A set has a validation split of its own or leaves it to the classifier; settings of the text and of training are
    listed under those names.
    """

    read: Callable[[str], Split]
    published: str
    validation: bool = False
    overrides: dict[str, Any] | None = None


def _root() -> Path:
    folder = os.environ.get("HOLDFAST_DATA")
    if not folder:
        raise SystemExit("Set HOLDFAST_DATA to the folder of datasets.")
    return Path(folder)


def _series(folder: str, name: str) -> Callable[[str], Split]:
    """Read the .ts format: dimensions apart by colons, the label last."""

    def read(split: str) -> Split:
        x, y = [], []
        with gzip.open(_root() / folder / f"{name}_{split.upper()}.ts.gz", "rt", encoding="utf-8") as file:
            for line in file:
                if line.strip() and line[0] not in "@#":
                    *dimensions, label = line.strip().split(":")
                    x.append(np.array([[float(value) for value in each.split(",")] for each in dimensions]).T)
                    y.append(label)
        return x, y

    return read


def _sentences(pattern: str) -> Callable[[str], Split]:
    """Read a label and a text on each line."""

    def read(split: str) -> Split:
        part = {"validation": "dev"}.get(split, split)
        with gzip.open(_root() / "text_trec_sst" / pattern.format(part), "rt", encoding="latin-1") as file:
            pairs = [line.strip().partition(" ") for line in file if line.strip()]
        return [text for _, _, text in pairs], [label for label, _, _ in pairs]

    return read


def _reviews(split: str) -> Split:
    with lzma.open(_root() / "imdb" / f"{split}.tsv.xz", "rt", encoding="utf-8") as file:
        rows = [line.rstrip("\n").split("\t", 2) for line in file]
    return [text.replace("<br />", " ") for _, _, text in rows], [label for label, _, _ in rows]


SETS = {
    "japanese_vowels": LabelledSet(
        _series("uea_japanese_vowels", "JapaneseVowels"),
        "accuracy 0.797 an LSTM (Zerveas et al. 2021), 1.00 MLSTM-FCN (Karim et al. 2019), 0.997 TST",
    ),
    "gunpoint": LabelledSet(_series("ucr_small", "GunPoint"), "accuracy 1.00 LSTM-FCN (Karim et al. 2018)"),
    "italy_power_demand": LabelledSet(
        _series("ucr_small", "ItalyPowerDemand"), "accuracy 0.96 to 0.97 LSTM-FCN (Karim et al. 2018)"
    ),
    "arrowhead": LabelledSet(_series("ucr_small", "ArrowHead"), "accuracy 0.91 LSTM-FCN (Karim et al. 2018)"),
    "sst2": LabelledSet(
        _sentences("stsa.binary.{}.gz"),
        "accuracy 0.849 an LSTM with phrases and pretrained vectors (Tai et al. 2015); 0.78 to 0.82 from scratch",
        validation=True,
    ),
    "trec6": LabelledSet(
        _sentences("TREC.{}.all.gz"),
        "accuracy 0.961 BLSTM-2DCNN with pretrained vectors (Zhou et al. 2016); 0.87 to 0.91 an LSTM from scratch",
    ),
    "imdb": LabelledSet(
        _reviews,
        "accuracy 0.865 an LSTM tuned, 0.900 with pretrained vectors (Dai & Le 2015)",
    ),
}
