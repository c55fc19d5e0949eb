"""Models as estimators of scikit-learn that are fitted already: for pipelines, metrics, importances, calibration.

Needs scikit-learn: ``pip install scikit-learn``.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from sofie_jit.errors import InputError, MissingDependencyError, ShapeError, SofieError, counted
from sofie_jit.models.arguments import unpack
from sofie_jit.models.columns import arranged, is_frame
from sofie_jit.models.model import Model, loaded

try:
    from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, TransformerMixin
    from sklearn.utils.validation import check_array
except ImportError as error:
    raise MissingDependencyError(f"sofie_jit.sklearn needs scikit-learn: pip install scikit-learn ({error})") from error

ROUNDING = 1e-4
"""How far probabilities may lie outside 0 to 1, and their sum from 1."""


@contextlib.contextmanager
def _attribute() -> Iterator[None]:
    """An attribute that an estimator lacks, as those that are not fitted do, if its model cannot be used."""
    try:
        yield
    except SofieError as error:
        raise AttributeError(str(error)) from error


class _Inference(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """A model of one input and one output. ``fit`` changes nothing; clones share the model."""

    model: Model
    feature_names: Sequence[str] | None

    # -- what scikit-learn asks of a fitted estimator ------------------------------------------------------------

    def fit(self, X: Any = None, y: Any = None, **options: Any) -> _Inference:  # noqa: N803
        """Returns the estimator as it is: the network is trained already.

        Raises InputError if ``model`` is not a :class:`sofie_jit.Model` of one input and one output.
        """
        self._checked()
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def __sklearn_clone__(self) -> _Inference:
        return type(self)(**self.get_params(deep=False))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.requires_fit = False
        return tags

    def _more_tags(self) -> dict[str, Any]:  # scikit-learn before 1.6
        return {"allow_nan": True, "requires_fit": False}

    @property
    def n_features_in_(self) -> int:
        """The number of columns of ``X``: of numbers in a row of the model's input."""
        with _attribute():
            return math.prod(self._row_shape())

    @property
    def feature_names_in_(self) -> np.ndarray:
        """The names of the columns: ``feature_names``, or else those that the model knows (``Model.columns``)."""
        with _attribute():
            if (names := self._names()) is None:
                raise AttributeError("the names of the features are not known; pass feature_names=")
            return np.array(names, dtype=object)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """The names of the columns of :meth:`transform`: that of the output, numbered if it has several."""
        model = self._checked()
        name, count = model.output_names[0], math.prod(n or 1 for n in model.output_shapes[0][1:])
        return np.array([name] if count == 1 else [f"{name}_{i}" for i in range(count)], dtype=object)

    # -- evaluation ----------------------------------------------------------------------------------------------

    def transform(self, X: Any) -> np.ndarray:  # noqa: N803
        """The outputs of the network as a matrix. ``set_output(transform="pandas")`` makes it a data frame.

        Raises ShapeError for another number of columns, InputError for other names of columns.
        """
        return self._outputs(X)

    def _names(self) -> list[str] | None:
        known = self._checked().columns if self.feature_names is None else self.feature_names
        return None if known is None else list(known)

    def _checked(self) -> Model:
        """The model, which scikit-learn's estimators check in their methods, not when they are made.

        Raises InputError if it is not a model of one input and one output.
        """
        model = loaded(self.model)
        inputs, outputs = model.input_names, model.output_names
        if len(inputs) != 1:
            raise InputError(
                f"scikit-learn's estimators have one input X; the model has {counted(len(inputs), 'input')} "
                f"({', '.join(inputs)}): use Model.predict, or load a model that splits X into them itself"
            )
        if len(outputs) != 1:
            raise InputError(
                f"scikit-learn's estimators have one output; the model has {counted(len(outputs), 'output')} "
                f"({', '.join(outputs)}): load(..., outputs=[...]) selects one"
            )
        return model

    def _row_shape(self) -> tuple[int, ...]:
        """The shape of a row of the input."""
        row = self._checked().input_shapes[0][1:]
        if None in row:
            raise ShapeError(f"the model's input has open sizes, {row}; fix them with model.specialize")
        return tuple(size or 0 for size in row)

    def _outputs(self, X: Any) -> np.ndarray:  # noqa: N803
        row = self._row_shape()
        names = self._names()
        if names is not None and is_frame(X):
            X = arranged(X, {"X": names}, ["X"], exact=True)["X"]
        rows = check_array(X, dtype="numeric", ensure_min_samples=0, ensure_min_features=0, **_FINITE)
        if rows.shape[1] != self.n_features_in_:
            raise ShapeError(
                f"X has {counted(rows.shape[1], 'feature')}, but {type(self).__name__} is expecting "
                f"{counted(self.n_features_in_, 'feature')} as input"
            )
        found = self.model.infer(rows.reshape(len(rows), *row))
        (output,) = unpack(self.model.output_structure, found)
        return output.reshape(len(rows), math.prod(output.shape[1:]))


