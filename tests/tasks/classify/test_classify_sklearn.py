"""scikit-learn's conventions: its own checks where they apply, and its tools on series that it cannot read itself."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from holdfast.errors import ConfigError
from holdfast.tasks.classify import Classifier, SeriesSettings
from tests.tasks.classify.samples import small_classifier, small_series, small_texts

pytest.importorskip("sklearn", reason="scikit-learn is not installed")

ANY_LENGTH = "a row is a series, and series may have any length at each call"
EXPECTED = {
    "check_dont_overwrite_parameters": "fit sets model and result, which every estimator of Holdfast has",
    "check_do_not_raise_errors_in_init_or_set_params": "wrong settings are refused at once, not at the first fit",
    "check_n_features_in_after_fitting": ANY_LENGTH,
    "check_n_features_in": ANY_LENGTH,
    "check_classifiers_train": ANY_LENGTH + ", which its last part refuses",
    "check_class_weight_classifiers": "class_weight is none or balanced",
}


def test_estimator_checks_pass_but_for_those_listed():
    from sklearn.utils.estimator_checks import check_estimator

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        done = check_estimator(small_classifier(30, hidden_size=8), on_fail=None, expected_failed_checks=EXPECTED)
    failed = {check["check_name"]: repr(check["exception"]) for check in done if check["status"] == "failed"}
    assert failed == {}
    assert {check["check_name"] for check in done if check["status"] == "xfail"} == set(EXPECTED)
    assert sum(check["status"] == "passed" for check in done) >= 43


def test_an_unfitted_classifier_raises_our_error_and_scikit_learns():
    from sklearn.exceptions import NotFittedError
    from sklearn.utils.validation import check_is_fitted

    for kind in (NotFittedError, ConfigError):
        with pytest.raises(kind, match="not trained yet"):
            small_classifier().predict([[1.0, 2.0]])
    with pytest.raises(NotFittedError):
        check_is_fitted(small_classifier())
    check_is_fitted(small_classifier(2).fit(*small_series(8), quiet=True))


def test_labels_in_one_column_are_taken_with_scikit_learns_warning():
    from sklearn.exceptions import DataConversionWarning

    x, y = small_series(8)
    with pytest.warns(DataConversionWarning, match="column-vector"):
        classifier = small_classifier(2).fit(x, np.array(y)[:, None], quiet=True)
    assert classifier.classes_.tolist() == ["down", "up"]


def test_cross_validation_measures_and_predicts():
    from sklearn.model_selection import StratifiedKFold, cross_val_predict, cross_val_score

    x, y = small_series()
    folds = StratifiedKFold(3, shuffle=True, random_state=0)
    for scoring in ("accuracy", "f1_macro", "roc_auc", "neg_log_loss"):
        found = cross_val_score(small_classifier(40), x, y, cv=folds, scoring=scoring)
        assert len(found) == 3
        assert found.mean() > (0.9 if scoring != "neg_log_loss" else -0.5)
    chances = cross_val_predict(small_classifier(40), x, y, cv=folds, method="predict_proba")
    assert chances.shape == (len(x), 2)
    assert np.mean((chances[:, 1] > 0.5) == (np.array(y) == "up")) > 0.85


def test_settings_are_searched_inside_a_pipeline():
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import StandardScaler

    x = np.stack([row[:4, 0] for row in small_series()[0]])
    recurrent = small_classifier(30, series=SeriesSettings(convolution=0))  # the series have four steps
    steps = Pipeline([("scale", StandardScaler()), ("classify", recurrent)])
    grid = {"classify__cell": ["lstm+peephole", "gru"], "classify__train__learning_rate": [2e-2, 1e-6]}
    search = GridSearchCV(steps, grid, cv=2).fit(x, small_series()[1])
    assert search.best_params_["classify__train__learning_rate"] == 2e-2
    assert search.best_score_ > 0.8
    assert search.best_estimator_.predict_proba(x).shape == (60, 2)


def test_clone_copies_settings_but_nothing_learnt():
    from sklearn.base import clone, is_classifier

    classifier = small_classifier(2).fit(*small_series(), quiet=True)
    copy = clone(classifier)
    assert copy.get_params() == classifier.get_params()
    assert copy.model is None
    assert is_classifier(copy)


def test_nested_settings_are_set_by_name():
    classifier = Classifier().set_params(pooling="mean", train__learning_rate=0.5, text__units="bytes")
    params = classifier.get_params()
    assert (params["pooling"], params["train__learning_rate"], params["text__units"]) == ("mean", 0.5, "bytes")
    assert classifier.config.train.learning_rate == 0.5
    with pytest.raises(ConfigError, match="Invalid parameters"):
        classifier.set_params(depth=3)
    with pytest.raises(ConfigError, match="pooling"):
        classifier.set_params(pooling="sum")


@pytest.mark.parametrize("data", [small_series(), small_texts()], ids=["series", "text"])
def test_grid_search_and_pipeline_take_ragged_lists(data):
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer

    x, y = data
    grid = {"pooling": ["max", "mean"], "train__learning_rate": [2e-2, 1e-5]}
    search = GridSearchCV(small_classifier(25), grid, cv=2).fit(x, y)
    assert search.best_params_["train__learning_rate"] == 2e-2
    assert make_pipeline(FunctionTransformer(), small_classifier(40)).fit(x, y).score(x, y) >= 0.8
