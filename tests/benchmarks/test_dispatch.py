"""The script behind the table of kernels/dispatch.py finds the edge that the times have, and runs."""

from __future__ import annotations

import json

import pytest

from benchmarks import dispatch
from holdfast.kernels import cpu_level, vendor
from holdfast.kernels.dispatch import MEASURED_BY, Region


def times(wins) -> list[dispatch.Row]:
    """Times on a grid where oneDNN takes 0.8 of ours wherever `wins(B, H)`, and 1.5 of it elsewhere."""
    grid = [(batch, steps, hidden) for batch in (1, 8, 64) for steps in (1, 100) for hidden in (32, 128, 512)]
    return [{"B": b, "T": t, "H": h, "cpu": 1.0, "vendor": 0.8 if wins(b, h) else 1.5} for b, t, h in grid]


@pytest.mark.parametrize(
    "wins",
    [
        lambda batch, hidden: batch * hidden > 4096,
        lambda batch, hidden: batch >= 8 and hidden >= 512,
        lambda batch, hidden: batch >= 64 or hidden >= 512,
    ],
)
def test_the_suggested_regions_are_those_where_onednn_wins(wins):
    rows = times(wins)
    regions = dispatch.suggest(rows)
    assert dispatch.loss(rows, regions) == 0
    assert all(any(region.holds(b, h) for region in regions) == wins(b, h) for b in (1, 8, 64) for h in (32, 128, 512))


def test_equal_times_stay_on_our_kernels():
    rows = [{**row, "vendor": 0.99} for row in times(lambda batch, hidden: True)]
    assert dispatch.suggest(rows) == []


def test_the_table_marks_what_goes_to_vendor():
    text = dispatch.show(times(lambda batch, hidden: hidden >= 512), [Region(hidden=512)])
    assert text.splitlines()[0].split() == ["T=1", "H=32", "H=128", "H=512"]
    assert text.splitlines()[1].split() == ["B=1", "1.50", "1.50", "[0.80]"]


@pytest.mark.skipif(cpu_level.load().module is None or not vendor._AVAILABLE, reason="it times both backends")
def test_it_runs_and_writes_what_it_measured(tmp_path, capsys):
    import torch

    before, out = torch.get_num_threads(), tmp_path / "dispatch.json"
    tiny = "--threads 1 --batches 1 2 --times 2 --hiddens 4 8 --seconds 0.001 --rounds 1 --out".split()
    try:
        dispatch.main([*tiny, str(out)])
    finally:
        torch.set_num_threads(before)
    record, shown = json.loads(out.read_text(encoding="utf-8")), capsys.readouterr().out
    assert len(record["cases"]) == 2 * 2 * 2
    assert shown.count("suggested:") == 2
    assert {"regions", "loss"} == set(record["training"])
    assert MEASURED_BY == "benchmarks/dispatch.py"
