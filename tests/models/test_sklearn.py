"""Models as scikit-learn's estimators."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sofie_jit
from sofie_jit import RModel
from sofie_jit.demo import MODEL_FILE, load_digits
from sofie_jit.errors import InputError, ShapeError
from sofie_jit.operators import Gemm, Sigmoid, Softmax

pytest.importorskip("sklearn")

from sklearn.base import clone, is_classifier, is_regressor
from sklearn.inspection import permutation_importance
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_checks
from sklearn.utils.validation import check_is_fitted

from sofie_jit.sklearn import InferenceClassifier, InferenceRegressor

NAMES = ["pt", "eta", "phi"]
W = np.array([[2.0, -1.0, 0.0], [0.5, 1.0, 0.0], [0.0, 0.0, 0.0]], np.float32)


def model(outputs: int, activation: Any = None) -> sofie_jit.Model:
    """``x @ W``, of which phi has no influence."""
    network = RModel("linear")
    network.add_input_tensor_info("x", "float32", (None, 3))
    network.add_initialized_tensor("w", W[:, :outputs])
    network.add_operator(Gemm(inputs=["x", "w"], outputs=["score" if activation is None else "h"]))
    if activation is not None:
        network.add_operator(activation(inputs=["h"], outputs=["score"]))
    network.add_output_tensor_names("score")
    return network.compile()


@pytest.fixture(scope="module")
def x() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(200, 3)).astype(np.float32)


def test_classifiers(x: np.ndarray) -> None:
    several = InferenceClassifier(model(3, Softmax), classes=["a", "b", "c"])
    logits = InferenceClassifier(model(3), classes=["a", "b", "c"], from_logits=True)
    np.testing.assert_allclose(several.predict_proba(x), logits.predict_proba(x), rtol=0, atol=1e-6)
    assert list(several.predict(x)) == [["a", "b", "c"][i] for i in (x @ W).argmax(axis=1)] == list(logits.predict(x))
    assert several.predict_proba(x[:0]).shape == (0, 3)
    two = InferenceClassifier(model(1, Sigmoid))
    assert list(two.classes_) == [0, 1]
    np.testing.assert_allclose(two.predict_proba(x).sum(axis=1), 1.0)
    np.testing.assert_array_equal(two.predict(x), (x @ W[:, :1])[:, 0] > 0)
    np.testing.assert_allclose(
        two.predict_proba(x), InferenceClassifier(model(1), from_logits=True).predict_proba(x), rtol=0, atol=1e-6
    )
    assert is_classifier(two)
    assert two.score(x, two.predict(x)) == 1.0
    with pytest.raises(InputError, match="are probabilities already: omit from_logits=True"):
        InferenceClassifier(sofie_jit.load(MODEL_FILE), from_logits=True).predict(load_digits().images.reshape(100, 64))
    with pytest.raises(InputError, match=r"row 0 is .*; from_logits=True applies"):
        InferenceClassifier(model(3)).predict(x)
    with pytest.raises(InputError, match="classes= has 2 labels, the model distinguishes 3 classes"):
        InferenceClassifier(model(3, Softmax), classes="ab").predict(x)


def test_regressors(x: np.ndarray) -> None:
    one, three = InferenceRegressor(model(1)), InferenceRegressor(model(3))
    assert is_regressor(one)
    np.testing.assert_array_equal(one.predict(x), one.model.infer(x)[:, 0])
    np.testing.assert_array_equal(three.predict(x), three.model.infer(x))
    assert one.score(x, one.predict(x)) == 1.0
    check_is_fitted(one)
    assert one.fit(x, None) is one
    for travelled in (clone(one), copy.deepcopy(one), pickle.loads(pickle.dumps(one))):
        np.testing.assert_array_equal(travelled.predict(x), one.predict(x))
    assert clone(one).model is one.model


def test_names_of_features(x: np.ndarray) -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(x, columns=NAMES, index=range(1000, 1200))
    regressor = InferenceRegressor(model(1), feature_names=NAMES)
    expected = regressor.predict(x)
    np.testing.assert_array_equal(regressor.predict(frame[["phi", "eta", "pt"]]), expected)
    assert list(regressor.feature_names_in_) == NAMES
    assert regressor.n_features_in_ == 3
    for wrong in (frame.rename(columns={"pt": "p"}), frame.assign(mass=0.0), frame[["pt", "eta"]]):
        with pytest.raises(InputError, match="column"):
            regressor.predict(wrong)
    known = model(1)
    known.columns = NAMES
    assert list(InferenceRegressor(known).feature_names_in_) == NAMES
    assert not hasattr(InferenceRegressor(model(1)), "feature_names_in_")
    with pytest.raises(ShapeError, match="X has 2 features, but InferenceRegressor is expecting 3 features"):
        regressor.predict(x[:, :2])
    out = clone(regressor).set_output(transform="pandas").transform(frame)
    assert list(out) == ["score"]
    assert list(out.index) == list(frame.index)
    np.testing.assert_array_equal(out["score"], expected)


def test_pipelines_and_importances(x: np.ndarray) -> None:
    scaled = make_pipeline(StandardScaler().fit(x), InferenceRegressor(model(1)))
    np.testing.assert_allclose(scaled.predict(x), scaled[0].transform(x) @ W[:, 0], rtol=0, atol=1e-5)
    regressor = InferenceRegressor(model(1))
    importance = permutation_importance(regressor, x, regressor.predict(x), n_repeats=3, random_state=0)
    pt, eta, phi = importance.importances_mean
    assert pt > eta > phi == 0.0


def test_models_that_are_no_estimators() -> None:
    network = RModel("two")
    network.add_input_tensor_info("a", "float32", (None, 3))
    network.add_input_tensor_info("b", "float32", (None, 3))
    network.add_operator(Gemm(inputs=["a", "w"], outputs=["y"]))
    network.add_initialized_tensor("w", W)
    network.add_output_tensor_names("y")
    with pytest.raises(InputError, match=r"the model has 2 inputs \(a, b\): use Model.predict"):
        InferenceRegressor(network.compile()).predict(np.zeros((1, 3)))
    del network.inputs["b"]
    network.add_operator(Sigmoid(inputs=["y"], outputs=["h"]))
    network.add_output_tensor_names("h")
    with pytest.raises(InputError, match=r"the model has 2 outputs \(y, h\): load\(..., outputs="):
        InferenceRegressor(network.compile()).fit()


@pytest.mark.parametrize("kind", [InferenceClassifier, InferenceRegressor])
def test_what_is_not_a_model(kind: Any, x: np.ndarray) -> None:
    for wrong, said in (
        ("m.h5", r"model= is str, expected a sofie_jit.Model: pass sofie_jit.load\('m.h5'\)"),
        (Path("m.h5"), r"pass sofie_jit.load\('m.h5'\)"),
        (StandardScaler(), r"model= is StandardScaler, .* pass sofie_jit.load\(...\) of a file or of a live model"),
        (None, "model= is NoneType"),
    ):
        estimator = clone(kind(wrong))
        assert not any(hasattr(estimator, name) for name in ("classes_", "n_features_in_", "feature_names_in_"))
        assert kind.__name__ in estimator._repr_html_()
        for call in (
            lambda: estimator.fit(x),  # noqa: B023
            lambda: estimator.predict(x),  # noqa: B023
            lambda: estimator.transform(x),  # noqa: B023
            lambda: estimator.get_feature_names_out(),  # noqa: B023
            lambda: make_pipeline(StandardScaler(), estimator).fit(x, x[:, 0]),  # noqa: B023
        ):
            with pytest.raises(InputError, match=said):
                call()


# checks of scikit-learn that apply to an estimator that is fitted already
CHECKS = (
    "check_no_attributes_set_in_init", "check_parameters_default_constructible", "check_get_params_invariance",
    "check_set_params", "check_estimator_get_tags_default_keys", "check_estimator_tags_renamed",
    "check_valid_tag_types", "check_estimator_repr", "check_dont_overwrite_attributes",
)  # fmt: skip


@pytest.mark.parametrize("name", CHECKS)
def test_checks_of_scikit_learn(name: str) -> None:
    check = getattr(estimator_checks, name, None)
    if check is None:
        pytest.skip("this version of scikit-learn has no such check")
    for estimator in (InferenceClassifier(model(3, Softmax)), InferenceRegressor(model(1))):
        check(type(estimator).__name__, estimator)
