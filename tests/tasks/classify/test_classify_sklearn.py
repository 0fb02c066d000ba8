"""scikit-learn's conventions: its own checks where they apply, and its tools on series that it cannot read itself."""

from __future__ import annotations

import warnings

import pytest

from holdfast.errors import ConfigError
from holdfast.tasks.classify import Classifier
from tests.tasks.classify.samples import small_classifier, small_series, small_texts

pytest.importorskip("sklearn", reason="scikit-learn is not installed")

ANY_LENGTH = "a row is a series, and series may have any length at each call"
EXPECTED = {
    "check_no_attributes_set_in_init": "an estimator of Holdfast has model and result from the start, None",
    "check_dont_overwrite_parameters": "fit sets model and result, which every estimator of Holdfast has",
    "check_do_not_raise_errors_in_init_or_set_params": "wrong settings are refused at once, not at the first fit",
    "check_estimators_unfitted": "raises our ConfigError, a ValueError, since scikit-learn need not be installed",
    "check_n_features_in_after_fitting": ANY_LENGTH,
    "check_n_features_in": ANY_LENGTH,
    "check_classifiers_train": ANY_LENGTH + ", which its last part refuses",
    "check_estimators_empty_data_messages": "our message names the example that has no steps",
    "check_supervised_y_2d": "labels in one column are taken without a warning",
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
    assert sum(check["status"] == "passed" for check in done) >= 35


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
