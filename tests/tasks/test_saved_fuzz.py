"""A saved model whose files were damaged loads and works, or is refused with our error, whatever the damage."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from holdfast.errors import CheckpointError, HoldfastError
from holdfast.tasks.classify import Classifier
from holdfast.tasks.forecast import Forecaster
from holdfast.tasks.language import LanguageModel
from holdfast.tasks.memory import Memory
from holdfast.tasks.tag import Tagger
from tests.tasks.fields import fuzz, refused
from tests.tasks.frozen_models import FROZEN, SAMPLES

TYPES = {
    "language": LanguageModel,
    "forecast": Forecaster,
    "recursive": Forecaster,
    "classify": Classifier,
    "tag": Tagger,
    "memory": Memory,
}
JSON = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(-2, 9), st.integers(), st.floats(),
        st.sampled_from([10**9, 10**30, 1e300]), st.text(max_size=4),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=2)),
    max_leaves=4,
)  # fmt: skip


def damaged(test):
    """Let torch warn of what damaged settings ask for."""
    for said in ("dropout acts between", "Initializing zero-element"):
        test = pytest.mark.filterwarnings(f"ignore:{said}")(test)
    return test


def places(value, path=()):
    """Return the paths to every value in a JSON tree but its root."""
    found = []
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        found += [(*path, key), *places(inner, (*path, key))]
    return found


def put(tree, path, value):
    """Put a value at a path, or take what is there away if the value is `...`."""
    for key in path[:-1]:
        tree = tree[key]
    if value is ...:
        del tree[path[-1]]
    else:
        tree[path[-1]] = value


@pytest.fixture(scope="module", params=TYPES)
def saved(request, tmp_path_factory):
    """Return the newest frozen model of a task, copied, with its sample of use."""
    folder = tmp_path_factory.mktemp(request.param) / "model"
    shutil.copytree(max(FROZEN.glob(f"{request.param}-*")), folder)
    return TYPES[request.param], folder, SAMPLES[request.param].use


def load_and_use(kind, folder, use):
    """Load and use a damaged model: loading raises CheckpointError alone, use one of our errors."""
    try:
        model = kind.from_pretrained(folder)
    except CheckpointError as error:
        return refused(error)
    try:
        use(model)
    except HoldfastError as error:
        refused(error)
    return model


@damaged
@fuzz
@given(data=st.data())
def test_changed_json_is_refused_or_works(saved, tmp_path, data):
    kind, folder, use = saved
    path = data.draw(st.sampled_from(sorted(folder.glob("*.json"))))
    assume(path.name != "expected.json")
    whole = path.read_text(encoding="utf-8")
    tree = json.loads(whole)
    for _ in range(data.draw(st.integers(1, 2))):
        known = places(tree)
        assume(known)
        put(tree, data.draw(st.sampled_from(known)), data.draw(st.one_of(JSON, st.just(...))))
    try:
        path.write_text(json.dumps(tree), encoding="utf-8", errors="surrogatepass")
        load_and_use(kind, folder, use)
    finally:
        path.write_text(whole, encoding="utf-8")


@damaged
@fuzz
@given(data=st.data())
def test_changed_bytes_are_refused_or_work(saved, data):
    kind, folder, use = saved
    path = data.draw(st.sampled_from(sorted(p for p in folder.iterdir() if p.name != "expected.json")))
    whole = path.read_bytes()
    broken = bytearray(whole)
    for at in data.draw(st.lists(st.integers(0, len(whole) - 1), min_size=1, max_size=4)):
        broken[at] = data.draw(st.integers(0, 255))
    try:
        path.write_bytes(broken[: data.draw(st.sampled_from([len(broken), len(broken), len(broken) // 2]))])
        load_and_use(kind, folder, use)
    finally:
        path.write_bytes(whole)


@pytest.mark.parametrize("deep", ["[" * 100_000, '{"a":' * 100_000])
def test_json_nested_without_end_is_refused(saved, tmp_path, deep):
    kind, folder, _ = saved
    for path in sorted(folder.glob("*.json")):
        copy = shutil.copytree(folder, tmp_path / path.name)
        (copy / path.name).write_text(deep)
        if path.name != "expected.json":
            with pytest.raises(CheckpointError, match=path.name):
                kind.from_pretrained(copy)


def test_sizes_beyond_the_weights_are_refused_before_memory_is_taken(saved, tmp_path):
    kind, folder, _ = saved
    whole = json.loads((folder / "config.json").read_text())
    for number, layer in enumerate(whole["layers"]):
        for name, value in layer.items():
            if isinstance(value, bool) or not isinstance(value, int):
                continue
            broken = json.loads(json.dumps(whole))
            broken["layers"][number][name] = 10**12
            copy = Path(shutil.copytree(folder, tmp_path / f"{number}-{name}"))
            (copy / "config.json").write_text(json.dumps(broken))
            with pytest.raises(CheckpointError):
                kind.from_pretrained(copy)
