"""Models as scikit-learn's estimators under their public names; see :mod:`sofie_jit.models.sklearn`."""

from sofie_jit.models.sklearn import InferenceClassifier, InferenceRegressor

__all__ = ["InferenceClassifier", "InferenceRegressor"]