def _accepts_not_finite() -> dict[str, Any]:
    import inspect

    name = "ensure_all_finite"  # force_all_finite before scikit-learn 1.6
    return {name if name in inspect.signature(check_array).parameters else "force_all_finite": False}


_FINITE = _accepts_not_finite()


class InferenceClassifier(ClassifierMixin, _Inference):  # type: ignore[misc]
    """A trained network as a classifier.

    ``model``: a :class:`sofie_jit.Model` of one input and one output, with a probability for each class in a row, or
    the probability of the second of two classes.
    ``classes``: the labels of the classes, in the order of the outputs; by default 0, 1, ...
    ``from_logits``: whether the network ends before its softmax or sigmoid, which is then applied here.
    ``feature_names``: names of the columns of data frames, in the order of the input; by default ``model.columns``.

    ``X`` is a matrix or a data frame; rows of inputs with more axes, such as images, are flattened.

    >>> import sofie_jit
    >>> from sofie_jit.demo import MODEL_FILE, load_digits
    >>> images, labels, _ = load_digits()
    >>> classifier = InferenceClassifier(sofie_jit.load(MODEL_FILE))
    >>> round(classifier.score(images.reshape(100, 64), labels), 2) > 0.9
    True
    """

    def __init__(
        self,
        model: Model,
        *,
        classes: Sequence[Any] | None = None,
        from_logits: bool = False,
        feature_names: Sequence[str] | None = None,
    ):
        self.model = model
        self.classes = classes
        self.from_logits = from_logits
        self.feature_names = feature_names

    @property
    def classes_(self) -> np.ndarray:
        """The labels of the classes."""
        with _attribute():
            return self._labels()

    def _labels(self) -> np.ndarray:
        count = max(2, len(self.get_feature_names_out()))
        labels = np.arange(count) if self.classes is None else np.asarray(list(self.classes))
        if len(labels) != count:
            raise InputError(f"classes= has {counted(len(labels), 'label')}, the model distinguishes {count} classes")
        return labels

    def predict_proba(self, X: Any) -> np.ndarray:  # noqa: N803
        """The probability of each class for each row.

        Raises what :meth:`transform` raises, and InputError if the outputs are not probabilities, or if they are with
        ``from_logits``.
        """
        outputs = self._outputs(X).astype(np.float64)
        sums_to_one = abs(outputs.sum(1, keepdims=True) - 1) <= ROUNDING
        wrong = (outputs < -ROUNDING) | (outputs > 1 + ROUNDING) | ~sums_to_one
        if self.from_logits:
            if len(outputs) and outputs.shape[1] > 1 and not wrong.any():
                raise InputError("the outputs of the model are probabilities already: omit from_logits=True")
            if outputs.shape[1] == 1:
                outputs = np.concatenate([np.zeros_like(outputs), outputs], axis=1)
            exponentials = np.exp(outputs - outputs.max(axis=1, keepdims=True, initial=-np.inf))
            softmax: np.ndarray = exponentials / exponentials.sum(axis=1, keepdims=True)
            return softmax
        if outputs.shape[1] == 1:
            outputs = np.concatenate([1 - outputs, outputs], axis=1)
            wrong = (outputs < -ROUNDING) | (outputs > 1 + ROUNDING)
        if wrong.any():
            row = int(wrong.any(axis=1).argmax())
            raise InputError(
                f"the outputs of the model are not probabilities: row {row} is {outputs[row]}; from_logits=True "
                "applies the softmax or sigmoid that it lacks"
            )
        return outputs

    def predict(self, X: Any) -> np.ndarray:  # noqa: N803
        """The most probable class of each row."""
        labels: np.ndarray = self._labels()[self.predict_proba(X).argmax(axis=1)]
        return labels


class InferenceRegressor(RegressorMixin, _Inference):  # type: ignore[misc]
    """A trained network as a regressor.

    ``model``: a :class:`sofie_jit.Model` of one input and one output.
    ``feature_names``: names of the columns of data frames, in the order of the input; by default ``model.columns``.

    ``X`` is as for :class:`InferenceClassifier`.

    >>> import sofie_jit
    >>> from sofie_jit.demo import MODEL_FILE, load_digits
    >>> regressor = InferenceRegressor(sofie_jit.load(MODEL_FILE))
    >>> regressor.n_features_in_, regressor.predict(load_digits().images.reshape(100, 64)).shape
    (64, (100, 10))
    """

    def __init__(self, model: Model, *, feature_names: Sequence[str] | None = None):
        self.model = model
        self.feature_names = feature_names

    def predict(self, X: Any) -> np.ndarray:  # noqa: N803
        """The outputs of the network: one number per row, or a matrix if it has several."""
        outputs = self._outputs(X)
        return outputs[:, 0] if outputs.shape[1] == 1 else outputs
