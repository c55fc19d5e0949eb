"""The one rule for when a number is right, used by every comparison with Keras.

An output is right if it lies within 1e-6 of the output's scale (its largest magnitude) of Keras's, or if it is no
further from a float64 evaluation than twice Keras's own float32 error. The float64 evaluation is the model rebuilt in
Keras with every dtype of its config set to float64 and the weights copied. NaN and Inf must come out where Keras
gives them.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import numpy as np

import sofie_jit
from sofie_jit.frontends.base import leaves
from sofie_jit.frontends.keras.original import finalize, in_float64
from sofie_jit.verification.difference import TOLERANCE as ABSOLUTE
from sofie_jit.verification.difference import distance

__all__ = ["ABSOLUTE", "check", "check_file", "distance", "finalize", "in_float64", "leaves", "randomize"]


def check(got: Any, keras_model: Any, inputs: Any) -> None:
    """Asserts that ``got`` is what ``keras_model(inputs)`` should be, by the rule above."""
    want = leaves(_call(keras_model, inputs))
    results = leaves(got)
    assert [r.shape for r in results] == [w.shape for w in want]
    distances = [distance(g, w) for g, w in zip(results, want, strict=True)]
    if max(distances, default=0.0) <= ABSOLUTE:
        return
    exact = leaves(_call(in_float64(keras_model), inputs))
    for index, (g, w, e) in enumerate(zip(results, want, exact, strict=True)):
        ours, theirs = distance(g, e), distance(w, e)
        assert ours <= max(2 * theirs, ABSOLUTE), (
            f"output {index}: {ours:.2e} from float64, Keras {theirs:.2e}; {distances[index]:.2e} from Keras"
        )


def _call(model: Any, inputs: Any) -> Any:
    if isinstance(inputs, dict):
        inputs = {name: np.asarray(value) for name, value in inputs.items()}
    return _to_numpy(model(inputs, training=False))


def _to_numpy(structure: Any) -> Any:
    if isinstance(structure, dict):
        return {key: _to_numpy(value) for key, value in structure.items()}
    if isinstance(structure, (list, tuple)):
        return [_to_numpy(value) for value in structure]
    return np.asarray(structure)


def randomize(model: Any, seed: int = 0) -> Any:
    """Gives every weight of a Keras model a random value, so that no bias or statistic hides behind a default."""
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        name = getattr(weight, "path", weight.name)  # variables of Keras 2 have no path
        values = rng.normal(size=weight.shape) * (1 / np.sqrt(max(np.prod(weight.shape[:-1]), 1)))
        if "variance" in name:
            values = rng.uniform(0.5, 1.5, size=weight.shape)
        elif len(weight.shape) < 2:
            values = rng.normal(size=weight.shape) * 0.3 + ("gamma" in name)
        weight.assign(values.astype(getattr(weight.dtype, "as_numpy_dtype", weight.dtype)))
    return model


def check_file(model: Any, inputs: Any, directory: Path, suffix: str = ".h5", **options: Any) -> sofie_jit.Model:
    """Saves ``model``, loads the file, compares on ``inputs``; returns the loaded model."""
    path = directory / f"model{suffix}"
    model.save(path)
    loaded = sofie_jit.load(path, **options)
    check(loaded.infer(inputs), model, inputs)
    return loaded
