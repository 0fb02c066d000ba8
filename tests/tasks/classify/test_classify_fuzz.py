"""Any table, any list: examples are learnt from and classified, or refused with one of our errors."""

from __future__ import annotations

import gzip
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.errors import HoldfastError
from holdfast.tasks.classify import Columns
from tests.tasks.classify.samples import small_classifier
from tests.tasks.fields import IDS, NUMBERS, TEXTS, TIMES, fuzz, refused, written

pandas = pytest.importorskip("pandas", reason="tables are read with pandas")
pytest.importorskip("pyarrow", reason="tables are read with pyarrow")

LABELS = st.one_of(st.sampled_from(["a", "b", "", " ", "NA", "1", "2.0", "nan", "None"]), TEXTS)
CHOICES = {
    "series": Columns(), "text": Columns(text="x"), "rows": Columns(id="x"), "same": Columns(label="y", id="y"),
}  # fmt: skip


def classifier():
    return small_classifier(1, hidden_size=2)


def learnt_or_refused(data, y=None, **how):
    """Return a classifier that learnt from the data and gave chances for it, or None where it was refused."""
    try:
        made = classifier().fit(data, y, quiet=True, **how)
        found = made.predict_proba(data)
    except HoldfastError as error:
        return refused(error)
    assert found.shape[1] == len(made.classes_) >= 2
    np.testing.assert_allclose(found.sum(1), 1.0, atol=1e-6)
    return made


@st.composite
def tables(draw, times, numbers, ids, labels):
    """Draw a CSV in long format: a broken row here and there, columns in several orders or named twice."""
    rows = draw(st.lists(st.tuples(ids, times, numbers, numbers, labels), max_size=12))
    if draw(st.booleans()) and rows:
        broken = draw(st.integers(0, len(rows) - 1))
        rows[broken] = rows[broken][: draw(st.integers(0, 4))] + draw(st.sampled_from([(), ("", "", "")]))
    names = [("id", "time", "x", "y", "label"), ("id", "time", "x", "x", "label"), ("id", "x", "y", "label", "time")]
    header = draw(st.sampled_from(names))
    separator, end = draw(st.sampled_from([",", ";", "\t"])), draw(st.sampled_from(["\n", "\r\n"]))
    encodings = ["utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16", "latin-1"]
    return written(rows, header, separator, draw(st.sampled_from([0, 1, 2])), end, draw(st.sampled_from(encodings)))


@fuzz
@given(
    data=st.binary(max_size=200),
    name=st.sampled_from(["t.csv", "t.csv.gz", "t.parquet"]),
    how=st.sampled_from([*CHOICES]),
)
def test_any_bytes_are_learnt_from_or_refused(tmp_path, data, name, how):
    path = tmp_path / name
    path.write_bytes(data)
    learnt_or_refused(path, columns=CHOICES[how])


@fuzz
@given(data=tables(TIMES, NUMBERS, IDS, LABELS), compressed=st.booleans(), how=st.sampled_from([*CHOICES]))
def test_any_fields_are_learnt_from_or_refused(tmp_path, data, compressed, how):
    path = tmp_path / ("t.csv.gz" if compressed else "t.csv")
    path.write_bytes(gzip.compress(data) if compressed else data)
    learnt_or_refused(path, columns=CHOICES[how])


PLAIN = tables(
    st.integers(0, 99).map(str), st.floats(-1e3, 1e3).map(repr), st.sampled_from("uvw"), st.sampled_from("ab")
)


@fuzz
@given(data=PLAIN, other=tables(TIMES, NUMBERS, IDS, LABELS), how=st.sampled_from(["series", "text"]))
def test_what_was_learnt_reads_other_tables_or_refuses_them(tmp_path, data, other, how):
    paths = [tmp_path / "t.csv", tmp_path / "other.csv"]
    for path, content in zip(paths, (data, other), strict=True):
        path.write_bytes(content)
    made = learnt_or_refused(paths[0], columns=CHOICES[how])
    if made is None:
        return
    for use in (made.predict_table, made.evaluate, made.score):
        try:
            use(paths[1])
        except HoldfastError as error:
            refused(error)


SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), TEXTS, st.binary(max_size=3), st.datetimes(),
    st.complex_numbers(), st.just(()), st.just({}), st.just(np.float32(1)), st.just(np.array(3)),
)  # fmt: skip
FEW = {"max_size": 4}
SERIES = st.one_of(
    st.lists(SCALARS, **FEW), st.lists(st.lists(SCALARS, **FEW), **FEW), st.lists(st.floats(-9, 9), **FEW),
    st.lists(st.lists(st.floats(-9, 9), min_size=2, max_size=2), **FEW), st.lists(st.integers(), **FEW).map(np.array),
    st.lists(st.floats(width=32), **FEW).map(lambda v: np.array(v, dtype=np.float32)), SCALARS,
)  # fmt: skip
WANTED = st.one_of(
    st.lists(SCALARS, max_size=6), st.lists(st.sampled_from("ab"), max_size=6), st.lists(st.integers(0, 2))
)


@fuzz
@given(x=st.one_of(st.lists(SERIES, max_size=6), st.lists(TEXTS, max_size=6), SCALARS), y=st.one_of(WANTED, SCALARS))
def test_any_lists_are_learnt_from_or_refused(x, y):
    if isinstance(x, list):
        y = y[: len(x)] if isinstance(y, list) else y
    learnt_or_refused(x, y)


@fuzz
@given(new=st.one_of(st.lists(SERIES, max_size=3), st.lists(TEXTS, max_size=3), SCALARS), text=st.booleans())
def test_any_lists_are_classified_or_refused(trained, new, text):
    made = trained[text]
    for use in (
        made.predict,
        made.predict_proba,
        lambda x: made.score(x, ["a"]),
        lambda x: list(made.predict_stream(x)),
    ):
        try:
            use(new)
        except HoldfastError as error:
            refused(error)


@pytest.fixture(scope="module")
def trained():
    one_way = replace(classifier().config, bidirectional=False)
    made = [type(classifier())(one_way) for _ in range(2)]
    labels = ["a", "b"] * 3
    return made[0].fit([[0.0, 1.0]] * 6, labels, quiet=True), made[1].fit(["so it is", "no"] * 3, labels, quiet=True)
