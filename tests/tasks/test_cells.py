"""Cells by name: a family and parts added to it, in every task's config, saved, loaded and compared at equal size."""

from __future__ import annotations

import re

import pytest

from holdfast.errors import ConfigError
from holdfast.spec import CellSpec
from holdfast.tasks.cells import PARTS, cell_spec, cell_title, simplicity
from holdfast.tasks.classify.config import ClassifyConfig
from holdfast.tasks.compare import match_size
from holdfast.tasks.forecast.config import ForecastConfig
from holdfast.tasks.language import LanguageModel
from holdfast.tasks.language.config import LanguageConfig
from holdfast.tasks.language.contest import LanguageContest
from holdfast.tasks.tag.config import TagConfig
from tests.tasks.language_samples import small_model, small_text

CONFIGS = [ClassifyConfig, ForecastConfig, LanguageConfig, TagConfig]
VARIANTS = ["lstm+peephole", "lstm+coupled", "lstm+no_forget_gate", "lstm+layer_norm", "gru+reset_before", "rnn+relu"]


def test_a_name_stands_for_one_equation():
    assert cell_spec("lstm") == CellSpec()
    assert cell_spec("lstm+peephole+coupled") == CellSpec(peephole=True, coupled=True)
    assert cell_spec("lstm+no_forget_gate") == CellSpec(forget_gate=False)
    assert cell_spec("lstm+zoneout=0.2") == CellSpec(zoneout_h=0.2, zoneout_c=0.2)
    assert cell_spec("gru+zoneout") == CellSpec("gru", zoneout_h=0.1)
    assert cell_spec("rnn+relu+recurrent_dropout=0.5") == CellSpec("rnn", nonlinearity="relu", recurrent_dropout=0.5)
    for part in PARTS:
        family = {"reset_before": "gru", "relu": "rnn"}.get(part, "lstm")
        assert cell_spec(f"{family}+{part}") != CellSpec(family)


@pytest.mark.parametrize(
    ("cell", "says"),
    [
        ("mamba", "Known: lstm, gru, rnn"),
        ("", "Known: lstm"),
        ("LSTM", "Known: lstm"),
        (3, "named by a text"),
        ("lstm+", "no part ''"),
        ("lstm+peepholes", "Known: .*peephole"),
        ("lstm+peephole+peephole", "twice"),
        ("lstm+layer_norm+state_norm", "twice"),
        ("gru+peephole", "belongs to the LSTM"),
        ("lstm+coupled+no_forget_gate", "Choose one"),
        ("lstm+peephole=0.2", "takes no value"),
        ("lstm+zoneout=much", "no number"),
        ("lstm+zoneout=1", "probability"),
        ("lstm+zoneout=nan", "probability"),
    ],
)
def test_a_name_that_stands_for_nothing_is_refused(cell, says):
    with pytest.raises(ConfigError, match=says):
        cell_spec(cell)


@pytest.mark.parametrize("config", CONFIGS)
def test_every_task_takes_variants_and_refuses_others(config):
    assert config.from_dict(config(cell="lstm+peephole").to_dict()).cell == "lstm+peephole"
    with pytest.raises(ConfigError, match=re.escape("lstm+zoneout=0.2")):
        config(cell="lstm+holes")


def test_chrono_needs_a_gate_that_forgets():
    for cell in ("rnn", "lstm+no_forget_gate"):
        with pytest.raises(ConfigError, match="chrono"):
            LanguageConfig(cell=cell, init="chrono")
    assert LanguageConfig(cell="lstm+coupled", init="chrono").init == "chrono"


@pytest.mark.parametrize("cell", [*VARIANTS, "lstm+zoneout+recurrent_dropout"])
def test_a_model_of_a_variant_trains_saves_and_loads(tmp_path, cell):
    text = small_text(60)
    lm = small_model(steps=5, cell=cell).fit(text, quiet=True)
    lm.save_pretrained(tmp_path)
    again = LanguageModel.from_pretrained(tmp_path)
    assert again.config.cell == cell
    assert [layer.spec for layer in again.layers if layer.name == "recurrent"] == [cell_spec(cell)]
    assert again.evaluate(text) == lm.evaluate(text)


def test_variants_take_part_at_equal_size():
    contest = LanguageContest(small_text(400), config=LanguageConfig(hidden_size=64, num_layers=1, init="chrono"))
    wanted = contest.num_parameters("lstm", 64)
    sizes = {cell: match_size(contest, cell) for cell in ["lstm", *VARIANTS]}
    for cell, size in sizes.items():
        assert contest.num_parameters(cell, size) == pytest.approx(wanted, rel=0.02)
    assert sizes["lstm"] == 64
    assert sizes["lstm+coupled"] == sizes["lstm+no_forget_gate"] > sizes["lstm"] > sizes["lstm+layer_norm"]


def test_the_simpler_cell_comes_first_and_is_written_so():
    cells = ["lstm+peephole", "lstm", "lstm+coupled", "gru+layer_norm", "gru", "rnn"]
    assert sorted(cells, key=simplicity) == [
        "rnn", "gru", "gru+layer_norm", "lstm+coupled", "lstm", "lstm+peephole",
    ]  # fmt: skip
    assert [cell_title(cell) for cell in cells[:2]] == ["LSTM+peephole", "LSTM"]
