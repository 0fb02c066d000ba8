"""Tables with examples: long series and texts, and what is refused with file, row and mend; the simple baselines."""

from __future__ import annotations

import numpy as np
import pytest

from holdfast.errors import DataError
from holdfast.tasks.classify import Classifier, Columns
from holdfast.tasks.classify.baselines import BASELINES
from holdfast.tasks.classify.tables import read_examples
from tests.tasks.classify.samples import small_classifier, small_series, small_texts

pytest.importorskip("pyarrow", reason="pyarrow is not installed")
pd = pytest.importorskip("pandas", reason="pandas is not installed")

LONG = "id,time,a,b,label\nx,2,3,30,up\ny,1,5,50,down\nx,1,1,10,up\ny,3,7,70,down\n"


def read(tmp_path, text, labelled=True, columns=None, **options):
    (tmp_path / "data.csv").write_text(text)
    return read_examples(tmp_path / "data.csv", columns or Columns(), labelled=labelled, **options)


def test_long_tables_are_grouped_by_id_and_ordered_by_time(tmp_path):
    found = read(tmp_path, LONG)
    assert found.ids.tolist() == ["x", "y"]
    assert found.labels.tolist() == ["up", "down"]
    assert found.features == ["a", "b"]
    assert [row.tolist() for row in found.x] == [[[1, 10], [3, 30]], [[5, 50], [7, 70]]]


def test_without_a_time_column_the_rows_are_in_order_and_dates_are_times(tmp_path):
    found = read(tmp_path, "id,a,label\nx,3,1\ny,5,2\nx,1,1\n")
    assert [row[:, 0].tolist() for row in found.x] == [[3, 1], [5]]
    dated = "id,time,a,label\nx,2024-02-01,3,1\nx,2024-01-31,1,1\n"
    assert read(tmp_path, dated).x[0][:, 0].tolist() == [1, 3]


def test_labels_are_not_looked_at_and_columns_are_taken_by_name(tmp_path):
    found = read(tmp_path, "b,a,id,time,more\n10,1,x,1,no\n", labelled=False, features=["a", "b"])
    assert found.x[0].tolist() == [[1, 10]]
    assert found.labels is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (LONG.replace("x,1,1,10,up", "x,1,1,10,down"), r"row 4: column 'label': 'down' is another label"),
        (LONG.replace("x,1,1,10,up", "x,2,1,10,up"), r"row 4: column 'time'.*twice"),
        (LONG.replace("x,1,1,10,up", "x,1,one,10,up"), r"row 4: column 'a': 'one' is not a number"),
        (LONG.replace("x,1,1,10,up", "x,1,,10,up"), r"row 4: column 'a'.*is missing"),
        (LONG.replace("x,1,1,10,up", "x,1,1,10,"), r"row 4: column 'label'.*is no label"),
        (LONG.replace("id,", "name,"), r"there is no column 'id'"),
        (LONG.replace("label", "class"), r"there is no column 'label'"),
        ("id,time,label\nx,1,up\n", r"no column is left"),
    ],
)
def test_broken_tables_are_refused_with_the_row(tmp_path, text, message):
    with pytest.raises(DataError, match=message) as error:
        read(tmp_path, text)
    assert "data.csv" in str(error.value)


def test_a_classifier_is_trained_and_asked_with_tables(tmp_path):
    x, y = small_series()
    rows = [(f"s{n}", t, *step, y[n]) for n, row in enumerate(x) for t, step in enumerate(row)]
    frame = pd.DataFrame(rows, columns=["series", "time", "a", "b", "label"])
    frame.to_csv(tmp_path / "data.csv", index=False)
    classifier = small_classifier().fit(frame, columns=Columns(id="series"), quiet=True)
    assert classifier.score(tmp_path / "data.csv") >= 0.9
    assert (classifier.predict(frame) == classifier.predict(x)).all()
    classifier.save_pretrained(tmp_path / "model")
    again = Classifier.from_pretrained(tmp_path / "model")
    ids, chances = again.predict_table(frame[["b", "time", "series", "a"]].sample(frac=1, random_state=0))
    order = [int(name[1:]) for name in ids]
    assert chances == pytest.approx(classifier.predict_proba(x)[order], abs=1e-6)


def test_texts_come_from_a_column(tmp_path):
    x, y = small_texts()
    frame = pd.DataFrame({"review": x, "stars": y})
    classifier = small_classifier().fit(frame, columns=Columns(text="review", label="stars"), quiet=True)
    assert classifier.evaluate(frame)["accuracy"] >= 0.95
    broken = frame.assign(review=[None, *x[1:]])
    with pytest.raises(DataError, match="row 1: column 'review'"):
        classifier.predict(broken)


@pytest.mark.parametrize("data", [small_series, small_texts], ids=["series", "text"])
def test_baselines_predict(data):
    x, y = data(60)
    x_new, y_new = data(30, seed=1)
    assert (BASELINES["majority"](x, ["up", "up", *y[2:]], x_new) == "up").all() or data is small_texts
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    assert (BASELINES["logistic regression"](x, y, x_new) == np.array(y_new)).mean() >= 0.9
