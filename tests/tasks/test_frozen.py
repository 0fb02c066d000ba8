"""Models that were saved long ago load and give the numbers that they gave then, one a task and format version."""

from __future__ import annotations

import json

import numpy as np
import pytest

from holdfast.layers import FORMAT_VERSION
from tests.tasks.frozen_models import EXPECTED, FROZEN, SAMPLES


@pytest.mark.parametrize("folder", sorted(FROZEN.iterdir()), ids=lambda folder: folder.name)
def test_a_frozen_model_gives_its_numbers(folder):
    sample = SAMPLES[folder.name.rpartition("-")[0]]
    found = sample.use(sample.kind.from_pretrained(folder))
    expected = json.loads((folder / EXPECTED).read_text(encoding="utf-8"))
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        assert_close(found[name], values)


def test_every_task_has_a_frozen_model_of_the_present_format():
    assert {f"{task}-{FORMAT_VERSION}" for task in SAMPLES} <= {folder.name for folder in FROZEN.iterdir()}
    for folder in FROZEN.iterdir():
        assert sum(path.stat().st_size for path in folder.iterdir()) < 60_000


def assert_close(found, expected):
    """Compare numbers nearly, in lists of any depth, and all else exactly."""
    if isinstance(expected, list):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            assert_close(one, other)
    elif isinstance(expected, float):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    else:
        assert found == expected
