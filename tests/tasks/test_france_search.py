"""The recorded search stands behind the demo's settings."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from holdfast.tasks.france.experiment import CELLS, SETTINGS

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results" / "france_search.json"


@pytest.mark.parametrize("cell", CELLS)
def test_settings_are_as_good_as_the_best_of_the_search(cell):
    if not RESULTS.is_file():
        pytest.skip("no search is recorded: run python -m benchmarks.france_search")
    trials = [trial for trial in json.loads(RESULTS.read_text())["trials"] if trial["cell"] == cell]
    means = {json.dumps(trial["setting"], sort_keys=True): trial["mean"] for trial in trials}
    assert means[json.dumps(asdict(SETTINGS[cell]), sort_keys=True)] >= max(means.values()) - 0.01
